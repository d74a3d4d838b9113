"""The parameters of an address, each read by its name; what can't be read is an `Invalid` that names it."""

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from enum import StrEnum
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from console.core.errors import Invalid

LONGEST = 200
LONGEST_CURSOR = 1000
DAY = re.compile(r"^\d{4}-\d{2}-\d{2}$", re.ASCII)
E = TypeVar("E", bound=StrEnum)


def check_names(args: Mapping[str, str], *known: str) -> None:
    """Raises `Invalid` that names the first parameter that is not known here."""
    for name in args:
        if name not in known:
            raise _wrong(
                name[:LONGEST].replace("\x00", ""), f"is not known here; known are {', '.join(known)}"
            )


def text(args: Mapping[str, str], name: str, longest: int = LONGEST) -> str | None:
    """Up to `longest` characters that can be searched for; None, as everywhere here, when it is left out."""
    value = args.get(name, "").strip()
    if len(value) > longest:
        raise _wrong(name, f"may have {longest} characters")
    if "\x00" in value:
        raise _wrong(name, "holds a character that can't be searched for")
    return value or None


def one_of(args: Mapping[str, str], name: str, values: type[E]) -> E | None:
    """One value of a closed set."""
    value = args.get(name, "").strip()
    if not value:
        return None
    try:
        return values(value)
    except ValueError:
        raise _wrong(name, f"must be one of {', '.join(values)}") from None


def day(args: Mapping[str, str], name: str) -> date | None:
    """A day in ISO 8601."""
    value = args.get(name, "").strip()
    if not value:
        return None
    if not DAY.match(value):
        raise _wrong(name, "must be a day like 2026-11-28")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise _wrong(name, "there is no such day") from None


def begin(day: date | None, zone: ZoneInfo) -> datetime | None:
    """The first instant of the day as the zone has it."""
    return datetime.combine(day, time.min, zone) if day else None


def end(day: date | None, zone: ZoneInfo) -> datetime | None:
    """The last instant of the day, also of one that has an hour twice."""
    return datetime.combine(day, time.max, zone).replace(fold=1) if day else None


def id_of(args: Mapping[str, str], name: str) -> UUID | None:
    """The id of a record."""
    value = args.get(name, "").strip()
    try:
        return UUID(value) if value else None
    except ValueError:
        raise _wrong(name, "is no id") from None


def flag(args: Mapping[str, str], name: str) -> bool:
    """Whether the parameter is set, which is 1 and nothing else."""
    value = args.get(name, "").strip()
    if value not in ("", "1"):
        raise _wrong(name, "must be 1, or left out")
    return value == "1"


def cursor(args: Mapping[str, str]) -> str | None:
    """Where a page of a list begins."""
    return text(args, "cursor", longest=LONGEST_CURSOR)


def cursor_of(args: Mapping[str, str], *also: str) -> str | None:
    """The cursor of a list without filters; raises `Invalid`, also for names that are not in `also`."""
    check_names(args, "cursor", *also)
    return cursor(args)


def job_id_of(args: Mapping[str, str]) -> UUID:
    """The id that can't be left out; raises `Invalid` that names `job`."""
    try:
        return UUID(args.get("job", ""))
    except ValueError:
        raise _wrong("job", "is no id") from None


def _wrong(name: str, text: str) -> Invalid:
    return Invalid(f"{name}: {text}", fields={name: [text]})
