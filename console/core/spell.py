"""A schedule over the time in which it was in force: its slots in a minute, and the ones beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from console.core.schedule import Schedule, next_slot
from console.core.slots import Slot, chain, slots
from console.core.states import Kind

LISTED = 100
MICROSECOND = timedelta(microseconds=1)
GRACE = timedelta(minutes=5)
STEPS = tuple(timedelta(hours=hours) for hours in (1, 24, 24 * 9, 24 * 63, 24 * 400, 24 * 366 * 9))
"""How far to look back for the slot before: where one step has none, the next one holds few."""


@dataclass(frozen=True)
class Spell:
    """A schedule that was in force after `since` and until `until` (None: it still is).

    What comes due at the very instant of an edit belongs to the definition before it. `anchor` is one
    slot of an interval, which counts from slot to slot.
    """

    schedule: Schedule
    zone: ZoneInfo
    since: datetime
    until: datetime | None
    anchor: datetime

    def within(self, start: datetime, end: datetime) -> list[datetime]:
        """Its slots from `start` on and before `end`, at most 100."""
        first = self._from(max(start, self._begin))
        ends = min(end, self.until + MICROSECOND) if self.until else end
        found = takewhile(lambda slot: slot < ends, chain(self.schedule, self.zone, first))
        return [slot for slot, _ in zip(found, range(LISTED), strict=False)]

    def after(self, at: datetime) -> datetime | None:
        """Its first slot after an instant, if it was still in force then."""
        found = self._from(max(at + MICROSECOND, self._begin))
        return found if found and (self.until is None or found <= self.until) else None

    def before(self, at: datetime) -> datetime | None:
        """Its last slot before an instant."""
        found = self._last(min(at, self.until + MICROSECOND) if self.until else at)
        return found if found and found >= self._begin else None

    def _from(self, at: datetime) -> datetime | None:
        """The first slot at an instant or after it, whatever was in force."""
        if self.schedule.kind is Kind.ONCE:
            return self.schedule.at if self.schedule.at and self.schedule.at >= at else None
        if self.schedule.kind is Kind.INTERVAL:
            return self.anchor + self._every * -((self.anchor - at) // self._every)
        return next_slot(self.schedule, self.zone, at - MICROSECOND)

    def _last(self, at: datetime) -> datetime | None:
        if self.schedule.kind is Kind.ONCE:
            return self.schedule.at if self.schedule.at and self.schedule.at < at else None
        if self.schedule.kind is Kind.INTERVAL:
            return self.anchor + self._every * ((at - MICROSECOND - self.anchor) // self._every)
        return self._last_named(at) if self.schedule.kind is Kind.CRON else None

    def _last_named(self, at: datetime) -> datetime | None:
        for step in STEPS:
            begin = max(at - step, datetime.min.replace(tzinfo=UTC) + step)
            found = takewhile(lambda slot: slot < at, self._chain(begin))
            last = None
            for last in found:  # noqa: B007 (the last one is meant)
                pass
            if last is not None or begin < self.since:
                return last
        return None

    def _chain(self, begin: datetime) -> Iterator[datetime]:
        return chain(self.schedule, self.zone, next_slot(self.schedule, self.zone, begin))

    @property
    def _begin(self) -> datetime:
        """From when on it may have slots; a message may be moved to an instant that has just passed."""
        is_once = self.schedule.kind is Kind.ONCE
        return self.since - GRACE if is_once else self.since + MICROSECOND

    @property
    def _every(self) -> timedelta:
        return timedelta(seconds=self.schedule.every_seconds or 1)

    def marked(self, slot: datetime) -> Slot:
        """One slot with what daylight saving does to it."""
        return slots(self.schedule, self.zone, slot, 1)[0]
