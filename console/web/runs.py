"""The list of runs, and a run's page."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid, NotFound, Refused
from console.core.states import RunState
from console.services import chain_places, jobs, lineage, outbox, resolving, run_control, runs
from console.services.bulk_retries import ENDED_BADLY, MOST
from console.services.run_views import LogLine, RunView
from console.services.views import JobView
from console.web import run_finding, run_log, versions
from console.web.answers import is_known, nothing_new, page
from console.web.errors import problem_of
from console.web.identity import actor, moment, wants_fragment, zone
from console.web.queries import PAGE
from console.web.run_queries import RunQuery

AROUND = timedelta(minutes=1)
FOUND = {"succeeded": True, "failed": False}
bp = Blueprint("runs", __name__)


@bp.get("/runs")
def index() -> ResponseReturnValue:
    query = RunQuery.read(request.args)
    return page("runs/index.html", **run_finding.head(query), **_table(query))


@bp.get("/fragments/runs/table")
def table() -> ResponseReturnValue:
    context = _table(RunQuery.read(request.args, "version"))
    return nothing_new() if is_known(context["version"]) else page("runs/_table.html", **context)


def _table(query: RunQuery) -> dict[str, Any]:
    found = runs.page(actor(), query.filter(zone()), cursor=query.cursor, limit=PAGE, now=moment())
    return {
        "page": found,
        "query": query,
        "version": versions.of_runs(found),
        "retriable": ENDED_BADLY,
        "most_retried": MOST,
    }


@bp.get("/runs/<uuid:run_id>")
def show(run_id: UUID) -> ResponseReturnValue:
    return page("runs/show.html", **_whole(_seen(run_id)))


@bp.get("/fragments/runs/<uuid:run_id>")
def run(run_id: UUID) -> ResponseReturnValue:
    found = _seen(run_id)
    return nothing_new() if is_known(found.version) else page("runs/_run.html", **context_of(found))


def _whole(found: RunView) -> dict[str, Any]:
    """The run and, beside what is polled, its log, which only grows."""
    return context_of(found) | run_log.context_of(found)


def _seen(run_id: UUID) -> RunView:
    """The run; the first look at its end is recorded before it is shown."""
    found = runs.get(actor(), run_id, now=moment())
    if found.state.is_terminal and found.seen_at is None:
        runs.mark_seen(actor(), [run_id], now=moment())
        found = runs.get(actor(), run_id, now=moment())
    return found


def context_of(found: RunView) -> dict[str, Any]:
    """What the polled part of the run's page shows."""
    return {
        "run": found,
        "job": _job(found),
        "left": _left(found),
        "lineage": lineage.of(actor(), found),
        "place": chain_places.place(actor(), found),
        "is_retriable": run_control.can_be_asked(found),
        "question": resolving.question(found, _last_line(found)),
        "settled": resolving.said(found),
        "mail_id": _mail(found),
        "problem": None,
        "faults": {},
        "note": "",
    }


def _last_line(found: RunView) -> LogLine | None:
    """The last word of a run whose end is unknown."""
    if found.state is not RunState.UNKNOWN:
        return None
    lines = runs.log(actor(), found.id, limit=1)
    return lines[-1] if lines else None


def _mail(found: RunView) -> UUID | None:
    """What the run sent, when it is in the outbox; looked for only around the time when it ran."""
    if not (outbox.is_embedded() and found.sent and found.started_at and found.finished_at):
        return None
    since, until = found.started_at - AROUND, found.finished_at + AROUND
    return outbox.of_run(actor(), found.id, since=since, until=until)


def _job(found: RunView) -> JobView | None:
    """The job of a run that has ended, for its button; None while it goes on, or when the job is deleted."""
    if not found.state.is_terminal:
        return None
    try:
        return jobs.get(actor(), found.job_id, now=moment())
    except NotFound:
        return None


@bp.post("/runs/<uuid:run_id>/resolve")
def resolve(run_id: UUID) -> ResponseReturnValue:
    """A person's answer to the question on the page of a run whose end is unknown."""
    try:
        found = _resolved(run_id)
    except (Refused, Invalid) as refusal:
        return _unresolved(run_id, refusal)
    if wants_fragment():
        return page("runs/_settled.html", **context_of(_seen(run_id)))
    flash(resolving.said(found))
    return redirect(url_for("runs.show", run_id=run_id), 303)


def _resolved(run_id: UUID) -> RunView:
    said, note = request.form.get("outcome", ""), request.form.get("note", "")
    if said not in FOUND:
        text = "say what became of it: succeeded or failed"
        raise Invalid("Choose one of the two answers. Nothing was changed.", fields={"outcome": [text]})
    return resolving.resolve(actor(), run_id, succeeded=FOUND[said], note=note, now=moment())


def _unresolved(run_id: UUID, refusal: Refused | Invalid) -> ResponseReturnValue:
    """The run as it is, with the reason, and with the note as it was typed."""
    context = _whole(_seen(run_id))
    context |= {
        "problem": problem_of(refusal),
        "faults": refusal.fields,
        "note": request.form.get("note", ""),
    }
    return page("runs/_run.html" if wants_fragment() else "runs/show.html", refusal.status, **context)


def _left(run: RunView) -> float | None:
    """Seconds that the rest will take at the pace so far; None when that can't be known."""
    progress = run.progress or {}
    done, total = progress.get("done"), progress.get("total")
    if not run.started_at or not done or not total or done >= total:
        return None
    elapsed = (run.as_of - run.started_at).total_seconds()
    return elapsed * (float(total) - float(done)) / float(done)
