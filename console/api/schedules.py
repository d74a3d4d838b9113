"""Schedules: by name, and many at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from console.api import strict
from console.api.auth import caller
from console.api.blueprint import api
from console.api.conflicts import handing_back
from console.api.filtering import filter_of
from console.api.revision_seen import seen, tag
from console.api.schemas.bulk import BulkFilter, BulkIn, BulkOut
from console.api.schemas.jobs import JobChangedOut, JobOut, JobQuery, SchedulesOut
from console.api.schemas.schedules import EditHeaders, SchedulePut
from console.api.spec import BODY_PROBLEMS, STALE, TAGGED, call, created
from console.core.clock import utc_now
from console.core.errors import UnknownTask
from console.services import bulk_edits, jobs, schedules
from console.services.changes import Change


@api.get("/schedules")
@api.input(JobQuery, location="query", arg_name="query")
@api.output(SchedulesOut)
@call("Schedules", 422)
def list_schedules(query: JobQuery) -> SchedulesOut:
    """All schedules, each as its job, nearest next run first, then by name."""
    actor = caller()
    wanted = filter_of(query, actor.zone)
    return SchedulesOut.of(jobs.page(actor, wanted, cursor=query.cursor, limit=query.limit, now=utc_now()))


@api.get("/schedules/<name>")
@api.output(JobOut)
@call("Schedules", 404, 422, also={200: TAGGED})
def read_schedule(name: str) -> tuple[JobOut, int, dict[str, str]]:
    """The schedule of a job, by any spelling of its name."""
    strict.check_storable({"name": name})
    with naming():
        job = schedules.find(caller(), name, now=utc_now())
    return JobOut.of(job), 200, tag(job.revision)


@api.put("/schedules/<name>")
@api.input(SchedulePut, location="json", arg_name="body")
@api.input(EditHeaders, location="headers", arg_name="headers")
@api.output(JobChangedOut)
@call(
    "Schedules", *BODY_PROBLEMS, 403, 404, 422, also={200: TAGGED, 201: created("JobChangedOut"), 409: STALE}
)
def put_schedule(
    name: str, body: SchedulePut, headers: EditHeaders
) -> tuple[JobChangedOut, int, dict[str, str]]:
    """Sets the schedule of a job by any spelling of its name; a task without a job gets one.

    Doing it twice changes nothing the second time. The role operator may.
    """
    strict.check_storable({"name": name})
    change, revision = Change(**body.wanted), seen(body.revision, headers.if_match)
    with handing_back(body), naming():
        done = schedules.put(caller(), name, change, seen=revision, reason=body.reason, now=utc_now())
    job = done.edited.job
    answered = {**tag(job.revision), "Location": f"/api/v1/scheduler/jobs/{job.id}"}
    return JobChangedOut.of_edit(done.edited), 201 if done.is_new else 200, answered


@contextmanager
def naming() -> Iterator[None]:
    """Lets an unknown name be refused with the field as this call has it."""
    try:
        yield
    except UnknownTask as error:
        fields = {"name": ["no such job or task"]}
        raise UnknownTask(error.detail, fields=fields, suggestions=error.suggestions) from None


@api.post("/schedules/bulk")
@api.input(BulkIn, location="json", arg_name="body")
@api.output(BulkOut)
@call("Schedules", *BODY_PROBLEMS, 403, 409, 422)
def change_schedules(body: BulkIn) -> BulkOut:
    """Enables, disables, shifts, reschedules or sets the zone of many jobs; the role operator may.

    Selected jobs are changed in one transaction, those of a filter in transactions of 200. A job that
    can't take the change is left and named, and the others are changed.
    """
    actor, now = caller(), utc_now()
    wish = body.wish
    if body.ids is not None:
        return BulkOut.of(bulk_edits.change_selected(actor, body.ids, wish, now=now))
    wanted = filter_of(body.filter or BulkFilter(), actor.zone)
    return BulkOut.of(bulk_edits.change_matching(actor, wanted, wish, now=now))
