"""How many slots fall into each minute: what the load of the next hours looks like."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from zoneinfo import ZoneInfo

from console.core.schedule import Schedule, next_slot
from console.core.slots import chain
from console.core.states import Kind

MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)


def hits(
    schedule: Schedule, zone: ZoneInfo, first: datetime, start: datetime, end: datetime
) -> Mapping[datetime, int]:
    """How many slots, of `first` and those that follow it, lie in each minute of [start, end).

    The keys are whole minutes in UTC, those without a slot left out.
    """
    if schedule.kind is Kind.INTERVAL:
        return _interval(timedelta(seconds=schedule.every_seconds or 0), first, start, end)
    if schedule.kind is not Kind.CRON:
        return {_minute(first): 1} if start <= first < end else {}
    found = {at: 1 for at in _cron(schedule, zone, start, end) if at > first}
    if start <= first < end:
        found[_minute(first)] = found.get(_minute(first), 0) + 1
    return found


def _interval(every: timedelta, first: datetime, start: datetime, end: datetime) -> dict[datetime, int]:
    """Counted, not walked: an interval of a second has 86,400 slots a day."""
    passed = max(0, -((first - start) // every))
    due = first + passed * every
    found: dict[datetime, int] = {}
    while due < end:
        minute = _minute(due)
        count = -((due - min(minute + MINUTE, end)) // every)
        found[minute] = count
        due += count * every
    return found


@lru_cache(maxsize=512)
def _cron(schedule: Schedule, zone: ZoneInfo, start: datetime, end: datetime) -> tuple[datetime, ...]:
    """The slots in [start, end), the same for each job with this schedule."""
    following = next_slot(schedule, zone, start - MICROSECOND)
    return tuple(takewhile(lambda at: at < end, chain(schedule, zone, following)))


def _minute(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)
