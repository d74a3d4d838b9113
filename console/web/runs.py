"""The list of runs, and a run's page."""

from typing import Any
from uuid import UUID

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from console.services import runs
from console.services.views import RunView
from console.web import versions
from console.web.answers import is_known, nothing_new, page
from console.web.identity import actor, moment
from console.web.queries import PAGE, RunQuery

LOG_SHOWN = 500
bp = Blueprint("runs", __name__)


@bp.get("/runs")
def index() -> ResponseReturnValue:
    return page("runs/index.html", **_table(RunQuery.read(request.args)))


@bp.get("/fragments/runs/table")
def table() -> ResponseReturnValue:
    context = _table(RunQuery.read(request.args))
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
    return {"run": found, "log": runs.log(actor(), found.id, limit=LOG_SHOWN), "left": _left(found)}


def _left(run: RunView) -> float | None:
    """Seconds that the rest will take at the pace so far; None when that can't be known."""
    progress = run.progress or {}
    done, total = progress.get("done"), progress.get("total")
    if not run.started_at or not done or not total or done >= total:
        return None
    elapsed = (run.as_of - run.started_at).total_seconds()
    return elapsed * (float(total) - float(done)) / float(done)
