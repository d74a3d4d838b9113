"""The name and the arguments of a job: an editor on its page, or on a page of its own, and its saving."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid, Refused
from console.core.permissions import Permission
from console.core.registry import registry
from console.core.texts import storable
from console.services import edits, jobs
from console.services.changes import UNSET, Change
from console.services.conflicts import StaleRevision
from console.services.definitions import Definition
from console.services.edits import Edited
from console.services.views import JobView
from console.web import args_form, saves
from console.web.answers import page
from console.web.args_form import ArgsForm
from console.web.editor import definition_at
from console.web.errors import problem_of
from console.web.identity import actor, moment, wants_fragment
from console.web.saves import revision_of, saved, seen_revision

TYPED = 1000
UNTYPED = ("csrf_token", "revision", "base", "region", "settle")
"""The fields of a posted form that are not what somebody typed."""
bp = Blueprint("details", __name__)


@bp.get("/jobs/<uuid:job_id>/details")
def show(job_id: UUID) -> ResponseReturnValue:
    return page("jobs/details.html", **_opened(_job(job_id)))


@bp.get("/fragments/jobs/<uuid:job_id>/details")
def fragment(job_id: UUID) -> ResponseReturnValue:
    return page("jobs/_details.html", **_opened(_job(job_id)))


def _job(job_id: UUID) -> JobView:
    actor().require(Permission.EDIT_JOBS)
    return jobs.get(actor(), job_id, now=moment())


def _region() -> str:
    return "job" if saves.region() == "job" else "page"


def _opened(job: JobView, error: Invalid | Refused | None = None) -> dict[str, Any]:
    """The form: filled with what the job has, or with what was typed and what is wrong with it."""
    faults = error.fields if error else {}
    has_place = bool(faults) and all(name == "name" or name.partition(".")[0] == "args" for name in faults)
    return {
        "job": job,
        "region": _region(),
        "revision": revision_of(request.form, "revision") or job.revision,
        "base": revision_of(request.form, "base"),
        "name": request.form.get("name", job.name)[:TYPED],
        "args": _form(job, faults),
        "reason": request.form.get("reason", "")[:TYPED],
        "faults": faults,
        "problem": problem_of(error) if error and not has_place else None,
    }


def _form(job: JobView, faults: Mapping[str, Sequence[str]]) -> ArgsForm | None:
    """The form of the task's arguments; what a message says comes of its event and its template."""
    if job.message_type:
        return None
    task, place = registry.get(job.task), ZoneInfo(job.timezone)
    return args_form.form_of(
        task, job.args, faults, typed=request.form, zone=place, place=f"ed-{job.id}-args"
    )


# Saving --------------------------------------------------------------------------------------------


@bp.post("/jobs/<uuid:job_id>/details")
def save(job_id: UUID) -> ResponseReturnValue:
    job = _job(job_id)
    try:
        return saved(_save(job), opener=f"job-{job.id}-details")
    except StaleRevision as stale:
        return _conflict(stale)
    except (Invalid, Refused) as error:
        name = "jobs/_details.html" if wants_fragment() else "jobs/details.html"
        return page(name, error.status, **_opened(job, error))


def _save(job: JobView) -> Edited:
    """Saves what differs from the revision that the form was begun on, and only that."""
    begun = revision_of(request.form, "base") or seen_revision()
    wanted = _change(job, definition_at(job, begun))
    reason = storable(request.form.get("reason", "").strip(), TYPED) or None
    try:
        return edits.edit(actor(), job.id, wanted, seen=seen_revision(), reason=reason, now=moment())
    except StaleRevision:
        # Settled, and stale again: the ancestor is still the revision that the draft was begun on.
        return edits.edit(actor(), job.id, wanted, seen=begun, reason=reason, now=moment())


def _change(job: JobView, base: Definition) -> Change:
    name = storable(request.form.get("name", base.name).strip(), TYPED)
    is_renamed = name != base.name
    task, place = registry.get(job.task), ZoneInfo(job.timezone)
    if job.message_type or not args_form.is_touched(task, base.args, request.form, zone=place):
        return Change(name=name if is_renamed else UNSET)
    args = args_form.read(task, request.form, zone=place)
    return Change(name=name if is_renamed else UNSET, args=args)


def _conflict(stale: StaleRevision) -> ResponseReturnValue:
    """Theirs, mine and where both came from; what was typed goes along."""
    conflict = stale.conflict
    job = conflict.current
    if all(item.mine == item.theirs for item in conflict.fields):
        return saved(Edited(job, (), job.next_run_at, job.revision), opener=f"job-{job.id}-details")
    context = {
        "job": job,
        "region": _region(),
        "conflict": conflict,
        "clashes": any(item.clashes for item in conflict.fields),
        "action": url_for("details.save", job_id=job.id),
        "texts": {name: text for name, text in request.form.items() if name not in UNTYPED},
        "base": conflict.seen,
        "opener": f"job-{job.id}-details",
        "what": "Name and arguments",
    }
    name = "schedules/_conflict.html" if wants_fragment() else "schedules/conflict.html"
    return page(name, stale.status, **context)
