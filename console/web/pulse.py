"""The heartbeat in the top bar: the one poll that every page has."""

from typing import Any

from flask import Blueprint, g, make_response, render_template, request
from flask.typing import ResponseReturnValue

from console.core.errors import ConsoleError
from console.services import jobs, runs, workers
from console.services.process_views import Pulse
from console.services.run_views import RunFilter
from console.web import versions
from console.web.identity import actor, moment, zone
from console.web.job_queries import JobQuery, ScheduleQuery
from console.web.parameters import cursor_of, job_id_of
from console.web.queries import PAGE, RUNS_OF_JOB
from console.web.run_queries import RunQuery
from console.web.waiting import waiting_approvals

WATCHED = ("watch", "version", "waiting")
bp = Blueprint("pulse", __name__)


def heartbeat() -> Pulse:
    """The pulse at the request's instant."""
    if "pulse" not in g:
        g.pulse = workers.pulse(now=moment())
    found: Pulse = g.pulse
    return found


@bp.get("/fragments/pulse")
def pulse() -> ResponseReturnValue:
    """Also tells the page when what it shows has changed since."""
    answer = make_response(render_template("pulse/_pulse.html"))
    changed = ["jobs-changed"] if _has_changed() else []
    if request.args.get("waiting", "") not in ("", waiting_approvals().shown):
        changed.append("approvals-changed")
    if changed:
        answer.headers["HX-Trigger"] = ", ".join(changed)
    return answer


def _has_changed() -> bool:
    shown = request.args.get("version")
    if not shown:
        return False
    try:
        return WATCHES[request.args.get("watch", "")](request.args) != shown
    except (ConsoleError, KeyError):
        return False


def _jobs(args: Any) -> str:
    is_waiting = versions.is_waiting(args.get("version", ""))
    return versions.of_jobs(JobQuery.read(args, *WATCHED), heartbeat() if is_waiting else None)


def _job(args: Any) -> str:
    job = jobs.get(actor(), job_id_of(args), now=moment())
    wanted, cursor = RunFilter(job_id=job.id), cursor_of(args, "job", *WATCHED)
    found = runs.page(actor(), wanted, cursor=cursor, limit=RUNS_OF_JOB, now=moment())
    return versions.of_job(job, found, heartbeat)


def _runs(args: Any) -> str:
    query = RunQuery.read(args, *WATCHED)
    found = runs.page(actor(), query.filter(zone()), cursor=query.cursor, limit=PAGE, now=moment())
    return versions.of_runs(found)


def _schedules(args: Any) -> str:
    return versions.of_schedules(ScheduleQuery.read(args, *WATCHED), heartbeat())


WATCHES = {"jobs": _jobs, "job": _job, "runs": _runs, "schedules": _schedules}
