"""Delete all: a dialog that counts what will go, and the way back for 24 hours."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.permissions import Permission
from console.core.states import JobStatus
from console.services import deletions
from console.services.deletions import CountMoved, DeletionView, Foreseen
from console.services.views import JobFilter
from console.web.answers import page
from console.web.identity import actor, moment, wants_fragment, zone
from console.web.job_queries import JobQuery, JobType

FORM = ("csrf_token", "number")
LONGEST_NUMBER = 12
bp = Blueprint("deletions", __name__)


@bp.get("/deletions")
def index() -> ResponseReturnValue:
    return page("deletions/index.html", deletions=deletions.recent(actor(), now=moment()))


@bp.get("/deletions/new")
def confirm() -> ResponseReturnValue:
    return page("deletions/new.html", **_confirmation(_query()))


@bp.get("/fragments/deletions/new")
def confirm_fragment() -> ResponseReturnValue:
    return page("deletions/_new.html", **_confirmation(_query()))


@bp.get("/fragments/deletions/count")
def count() -> ResponseReturnValue:
    """The live count, as the filters are chosen."""
    return page("deletions/_count.html", **_confirmation(_query()))


def _query() -> JobQuery:
    return JobQuery.read(request.values, *FORM).but(settled=False)


def _filter(query: JobQuery) -> JobFilter:
    """All that match, also those that the table leaves out because they need not go out."""
    return replace(query.filter(zone()), with_settled=True)


def _confirmation(query: JobQuery) -> dict[str, Any]:
    actor().require(Permission.DELETE_JOBS)
    others = {name: value for name, value in query.params.items() if name not in ("type", "status")}
    return {
        "query": query,
        "others": others,
        "found": deletions.foresee(actor(), _filter(query)),
        "types": list(JobType),
        "statuses": list(JobStatus),
        "number": request.form.get("number", ""),
        "problem": None,
    }


@bp.post("/deletions")
def delete() -> ResponseReturnValue:
    """Deletes what was counted; any other number deletes nothing and shows the count anew."""
    query, number = _query(), request.form.get("number", "").strip().replace(",", "")
    context = _confirmation(query)
    found = context["found"]
    if not found.going:
        return _again(context, 422, f"{nothing(found)} Nothing was deleted.")
    if not number.isdecimal() or len(number) > LONGEST_NUMBER or int(number) != found.matching:
        return _again(context, 422, f"Type {found.matching} to confirm. Nothing was deleted.")
    try:
        done = deletions.delete_matching(actor(), _filter(query), expected=int(number), now=moment())
    except CountMoved as moved:
        return _again(context | {"found": moved.found}, 409, moved.detail)
    return _done(done)


def _again(context: dict[str, Any], status: int, problem: str) -> ResponseReturnValue:
    name = "deletions/_new.html" if wants_fragment() else "deletions/new.html"
    return page(name, status, **context | {"problem": problem})


@bp.app_template_filter("nothing_to_delete")
def nothing(found: Foreseen) -> str:
    """Why none would go, of a count of which none would."""
    if not found.matching:
        return "Nothing matches: there is nothing to delete."
    return f"All that match ({found.matching:,}) are running now and are left: there is nothing to delete."


def _done(done: DeletionView) -> ResponseReturnValue:
    """With a script the notice holds the way back; without one the list of deletions does."""
    if wants_fragment():
        return _notice("deletions/_done.html", done)
    flash(sentence(done))
    return redirect(url_for("deletions.index"), 303)


def sentence(done: DeletionView) -> str:
    """`12 jobs deleted. 1 was running and was left.`"""
    jobs = "1 job" if done.deleted == 1 else f"{done.deleted:,} jobs"
    left = f" {done.left_running:,} running {'was' if done.left_running == 1 else 'were'} left."
    return f"{jobs} deleted.{left if done.left_running else ''}"


def _notice(name: str, done: DeletionView) -> ResponseReturnValue:
    answer = page(name, done=done, text=sentence(done))
    answer.headers["HX-Retarget"] = "#notices"
    answer.headers["HX-Reswap"] = "innerHTML"
    answer.headers["HX-Trigger-After-Settle"] = "jobs-changed"
    return answer


@bp.post("/deletions/<uuid:deletion_id>/undo")
def undo(deletion_id: UUID) -> ResponseReturnValue:
    done = deletions.undo(actor(), deletion_id, now=moment())
    if wants_fragment():
        return _notice("deletions/_undone.html", done)
    flash(undone(done))
    return redirect(url_for("deletions.index"), 303)


def undone(done: DeletionView) -> str:
    """`12 jobs are back.`, and how many are not."""
    back = done.restored or 0
    text = "1 job is back." if back == 1 else f"{back:,} jobs are back."
    lost = done.deleted - back
    return f"{text} {lost:,} stayed deleted, because other jobs have their keys by now." if lost else text


def is_open(done: DeletionView) -> bool:
    """Whether it can still be undone."""
    return done.undone_at is None and done.undo_until - moment() > timedelta(0)


def _helpers() -> dict[str, Any]:
    return {"deletion_words": sentence, "undone_words": undone, "can_undo": is_open}


bp.context_processor(_helpers)
