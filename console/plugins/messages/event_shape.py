"""What each field of an event may hold, for the page, the API and a file alike."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from console.core.errors import Invalid
from console.core.schedule import YEARS
from console.services import definitions
from console.services.changes import UNSET, Unset
from console.services.orgs import zone

LONGEST_NAME = 200
MOST_CREW = 100
NEEDED = ("name", "starts_at")
EARLIEST_LOAD_IN = timedelta(days=30)
CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


@dataclass(frozen=True)
class NewEvent:
    """An event to create; `timezone` is an IANA name, the org's when None. Instants are aware.

    `load_in_at` is None while unknown, `crew` are mail addresses.
    """

    name: str
    starts_at: datetime
    timezone: str | None = None
    venue: str = ""
    load_in_at: datetime | None = None
    contact_name: str = ""
    contact_email: str | None = None
    crew: Sequence[str] = ()


@dataclass(frozen=True)
class EventChange:
    """What an edit of an event wants; what is left `UNSET` stays as it is."""

    name: str | Unset = UNSET
    starts_at: datetime | Unset = UNSET
    timezone: str | Unset = UNSET
    venue: str | Unset = UNSET
    load_in_at: datetime | Unset | None = UNSET
    contact_name: str | Unset = UNSET
    contact_email: str | Unset | None = UNSET
    crew: Sequence[str] | Unset = UNSET

    @property
    def wanted(self) -> dict[str, Any]:
        """The fields that it sets."""
        given = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in given.items() if value is not UNSET}


@dataclass(frozen=True)
class Facts:
    """What an event says, checked: what the page edits, the trail keeps and a file compares."""

    name: str
    venue: str
    starts_at: datetime
    load_in_at: datetime | None
    timezone: str
    contact_name: str
    contact_email: str | None
    crew: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """As the trail and the API have it; instants with their offset from UTC."""
        return {name: as_json(getattr(self, name)) for name in NAMES}


NAMES = tuple(item.name for item in fields(Facts))


def as_json(value: Any) -> Any:
    """One field's value as JSON holds it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def differences(old: Facts, new: Facts) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The fields that differ, as JSON, before and after."""
    names = [name for name in NAMES if getattr(old, name) != getattr(new, name)]
    before, after = old.as_json(), new.as_json()
    return {name: before[name] for name in names}, {name: after[name] for name in names}


def checked_new(new: NewEvent, zone_name: str) -> Facts:
    """The facts of a new event; raises `Invalid` with every field that is wrong."""
    return checked_fields(vars(new), zone_name)


def checked_fields(given: Mapping[str, Any], zone_name: str) -> Facts:
    """As `checked_new`, of fields that may lack some: those that an event needs are refused as missing."""
    usual = {name: item.default for name, item in NewEvent.__dataclass_fields__.items() if name not in NEEDED}
    return _checked({**usual, **given, "timezone": given.get("timezone") or zone_name})


def checked_edit(old: Facts, change: EventChange) -> Facts:
    """The facts after an edit; raises `Invalid` with every field that is wrong."""
    return _checked({**vars(old), **change.wanted})


def _checked(given: Mapping[str, Any]) -> Facts:
    found: dict[str, Any] = {}
    wrong: dict[str, list[str]] = {}
    for name in NAMES:
        if name not in given:
            wrong[name] = ["is missing"]
            continue
        try:
            found[name] = CHECKS[name](given[name], name)
        except Invalid as error:
            wrong |= error.fields
    if not wrong.keys() & {"starts_at", "load_in_at"}:
        wrong |= _load_in_faults(found["starts_at"], found["load_in_at"])
    if wrong:
        said = "; ".join(f"{name}: {', '.join(texts)}" for name, texts in wrong.items())
        raise Invalid(f"{said}. Nothing was changed.", fields=wrong)
    return Facts(**found)


def _load_in_faults(starts_at: datetime, load_in_at: datetime | None) -> dict[str, list[str]]:
    if load_in_at is None:
        return {}
    if load_in_at > starts_at:
        return {"load_in_at": ["lies after the start; the load-in comes before it"]}
    if load_in_at < starts_at - EARLIEST_LOAD_IN:
        return {
            "load_in_at": [f"lies more than {EARLIEST_LOAD_IN.days} days before the start; check the date"]
        }
    return {}


def refused(name: str, text: str) -> Invalid:
    """The refusal of one field."""
    return Invalid(f"{name}: {text}", fields={name: [text]})


def _name(value: str, name: str) -> str:
    text = _line(value, name)
    if not text:
        raise refused(name, f"must have 1 to {LONGEST_NAME} characters")
    return text


def _line(value: str, name: str) -> str:
    """One line without blanks around it: it may stand in a mail's subject."""
    text = value.strip()
    if len(text) > LONGEST_NAME:
        raise refused(name, f"may have up to {LONGEST_NAME} characters, and has {len(text)}")
    if CONTROL.search(text):
        raise refused(name, "must be one line of plain text")
    return text


def _instant(value: datetime, name: str) -> datetime:
    if value.tzinfo is None:
        raise refused(name, "must have an offset from UTC")
    at = value.astimezone(UTC) if YEARS[0] - 1 <= value.year <= YEARS[1] + 1 else value
    if not YEARS[0] <= at.year <= YEARS[1]:
        raise refused(name, f"must lie in the years {YEARS[0]} to {YEARS[1]}")
    return at


def _instant_or_none(value: datetime | None, name: str) -> datetime | None:
    return None if value is None else _instant(value, name)


def _zone(value: str, name: str) -> str:
    zone(value.strip(), name)
    return value.strip()


def _address(value: str | None, name: str) -> str | None:
    try:
        return definitions.check_recipient(value)
    except Invalid as error:
        raise refused(name, ", ".join(error.fields["recipient"])) from None


def _crew(value: Sequence[str], name: str) -> tuple[str, ...]:
    """The addresses in their order; each of them is named that is none, or stands there twice."""
    found = [address.strip() for address in value if address.strip()]
    if len(found) > MOST_CREW:
        raise refused(name, f"may hold up to {MOST_CREW} addresses, and holds {len(found)}")
    texts = [f"{shown(address)} is not a mail address" for address in found if not _is_address(address)]
    folded = [address.casefold() for address in found]
    texts += [
        f"{shown(address)} stands there twice"
        for number, address in enumerate(found)
        if folded.index(folded[number]) < number
    ]
    if texts:
        raise Invalid(f"{name}: {'; '.join(texts)}", fields={name: list(dict.fromkeys(texts))})
    return tuple(found)


def _is_address(text: str) -> bool:
    try:
        return definitions.check_recipient(text) is not None
    except Invalid:
        return False


def shown(text: str) -> str:
    """Somebody's input in a sentence: short, and without what a terminal would obey."""
    clean = CONTROL.sub("?", text)
    return f"“{clean if len(clean) <= 60 else clean[:59] + '…'}”"


CHECKS: Mapping[str, Callable[[Any, str], Any]] = {
    "name": _name,
    "venue": _line,
    "starts_at": _instant,
    "load_in_at": _instant_or_none,
    "timezone": _zone,
    "contact_name": _line,
    "contact_email": _address,
    "crew": _crew,
}
