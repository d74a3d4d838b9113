"""The queues on the page of workers: what waits in them, and pausing and resuming them."""

from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid, Refused
from console.core.permissions import Permission
from console.services import queue_pauses
from console.web.answers import page
from console.web.errors import problem_of
from console.web.identity import actor, moment, wants_fragment

NOTE_TYPED = 2000
bp = Blueprint("queues", __name__)


@bp.get("/queues/<name>/pause")
def confirm(name: str) -> ResponseReturnValue:
    return page("queues/pause.html", **_context(name))


@bp.get("/fragments/queues/<name>/pause")
def confirm_fragment(name: str) -> ResponseReturnValue:
    return page("queues/_pause.html", **_context(name))


def _context(name: str, refusal: Refused | Invalid | None = None) -> dict[str, Any]:
    actor().require(Permission.PAUSE_QUEUES)
    return {
        "queue": queue_pauses.get(actor(), name, now=moment()),
        "note": request.form.get("note", "")[:NOTE_TYPED],
        "problem": problem_of(refusal) if isinstance(refusal, Refused) else None,
        "faults": refusal.fields if refusal else {},
    }


@bp.post("/queues/<name>/pause")
def pause(name: str) -> ResponseReturnValue:
    try:
        queue_pauses.pause(actor(), name, request.form.get("note"), now=moment())
    except (Refused, Invalid) as refusal:
        template = "queues/_pause.html" if wants_fragment() else "queues/pause.html"
        return page(template, refusal.status, **_context(name, refusal))
    return _done(f"Queue {name} is paused: nothing starts out of it until somebody resumes it.")


@bp.post("/queues/<name>/resume")
def resume(name: str) -> ResponseReturnValue:
    queue_pauses.resume(actor(), name, now=moment())
    return _done(f"Queue {name} is resumed: what waited starts now.")


def _done(said: str) -> ResponseReturnValue:
    """Back to the queues, which show it."""
    flash(said)
    address = url_for("workers.index", _anchor="queues")
    if wants_fragment():
        return Response(headers={"HX-Redirect": url_for("workers.index")})
    return redirect(address, 303)
