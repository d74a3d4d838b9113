"""Jobs: the table, one job, a new one, pausing and deleting."""

from uuid import UUID

from console.api.auth import caller
from console.api.blueprint import api
from console.api.schemas import common
from console.api.schemas.jobs import JobIn, JobOut, JobPatch, JobQuery, JobsOut
from console.api.spec import BODY_PROBLEMS, call
from console.core.clock import utc_now
from console.services import jobs
from console.services.views import JobFilter


@api.get("/scheduler/jobs")
@api.input(JobQuery, location="query", arg_name="query")
@api.output(JobsOut)
@call("Jobs", 422)
def list_jobs(query: JobQuery) -> JobsOut:
    """The job table, nearest next run first, then by name."""
    actor = caller()
    wanted = JobFilter(
        q=query.q,
        status=query.status,
        kind=query.kind,
        category=query.category,
        since=common.since(query.since, actor.zone),
        until=common.until(query.until, actor.zone),
    )
    return JobsOut.of(jobs.page(actor, wanted, cursor=query.cursor, limit=query.limit, now=utc_now()))


@api.post("/scheduler/jobs")
@api.input(JobIn, location="json", arg_name="body")
@api.output(JobOut, status_code=201)
@call("Jobs", *BODY_PROBLEMS, 403, 404, 422)
def create_job(body: JobIn) -> tuple[JobOut, int, dict[str, str]]:
    """Creates a job; the role operator may."""
    job = jobs.create(caller(), body.as_new(), now=utc_now())
    return JobOut.of(job), 201, {"Location": f"/api/v1/scheduler/jobs/{job.id}"}


@api.get("/scheduler/jobs/<uuid:job_id>")
@api.output(JobOut)
@call("Jobs", 404)
def read_job(job_id: UUID) -> JobOut:
    """One job."""
    return JobOut.of(jobs.get(caller(), job_id, now=utc_now()))


@api.patch("/scheduler/jobs/<uuid:job_id>")
@api.input(JobPatch, location="json", arg_name="body")
@api.output(JobOut)
@call("Jobs", *BODY_PROBLEMS, 403, 404, 422)
def change_job(job_id: UUID, body: JobPatch) -> JobOut:
    """Pauses a job or puts it back on its schedule; the role operator may."""
    paused = body.status == "paused"
    return JobOut.of(jobs.set_paused(caller(), job_id, paused, note=body.note, now=utc_now()))


@api.delete("/scheduler/jobs/<uuid:job_id>")
@call("Jobs", 403, 404, also={204: {"description": "The job is deleted."}})
def delete_job(job_id: UUID) -> tuple[str, int]:
    """Deletes a job; its runs stay. The role operator may."""
    jobs.delete(caller(), job_id, now=utc_now())
    return "", 204
