"""Why a job ran, did not run, is late, or can't run now."""

from uuid import UUID

from console.api.auth import caller
from console.api.blueprint import api
from console.api.schemas.explain import ExplainOut, ExplainQuery
from console.api.spec import call
from console.core.clock import utc_now
from console.services import explain


@api.get("/scheduler/jobs/<uuid:job_id>/explain")
@api.input(ExplainQuery, location="query", arg_name="query")
@api.output(ExplainOut)
@call("Jobs", 404, 422)
def explain_job(job_id: UUID, query: ExplainQuery) -> ExplainOut:
    """What became of a job in any minute, or what stands in its way now, with the evidence for it."""
    return ExplainOut.of(explain.explain(caller(), job_id, query.at, now=utc_now()))
