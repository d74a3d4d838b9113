"""The chain around a job: drawn on its page, and edited in a dialog, one link at a time."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid
from console.core.permissions import Permission
from console.core.states import Condition
from console.services import chain_places, chain_views, chains, jobs, runs
from console.services.chains import Links
from console.services.views import JobFilter, JobView
from console.web.answers import is_known, nothing_new, page
from console.web.chain_drawing import draw
from console.web.identity import actor, moment, wants_fragment
from console.web.parameters import check_names

OFFERED = 20
LONGEST_NAME = 200
bp = Blueprint("chains", __name__)


@bp.get("/fragments/jobs/<uuid:job_id>/chain")
def chain(job_id: UUID) -> ResponseReturnValue:
    context = context_of(job_id)
    return nothing_new() if is_known(context["chain"].version) else page("chains/_chain.html", **context)


def context_of(job_id: UUID) -> dict[str, Any]:
    """What the drawing of the chain shows."""
    found = chain_views.around(actor(), job_id, now=moment())
    return {"chain": found, "drawing": draw(found)}


@bp.get("/fragments/runs/<uuid:run_id>/place")
def place(run_id: UUID) -> ResponseReturnValue:
    """The place of a run in its chain and its sequence."""
    run = runs.get(actor(), run_id, now=moment())
    found = chain_places.place(actor(), run)
    return nothing_new() if is_known(found.version) else page("chains/_place.html", run=run, place=found)


@bp.get("/jobs/<uuid:job_id>/chain")
def edit(job_id: UUID) -> ResponseReturnValue:
    return page("chains/edit.html", **_editor(job_id))


@bp.get("/fragments/jobs/<uuid:job_id>/chain/edit")
def edit_fragment(job_id: UUID) -> ResponseReturnValue:
    return page("chains/_edit.html", **_editor(job_id))


@bp.get("/fragments/jobs/<uuid:job_id>/chain/options")
def options(job_id: UUID) -> ResponseReturnValue:
    """The jobs that what is typed may mean."""
    check_names(request.args, "job")
    jobs.get(actor(), job_id, now=moment())
    typed = request.args.get("job", "").replace("\x00", "")[:LONGEST_NAME].strip()
    return page("chains/_options.html", offered=_offered(job_id, typed))


@bp.post("/jobs/<uuid:job_id>/chain")
def change(job_id: UUID) -> ResponseReturnValue:
    """Adds a link or removes one."""
    actor().require(Permission.EDIT_CHAINS)
    try:
        after, said = _changed(job_id)
    except Invalid as error:
        return _wrong(job_id, error)
    if not wants_fragment():
        flash(said)
        return redirect(url_for("chains.edit", job_id=job_id), 303)
    answer = page("chains/_edit.html", **_editor(job_id, links=after, said=said))
    answer.headers["HX-Trigger-After-Settle"] = "jobs-changed"
    return answer


def _changed(job_id: UUID) -> tuple[Links, str]:
    """The links after the change, and what is said of it; raises `Invalid` that names the field."""
    removed = request.form.get("remove")
    if removed is not None:
        word, _, to = removed.partition(":")
        condition, to_id = _condition(word), _id(to)
        after = chains.remove(actor(), job_id, condition, to_id, now=moment())
        return after, "It is removed from the chain."
    condition = _condition(request.form.get("condition", ""))
    name = request.form.get("job", "").replace("\x00", "")[:LONGEST_NAME]
    after = chains.add(actor(), job_id, condition, name, now=moment())
    return after, f"Added to the chain: runs {condition.word}."


def _condition(word: str) -> Condition:
    try:
        return Condition(word)
    except ValueError:
        text = f"must be one of {', '.join(Condition)}"
        raise Invalid(f"condition: {text}", fields={"condition": [text]}) from None


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid("remove: is no link", fields={"remove": ["is no link"]}) from None


def _wrong(job_id: UUID, error: Invalid) -> ResponseReturnValue:
    """The form as it was typed, with what is wrong beside the field."""
    name = "chains/_edit.html" if wants_fragment() else "chains/edit.html"
    return page(name, error.status, **_editor(job_id, faults=error.fields))


def _editor(
    job_id: UUID,
    *,
    links: Links | None = None,
    faults: Mapping[str, Sequence[str]] | None = None,
    said: str | None = None,
) -> dict[str, Any]:
    actor().require(Permission.EDIT_CHAINS)
    return {
        "links": links or chains.get(actor(), job_id),
        "conditions": list(Condition),
        "offered": _offered(job_id, ""),
        "faults": faults or {},
        "typed": request.form if faults else {},
        "said": said,
        "most": chains.MOST_LINKS,
    }


def _offered(job_id: UUID, typed: str) -> list[JobView]:
    """Jobs to choose from: before anything is typed those that send nothing, for they are few."""
    wanted = JobFilter(q=typed) if typed else JobFilter(tasks_only=True)
    found = jobs.page(actor(), wanted, cursor=None, limit=OFFERED + 1, total=0, now=moment())
    return [job for job in found.jobs if job.id != job_id][:OFFERED]
