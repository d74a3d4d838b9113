"""Which hop of a run was slow: against the job's runs before it, or by the clock if there are too few."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from console.core.hops import Hop

TIMES = 3
LEAST = 1.0
COMPARED = 50
FEWEST = 5
FIXED: Mapping[str, float] = MappingProxyType({"queued": 5.0, "started": 10.0})
"""Seconds beyond which a hop is slow when there is nothing to compare with; work itself has no such limit."""


@dataclass(frozen=True)
class Pace:
    """The median seconds of each hop in the job's runs before, and of how many runs."""

    runs: int = 0
    medians: Mapping[str, float] = field(default_factory=dict)

    def limit(self, hop: str) -> float | None:
        """The seconds beyond which a hop is slow: three times the median and a second at least."""
        if self.runs < FEWEST or hop not in self.medians:
            return FIXED.get(hop)
        return max(self.medians[hop] * TIMES, LEAST)


def marked(hops: Sequence[Hop], pace: Pace, *, attempt: int, start_after: datetime | None) -> list[Hop]:
    """The hops, each with whether it was slow.

    Time that a run was held on purpose, until `start_after`, is nobody's slowness; from the second attempt
    on the way to the queue holds the attempts before, and isn't compared.
    """
    return [replace(hop, is_slow=_is_slow(hop, pace, attempt, _held(hops, start_after))) for hop in hops]


def _held(hops: Sequence[Hop], start_after: datetime | None) -> float:
    requested = hops[0].at if hops else None
    if start_after is None or requested is None:
        return 0.0
    return max(start_after - requested, timedelta(0)).total_seconds()


def _is_slow(hop: Hop, pace: Pace, attempt: int, held: float) -> bool:
    limit = pace.limit(hop.name)
    if limit is None or hop.seconds is None or hop.name == "seen":
        return False
    if hop.name == "queued":
        return attempt <= 1 and hop.seconds - held > limit
    return hop.seconds > limit
