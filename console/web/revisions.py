"""The history of a job: older revisions, and the way back to each of them."""

from uuid import UUID

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid
from console.services import jobs, revisions
from console.web.answers import page
from console.web.identity import actor, moment
from console.web.parameters import check_names
from console.web.saves import revision_of, told

REVISIONS = 50
bp = Blueprint("revisions", __name__)


@bp.get("/jobs/<uuid:job_id>/revisions")
def index(job_id: UUID) -> ResponseReturnValue:
    """All revisions, newest first, a page at a time."""
    check_names(request.args, "before")
    before = revision_of(request.args, "before")
    if before is None and request.args.get("before"):
        raise Invalid("before: must be a revision", fields={"before": ["must be a revision"]})
    found = revisions.page(actor(), job_id, before=before, limit=REVISIONS, now=moment())
    job = jobs.get(actor(), job_id, now=moment())
    return page("jobs/revisions.html", job=job, history=found, before=before)


@bp.post("/jobs/<uuid:job_id>/revisions/<int:number>/restore")
def restore(job_id: UUID, number: int) -> ResponseReturnValue:
    """Makes an older definition the newest one."""
    seen = revision_of(request.form, "revision")
    done = revisions.restore(actor(), job_id, number, seen=seen, now=moment())
    return told(done, f"Restored r{number} as")


@bp.post("/jobs/<uuid:job_id>/undo")
def undo(job_id: UUID) -> ResponseReturnValue:
    """Takes the newest revision back."""
    seen = revision_of(request.form, "revision")
    return told(revisions.undo(actor(), job_id, seen=seen, now=moment()), "Undone, as")
