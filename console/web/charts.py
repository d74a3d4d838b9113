"""Where the bars of a chart stand: as wide as their page, in percent, and as high as the chart, in pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from console.services.timelines import Hour, Minute

HEIGHT = 64
LOWEST = 3
SHARE = 0.72
LABELLED = 3


@dataclass(frozen=True)
class Bar:
    """One hour. `left`, `middle` and `width` are in percent of the chart's width, `height` in pixels.

    `is_labelled` marks every third hour, whose label has room on a phone too; `begins_day` is the
    hour with which a day begins.
    """

    start: datetime
    slots: int
    count: str
    crowded: Sequence[Minute]
    left: float
    middle: float
    width: float
    height: int
    label: str
    is_labelled: bool
    begins_day: bool
    is_highest: bool


def bars(hours: Sequence[Hour], zone: ZoneInfo) -> list[Bar]:
    """One bar for each hour, in their order; the highest one is as high as the chart."""
    most = max((hour.slots for hour in hours), default=0)
    return [_bar(hour, place, len(hours), most, zone) for place, hour in enumerate(hours)]


def _bar(hour: Hour, place: int, count: int, most: int, zone: ZoneInfo) -> Bar:
    step, local = 100 / count, hour.start.astimezone(zone)
    return Bar(
        start=hour.start,
        slots=hour.slots,
        count=short(hour.slots),
        crowded=hour.crowded,
        left=round(step * (place + (1 - SHARE) / 2), 3),
        middle=round(step * (place + 0.5), 3),
        width=round(step * SHARE, 3),
        height=max(round(HEIGHT * hour.slots / most), LOWEST) if hour.slots else 0,
        label=f"{local:%H}",
        is_labelled=local.hour % LABELLED == 0,
        begins_day=place > 0 and local.hour == 0,
        is_highest=hour.slots == most > 0,
    )


def short(count: int) -> str:
    """As a bar has room for it: `980`, `1.2k`, `86k`."""
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f}k" if count < 9950 else f"{round(count / 1000)}k"
