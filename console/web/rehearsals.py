"""A dry run as the dialog follows it: its progress, then what would change, and the way to the real run."""

from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from console.core.errors import NotFound
from console.core.texts import own_path
from console.services import jobs, runs
from console.services.run_views import RunView
from console.services.views import JobView
from console.web.answers import is_known, nothing_new, page
from console.web.errors import Problem
from console.web.identity import actor, moment

LINES = 8
bp = Blueprint("rehearsals", __name__)
bp.app_template_filter("own_path")(own_path)
bp.app_context_processor(lambda: {"fresh_key": lambda: uuid4().hex})


@bp.get("/runs/<uuid:run_id>/rehearsal")
def show(run_id: UUID) -> ResponseReturnValue:
    return page("runs/rehearsal.html", **_context(runs.get(actor(), run_id, now=moment())))


@bp.get("/fragments/runs/<uuid:run_id>/rehearsal")
def poll(run_id: UUID) -> ResponseReturnValue:
    found = runs.get(actor(), run_id, now=moment())
    return nothing_new() if is_known(found.version) else fragment(found)


def fragment(run: RunView, problem: Problem | None = None) -> Response:
    """What the dialog shows of it, and why what was asked there was refused."""
    status = problem.status if problem else HTTPStatus.OK
    return page("runs/_rehearsal.html", status, **_context(run) | {"problem": problem})


def _context(run: RunView) -> dict[str, Any]:
    region = request.values.get("region", "")
    return {
        "run": run,
        "job": _job(run),
        "lines": runs.log(actor(), run.id, limit=LINES),
        "problem": None,
        "region": region if region in ("job", "run") else "row",
    }


def _job(run: RunView) -> JobView | None:
    """The job of a dry run that went well, for its button; None when there is nothing to press."""
    if not (run.dry_run and run.state.is_terminal):
        return None
    try:
        return jobs.get(actor(), run.job_id, now=moment())
    except NotFound:
        return None
