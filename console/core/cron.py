"""The five fields of a cron expression: where a mistake lies, and which times on the wall they name."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from cronsim import CronSim, CronSimError

from console.core.cron_mistake import Mistake, mistake, words
from console.core.errors import Invalid
from console.core.reasons import Reason

__all__ = ["Mistake", "Regular", "Times", "check_cron", "mistake", "regular", "times"]

SOME_DAY = datetime(2024, 1, 1, tzinfo=UTC)
ONE_DAY = timedelta(days=1)
ONE_MINUTE = timedelta(minutes=1)
LONGEST_WAIT = 50  # years, as in cronsim: the 29th of February on a given weekday takes 40 at the most
LAST_YEAR = 9998  # the year after it ends datetime's calendar


def check_cron(expression: str) -> None:
    """Raises `Invalid` with the place of the mistake, or with NEVER_FIRES for a date that never comes."""
    wrong = mistake(expression)
    if wrong:
        text = words(expression, wrong)
        raise Invalid(f"cron: {text}", reason=Reason.INVALID_SCHEDULE, fields={"cron": [text]})
    if not _fires(expression):
        raise Invalid(
            "This never fires; make the job manual.",
            reason=Reason.NEVER_FIRES,
            fields={"cron": ["this never fires; make the job manual"]},
        )


@lru_cache(maxsize=2048)
def _fires(expression: str) -> bool:
    try:
        return times(expression).after(SOME_DAY.replace(tzinfo=None)) is not None
    except CronSimError:
        # What is left after `mistake` is a day that none of the months has.
        return False


class Times:
    """The walls that an expression names: parsed once by cronsim, then searched as often as asked.

    The search is our own, since cronsim's loses walls where clocks jump by half an hour and can
    name a wall that doesn't exist; it knows nothing of zones and leaves jumps to `schedule`.
    """

    def __init__(self, expression: str) -> None:
        self._fields = CronSim(expression, SOME_DAY)
        self._expression = expression
        self.minutes = tuple(sorted(self._fields.minutes))
        self.hours = tuple(sorted(self._fields.hours))
        self._first = time(self.hours[0], self.minutes[0])
        weekdays = [day % 7 for day in self._fields.weekdays if isinstance(day, int)]
        # Sunday 0; None when the field also has forms such as MON#2 or 5L.
        has_more = len(weekdays) < len(self._fields.weekdays)
        self.weekdays = None if has_more else tuple(sorted(set(weekdays)))
        minute, hour, *_ = expression.split()
        self.is_fixed = not minute.startswith("*") and not hour.startswith("*")

    def has(self, wall: datetime) -> bool:
        """Whether the expression names this wall."""
        return self.after(wall - ONE_MINUTE) == wall

    def after(self, wall: datetime) -> datetime | None:
        """The first named wall later than this one, of the same zone; None when there is none in 50 years."""
        today = wall.date()
        if _next_day(self._expression, today) == today:
            later = self._later(wall.hour, wall.minute)
            if later:
                return datetime.combine(today, later, wall.tzinfo)
        day = _next_day(self._expression, today + ONE_DAY) if today.year <= LAST_YEAR else None
        return datetime.combine(day, self._first, wall.tzinfo) if day else None

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The named walls from `start` on and before `end`, in their order."""
        wall = self.after(start - ONE_MINUTE)
        while wall is not None and wall < end:
            yield wall
            wall = self.after(wall)

    def _later(self, hour: int, minute: int) -> time | None:
        """The first time of a day after hour:minute."""
        at = bisect_left(self.hours, hour)
        if at < len(self.hours) and self.hours[at] == hour:
            if minute < self.minutes[-1]:
                return time(hour, self.minutes[bisect_left(self.minutes, minute + 1)])
            at += 1
        return time(self.hours[at], self.minutes[0]) if at < len(self.hours) else None

    def first_day(self, day: date) -> date | None:
        """The first day from `day` on that the last three fields name."""
        last = min(day.year + LONGEST_WAIT, LAST_YEAR)
        while day.year <= last:
            if day.month not in self._fields.months:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
            elif self._fields.match_day(day):
                return day
            else:
                day += ONE_DAY
        return None


@lru_cache(maxsize=2048)
def times(expression: str) -> Times:
    """The times of a correct expression of five fields; raises CronSimError for any other."""
    return Times(expression)


@lru_cache(maxsize=16384)
def _next_day(expression: str, day: date) -> date | None:
    return times(expression).first_day(day)


@dataclass(frozen=True)
class Regular:
    """One time a day, a week or a month; `weekday` counts from Monday 0, `day` from 1."""

    hour: int
    minute: int
    weekday: int | None = None
    day: int | None = None


@lru_cache(maxsize=2048)
def regular(expression: str) -> Regular | None:
    """The expression as a daily, weekly or monthly time; None when it says anything else."""
    minute, hour, day, month, weekday = expression.upper().split()
    found = times(expression)
    if not (minute.isdigit() and hour.isdigit() and month == "*"):
        return None
    clock = found.hours[0], found.minutes[0]
    if day == weekday == "*":
        return Regular(*clock)
    if day == "*" and weekday in WEEKDAYS:
        return Regular(*clock, weekday=WEEKDAYS[weekday])
    if day.isdigit() and weekday == "*":
        return Regular(*clock, day=int(day))
    return None


NAMES = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
WEEKDAYS = {name: number for number, name in enumerate(NAMES)}
WEEKDAYS |= {str((number + 1) % 7): number for number in range(7)} | {"7": 6}
