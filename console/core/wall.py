"""What clocks on the wall show where they jump: walls that don't exist, and walls that come twice.

A "wall" is a local time with its zone and fold 0, whether it exists or not. Walls of one zone compare,
add and subtract as they read (PEP 495); instants are in UTC.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
NONE = timedelta(0)


@dataclass(frozen=True)
class Turn:
    """The instant at which the clocks jump; `wall` is the first one after it.

    `by` is how far they jump: positive over a gap, negative back over an overlap.
    """

    at: datetime
    wall: datetime
    by: timedelta

    @property
    def gap(self) -> tuple[datetime, datetime]:
        """Of a jump forward: the walls that don't exist, the end excluded."""
        return self.wall - self.by, self.wall

    @property
    def overlap(self) -> tuple[datetime, datetime]:
        """Of a jump back: the walls that come twice, the end excluded."""
        return self.wall, self.wall - self.by


def wall_at(at: datetime, zone: ZoneInfo) -> datetime:
    """The wall at an instant."""
    return at.astimezone(zone).replace(fold=0)


def exists(wall: datetime) -> bool:
    """Whether the clocks ever show this wall."""
    # In a gap the offset is still the one before the jump, and the instant already lies behind it.
    return wall.astimezone(UTC).astimezone(wall.tzinfo).utcoffset() == wall.utcoffset()


def comes_twice(wall: datetime) -> bool:
    """Whether the clocks show this wall, jump back, and show it again."""
    return _offset(wall) > _offset(wall.replace(fold=1))


def instant(wall: datetime) -> datetime:
    """The instant of a wall: the first of two, and the end of the jump for one that doesn't exist."""
    at = wall.astimezone(UTC)
    return at if exists(wall) else _skipping(wall).at


def _skipping(wall: datetime) -> Turn:
    """The jump that skips a wall."""
    zone, at = wall.tzinfo, wall.astimezone(UTC)
    assert isinstance(zone, ZoneInfo)  # noqa: S101 (a wall has its zone)
    return turn(zone, wall.replace(fold=1).astimezone(UTC), at)


def turn(zone: ZoneInfo, before: datetime, until: datetime) -> Turn:
    """The first turn after `before`, no later than `until`: the offsets of the two must differ."""
    old = _offset(before.astimezone(zone))
    low, high = 0, int((until - before) / SECOND)
    while high - low > 1:
        middle = (low + high) // 2
        moved = _offset((before + middle * SECOND).astimezone(zone)) != old
        low, high = (low, middle) if moved else (middle, high)
    at = before + high * SECOND
    return Turn(at, wall_at(at, zone), _offset(at.astimezone(zone)) - old)


def turn_back(at: datetime, zone: ZoneInfo) -> Turn | None:
    """The jump back whose two passes hold the instant; None when its wall comes once."""
    local = at.astimezone(zone).replace(microsecond=0)
    by = _offset(local.replace(fold=0)) - _offset(local.replace(fold=1))
    if by <= NONE:
        return None
    first = local.replace(fold=0).astimezone(UTC)
    return turn(zone, first, first + by)


def jump_to(at: datetime, zone: ZoneInfo) -> Turn | None:
    """The jump forward that ends exactly at the instant."""
    by = _offset(at.astimezone(zone)) - _offset((at - SECOND).astimezone(zone))
    return Turn(at, wall_at(at, zone), by) if by > NONE else None


def jumps(zone: ZoneInfo, after: datetime, until: datetime) -> list[Turn]:
    """The jumps forward later than `after` and no later than `until`."""
    found = (jump for year in range(after.year, until.year + 1) for jump in _jumps_of(zone, year))
    return [jump for jump in found if after < jump.at <= until]


@lru_cache(maxsize=2048)
def _jumps_of(zone: ZoneInfo, year: int) -> tuple[Turn, ...]:
    """The jumps forward of a year in UTC; two within a day of each other would hide each other."""
    days = [datetime(year, 1, 1, tzinfo=UTC) + number * DAY for number in range(367)]
    offsets = [_offset(day.astimezone(zone)) for day in days]
    pairs = zip(days, offsets, offsets[1:], strict=False)
    found = [turn(zone, day, day + DAY) for day, old, new in pairs if old < new]
    return tuple(jump for jump in found if jump.at.year == year)


def _offset(local: datetime) -> timedelta:
    return local.utcoffset() or NONE
