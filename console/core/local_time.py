"""A date and a time as a person types them, meant on the clocks of a zone."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from console.core.wall import comes_twice, exists, instant

LOCAL = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?", re.ASCII)


@dataclass(frozen=True)
class Twice:
    """A local time that comes twice, and what to call each of the two."""

    text: str
    first: str
    second: str


def wall_of(text: str, place: ZoneInfo) -> datetime:
    """What the clocks show at `2030-01-31T09:15`; raises ValueError that says what is wrong."""
    if not LOCAL.fullmatch(text):
        raise ValueError("choose a date and a time")
    try:
        return datetime.fromisoformat(text).replace(tzinfo=place)
    except ValueError:
        raise ValueError("there is no such date") from None


def instant_of(text: str, place: ZoneInfo, fold: int = 0) -> datetime:
    """The instant in UTC; of a time that comes twice the first, or with `fold` 1 the second.

    Raises ValueError that says what is wrong, also for a time that the clocks leap over.
    """
    wall = wall_of(text, place)
    try:
        if not exists(wall):
            raise ValueError(_missing(wall))
        return wall.replace(fold=int(bool(fold) and comes_twice(wall))).astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the calendar") from None


def twice_of(text: str, place: ZoneInfo) -> Twice | None:
    """Which of two instants is to be asked for; None when there is one, or none that can be read."""
    try:
        wall = wall_of(text, place)
        if not comes_twice(wall):
            return None
    except (ValueError, OverflowError):
        return None
    offsets = [wall.replace(fold=fold).strftime("%z") for fold in (0, 1)]
    first, second = (f"UTC{offset[:3]}:{offset[3:5]}" for offset in offsets)
    said = f"{wall:%H:%M} comes twice on this day, for the clocks go back."
    return Twice(said, f"the first time, {first}", f"the second time, {second}")


def _missing(wall: datetime) -> str:
    """What to say of a time that the clocks leap over."""
    after = instant(wall).astimezone(wall.tzinfo)
    return (
        f"{wall:%H:%M} doesn't exist on {wall.day} {wall:%B %Y} in {wall.tzinfo}: the clocks leap forward "
        f"to {after:%H:%M}; choose another time"
    )
