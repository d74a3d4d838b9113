"""Status and heartbeat: what runs, and whether anything is there to run it."""

from console.api.auth import caller
from console.api.blueprint import api
from console.api.schemas.status import HeartbeatOut, StatusOut
from console.api.spec import call
from console.core.clock import utc_now
from console.services import tasks, workers


@api.get("/scheduler/status")
@api.output(StatusOut)
@call("Status")
def read_status() -> StatusOut:
    """Every task that has a job or ever ran, with its last run, and the heartbeat."""
    now = utc_now()
    pulse = workers.pulse(now=now, org_id=caller().org_id)
    return StatusOut.of(tasks.status(caller(), now=now), pulse, now)


@api.get("/scheduler/heartbeat")
@api.output(HeartbeatOut)
@call("Status")
def read_heartbeat() -> HeartbeatOut:
    """Proof of life of scheduler, external cron, workers and Redis."""
    return HeartbeatOut.of(workers.pulse(now=utc_now(), org_id=caller().org_id))
