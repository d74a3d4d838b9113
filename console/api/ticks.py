"""Ticks: one pass of the scheduler for installations whose cron lives elsewhere."""

from console.api.auth import caller
from console.api.blueprint import api
from console.api.schemas.ticks import TickOut
from console.api.spec import call
from console.core.clock import utc_now
from console.services import ticks


@api.post("/scheduler/tick")
@api.output(TickOut)
@call("Triggers", 403)
def tick() -> TickOut:
    """Makes one pass over all that is due in the whole installation; the role operator may.

    It is recorded as the heartbeat of an external cron, and does no harm beside schedulers or other ticks.
    """
    return TickOut.of(ticks.tick(caller(), clock=utc_now))
