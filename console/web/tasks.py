"""Every task: where it stands in the code, who offers it, and what became of it last."""

from typing import Any

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.services import task_jobs, task_lists
from console.web.answers import page
from console.web.identity import actor, moment, wants_fragment

LONGEST_NAME = 300
bp = Blueprint("tasks", __name__)


@bp.get("/tasks")
def index() -> ResponseReturnValue:
    return page("tasks/index.html", **_listing())


@bp.get("/fragments/tasks/list")
def listing() -> ResponseReturnValue:
    return page("tasks/_list.html", **_listing())


def _listing() -> dict[str, Any]:
    found = task_lists.listing(actor(), now=moment())
    return {"tasks": found.tasks, "as_of": found.as_of, "most": task_lists.COUNTED_UP_TO}


@bp.post("/tasks/job")
def make_job() -> ResponseReturnValue:
    """Gives a task that has no job one of its own, and goes on to the question whether to run it."""
    name = request.form.get("task", "")[:LONGEST_NAME].replace("\x00", "")
    job_id = task_jobs.manual_job(actor(), name, now=moment())
    endpoint = "jobs.confirm_fragment" if wants_fragment() else "jobs.confirm"
    return redirect(url_for(endpoint, job_id=job_id, region="run"), 303)
