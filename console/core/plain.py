"""A schedule as a form asks for it: every so long, daily, weekly, monthly, once, cron or by hand."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from console.core.cron import regular
from console.core.errors import Invalid
from console.core.reasons import Reason
from console.core.schedule import RANGES, Schedule
from console.core.states import Kind

UNITS = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
LONGEST = RANGES["every_seconds"][1]
MONTHLY = {"day": (1, 31), "hour": RANGES["hour"], "minute": RANGES["minute"]}


@dataclass(frozen=True)
class Plain:
    """The simplest words for a schedule; what doesn't belong to the type is None.

    `every` counts `unit`s, `weekday` is Monday 0 and `day` 1 to 31. `cron` is the expression of a cron, and
    that of a daily, weekly or monthly time for whoever wants to refine it.
    """

    type: str
    every: int | None = None
    unit: str | None = None
    hour: int | None = None
    minute: int | None = None
    weekday: int | None = None
    day: int | None = None
    at: datetime | None = None
    cron: str | None = None


def plain(schedule: Schedule) -> Plain:
    """The simplest form of a schedule: cron 15 9 * * * is daily at 9:15; what has no such form stays cron."""
    if schedule.kind is Kind.INTERVAL:
        return _every(schedule.every_seconds or 0)
    if schedule.kind is not Kind.CRON:
        return Plain(schedule.type, at=schedule.at)
    expression = schedule.expression
    found = regular(expression)
    if found is None:
        return Plain("cron", cron=expression)
    type_ = "weekly" if found.weekday is not None else "monthly" if found.day is not None else "daily"
    return Plain(
        type_,
        hour=found.hour,
        minute=found.minute,
        weekday=found.weekday,
        day=found.day,
        cron=expression,
    )


def _every(seconds: int) -> Plain:
    unit = next(unit for unit, size in UNITS.items() if seconds % size == 0)
    return Plain("every", every=seconds // UNITS[unit], unit=unit)


def schedule_of(plain: Plain) -> Mapping[str, object]:
    """The contract's shape, for `parse`, which checks what the shape has of the form's own fields.

    Raises `Invalid` that names the form's field for those that it hasn't: every, unit and a month's day.
    """
    if plain.type == "every":
        return {"type": "interval", "every_seconds": _seconds(plain)}
    if plain.type == "daily":
        return {"type": "daily", "hour": plain.hour, "minute": plain.minute}
    if plain.type == "weekly":
        return {"type": "weekly", "weekday": plain.weekday, "hour": plain.hour, "minute": plain.minute}
    if plain.type == "monthly":
        day, hour, minute = (_number(plain, name, *MONTHLY[name]) for name in ("day", "hour", "minute"))
        return {"type": "cron", "cron": f"{minute} {hour} {day} * *"}
    if plain.type == "cron":
        return {"type": "cron", "cron": plain.cron}
    return {"type": "once", "at": plain.at} if plain.type == "once" else {"type": plain.type}


def _seconds(plain: Plain) -> int:
    size = UNITS.get(plain.unit or "")
    if size is None:
        raise _invalid("unit", f"must be one of {', '.join(UNITS)}")
    return _number(plain, "every", 1, LONGEST // size) * size


def _number(plain: Plain, name: str, low: int, high: int) -> int:
    value = getattr(plain, name)
    if not isinstance(value, int) or not low <= value <= high:
        raise _invalid(name, f"must be a whole number from {low} to {high}")
    return value


def _invalid(field: str, text: str) -> Invalid:
    return Invalid(f"{field}: {text}", reason=Reason.INVALID_SCHEDULE, fields={field: [text]})
