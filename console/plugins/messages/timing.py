"""When a message of one type about one event goes out, and why not on the day that its lead says."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from console.core import wall
from console.core.states import MessageType
from console.plugins.messages.views import EventView, TypePreference, WeekendRule

DAY = timedelta(days=1)
FRIDAY, SATURDAY = 4, 5
WEEK = 7


class Shift(StrEnum):
    """Why a message goes out on another day than its lead says; the value ends a sentence."""

    PREVIOUS_FRIDAY = "the weekend rule puts it on the Friday before"
    NEXT_MONDAY = "the weekend rule puts it on the Monday after"
    FRIDAY_INSTEAD = "the Friday before, since by the Monday after the event would have begun"
    MONDAY_INSTEAD = "the Monday after, since on the Friday before the event would not have begun"
    BEFORE_START = "a day earlier, since at that hour the event would have begun"
    AFTER_START = "a day later, since at that hour the event would not have begun"


@dataclass(frozen=True)
class Timing:
    """The instant at which a message goes out, in UTC; `day` is what its lead says, `shifts` moved it off."""

    at: datetime
    day: date
    shifts: tuple[Shift, ...] = ()


def timing(event: EventView, preference: TypePreference, rule: WeekendRule) -> Timing:
    """Counts days on the calendar of the event's zone; a wall that does not exist there is its jump's end.

    What is meant to come before the event never comes after its start, and what follows up never
    comes before; the weekend rule gives way to that, but never to a Saturday or Sunday.
    """
    zone = ZoneInfo(event.timezone)
    days = _Days(event.starts_at, zone, preference)
    meant = event.starts_at.astimezone(zone).date() + preference.lead_days * DAY
    day, first = _beyond_start(days, meant)
    day, second = _off_weekend(days, day, rule)
    return Timing(days.instant(day), meant, tuple(shift for shift in (first, second) if shift))


@dataclass(frozen=True)
class _Days:
    """Whether a day will do for one message: `is_fit` asks it of the send time on that day."""

    starts_at: datetime
    zone: ZoneInfo
    preference: TypePreference

    @property
    def is_before(self) -> bool:
        """Whether the message is meant to come before the event."""
        return self.preference.message_type is not MessageType.FOLLOW_UP

    def instant(self, day: date) -> datetime:
        return wall.instant(datetime.combine(day, self.preference.send_time, tzinfo=self.zone))

    def is_fit(self, day: date) -> bool:
        at = self.instant(day)
        return at < self.starts_at if self.is_before else at > self.starts_at


def _beyond_start(days: _Days, day: date) -> tuple[date, Shift | None]:
    """The day itself, or the nearest on the right side of the start."""
    if days.is_fit(day):
        return day, None
    step, shift = (-DAY, Shift.BEFORE_START) if days.is_before else (DAY, Shift.AFTER_START)
    while not days.is_fit(day):
        day += step
    return day, shift


def _off_weekend(days: _Days, day: date, rule: WeekendRule) -> tuple[date, Shift | None]:
    if rule is WeekendRule.NONE or day.weekday() < SATURDAY:
        return day, None
    friday = day - (day.weekday() - FRIDAY) * DAY
    monday = day + (WEEK - day.weekday()) * DAY
    if rule is WeekendRule.PREVIOUS_FRIDAY:
        if days.is_fit(friday):
            return friday, Shift.PREVIOUS_FRIDAY
        return monday, Shift.MONDAY_INSTEAD
    return (monday, Shift.NEXT_MONDAY) if days.is_fit(monday) else (friday, Shift.FRIDAY_INSTEAD)
