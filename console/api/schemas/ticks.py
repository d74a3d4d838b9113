"""One tick of an external cron: what the pass did, in totals."""

from pydantic import Field

from console.api.schemas.common import Instant, Out
from console.api.schemas.status import HeartbeatOut
from console.services.ticks import Tick


class TickOut(Out):
    """What one pass did. The totals are those of the whole installation, whose jobs a pass serves."""

    due: int = Field(description="Slots that had come due and are decided now.")
    queued: int = Field(description="Of these, runs that are queued.")
    held: int = Field(description="Of these, runs that wait for their own time, or for the run before them.")
    skipped: int = Field(description="Of these, slots that were decided against; each run says why.")
    retried: int = Field(description="Runs whose next attempt was due and is queued.")
    released: int = Field(description="Runs that were held until now and are queued.")
    settled: int = Field(description="Runs whose worker had fallen silent.")
    left: bool = Field(description="Whether the pass stopped at its bounds; tick again at once then.")
    heartbeat: HeartbeatOut
    as_of: Instant

    @classmethod
    def of(cls, tick: Tick) -> "TickOut":
        return cls(
            due=tick.work.due,
            queued=tick.work.queued,
            held=tick.work.held,
            skipped=tick.work.skipped,
            retried=tick.work.retried,
            released=tick.work.released,
            settled=tick.work.settled,
            left=tick.work.is_left,
            heartbeat=HeartbeatOut.of(tick.pulse),
            as_of=tick.as_of,
        )
