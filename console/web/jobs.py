"""The job table, and a job's page."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.hops import Clock
from console.core.states import Kind
from console.core.texts import storable
from console.services import approvals, edits, job_tabs, jobs, previews, revisions, runs
from console.services.bulk_edits import MOST_SELECTED
from console.services.run_views import RunFilter
from console.services.views import JobPage
from console.web import chains, finding, versions
from console.web.answers import is_known, nothing_new, page
from console.web.identity import actor, moment, zone
from console.web.job_queries import JobQuery
from console.web.parameters import cursor_of
from console.web.pulse import heartbeat
from console.web.queries import PAGE, RUNS_OF_JOB

FRESH = timedelta(minutes=1)
NOTE_LENGTH = 500
REVISIONS_OF_JOB = 10
MOST_FORETOLD = 3
WIZARD, IMPORT = "wizard.show", "message_imports.index"
bp = Blueprint("jobs", __name__)


@bp.get("/")
def index() -> ResponseReturnValue:
    query = JobQuery.read(request.args)
    offered = finding.subjects(query)
    context: dict[str, Any] = {
        "categories": jobs.categories(actor()),
        "subjects": offered,
        "chips": finding.chips(query, offered),
        "statuses": finding.STATUSES,
        "has_wizard": WIZARD in current_app.view_functions,
        "has_import": IMPORT in current_app.view_functions,
    }
    return page("jobs/index.html", **context, **_table(query))


@bp.get("/fragments/jobs/table")
def table() -> ResponseReturnValue:
    query = JobQuery.read(request.args, "version", "awaited")
    if "version" in request.args and is_known(_version(query)):
        return nothing_new()
    return page("jobs/_table.html", **_table(query))


def _version(query: JobQuery) -> str:
    """The newest version, with all that the table showed which asks."""
    is_waiting = versions.is_waiting(request.args["version"])
    return versions.of_jobs(query, heartbeat() if is_waiting else None)


def _table(query: JobQuery) -> dict[str, Any]:
    wanted = query.filter(zone())
    counts = job_tabs.tabs(actor(), wanted)
    total = counts.total(wanted) if counts else None
    found = jobs.page(actor(), wanted, cursor=query.cursor, limit=PAGE, total=total, now=moment())
    _see(found)
    waits = any(job.applied_revision != job.revision for job in found.jobs)
    awaited = frozenset(request.args.getlist("awaited"))
    return {
        "page": found,
        "query": query,
        "tabs": finding.tabs_of(counts),
        "settled": counts.settled if counts else None,
        "version": versions.waiting_version(found.version, heartbeat()) if waits else found.version,
        "is_live": found.is_active or (waits and can_come_true()),
        "awaited": awaited,
        "foretold": _foretold(found, awaited),
        "most_selected": MOST_SELECTED,
    }


def _foretold(found: JobPage, awaited: Collection[str]) -> dict[UUID, str]:
    """What the rules would say of those jobs at their times that somebody has just moved."""
    moved = [job.id for job in found.jobs if str(job.id) in awaited and job.kind is Kind.ONCE]
    said = {job_id: previews.foretold(actor(), job_id) for job_id in moved[:MOST_FORETOLD]}
    return {job_id: caution.text for job_id, caution in said.items() if caution}


def can_come_true() -> bool:
    """Whether a clock lives that can put an edit in force: a scheduler, or an external cron."""
    return heartbeat().clock is not Clock.DOWN


def _see(found: JobPage) -> None:
    """What ended just now and is on the screen has been seen."""
    lasts = [job.last_run for job in found.jobs if job.last_run]
    ended = [last.id for last in lasts if last.finished_at and moment() - last.finished_at < FRESH]
    runs.mark_seen(actor(), ended, now=moment())


@bp.get("/jobs/<uuid:job_id>")
def show(job_id: UUID) -> ResponseReturnValue:
    return page("jobs/show.html", **context_of(job_id, cursor_of(request.args)))


@bp.get("/fragments/jobs/<uuid:job_id>")
def job(job_id: UUID) -> ResponseReturnValue:
    context = context_of(job_id, cursor_of(request.args, "version"))
    return nothing_new() if is_known(context["version"]) else page("jobs/_job.html", **context)


def context_of(job_id: UUID, cursor: str | None = None) -> dict[str, Any]:
    """What the job's page shows."""
    found = jobs.get(actor(), job_id, now=moment())
    its_runs = runs.page(actor(), RunFilter(job_id=job_id), cursor=cursor, limit=RUNS_OF_JOB, now=moment())
    waits = found.applied_revision != found.revision
    return {
        "job": found,
        "runs": its_runs,
        "cursor": cursor,
        "history": revisions.page(actor(), job_id, limit=REVISIONS_OF_JOB, now=moment()),
        "requests": approvals.of_job(actor(), job_id, now=moment()),
        "version": versions.of_job(found, its_runs, heartbeat),
        **chains.context_of(job_id),
        "is_live": found.active_run is not None or (waits and can_come_true()),
    }


@bp.post("/jobs/<uuid:job_id>/pause")
def pause(job_id: UUID) -> ResponseReturnValue:
    return _set_paused(job_id, True, "paused; it is not started by its schedule until it is resumed.")


@bp.post("/jobs/<uuid:job_id>/resume")
def resume(job_id: UUID) -> ResponseReturnValue:
    return _set_paused(job_id, False, "resumed.")


def _set_paused(job_id: UUID, paused: bool, word: str) -> ResponseReturnValue:
    note = storable(request.form.get("note", "").strip(), NOTE_LENGTH) or None
    seen = request.form.get("revision", type=int)
    found = edits.set_paused(actor(), job_id, paused, note=note, seen=seen, now=moment())
    flash(f"{found.name}: {word}")
    return redirect(url_for("jobs.show", job_id=job_id), 303)
