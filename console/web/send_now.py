"""Send now and its kin: the dialog with its preflight, arguments and time, and what a click in it makes."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Response, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid, NotFound, Refused
from console.core.local_time import Twice, instant_of, twice_of
from console.core.permissions import Permission
from console.core.registry import registry
from console.core.states import Hold, Trigger
from console.core.texts import storable
from console.services import chains, jobs, preflights, runs, triggers
from console.services.approvals import ApprovalRequested
from console.services.run_requests import Request
from console.services.run_views import RunView
from console.services.views import JobView
from console.web import args_form, rehearsals
from console.web.answers import page
from console.web.args_form import ArgsForm
from console.web.asking import asked
from console.web.errors import problem_of
from console.web.identity import actor, moment, wants_fragment
from console.web.jobs import NOTE_LENGTH, context_of
from console.web.jobs import bp as bp

KEY_LENGTH = 190
DRY = "dry:"
"""Before the key of a dry run: the click that follows it in the same form is one of its own."""
BESIDE = ("start_at", "note")
"""The fields, apart from the arguments, that have a place for what is wrong with them."""
TYPED_LENGTH = 40
Faults = Mapping[str, Sequence[str]]


@bp.get("/jobs/<uuid:job_id>/send-now")
def confirm(job_id: UUID) -> ResponseReturnValue:
    return page("jobs/send_now.html", **_confirmation(job_id))


@bp.get("/fragments/jobs/<uuid:job_id>/send-now")
def confirm_fragment(job_id: UUID) -> ResponseReturnValue:
    return page("jobs/_send_now.html", **_confirmation(job_id))


def _confirmation(job_id: UUID, faults: Faults | None = None) -> dict[str, Any]:
    """What the dialog shows: filled with the job's own, or with what was typed into it."""
    actor().require(Permission.RUN_JOBS)
    ready = preflights.preflight(actor(), job_id, now=moment())
    start_at = request.form.get("start_at", "")[:TYPED_LENGTH]
    return {
        "ready": ready,
        "job": ready.job,
        "links": chains.get(actor(), job_id),
        "key": ready.idempotency_key,
        "region": region(),
        "override": request.form.get("override") == "1",
        "problem": None,
        "args": _arguments(ready.job, faults or {}),
        "start_at": start_at,
        "twice": _twice(start_at, ready.job),
        "fold": request.form.get("fold", ""),
        "note": request.form.get("note", "")[:NOTE_LENGTH],
        "faults": faults or {},
    }


def region() -> str:
    """Which part of a page the button stands in: a row of the table, a job's page, or a run's page."""
    found = request.values.get("region", "")
    return found if found in ("job", "run") else "row"


def _arguments(job: JobView, faults: Faults) -> ArgsForm | None:
    """The form of the task's arguments; a message says what its job says, and is changed there."""
    task = registry.get(job.task)
    if task is None or job.message_type:
        return None
    args = _same_as(job.id) or job.args
    return args_form.form_of(task, args, faults, typed=request.form, zone=ZoneInfo(job.timezone))


def _twice(start_at: str, job: JobView) -> Twice | None:
    return twice_of(start_at, ZoneInfo(job.timezone))


# The click ----------------------------------------------------------------------------------------


@bp.post("/jobs/<uuid:job_id>/send-now")
def send_now(job_id: UUID) -> ResponseReturnValue:
    try:
        run = triggers.send_now(actor(), job_id, _wish(job_id), now=moment())
    except ApprovalRequested as error:
        return asked(error)
    except (Refused, Invalid) as refusal:
        return _refused(job_id, refusal)
    if run.dry_run and wants_fragment():
        return rehearsals.fragment(run)
    if wants_fragment() and region() != "run":
        return _accepted_fragment(run)
    return _accepted(run)


def _wish(job_id: UUID) -> Request:
    """What the form asks for; raises `Invalid` that names the field."""
    actor().require(Permission.RUN_JOBS)
    job = jobs.get(actor(), job_id, now=moment())
    is_dry = request.form.get("dry_run") == "1"
    key = request.form.get("idempotency_key", "")[:KEY_LENGTH] or None
    return Request(
        Trigger.MANUAL,
        key=f"{DRY}{key}" if key and is_dry else key,
        args=_args(job),
        dry_run=is_dry,
        override=request.form.get("override") == "1",
        start_at=None if is_dry else _start_at(job),
        note=storable(request.form.get("note", "").strip(), NOTE_LENGTH) or None,
    )


def _args(job: JobView) -> Mapping[str, Any] | None:
    """The arguments that were typed, or those of the dry run that is made real; None for the job's own."""
    same = _same_as(job.id)
    if same is not None or not args_form.is_given(request.form):
        return same
    return args_form.read(registry.get(job.task), request.form, zone=ZoneInfo(job.timezone))


def _same_as(job_id: UUID) -> Mapping[str, Any] | None:
    """The arguments of the run that `args_of` names, which is one of this job."""
    try:
        run_id = UUID(request.values.get("args_of", ""))
    except ValueError:
        return None
    run = runs.get(actor(), run_id, now=moment())
    if run.job_id != job_id:
        raise NotFound("This job has no such run.")
    return run.args


def _start_at(job: JobView) -> Any:
    """The instant that was typed on the clocks of the job's zone; None for at once."""
    text = request.form.get("start_at", "").strip()[:TYPED_LENGTH]
    if not text:
        return None
    again, fold = _twice(text, job), request.form.get("fold", "")
    try:
        if again is not None and fold not in ("0", "1"):
            raise ValueError(f"{again.text} Choose which of the two")
        return instant_of(text, ZoneInfo(job.timezone), int(fold == "1"))
    except ValueError as error:
        raise Invalid(f"start_at: {error}", fields={"start_at": [str(error)]}) from None


def _refused(job_id: UUID, refusal: Refused | Invalid) -> ResponseReturnValue:
    """The same form with the reason in it; trying again after a refusal is still the same click."""
    context = _confirmation(job_id, refusal.fields)
    if not _is_beside(refusal, context["args"]):
        context["problem"] = problem_of(refusal)
    if isinstance(refusal, Refused) or not context["problem"]:
        context["key"] = request.form.get("idempotency_key") or context["key"]
    name = "jobs/_send_now.html" if wants_fragment() else "jobs/send_now.html"
    return page(name, refusal.status, **context)


def _is_beside(refusal: Refused | Invalid, form: ArgsForm | None) -> bool:
    """Whether all that is wrong stands beside its field."""
    names = [name for name in refusal.fields if name not in BESIDE]
    is_argument = all(name.partition(".")[0] == "args" for name in names)
    return bool(refusal.fields) and (not names or (is_argument and form is not None))


def _accepted(run: RunView) -> ResponseReturnValue:
    """On to the page of the run."""
    flash(f"{run.job_name}: requested. This page follows the run.")
    address = url_for("runs.show", run_id=run.id)
    return Response(headers={"HX-Redirect": address}) if wants_fragment() else redirect(address, 303)


def _accepted_fragment(run: RunView) -> ResponseReturnValue:
    """The changed row or job, with a notice beside it; the page's own poll goes on from there."""
    is_row = region() == "row"
    context = {"job": jobs.get(actor(), run.job_id, now=moment())} if is_row else context_of(run.job_id)
    is_later = run.held_by is Hold.LATER
    answer = page("jobs/_accepted.html", run=run, is_row=is_row, is_later=is_later, **context)
    answer.headers["HX-Retarget"] = f"#job-{run.job_id}" if is_row else "#job"
    answer.headers["HX-Reswap"] = "outerHTML"
    answer.headers["HX-Trigger-After-Settle"] = "jobs-changed"
    return answer
