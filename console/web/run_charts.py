"""Where the bars of the figures stand: in percent of the page's width, and in pixels of height."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from console.core.states import RunState
from console.services.run_figures import Day, Spread

HEIGHT = 72
LOWEST = 2
SHARE = 0.76
LABELS = 7
"""About so many days have their label; more have no room."""

Link = Callable[[date, RunState | None], str]
"""The address of the runs of one day, and of one state."""


@dataclass(frozen=True)
class Segment:
    """A part of a stacked bar, `y` and `height` in pixels from the top of the chart."""

    state: RunState
    count: int
    y: int
    height: int
    url: str


@dataclass(frozen=True)
class Column:
    """One day: `left`, `middle` and `width` in percent of the chart's width.

    `segments` lie upon each other from the ground up; `p50` and `p95` are heights in pixels.
    """

    day: date
    label: str | None
    left: float
    middle: float
    width: float
    url: str
    segments: Sequence[Segment] = ()
    spread: Spread | None = None
    p50: int = 0
    p95: int = 0


@dataclass(frozen=True)
class Chart:
    """The columns in their order; `most` is what the highest one stands for."""

    columns: Sequence[Column]
    most: float


def outcomes(days: Sequence[Day], zone: ZoneInfo, link: Link) -> Chart:
    """The runs of each day, by what became of them."""
    most = max((day.runs for day in days), default=0)
    return Chart([_outcome(day, place, len(days), most, zone, link) for place, day in enumerate(days)], most)


def _outcome(day: Day, place: int, count: int, most: int, zone: ZoneInfo, link: Link) -> Column:
    where = _date(day.period.since, zone)
    base = _column(where, place, count, link)
    return replace(base, segments=_segments(day.states, most, lambda state: link(where, state)))


def _segments(states: Mapping[RunState, int], most: int, link: Callable[[RunState], str]) -> list[Segment]:
    found: list[Segment] = []
    top = float(HEIGHT)
    for state in ORDER:
        if number := states.get(state, 0):
            height = max(HEIGHT * number / most, LOWEST)
            top -= height
            found.append(Segment(state, number, round(top), max(round(height), LOWEST), link(state)))
    return found


ORDER = (
    RunState.SUCCEEDED,
    RunState.RUNNING,
    RunState.QUEUED,
    RunState.RETRYING,
    RunState.SKIPPED,
    RunState.STOPPED,
    RunState.MISSED,
    RunState.UNKNOWN,
    RunState.FAILED,
)
"""From the ground up: what is well below, what is wrong on top."""


def spreads(days: Sequence[Day], what: Callable[[Day], Spread | None], zone: ZoneInfo, link: Link) -> Chart:
    """One measure of each day: half of the runs within the dark bar, 95 of 100 within the light one."""
    found = [what(day) for day in days]
    most = max((spread.p95 for spread in found if spread), default=0.0)
    columns = [
        _spread(_column(_date(day.period.since, zone), place, len(days), link), spread, most)
        for place, (day, spread) in enumerate(zip(days, found, strict=True))
    ]
    return Chart(columns, most)


def _spread(base: Column, spread: Spread | None, most: float) -> Column:
    if spread is None:
        return base
    return replace(base, spread=spread, p50=_height(spread.p50, most), p95=_height(spread.p95, most))


def _height(value: float, most: float) -> int:
    return max(round(HEIGHT * value / most), LOWEST) if most else LOWEST


def _column(day: date, place: int, count: int, link: Link) -> Column:
    step = 100 / count
    every = max(round(count / LABELS), 1)
    return Column(
        day=day,
        label=f"{day.day} {day:%b}" if (count - 1 - place) % every == 0 else None,
        left=round(step * (place + (1 - SHARE) / 2), 3),
        middle=round(step * (place + 0.5), 3),
        width=round(step * SHARE, 3),
        url=link(day, None),
    )


def _date(instant: datetime, zone: ZoneInfo) -> date:
    return instant.astimezone(zone).date()
