"""What a draft's times say: the contract's shape, or what is wrong with which field."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from console.core.errors import Invalid
from console.core.local_time import Twice, instant_of, twice_of
from console.core.plain import UNITS, Plain, schedule_of
from console.core.reasons import Reason
from console.services.orgs import zone
from console.web.drafts import TYPES, Draft

CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(:00)?", re.ASCII)
WHOLE = re.compile(r"\d{1,9}", re.ASCII)


def shape(draft: Draft) -> Mapping[str, Any]:
    """The contract's shape; raises `Invalid` that names the form's field."""
    if draft.type not in TYPES:
        raise invalid("type", "choose one of the list")
    given: dict[str, Any] = {"type": draft.type}
    for reader in READERS.get(draft.type, ()):
        given |= reader(draft)
    return schedule_of(Plain(**given))


def _every(draft: Draft) -> dict[str, Any]:
    return {"every": whole(draft.every, "every"), "unit": draft.unit}


def _clock(draft: Draft) -> dict[str, Any]:
    found = CLOCK.fullmatch(draft.time)
    if not found:
        raise invalid("time", "choose a time of day, such as 09:15")
    return {"hour": int(found[1]), "minute": int(found[2])}


def _weekday(draft: Draft) -> dict[str, Any]:
    return {"weekday": whole(draft.weekday, "weekday")}


def _day(draft: Draft) -> dict[str, Any]:
    return {"day": whole(draft.day, "day")}


def _cron(draft: Draft) -> dict[str, Any]:
    return {"cron": draft.cron}


def _at(draft: Draft) -> dict[str, Any]:
    place = zone(draft.timezone)
    try:
        return {"at": instant_of(draft.at, place, int(draft.fold == "1"))}
    except ValueError as error:
        raise invalid("at", str(error)) from None


READERS: Mapping[str, tuple[Callable[[Draft], dict[str, Any]], ...]] = {
    "every": (_every,),
    "daily": (_clock,),
    "weekly": (_weekday, _clock),
    "monthly": (_day, _clock),
    "once": (_at,),
    "cron": (_cron,),
}


def twice(draft: Draft) -> Twice | None:
    """Which of two instants a once is to ask for; None when there is one, or none that can be read."""
    if draft.type != "once":
        return None
    try:
        return twice_of(draft.at, zone(draft.timezone))
    except Invalid:
        return None


def seconds(text: str, unit: str, name: str) -> int | None:
    """A number and its unit; None for nothing. Raises `Invalid` that names the field."""
    if not text:
        return None
    if unit not in UNITS:
        raise invalid(name, f"must count {', '.join(UNITS)}")
    return whole(text, name) * UNITS[unit]


def whole(text: str, name: str) -> int:
    if not WHOLE.fullmatch(text):
        raise invalid(name, "must be a whole number")
    return int(text)


def invalid(name: str, text: str) -> Invalid:
    """The refusal of one field."""
    return Invalid(f"{name}: {text}", reason=Reason.INVALID_SCHEDULE, fields={name: [text]})
