"""When a job is due: the six shapes of a schedule and the instants that they name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim.explain import explain

from console.core.cron import Times, check_cron, regular, times
from console.core.cron_mistake import LONGEST
from console.core.errors import Invalid
from console.core.reasons import Reason
from console.core.states import Kind
from console.core.wall import DAY, SECOND, exists, instant, turn_back

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Schedule:
    """One shape of the contract: cron, interval, daily, weekly, once or manual.

    `every_seconds` is in seconds, `weekday` counts from Monday 0, `at` is an aware instant.
    """

    type: str
    cron: str | None = None
    every_seconds: int | None = None
    hour: int | None = None
    minute: int | None = None
    weekday: int | None = None
    at: datetime | None = None

    @property
    def kind(self) -> Kind:
        return KINDS[self.type]

    @property
    def expression(self) -> str:
        """The five-field cron expression of a cron, daily or weekly schedule (Sunday is 0 there)."""
        if self.type == "daily":
            return f"{self.minute} {self.hour} * * *"
        if self.type == "weekly":
            return f"{self.minute} {self.hour} * * {((self.weekday or 0) + 1) % 7}"
        return self.cron or ""

    def as_json(self) -> dict[str, object]:
        """The contract's shape, with the keys of this type alone."""
        shape: dict[str, object] = {"type": self.type}
        for name in FIELDS[self.type]:
            value = getattr(self, name)
            shape[name] = value.isoformat() if isinstance(value, datetime) else value
        return shape


KINDS = {
    "cron": Kind.CRON,
    "daily": Kind.CRON,
    "weekly": Kind.CRON,
    "interval": Kind.INTERVAL,
    "once": Kind.ONCE,
    "manual": Kind.MANUAL,
}
FIELDS: dict[str, tuple[str, ...]] = {
    "cron": ("cron",),
    "interval": ("every_seconds",),
    "daily": ("hour", "minute"),
    "weekly": ("weekday", "hour", "minute"),
    "once": ("at",),
    "manual": (),
}
YEARS = (1970, 2200)
RANGES = {"hour": (0, 23), "minute": (0, 59), "weekday": (0, 6), "every_seconds": (1, 366 * 86400)}
MANUAL = Schedule("manual")


def parse(shape: Mapping[str, object]) -> Schedule:
    """A schedule out of the contract's shape; raises `Invalid` that names the field and changes nothing."""
    type_ = shape.get("type")
    if not isinstance(type_, str) or type_ not in KINDS:
        raise _invalid("type", f"must be one of {', '.join(KINDS)}")
    values: dict[str, object] = {name: _field(name, shape.get(name)) for name in FIELDS[type_]}
    schedule = Schedule(type_, **values)  # type: ignore[arg-type]
    if schedule.cron is not None:
        check_cron(schedule.cron)
    return schedule


def _field(name: str, value: object) -> object:
    if name == "cron":
        if not isinstance(value, str) or not value.strip() or len(value) > LONGEST:
            raise _invalid("cron", "must be a cron expression of five fields, such as 15 9 * * 1-5")
        return " ".join(value.split())
    if name == "at":
        return _instant(value)
    low, high = RANGES[name]
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _invalid(name, f"must be a whole number from {low} to {high}")
    return value


def _instant(value: object) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise _invalid("at", "must be an ISO 8601 instant with its offset, such as 2030-01-31T09:15:00+07:00")
    if not YEARS[0] <= value.year <= YEARS[1]:
        raise _invalid("at", f"must lie in the years {YEARS[0]} to {YEARS[1]}")
    return value.astimezone(UTC)


def _invalid(field: str, text: str) -> Invalid:
    return Invalid(f"{field}: {text}", reason=Reason.INVALID_SCHEDULE, fields={field: [text]})


def first_slot(schedule: Schedule, zone: ZoneInfo, now: datetime) -> datetime | None:
    """The first slot of a schedule that takes effect at `now`; None for a manual one."""
    if schedule.kind is Kind.ONCE:
        return schedule.at
    return next_slot(schedule, zone, now)


def next_slot(schedule: Schedule, zone: ZoneInfo, after: datetime) -> datetime | None:
    """The slot that follows the instant `after`, in UTC; None when there is none.

    Intervals count from the previous slot, so they don't drift. Cron follows Debian's rule for
    daylight saving: a time that doesn't exist runs once right after the jump, one that comes twice
    runs the first time; with a `*` in front of minute or hour elapsed time counts instead, so that a
    time runs whenever the clock on the wall shows it.
    """
    if schedule.kind is Kind.INTERVAL:
        return after + timedelta(seconds=schedule.every_seconds or 0)
    if schedule.kind is not Kind.CRON:
        return None
    named = times(schedule.expression)
    return (_next_fixed if named.is_fixed else _next_elapsed)(named, zone, after)


def slot_after(schedule: Schedule, zone: ZoneInfo, slot: datetime, now: datetime) -> datetime | None:
    """The first slot after `now` of those that follow `slot`, which is past; an interval is not walked."""
    if schedule.kind is not Kind.INTERVAL:
        return next_slot(schedule, zone, now)
    every = timedelta(seconds=schedule.every_seconds or 0)
    return next_slot(schedule, zone, slot + (now - slot) // every * every)


def _next_fixed(named: Times, zone: ZoneInfo, after: datetime) -> datetime | None:
    wall = named.after(after.astimezone(zone))
    while wall is not None:
        at = instant(wall)
        if at > after:
            return at
        # A wall of the second pass of an overlap, where all were due in the first.
        wall = named.after(wall)
    return None


def _next_elapsed(named: Times, zone: ZoneInfo, after: datetime) -> datetime | None:
    local = after.astimezone(zone)
    wall = named.after(local)
    if wall is not None and not local.fold and wall - local < DAY:
        at = wall.astimezone(UTC)
        # The short way for nearly every slot: no turn lies between the two.
        if local.utcoffset() == wall.utcoffset() == at.astimezone(zone).utcoffset():
            return at
    back = turn_back(after, zone)
    if back is not None:
        if not local.fold:
            wall = named.after(back.wall - SECOND)
        if wall is not None and wall < back.overlap[1]:
            return back.at + (wall - back.wall)
    while wall is not None and not exists(wall):
        wall = named.after(wall)
    return instant(wall) if wall else None


@lru_cache(maxsize=4096)
def describe(schedule: Schedule) -> str:
    """The schedule in words, such as `daily at 09:15`, `monthly on the 3rd at 08:00` or `every 30 min`."""
    if schedule.kind is Kind.MANUAL:
        return "only by hand"
    if schedule.kind is Kind.ONCE:
        return "once"
    if schedule.kind is Kind.INTERVAL:
        return f"every {_span(schedule.every_seconds or 0)}"
    plain = regular(schedule.expression)
    if plain is None:
        return _explained(schedule.expression)
    clock = f"{plain.hour:02}:{plain.minute:02}"
    if plain.weekday is not None:
        return f"{WEEKDAYS[plain.weekday]}s at {clock}"
    if plain.day is not None:
        only = " (in months that have it)" if plain.day > 28 else ""
        return f"monthly on the {_ordinal(plain.day)} at {clock}{only}"
    return f"daily at {clock}"


def _explained(expression: str) -> str:
    """cronsim's words, with 21st for its 21th."""
    return re.sub(r"\b(\d+)th\b", lambda found: _ordinal(int(found[1])), explain(expression))


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}th" if number in (11, 12, 13) else f"{number}{ending}"


def _span(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
