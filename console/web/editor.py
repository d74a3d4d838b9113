"""The schedule editor: in a row, on a job's page, or on a page of its own; its preview, its saving."""

from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid
from console.core.permissions import Permission
from console.services import edits, jobs, previews, revisions
from console.services.conflicts import StaleRevision
from console.services.definitions import Definition
from console.services.edits import Edited
from console.services.previews import Preview
from console.services.views import JobView
from console.web.answers import page
from console.web.drafts import TYPES, definition_of, draft_of, read
from console.web.identity import actor, moment, wants_fragment, zone
from console.web.saves import region, revision_of, saved, seen_revision
from console.web.schedule_form import ORDER, POLICIES, Examined, agreed, change, examine
from console.web.schedule_shape import twice

COMMON_ZONES = (
    "UTC",
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "America/Chicago",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Ho_Chi_Minh",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Australia/Sydney",
)
ODD = ("Etc/", "SystemV/", "US/", "Brazil/", "Canada/", "Chile/", "Mexico/")
bp = Blueprint("editor", __name__)


@bp.get("/jobs/<uuid:job_id>/schedule")
def show(job_id: UUID) -> ResponseReturnValue:
    return page("schedules/editor.html", **_opened(job_id))


@bp.get("/fragments/jobs/<uuid:job_id>/schedule")
def fragment(job_id: UUID) -> ResponseReturnValue:
    return page("schedules/_editor.html", **_opened(job_id))


@bp.get("/fragments/jobs/<uuid:job_id>/schedule/preview")
def preview(job_id: UUID) -> ResponseReturnValue:
    """What the form would do; with it, what its other fields show when one of them is typed in."""
    actor().require(Permission.EDIT_JOBS)
    if "type" not in request.args:
        return page("schedules/_preview.html", **_opened(job_id))
    typed = request.headers.get("HX-Trigger-Name")
    job = jobs.get(actor(), job_id, now=moment())
    given = read(request.args)
    seen = examine(given, definition_of(job), moment(), typed)
    return page("schedules/_previewed.html", typed=typed, given=given, **_form(job, seen))


def _opened(job_id: UUID) -> dict[str, Any]:
    """The editor of a job as it stands."""
    actor().require(Permission.EDIT_JOBS)
    job = jobs.get(actor(), job_id, now=moment())
    base = definition_of(job)
    return _form(job, examine(agreed(draft_of(base, moment())), base, moment()))


def _form(job: JobView, seen: Examined, revision: int | None = None) -> dict[str, Any]:
    """What the form shows; `revision` is the one that the draft was begun on."""
    found = _previewed(job, seen)
    return {
        "job": job,
        "region": region(),
        "revision": revision or job.revision,
        "draft": seen.draft,
        "faults": seen.faults,
        "preview": found,
        "twice": twice(seen.draft),
        "zones": zones(job.timezone, str(zone())),
        "types": TYPES,
        "policies": POLICIES,
        "field_names": ORDER,
    }


def _previewed(job: JobView, seen: Examined) -> Preview | None:
    """The words and slots of a draft; None when they can't be known, and then its faults say why."""
    shape, place = seen.wanted.get("schedule"), seen.wanted.get("timezone")
    if shape is None or place is None:
        return None
    try:
        return previews.preview(actor(), shape, place, job_id=job.id, now=moment())
    except Invalid as error:
        seen.faults.add(error)
        return None


@lru_cache(maxsize=64)
def zones(*near: str) -> tuple[str, ...]:
    """Every zone that goes by a place, the likely ones first."""
    first = dict.fromkeys((*near, *COMMON_ZONES))
    rest = (name for name in available_timezones() if "/" in name and not name.startswith(ODD))
    return tuple(dict.fromkeys((*first, *sorted(rest))))


# Saving --------------------------------------------------------------------------------------------


@bp.post("/jobs/<uuid:job_id>/schedule")
def save(job_id: UUID) -> ResponseReturnValue:
    actor().require(Permission.EDIT_JOBS)
    job = jobs.get(actor(), job_id, now=moment())
    base = definition_at(job, revision_of(request.form, "base") or seen_revision())
    seen = examine(read(request.form), base, moment())
    if seen.faults:
        return _refused(job, seen)
    try:
        return saved(_save(job, seen, base))
    except StaleRevision as stale:
        return _conflict(stale, seen)
    except Invalid as error:
        seen.faults.add(error)
        return _refused(job, seen)


def _save(job: JobView, seen: Examined, base: Definition) -> Edited:
    """Saves what differs from the draft's beginning, or all of it when it is to stand over theirs."""
    all_of_mine = request.form.get("settle") == "mine"
    reason = seen.draft.reason or None
    wanted = change(seen, None if all_of_mine else base)
    try:
        return edits.edit(actor(), job.id, wanted, seen=seen_revision(), reason=reason, now=moment())
    except StaleRevision:
        begun = revision_of(request.form, "base")
        if begun is None:
            raise
        # Settled, and stale again: the ancestor is still the revision that the draft was begun on.
        return edits.edit(actor(), job.id, change(seen, base), seen=begun, reason=reason, now=moment())


def definition_at(job: JobView, revision: int) -> Definition:
    """The job as that revision defines it, on which a draft was begun; raises `Invalid`."""
    if revision == job.revision:
        return definition_of(job)
    found = revisions.page(actor(), job.id, before=revision + 1, limit=1, now=moment()).revisions
    if not found or found[0].revision != revision:
        word = f"there is no such revision; the newest is {job.revision}"
        raise Invalid(f"revision: {word}", fields={"revision": [word]})
    return Definition.read(found[0].definition)


def _refused(job: JobView, seen: Examined) -> ResponseReturnValue:
    """The same form, with what is wrong beside each field."""
    context = _form(job, seen, revision_of(request.form, "revision"))
    name = "schedules/_editor.html" if wants_fragment() else "schedules/editor.html"
    return page(name, 422, **context)


def _conflict(stale: StaleRevision, seen: Examined) -> ResponseReturnValue:
    """Theirs, mine and where both came from; the draft goes along."""
    conflict = stale.conflict
    if all(item.mine == item.theirs for item in conflict.fields):
        return _settled(conflict.current)
    context = {
        "job": conflict.current,
        "region": region(),
        "conflict": conflict,
        "clashes": any(item.clashes for item in conflict.fields),
        "action": url_for("editor.save", job_id=conflict.current.id),
        "texts": seen.draft.texts,
        "is_whole": True,
        "base": conflict.seen,
    }
    name = "schedules/_conflict.html" if wants_fragment() else "schedules/conflict.html"
    return page(name, stale.status, **context)


def _settled(job: JobView) -> ResponseReturnValue:
    """What was to be saved is there already: a save that was sent twice, or two who want the same."""
    return saved(Edited(job, (), job.next_run_at, job.revision))
