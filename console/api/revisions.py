"""One job's schedule in time: the slots to come, the revisions that were, and the way back to one."""

import re
from uuid import UUID

from console.api.auth import caller
from console.api.blueprint import api
from console.api.revision_seen import seen, tag
from console.api.schemas.jobs import JobChangedOut
from console.api.schemas.schedules import (
    LARGEST_REVISION,
    EditHeaders,
    RestoreIn,
    RevisionQuery,
    RevisionsOut,
    SlotQuery,
    SlotsOut,
)
from console.api.spec import BODY_PROBLEMS, STALE, TAGGED, call
from console.core.clock import utc_now
from console.core.errors import Invalid, NotFound
from console.services import previews, revisions

NUMBER = re.compile(r"\d{1,10}", re.ASCII)


@api.get("/scheduler/jobs/<uuid:job_id>/next")
@api.input(SlotQuery, location="query", arg_name="query")
@api.output(SlotsOut)
@call("Schedules", 404, 422)
def list_slots(job_id: UUID, query: SlotQuery) -> SlotsOut:
    """The job's next slots in UTC and in its own zone, with what daylight saving does to them."""
    return SlotsOut.of(previews.upcoming(caller(), job_id, count=query.count))


@api.get("/scheduler/jobs/<uuid:job_id>/revisions")
@api.input(RevisionQuery, location="query", arg_name="query")
@api.output(RevisionsOut)
@call("Schedules", 404, 422)
def list_revisions(job_id: UUID, query: RevisionQuery) -> RevisionsOut:
    """What the job was defined as, newest first: who changed what, when, from where and why."""
    before = _before(query.cursor) if query.cursor else None
    return RevisionsOut.of(revisions.page(caller(), job_id, before=before, limit=query.limit, now=utc_now()))


@api.post("/scheduler/jobs/<uuid:job_id>/revisions/<number>/restore")
@api.input(RestoreIn, location="json", arg_name="body")
@api.input(EditHeaders, location="headers", arg_name="headers")
@api.output(JobChangedOut)
@call("Schedules", *BODY_PROBLEMS, 403, 404, 422, also={200: TAGGED, 409: STALE})
def restore_revision(
    job_id: UUID, number: str, body: RestoreIn, headers: EditHeaders
) -> tuple[JobChangedOut, int, dict[str, str]]:
    """Makes an earlier definition the newest, which is a revision of its own; the role operator may."""
    wanted = _number(number)
    if wanted is None:
        raise NotFound("There is no such revision.")
    revision = seen(body.revision, headers.if_match)
    done = revisions.restore(caller(), job_id, wanted, seen=revision, reason=body.reason, now=utc_now())
    return JobChangedOut.of_edit(done), 200, tag(done.job.revision)


def _number(text: str) -> int | None:
    """A revision's number, as far as Postgres counts."""
    number = int(text) if NUMBER.fullmatch(text) else 0
    return number if 1 <= number <= LARGEST_REVISION else None


def _before(cursor: str) -> int:
    before = _number(cursor)
    if before is None:
        text = "is none that this list has handed out"
        raise Invalid(f"cursor: {text}", fields={"cursor": [text]})
    return before
