"""Run control: stopping a run, and making another one like it."""

from uuid import UUID

from console.api.auth import caller
from console.api.blueprint import api
from console.api.schemas.run_control import RetryIn, StopIn
from console.api.schemas.runs import RunOut
from console.api.schemas.triggers import TriggerHeaders
from console.api.spec import BODY_PROBLEMS, call, or_asked
from console.api.triggers import ended
from console.api.waiting import outcome
from console.core.clock import utc_now
from console.services import run_control

STOPPED = {
    200: {
        "description": "It had not begun, and has ended.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/RunOut"}}},
    }
}


@api.post("/runs/<uuid:run_id>/stop")
@api.input(StopIn, location="json", arg_name="body")
@api.output(RunOut, status_code=202, description="Its worker is told, and ends it within about a second.")
@call("Runs", *BODY_PROBLEMS, 403, 404, 409, 422, also=STOPPED)
def stop_run(run_id: UUID, body: StopIn) -> tuple[RunOut, int]:
    """Stops a run; the role operator may. A message cut off while it may be going out ends unknown."""
    run = run_control.stop(caller(), run_id, body.note, now=utc_now())
    return RunOut.of(run), 200 if run.state.is_terminal else 202


@api.post("/runs/<uuid:run_id>/retry")
@api.input(RetryIn, location="json", arg_name="body")
@api.input(TriggerHeaders, location="headers", arg_name="headers")
@api.output(RunOut, status_code=202, description="The new run is accepted.")
@call("Runs", *BODY_PROBLEMS, 403, 404, 409, 422, also=ended("RunOut") | or_asked("RunOut"))
def retry_run(run_id: UUID, body: RetryIn, headers: TriggerHeaders) -> tuple[RunOut, int, dict[str, str]]:
    """Makes another run of the same job with this one as its cause; the role operator may."""
    actor = caller()
    run = run_control.retry(
        actor, run_id, body.args, key=headers.idempotency_key, note=body.note, now=utc_now()
    )
    run, status, answered = outcome(actor, run, headers.prefer)
    return RunOut.of(run), status, answered
