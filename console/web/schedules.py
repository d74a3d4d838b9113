"""The page of schedules: what comes up, which schedules there are, and their switches."""

from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid
from console.services import edits, jobs, timelines
from console.services.bulk_edits import MOST_SELECTED
from console.services.changes import Change
from console.services.conflicts import StaleRevision
from console.services.edits import Edited
from console.web import charts, versions
from console.web.answers import is_known, nothing_new, page
from console.web.errors import problem_of
from console.web.identity import actor, moment, wants_fragment, zone
from console.web.job_queries import ScheduleQuery
from console.web.pulse import heartbeat
from console.web.queries import PAGE

SWITCH = ("csrf_token", "revision", "enabled")
bp = Blueprint("schedules", __name__)


@bp.get("/schedules")
def index() -> ResponseReturnValue:
    context = _list(ScheduleQuery.read(request.args)) | _timeline()
    return page("schedules/index.html", categories=jobs.categories(actor()), **context)


@bp.get("/fragments/schedules/list")
def listing() -> ResponseReturnValue:
    query = ScheduleQuery.read(request.args, "version")
    if "version" in request.args and is_known(versions.of_schedules(query, heartbeat())):
        return nothing_new()
    return page("schedules/_list.html", **_list(query))


def _list(query: ScheduleQuery) -> dict[str, Any]:
    found = jobs.page(actor(), query.filter, cursor=query.cursor, limit=PAGE, now=moment())
    return {
        "page": found,
        "query": query,
        "version": versions.schedules_version(found.version, heartbeat()),
        "is_unapplied": any(job.applied_revision != job.revision for job in found.jobs),
        "most_selected": MOST_SELECTED,
    }


@bp.get("/fragments/schedules/timeline")
def timeline() -> ResponseReturnValue:
    return page("schedules/_timeline.html", **_timeline())


def _timeline() -> dict[str, Any]:
    found = timelines.timeline(actor(), now=moment())
    return {"timeline": found, "bars": charts.bars(found.hours, zone()), "height": charts.HEIGHT}


@bp.post("/schedules/<uuid:job_id>/enabled")
def switch(job_id: UUID) -> ResponseReturnValue:
    """Turns one schedule on or off; a row that shows an old revision is shown anew instead."""
    query = ScheduleQuery.read(request.form, *SWITCH)
    change = Change(enabled=request.form.get("enabled") == "true")
    try:
        done = edits.edit(actor(), job_id, change, seen=_revision(), now=moment())
    except StaleRevision as stale:
        if not wants_fragment():
            raise
        return _row(stale.conflict.current.id, query, stale.status, problem=problem_of(stale))
    if wants_fragment():
        return _row(job_id, query, done=done)
    flash(_outcome(done))
    return redirect(address(query), 303)


def address(query: ScheduleQuery) -> str:
    """The page that shows this."""
    params: dict[str, Any] = dict(query.params)
    return url_for("schedules.index", **params)


def _revision() -> int:
    """The revision that the row shows; raises `Invalid`."""
    try:
        return int(request.form.get("revision", ""))
    except ValueError:
        raise Invalid("revision: is missing", fields={"revision": ["is missing"]}) from None


def _row(job_id: UUID, query: ScheduleQuery, status: int = 200, **context: Any) -> ResponseReturnValue:
    """The row as it is now, with a notice beside it; the rest of the page reads itself again."""
    job = jobs.get(actor(), job_id, now=moment())
    outcome = _outcome(context["done"]) if "done" in context else None
    answer = page("schedules/_switched.html", status, job=job, query=query, outcome=outcome, **context)
    answer.headers["HX-Trigger-After-Settle"] = "jobs-changed"
    return answer


def _outcome(done: Edited) -> str:
    state = "off" if done.job.status.value == "paused" else "on"
    return f"{done.job.name}: {state}." if done.is_changed else f"{done.job.name} is {state} already."
