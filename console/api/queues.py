"""Queues: what waits in each, and pausing and resuming them."""

from console.api.auth import caller
from console.api.blueprint import api
from console.api.schemas.run_control import PauseIn, QueueOut, QueuesOut, ResumeIn
from console.api.spec import BODY_PROBLEMS, call
from console.core.clock import utc_now
from console.services import queue_pauses


@api.get("/queues")
@api.output(QueuesOut)
@call("Runs")
def list_queues() -> QueuesOut:
    """Every queue with what waits and runs in it."""
    now = utc_now()
    return QueuesOut.of(queue_pauses.listing(caller(), now=now), now)


@api.post("/queues/<queue>/pause")
@api.input(PauseIn, location="json", arg_name="body")
@api.output(QueueOut)
@call("Runs", *BODY_PROBLEMS, 403, 404, 409, 422)
def pause_queue(queue: str, body: PauseIn) -> QueueOut:
    """Lets nothing more of the org start out of a queue; the role operator may. What runs goes on."""
    return QueueOut.of(queue_pauses.pause(caller(), queue, body.note, now=utc_now()))


@api.post("/queues/<queue>/resume")
@api.input(ResumeIn, location="json", arg_name="body")
@api.output(QueueOut)
@call("Runs", *BODY_PROBLEMS, 403, 404, 409, 422)
def resume_queue(queue: str, body: ResumeIn) -> QueueOut:
    """Lets what waited in a queue start; the role operator may."""
    return QueueOut.of(queue_pauses.resume(caller(), queue, now=utc_now()))
