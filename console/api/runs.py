"""Runs: the list, one run, and what its task wrote."""

from uuid import UUID

from console.api.auth import caller
from console.api.blueprint import api
from console.api.naming import job_of
from console.api.schemas import common
from console.api.schemas.runs import LogOut, LogQuery, ResolveIn, RunOut, RunQuery, RunsOut
from console.api.spec import BODY_PROBLEMS, call
from console.core.clock import utc_now
from console.services import resolving, runs
from console.services.run_views import RunFilter


@api.get("/runs")
@api.input(RunQuery, location="query", arg_name="query")
@api.output(RunsOut)
@call("Runs", 404, 422)
def list_runs(query: RunQuery) -> RunsOut:
    """All runs, newest first."""
    actor = caller()
    now = utc_now()
    wanted = RunFilter(
        job_id=job_of(actor, query.job, now=now) if query.job else None,
        state=query.state,
        trigger=query.trigger,
        since=common.since(query.since, actor.zone),
        until=common.until(query.until, actor.zone),
    )
    return RunsOut.of(runs.page(actor, wanted, cursor=query.cursor, limit=query.limit, now=now))


@api.get("/runs/<uuid:run_id>")
@api.output(RunOut)
@call("Runs", 404)
def read_run(run_id: UUID) -> RunOut:
    """One run."""
    return RunOut.of(runs.get(caller(), run_id, now=utc_now()))


@api.get("/runs/<uuid:run_id>/log")
@api.input(LogQuery, location="query", arg_name="query")
@api.output(LogOut)
@call("Runs", 404, 422)
def read_run_log(run_id: UUID, query: LogQuery) -> LogOut:
    """Up to 500 lines that the task wrote; they can be read while it runs."""
    actor = caller()
    runs.get(actor, run_id, now=utc_now())
    return LogOut.of(runs.log(actor, run_id, after=query.after), query.after)


@api.post("/runs/<uuid:run_id>/resolve")
@api.input(ResolveIn, location="json", arg_name="body")
@api.output(RunOut)
@call("Runs", *BODY_PROBLEMS, 403, 404, 409, 422)
def resolve_run(run_id: UUID, body: ResolveIn) -> RunOut:
    """Settles a run whose end is unknown, by what a person has found out; the role operator may."""
    succeeded = body.outcome == "succeeded"
    return RunOut.of(resolving.resolve(caller(), run_id, succeeded=succeeded, note=body.note, now=utc_now()))
