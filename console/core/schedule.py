"""When a job is due: the six shapes of a schedule and the instants that they name."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from console.core.errors import Invalid
from console.core.reasons import Reason
from console.core.states import Kind

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
LONGEST_CRON = 200
RANGES = {"hour": (0, 23), "minute": (0, 59), "weekday": (0, 6), "every_seconds": (1, 366 * 86400)}
MANUAL = Schedule("manual")
SOME_DAY = datetime(2024, 1, 1, tzinfo=UTC)


def parse(shape: Mapping[str, object]) -> Schedule:
    """A schedule out of the contract's shape; raises `Invalid` that names the field and changes nothing."""
    type_ = shape.get("type")
    if not isinstance(type_, str) or type_ not in KINDS:
        raise _invalid("type", f"must be one of {', '.join(KINDS)}")
    values: dict[str, object] = {name: _field(name, shape.get(name)) for name in FIELDS[type_]}
    schedule = Schedule(type_, **values)  # type: ignore[arg-type]
    if schedule.kind is Kind.CRON:
        _check_cron(schedule)
    return schedule


def _field(name: str, value: object) -> object:
    if name == "cron":
        if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_CRON:
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


def _check_cron(schedule: Schedule) -> None:
    if len(schedule.expression.split()) != 5:
        raise _invalid("cron", "must have five fields: minute, hour, day of month, month, weekday")
    try:
        never = next(CronSim(schedule.expression, SOME_DAY), None) is None
    except CronSimError as error:
        if not _is_an_impossible_date(schedule.expression):
            raise _invalid("cron", str(error)) from error
        never = True
    if never:
        raise Invalid(
            "This never fires; make the job manual.",
            reason=Reason.NEVER_FIRES,
            fields={"cron": ["this never fires; make the job manual"]},
        )


def _is_an_impossible_date(expression: str) -> bool:
    """Whether day and month are each fine and only their meeting, such as 31 February, is not."""
    minute, hour, day, month, weekday = expression.split()
    try:
        CronSim(f"{minute} {hour} * {month} {weekday}", SOME_DAY)
        CronSim(f"{minute} {hour} {day} * {weekday}", SOME_DAY)
    except CronSimError:
        return False
    return True


def _invalid(field: str, text: str) -> Invalid:
    return Invalid(f"{field}: {text}", reason=Reason.INVALID_SCHEDULE, fields={field: [text]})


def first_slot(schedule: Schedule, zone: ZoneInfo, now: datetime) -> datetime | None:
    """The first slot of a schedule that takes effect at `now`; None for a manual one."""
    if schedule.kind is Kind.ONCE:
        return schedule.at
    return next_slot(schedule, zone, now)


def next_slot(schedule: Schedule, zone: ZoneInfo, after: datetime) -> datetime | None:
    """The slot that follows the slot `after`, in UTC; None when there is none.

    Intervals count from the previous slot, so they don't drift. Cron follows Debian's rule for
    daylight saving: a local time that doesn't exist runs once right after the jump, one that
    comes twice runs once.
    """
    if schedule.kind is Kind.INTERVAL:
        return after + timedelta(seconds=schedule.every_seconds or 0)
    if schedule.kind is not Kind.CRON:
        return None
    found = next(CronSim(schedule.expression, after.astimezone(zone)), None)
    return found.astimezone(UTC) if found else None


def describe(schedule: Schedule) -> str:
    """The schedule in words, such as `daily at 09:15` or `every 30 min`."""
    if schedule.type == "manual":
        return "only by hand"
    if schedule.type == "once":
        return "once"
    if schedule.type == "interval":
        return f"every {_span(schedule.every_seconds or 0)}"
    clock = f"{schedule.hour or 0:02}:{schedule.minute or 0:02}"
    if schedule.type == "daily":
        return f"daily at {clock}"
    if schedule.type == "weekly":
        return f"{WEEKDAYS[schedule.weekday or 0]}s at {clock}"
    return CronSim(schedule.expression, SOME_DAY).explain()


def _span(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
