"""Chains and sequences: what follows a job, and several jobs one after the other."""

from uuid import UUID

from console.api.auth import caller
from console.api.blueprint import api
from console.api.schemas.chains import ChainIn, ChainOut, SequenceIn, SequenceOut
from console.api.schemas.triggers import TriggerHeaders
from console.api.spec import BODY_PROBLEMS, call
from console.core.clock import utc_now
from console.core.states import Trigger
from console.services import chains, sequences


@api.get("/scheduler/jobs/<uuid:job_id>/chain")
@api.output(ChainOut)
@call("Jobs", 404)
def read_chain(job_id: UUID) -> ChainOut:
    """What follows the job when a run of it succeeds, and when one fails."""
    return ChainOut.of(chains.get(caller(), job_id))


@api.put("/scheduler/jobs/<uuid:job_id>/chain")
@api.input(ChainIn, location="json", arg_name="body")
@api.output(ChainOut)
@call("Jobs", *BODY_PROBLEMS, 403, 404, 422)
def put_chain(job_id: UUID, body: ChainIn) -> ChainOut:
    """Makes these jobs and no others follow; the role operator may.

    A job that would close a circle is a 422 that spells the circle out. Twice changes nothing.
    """
    actor, now = caller(), utc_now()
    done = chains.put(
        actor,
        job_id,
        on_success=body.on_success,
        on_failure=body.on_failure,
        drop_deleted=body.drop_deleted,
        now=now,
    )
    return ChainOut.of(done)


@api.post("/scheduler/jobs/run-in-sequence")
@api.input(SequenceIn, location="json", arg_name="body")
@api.input(TriggerHeaders, location="headers", arg_name="headers")
@api.output(SequenceOut, status_code=202, description="The runs are accepted.")
@call("Triggers", *BODY_PROBLEMS, 403, 404, 409, 422)
def run_in_sequence(body: SequenceIn, headers: TriggerHeaders) -> SequenceOut:
    """Runs the jobs one after the other, each when the one before it has succeeded; the role operator may.

    All are accepted or none: a 409 names each job that may not run now. When one ends in any other way than
    success, those behind it are skipped with the reason `BLOCKED`.
    """
    key = headers.idempotency_key
    return SequenceOut.of(sequences.start(caller(), body.jobs, key=key, trigger=Trigger.API, now=utc_now()))
