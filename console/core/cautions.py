"""What may be meant but should be seen before it is saved; a caution never refuses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from console.core.cron import times
from console.core.schedule import Schedule
from console.core.slots import Slot
from console.core.spans import span_text
from console.core.states import Kind
from console.core.wall import wall_at

OFTEN = timedelta(minutes=5)
LOOKED_AT = 600
MOST_NAMED = 3


class CautionCode(StrEnum):
    """What a caution is about."""

    TOO_OFTEN = "TOO_OFTEN"
    SAME_MINUTE = "SAME_MINUTE"
    ALREADY_DUE = "ALREADY_DUE"
    RULE = "RULE"


@dataclass(frozen=True)
class Caution:
    """One sentence for whoever is about to save."""

    code: CautionCode
    text: str


def too_often(schedule: Schedule, zone: ZoneInfo, now: datetime) -> Caution | None:
    """A caution about slots less than 5 minutes apart."""
    gap = _smallest_gap(schedule, wall_at(now, zone).replace(second=0, microsecond=0))
    if gap is None or gap >= OFTEN:
        return None
    text = f"Slots come as little as {span_text(gap)} apart; a longer run is in the way of the next one."
    return Caution(CautionCode.TOO_OFTEN, text)


@lru_cache(maxsize=1024)
def _smallest_gap(schedule: Schedule, since: datetime) -> timedelta | None:
    """The least time between two of the next slots; a jump of the clocks, twice a year, doesn't count."""
    if schedule.kind is Kind.INTERVAL:
        return timedelta(seconds=schedule.every_seconds or 0)
    if schedule.kind is not Kind.CRON:
        return None
    named = times(schedule.expression)
    shown: list[datetime] = []
    following = named.after(since)
    while following is not None and len(shown) < LOOKED_AT:
        shown.append(following)
        following = named.after(following)
    return min((later - earlier for earlier, later in pairwise(shown)), default=None)


def same_minute(mine: Sequence[Slot], others: Sequence[tuple[str, Sequence[datetime]]]) -> Caution | None:
    """A caution about other jobs of the same task that are due in the same minute as one of these slots."""
    minutes = {_minute(slot.at): slot.local for slot in reversed(mine)}
    met = [(name, minutes[hit]) for name, due in others if (hit := _first_hit(minutes, due)) is not None]
    if not met:
        return None
    named = ", ".join(f"“{name}” on {_when(local)}" for name, local in met[:MOST_NAMED])
    more = f" and {len(met) - MOST_NAMED} more" if len(met) > MOST_NAMED else ""
    return Caution(CautionCode.SAME_MINUTE, f"Due in the same minute, of the same task: {named}{more}.")


def _first_hit(minutes: dict[datetime, datetime], due: Sequence[datetime]) -> datetime | None:
    return min((minute for at in due if (minute := _minute(at)) in minutes), default=None)


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _when(local: datetime) -> str:
    return f"{local.day} {local:%B %Y} at {local:%H:%M}"
