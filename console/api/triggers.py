"""Triggers: run a job now, or a task by its name."""

from uuid import UUID

from console.api.auth import caller
from console.api.blueprint import api
from console.api.schemas.runs import RunOut
from console.api.schemas.triggers import ManualTriggerIn, SendNowIn, TriggeredOut, TriggerHeaders
from console.api.spec import BODY_PROBLEMS, call, or_asked
from console.api.waiting import outcome
from console.core.clock import utc_now
from console.core.states import Trigger
from console.services import triggers
from console.services.run_requests import Request


def ended(shape: str) -> dict[int, dict[str, object]]:
    """The answer of a call that was asked to wait and saw the end."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{shape}"}}}
    return {200: {"description": "The run has ended, as `Prefer: wait=N` asked.", "content": content}}


@api.post("/scheduler/jobs/<uuid:job_id>/send-now")
@api.input(SendNowIn, location="json", arg_name="body")
@api.input(TriggerHeaders, location="headers", arg_name="headers")
@api.output(RunOut, status_code=202, description="The run is accepted.")
@call("Triggers", *BODY_PROBLEMS, 403, 404, 409, 422, also=ended("RunOut") | or_asked("RunOut"))
def send_now(job_id: UUID, body: SendNowIn, headers: TriggerHeaders) -> tuple[RunOut, int, dict[str, str]]:
    """Runs the job now; the role operator may. Its schedule stays as it is."""
    actor = caller()
    key = headers.idempotency_key
    request = Request(Trigger.API, key, body.args, body.dry_run, body.override, body.start_at, note=body.note)
    run = triggers.send_now(actor, job_id, request, now=utc_now())
    run, status, answered = outcome(actor, run, headers.prefer)
    return RunOut.of(run), status, answered


@api.post("/scheduler/manual-trigger")
@api.input(ManualTriggerIn, location="json", arg_name="body")
@api.input(TriggerHeaders, location="headers", arg_name="headers")
@api.output(TriggeredOut, status_code=202, description="The run is accepted.")
@call("Triggers", *BODY_PROBLEMS, 403, 404, 409, 422, also=ended("TriggeredOut") | or_asked("TriggeredOut"))
def trigger_task(body: ManualTriggerIn, headers: TriggerHeaders) -> tuple[TriggeredOut, int, dict[str, str]]:
    """Runs a task by any spelling of its name, with or without a schedule; the role operator may."""
    actor = caller()
    request = Request(Trigger.API, headers.idempotency_key, body.args, body.dry_run, note=body.note)
    run = triggers.manual_trigger(actor, body.task_name, request, now=utc_now())
    run, status, answered = outcome(actor, run, headers.prefer)
    return TriggeredOut.of(run), status, answered
