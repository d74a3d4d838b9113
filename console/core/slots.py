"""The next slots of a schedule, each with what daylight saving does to it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from zoneinfo import ZoneInfo

from console.core.cron import Times, times
from console.core.schedule import Schedule, next_slot
from console.core.states import Kind
from console.core.wall import DAY, SECOND, comes_twice, jump_to, jumps, wall_at

MOST_LISTED = 4
LOOK_BACK = timedelta(days=370)  # so far for lost times: a schedule of one day a year finds its last


class Mark(StrEnum):
    """What a jump of the clocks does to a slot."""

    SHIFTED = "shifted"
    REPEATED = "repeated"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Slot:
    """One slot as the preview shows it.

    `at` is in UTC, `local` in the schedule's zone, `note` a sentence for people that belongs to the mark.
    """

    at: datetime
    local: datetime
    mark: Mark | None
    note: str


def slots(schedule: Schedule, zone: ZoneInfo, first: datetime | None, count: int) -> list[Slot]:
    """Up to `count` slots from `first` on, exactly those that the scheduler decides on.

    Only cron carries marks: an interval counts elapsed time and a single instant names no local time.
    A slot has the same mark wherever the list begins.
    """
    found = list(islice(chain(schedule, zone, first), count))
    if schedule.kind is not Kind.CRON:
        return [_slot(zone, at, None, "") for at in found]
    named = times(schedule.expression)
    if named.is_fixed:
        return [_slot(zone, at, *_fixed(named, zone, at)) for at in found]
    since = [_since(schedule, zone, at) for at in found[:1]] + found[:-1]
    return [
        _slot(zone, at, *_elapsed(named, zone, before, at)) for before, at in zip(since, found, strict=True)
    ]


def chain(schedule: Schedule, zone: ZoneInfo, first: datetime | None) -> Iterator[datetime]:
    """The slots from `first` on, each found from the one before; without end for nearly every schedule."""
    at = first
    while at is not None:
        yield at
        at = next_slot(schedule, zone, at)


def _slot(zone: ZoneInfo, at: datetime, mark: Mark | None, note: str) -> Slot:
    return Slot(at.astimezone(UTC), at.astimezone(zone), mark, note)


def _since(schedule: Schedule, zone: ZoneInfo, first: datetime) -> datetime:
    """An instant between the first slot and the one before it: before all the jumps that lie there."""
    for jump in jumps(zone, first - LOOK_BACK, first):
        just_before = jump.at - SECOND
        if next_slot(schedule, zone, just_before) == first:
            return just_before
    return first


def _fixed(named: Times, zone: ZoneInfo, at: datetime) -> tuple[Mark | None, str]:
    """The mark of a schedule that means times on the wall."""
    wall = wall_at(at, zone)
    jump = jump_to(at, zone)
    missing = list(named.between(*jump.gap)) if jump else []
    if missing:
        return _told(missing, wall, met=named.has(wall))
    if comes_twice(wall):
        return Mark.REPEATED, f"{wall:%H:%M} comes twice on this day; it runs once, the first time."
    return None, ""


def _told(missing: Sequence[datetime], wall: datetime, *, met: bool) -> tuple[Mark, str]:
    """The mark of a slot that stands for missing times; `met` says that its own time is named too."""
    one = len(missing) == 1
    if met:
        runs = "it falls" if one else "they fall"
        return Mark.SKIPPED, f"{_lost(missing, wall)}; {runs} together with {wall:%H:%M}."
    runs = "it runs" if one else "they run together, once,"
    return Mark.SHIFTED, f"{_lost(missing, wall)}; {runs} right after the jump."


def _elapsed(named: Times, zone: ZoneInfo, since: datetime, at: datetime) -> tuple[Mark | None, str]:
    """The mark of a schedule that follows elapsed time; `since` is the slot before."""
    wall = wall_at(at, zone)
    missing = _missing(named, zone, max(since, at - LOOK_BACK), at)
    if missing:
        are = "is" if len(missing) == 1 else "are"
        return Mark.SKIPPED, f"{_lost(missing, wall)} and {are} left out."
    if comes_twice(wall):
        which = "second" if at.astimezone(zone).fold else "first"
        return (
            Mark.REPEATED,
            f"{wall:%H:%M} comes twice on this day; it runs both times, this is the {which}.",
        )
    return None, ""


def _missing(named: Times, zone: ZoneInfo, since: datetime, at: datetime) -> list[datetime]:
    """The named walls that the jumps between two instants skip."""
    if not _may_jump(zone, since, at):
        return []
    return [wall for jump in jumps(zone, since, at) for wall in named.between(*jump.gap)]


def _may_jump(zone: ZoneInfo, since: datetime, at: datetime) -> bool:
    """Whether a jump can lie between two instants; saves the search for those that are close."""
    far = at - since > DAY
    return far or at.astimezone(zone).utcoffset() != since.astimezone(zone).utcoffset()


def _lost(missing: Sequence[datetime], slot: datetime) -> str:
    """Such as `02:00 and 02:30 don't exist on this day`; a day other than the slot's is named."""
    day = missing[0]
    year = f" {day.year}" if day.year != slot.year else ""
    on = "this day" if day.date() == slot.date() else f"{day.day} {day:%B}{year}"
    return f"{_listed(missing)} {'does' if len(missing) == 1 else 'do'}n't exist on {on}"


def _listed(missing: Sequence[datetime]) -> str:
    clocks = [f"{wall:%H:%M}" for wall in missing]
    if len(clocks) > MOST_LISTED:
        return f"{len(clocks)} times from {clocks[0]} to {clocks[-1]}"
    return " and ".join(part for part in (", ".join(clocks[:-1]), clocks[-1]) if part)
