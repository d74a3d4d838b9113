"""Delete all, and the way back."""

from console.api.auth import caller
from console.api.blueprint import api
from console.api.schemas import common
from console.api.schemas.deletions import DeletedOut, DeleteQuery, RestoredOut, UndoDeleteIn
from console.api.spec import BODY_PROBLEMS, call
from console.core.clock import utc_now
from console.core.errors import BadRequest
from console.services import deletions
from console.services.views import JobFilter


@api.delete("/scheduler/jobs")
@api.input(DeleteQuery, location="query", arg_name="query")
@api.output(DeletedOut)
@call("Jobs", 400, 403, 409, 422)
def delete_jobs(query: DeleteQuery) -> DeletedOut:
    """Deletes all jobs that match but those that are running; needs `confirm=true` and the role operator."""
    actor = caller()
    if query.confirm != "true":
        raise BadRequest("Say confirm=true to delete all jobs that match; nothing was deleted.")
    wanted = _filter(query, actor.zone)
    return DeletedOut.of(deletions.delete_matching(actor, wanted, expected=query.expected, now=utc_now()))


def _filter(query: DeleteQuery, zone: str) -> JobFilter:
    return JobFilter(
        q=query.q,
        status=query.status,
        kind=query.kind,
        category=query.category,
        since=common.since(query.since, zone),
        until=common.until(query.until, zone),
        message_type=query.message_type,
        subject_id=query.event,
        recipient=query.recipient,
        with_settled=True,
    )


@api.post("/scheduler/jobs/undo-delete")
@api.input(UndoDeleteIn, location="json", arg_name="body")
@api.output(RestoredOut)
@call("Jobs", *BODY_PROBLEMS, 403, 404, 409, 422)
def undo_delete(body: UndoDeleteIn) -> RestoredOut:
    """Brings back what one deletion took, for 24 hours; twice changes nothing. The role operator may."""
    return RestoredOut.of(deletions.undo(caller(), body.undo_token, now=utc_now()))
