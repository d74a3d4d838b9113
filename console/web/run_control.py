"""Stop and retry of one run: what will come of it, said beforehand, and the deed."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid, Refused
from console.core.permissions import Permission
from console.core.registry import registry
from console.core.states import RunState
from console.services import chain_places, jobs, run_control, runs
from console.services.approvals import ApprovalRequested
from console.services.run_control import Retrying, Stopping
from console.services.run_views import RunView
from console.services.views import JobView
from console.web import args_form, rehearsals
from console.web import jobs as job_pages
from console.web import runs as run_pages
from console.web.answers import page
from console.web.args_form import ArgsForm
from console.web.asking import asked
from console.web.errors import problem_of
from console.web.identity import actor, moment, wants_fragment, zone

KEY_LENGTH = 200
NOTE_TYPED = 2000
PLACES = {"row": "#job-{job}", "job": "#job", "run": "#run"}
bp = Blueprint("run_control", __name__)


# Stop ----------------------------------------------------------------------------------------------


@bp.get("/runs/<uuid:run_id>/stop")
def confirm_stop(run_id: UUID) -> ResponseReturnValue:
    return page("runs/stop.html", **_stop_context(run_id))


@bp.get("/fragments/runs/<uuid:run_id>/stop")
def confirm_stop_fragment(run_id: UUID) -> ResponseReturnValue:
    return page("runs/_stop.html", **_stop_context(run_id))


def _stop_context(run_id: UUID) -> dict[str, Any]:
    actor().require(Permission.CONTROL_RUNS)
    ready: Stopping = run_control.stop_preflight(actor(), run_id, now=moment())
    return {
        "ready": ready,
        "run": ready.run,
        "place": chain_places.place(actor(), ready.run),
        "region": _region(),
        "note": _note(),
        "problem": None,
        "faults": {},
    }


def _region() -> str:
    """Where the button stands: on the run's page, on its job's, or in a row of the job table."""
    found = request.values.get("region", "")
    return found if found in PLACES else "run"


def _note() -> str:
    return request.form.get("note", "")[:NOTE_TYPED]


@bp.post("/runs/<uuid:run_id>/stop")
def stop(run_id: UUID) -> ResponseReturnValue:
    try:
        run = run_control.stop(actor(), run_id, _note(), now=moment())
    except (Refused, Invalid) as refusal:
        if _is_rehearsal():
            return _rehearsed(run_id, refusal)
        context = _stop_context(run_id) | {"problem": problem_of(refusal), "faults": refusal.fields}
        return page(_own("runs/_stop.html", "runs/stop.html"), refusal.status, **context)
    if _is_rehearsal():
        return _rehearsed(run_id)
    if wants_fragment():
        return _stopped(run)
    flash(_said(run))
    return redirect(url_for("runs.show", run_id=run_id), 303)


def _own(fragment: str, whole: str) -> str:
    return fragment if wants_fragment() else whole


def _said(run: RunView) -> str:
    if run.state is RunState.RUNNING:
        return f"{run.job_name}: told to stop. Its badge says when it has ended."
    return f"{run.job_name}: stopped."


def _is_rehearsal() -> bool:
    """Whether it is the button in the dialog that follows a dry run, which stays open."""
    return request.form.get("dialog") == "rehearsal" and wants_fragment()


def _rehearsed(run_id: UUID, refusal: Refused | Invalid | None = None) -> Response:
    """The dialog as the dry run is now, and why it could not be stopped."""
    run = runs.get(actor(), run_id, now=moment())
    return rehearsals.fragment(run, problem_of(refusal) if refusal else None)


def _stopped(run: RunView) -> Response:
    """The changed run, job or row, with a notice beside it."""
    answer = page("runs/_told.html", said=_said(run), region=_region(), **_shown(run))
    answer.headers["HX-Retarget"] = PLACES[_region()].format(job=run.job_id)
    answer.headers["HX-Reswap"] = "outerHTML"
    answer.headers["HX-Trigger-After-Settle"] = "jobs-changed"
    return answer


def _shown(run: RunView) -> dict[str, Any]:
    if _region() == "row":
        return {"job": jobs.get(actor(), run.job_id, now=moment())}
    if _region() == "job":
        return job_pages.context_of(run.job_id)
    return run_pages.context_of(runs.get(actor(), run.id, now=moment()))


# Retry ---------------------------------------------------------------------------------------------


@bp.get("/runs/<uuid:run_id>/retry")
def confirm_retry(run_id: UUID) -> ResponseReturnValue:
    return page("runs/retry.html", **_retry_context(run_id))


@bp.get("/fragments/runs/<uuid:run_id>/retry")
def confirm_retry_fragment(run_id: UUID) -> ResponseReturnValue:
    return page("runs/_retry.html", **_retry_context(run_id))


def _retry_context(run_id: UUID, refusal: Refused | Invalid | None = None) -> dict[str, Any]:
    actor().require(Permission.CONTROL_RUNS)
    ready = run_control.retry_preflight(actor(), run_id, now=moment())
    wrong = refusal.fields if refusal else {}
    is_argument = bool(wrong) and all(name.startswith("args") for name in wrong)
    return {
        "ready": ready,
        "run": ready.run,
        "job": ready.job,
        "args": _form(ready, wrong),
        "key": request.form.get("idempotency_key") or ready.idempotency_key,
        "note": _note(),
        "problem": problem_of(refusal) if refusal and not is_argument else None,
        "faults": wrong,
    }


def _form(ready: Retrying, wrong: Mapping[str, Sequence[str]]) -> ArgsForm | None:
    """The form of the run's arguments; a message says what its job says, and is changed there."""
    if ready.job is not None and ready.job.message_type:
        return None
    task, place = registry.get(ready.run.task), _place(ready.job)
    return args_form.form_of(task, ready.run.args, wrong, typed=request.form, zone=place)


def _place(job: JobView | None) -> ZoneInfo:
    """On whose clocks local times among the arguments are meant."""
    return ZoneInfo(job.timezone) if job else zone()


@bp.post("/runs/<uuid:run_id>/retry")
def retry(run_id: UUID) -> ResponseReturnValue:
    try:
        again = _retried(run_id)
    except ApprovalRequested as error:
        return asked(error)
    except (Refused, Invalid) as refusal:
        context = _retry_context(run_id, refusal)
        return page(_own("runs/_retry.html", "runs/retry.html"), refusal.status, **context)
    flash(f"{again.job_name}: requested once more. This page follows the run.")
    address = url_for("runs.show", run_id=again.id)
    return Response(headers={"HX-Redirect": address}) if wants_fragment() else redirect(address, 303)


def _retried(run_id: UUID) -> RunView:
    """The new run; without a form of arguments it has those of the old one."""
    actor().require(Permission.CONTROL_RUNS)
    ready = run_control.retry_preflight(actor(), run_id, now=moment())
    args = None
    if args_form.is_given(request.form):
        task = registry.get(ready.run.task)
        args = args_form.read(task, request.form, zone=_place(ready.job))
    key = request.form.get("idempotency_key", "")[:KEY_LENGTH] or None
    return run_control.retry(actor(), run_id, args, key=key, note=_note(), now=moment())
