"""The list of runs, and a run's page."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request, stream_with_context
from flask.typing import ResponseReturnValue

from console.core.actor import Actor
from console.core.errors import NotFound
from console.services import jobs, runs
from console.services.views import JobView, RunView
from console.web import versions
from console.web.answers import is_known, nothing_new, page
from console.web.identity import actor, moment, zone
from console.web.queries import PAGE, RunQuery

LOG_SHOWN = 500
BEFORE_THE_FIRST = -1
bp = Blueprint("runs", __name__)


@bp.get("/runs")
def index() -> ResponseReturnValue:
    return page("runs/index.html", **_table(RunQuery.read(request.args)))


@bp.get("/fragments/runs/table")
def table() -> ResponseReturnValue:
    context = _table(RunQuery.read(request.args, "version"))
    return nothing_new() if is_known(context["version"]) else page("runs/_table.html", **context)


def _table(query: RunQuery) -> dict[str, Any]:
    found = runs.page(actor(), query.filter, cursor=query.cursor, limit=PAGE, now=moment())
    return {"page": found, "query": query, "version": versions.of_runs(found)}


@bp.get("/runs/<uuid:run_id>")
def show(run_id: UUID) -> ResponseReturnValue:
    return page("runs/show.html", **_run(_seen(run_id)))


@bp.get("/fragments/runs/<uuid:run_id>")
def run(run_id: UUID) -> ResponseReturnValue:
    found = _seen(run_id)
    return nothing_new() if is_known(found.version) else page("runs/_run.html", **_run(found))


def _seen(run_id: UUID) -> RunView:
    """The run; the first look at its end is recorded before it is shown."""
    found = runs.get(actor(), run_id, now=moment())
    if found.state.is_terminal and found.seen_at is None:
        runs.mark_seen(actor(), [run_id], now=moment())
        found = runs.get(actor(), run_id, now=moment())
    return found


def _run(found: RunView) -> dict[str, Any]:
    log = runs.log(actor(), found.id, limit=LOG_SHOWN)
    return {"run": found, "job": _job(found), "log": log, "log_shown": LOG_SHOWN, "left": _left(found)}


def _job(found: RunView) -> JobView | None:
    """The job of a run that has ended, for its button; None while it goes on, or when the job is deleted."""
    if not found.state.is_terminal:
        return None
    try:
        return jobs.get(actor(), found.job_id, now=moment())
    except NotFound:
        return None


@bp.get("/runs/<uuid:run_id>/log")
def log(run_id: UUID) -> ResponseReturnValue:
    """All lines as plain text, however many."""
    found = runs.get(actor(), run_id, now=moment())
    answer = Response(stream_with_context(_lines(actor(), run_id, zone())), mimetype="text/plain")
    answer.headers["Content-Disposition"] = f'attachment; filename="{found.job_key}-{found.id}.log"'
    return answer


def _lines(reader: Actor, run_id: UUID, zone: ZoneInfo) -> Iterator[str]:
    """The log in pieces of one page each."""
    after = BEFORE_THE_FIRST
    while lines := runs.log(reader, run_id, after=after, limit=LOG_SHOWN):
        yield "".join(
            f"{line.at.astimezone(zone).isoformat(timespec='milliseconds')} #{line.attempt} {line.message}\n"
            for line in lines
        )
        after = lines[-1].id


def _left(run: RunView) -> float | None:
    """Seconds that the rest will take at the pace so far; None when that can't be known."""
    progress = run.progress or {}
    done, total = progress.get("done"), progress.get("total")
    if not run.started_at or not done or not total or done >= total:
        return None
    elapsed = (run.as_of - run.started_at).total_seconds()
    return elapsed * (float(total) - float(done)) / float(done)
