"""Edit in the row: the time of a job that runs once, and the status that a person gives it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid
from console.core.permissions import Permission
from console.core.schedule import parse
from console.core.states import JobStatus
from console.core.texts import storable
from console.services import edits, jobs
from console.services.changes import Change
from console.services.conflicts import StaleRevision
from console.services.edit_validation import SEND_AT_GRACE
from console.services.edits import Edited
from console.services.views import JobView
from console.web import saves
from console.web.answers import page
from console.web.drafts import Draft, definition_of, draft_of
from console.web.identity import actor, moment, wants_fragment
from console.web.saves import revision_of, saved, seen_revision
from console.web.schedule_shape import invalid, shape, twice

NOTE_LENGTH = 500
Errors = Mapping[str, Sequence[str]]
bp = Blueprint("row_edits", __name__)


def _region() -> str:
    """Only a row has a place for these editors; elsewhere they have a page of their own."""
    return "row" if saves.region() == "row" else "page"


def _opened(job_id: UUID) -> JobView:
    actor().require(Permission.EDIT_JOBS)
    return jobs.get(actor(), job_id, now=moment())


def _save(job: JobView, change: Change) -> Edited:
    """Saves on the revision that the form was made for; one that was begun earlier is the ancestor."""
    try:
        return edits.edit(actor(), job.id, change, seen=seen_revision(), now=moment())
    except StaleRevision:
        begun = revision_of(request.form, "base")
        if begun is None:
            raise
        return edits.edit(actor(), job.id, change, seen=begun, now=moment())


def _answer(name: str, status: int, job: JobView, **context: Any) -> ResponseReturnValue:
    """The form with what is wrong beside each field, on the revision that it was begun on."""
    template = f"jobs/_{name}.html" if wants_fragment() else f"jobs/{name}.html"
    revision = revision_of(request.form, "revision") or job.revision
    return page(template, status, job=job, region=_region(), **{"revision": revision, **context})


def _conflict(
    stale: StaleRevision, action: str, texts: Mapping[str, str], opener: str
) -> ResponseReturnValue:
    """Theirs and mine in the wide place below the row, with what was typed."""
    conflict = stale.conflict
    if all(item.mine == item.theirs for item in conflict.fields):
        job = conflict.current
        return saved(Edited(job, (), job.next_run_at, job.revision), opener=opener)
    context = {
        "job": conflict.current,
        "region": _region(),
        "conflict": conflict,
        "clashes": any(item.clashes for item in conflict.fields),
        "action": action,
        "texts": texts,
        "base": conflict.seen,
        "opener": opener,
    }
    if not wants_fragment():
        return page("schedules/conflict.html", stale.status, **context)
    answer = page("jobs/_row_conflict.html", stale.status, **context)
    answer.headers["HX-Retarget"] = f"#job-{conflict.current.id}-editing"
    answer.headers["HX-Reswap"] = "innerHTML"
    return answer


# The time ------------------------------------------------------------------------------------------


@bp.get("/jobs/<uuid:job_id>/time")
def time(job_id: UUID) -> ResponseReturnValue:
    return page("jobs/edit_time.html", **_time(_opened(job_id)))


@bp.get("/fragments/jobs/<uuid:job_id>/time")
def time_fragment(job_id: UUID) -> ResponseReturnValue:
    return page("jobs/_edit_time.html", **_time(_opened(job_id)))


def _time(job: JobView, draft: Draft | None = None, errors: Errors | None = None) -> dict[str, Any]:
    draft = draft or draft_of(definition_of(job), moment())
    earliest = (moment() - SEND_AT_GRACE).astimezone(ZoneInfo(job.timezone))
    return {
        "job": job,
        "region": _region(),
        "revision": job.revision,
        "draft": draft,
        "twice": twice(draft),
        "earliest": f"{earliest:%Y-%m-%dT%H:%M}",
        "errors": errors or {},
    }


@bp.post("/jobs/<uuid:job_id>/time")
def save_time(job_id: UUID) -> ResponseReturnValue:
    """Gives the job its new time; one that was over is open again."""
    job = _opened(job_id)
    typed = Draft(
        type="once",
        at=request.form.get("at", "").strip()[:NOTE_LENGTH],
        fold=request.form.get("fold", ""),
        timezone=request.form.get("timezone", job.timezone),
    )
    opener = f"job-{job.id}-time"
    try:
        return saved(_save(job, Change(send_at=_instant(job, typed))), opener=opener)
    except StaleRevision as stale:
        texts = {"at": typed.at, "fold": typed.fold, "timezone": typed.timezone}
        return _conflict(stale, url_for("row_edits.save_time", job_id=job.id), texts, opener)
    except Invalid as error:
        context = _time(job, typed, {"at": next(iter(error.fields.values()), [error.detail])})
        del context["job"], context["region"], context["revision"]
        return _answer("edit_time", error.status, job, **context)


def _instant(job: JobView, typed: Draft) -> datetime:
    """What the form asks for: the job's own instant, to the microsecond, unless it was typed over."""
    own = draft_of(definition_of(job), moment())
    if typed.at == own.at and typed.timezone == own.timezone and typed.fold in ("", own.fold):
        kept = parse(job.schedule).at
        if kept is not None:
            return kept
    again = twice(typed)
    if again is not None and typed.fold not in ("0", "1"):
        raise invalid("at", f"{again.text} Choose which of the two")
    found = parse(shape(typed)).at
    assert found is not None  # noqa: S101 (a draft of type once has an instant)
    return found


# The status ----------------------------------------------------------------------------------------


@bp.get("/jobs/<uuid:job_id>/status")
def status(job_id: UUID) -> ResponseReturnValue:
    return page("jobs/edit_status.html", **_status(_opened(job_id)))


@bp.get("/fragments/jobs/<uuid:job_id>/status")
def status_fragment(job_id: UUID) -> ResponseReturnValue:
    return page("jobs/_edit_status.html", **_status(_opened(job_id)))


def _status(job: JobView) -> dict[str, Any]:
    return {
        "job": job,
        "region": _region(),
        "revision": job.revision,
        "chosen": None,
        "note": "",
        "errors": {},
    }


@bp.post("/jobs/<uuid:job_id>/status")
def save_status(job_id: UUID) -> ResponseReturnValue:
    """Gives the job a status by hand."""
    job, opener = _opened(job_id), f"job-{job_id}-status"
    chosen = request.form.get("status", "").strip()[:NOTE_LENGTH]
    note = storable(request.form.get("note", "").strip(), NOTE_LENGTH)
    try:
        return saved(_save(job, Change(status=_chosen(chosen), note=note or None)), opener=opener)
    except StaleRevision as stale:
        texts = {"status": chosen, "note": note}
        return _conflict(stale, url_for("row_edits.save_status", job_id=job.id), texts, opener)
    except Invalid as error:
        return _answer("edit_status", error.status, job, chosen=chosen, note=note, errors=error.fields)


def _chosen(text: str) -> JobStatus:
    try:
        return JobStatus(text)
    except ValueError:
        raise Invalid(
            "status: choose one of the list", fields={"status": ["choose one of the list"]}
        ) from None
