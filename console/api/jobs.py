"""Jobs: the table, one job, a new one, a change, and deleting."""

from uuid import UUID

from flask import Response, current_app

from console.api.auth import caller
from console.api.blueprint import api
from console.api.conflicts import handing_back
from console.api.filtering import filter_of
from console.api.revision_seen import seen, tag
from console.api.schemas.deletions import CutsOut
from console.api.schemas.jobs import JobChangedOut, JobCreatedOut, JobIn, JobOut, JobPatch, JobQuery, JobsOut
from console.api.schemas.schedules import EditHeaders
from console.api.spec import BODY_PROBLEMS, STALE, TAGGED, call
from console.core.clock import utc_now
from console.services import edits, jobs, schedules


@api.get("/scheduler/jobs")
@api.input(JobQuery, location="query", arg_name="query")
@api.output(JobsOut)
@call("Jobs", 422)
def list_jobs(query: JobQuery) -> JobsOut:
    """The job table, nearest next run first, then by name."""
    actor = caller()
    wanted = filter_of(query, actor.zone)
    return JobsOut.of(jobs.page(actor, wanted, cursor=query.cursor, limit=query.limit, now=utc_now()))


@api.post("/scheduler/jobs")
@api.input(JobIn, location="json", arg_name="body")
@api.output(JobCreatedOut, status_code=201)
@call("Jobs", *BODY_PROBLEMS, 403, 404, 422, also={201: TAGGED})
def create_job(body: JobIn) -> tuple[JobCreatedOut, int, dict[str, str]]:
    """Creates a job; the role operator may."""
    made = schedules.create(caller(), body.as_new(), now=utc_now())
    headers = {"Location": f"/api/v1/scheduler/jobs/{made.job.id}", **tag(made.job.revision)}
    return JobCreatedOut.of_new(made.job, made.cautions), 201, headers


@api.get("/scheduler/jobs/<uuid:job_id>")
@api.output(JobOut)
@call("Jobs", 404, also={200: TAGGED})
def read_job(job_id: UUID) -> tuple[JobOut, int, dict[str, str]]:
    """One job."""
    job = jobs.get(caller(), job_id, now=utc_now())
    return JobOut.of(job), 200, tag(job.revision)


@api.patch("/scheduler/jobs/<uuid:job_id>")
@api.input(JobPatch, location="json", arg_name="body")
@api.input(EditHeaders, location="headers", arg_name="headers")
@api.output(JobChangedOut)
@call("Jobs", *BODY_PROBLEMS, 403, 404, 422, also={200: TAGGED, 409: STALE})
def change_job(
    job_id: UUID, body: JobPatch, headers: EditHeaders
) -> tuple[JobChangedOut, int, dict[str, str]]:
    """Changes a job, which makes its next revision; the role operator may."""
    revision, change = seen(body.revision, headers.if_match), body.as_change()
    with handing_back(body):
        done = edits.edit(caller(), job_id, change, seen=revision, reason=body.reason, now=utc_now())
    return JobChangedOut.of_edit(done), 200, tag(done.job.revision)


@api.delete("/scheduler/jobs/<uuid:job_id>")
@api.output(CutsOut, description="The job is deleted, which cuts links of chains.")
@call("Jobs", 403, 404, also={204: {"description": "The job is deleted; it stood in no chain."}})
def delete_job(job_id: UUID) -> CutsOut | Response:
    """Deletes a job; its runs stay. The role operator may."""
    cuts = jobs.delete(caller(), job_id, now=utc_now())
    return CutsOut.of(cuts) if cuts.count else current_app.response_class(status=204)
