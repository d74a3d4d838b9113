"""The templates of messages: which there are, the editor with its preview, saving, history and undo."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid
from console.core.states import MessageType
from console.core.texts import storable
from console.plugins.messages import templates, trials
from console.plugins.messages.templates import StaleTemplate, Template
from console.plugins.messages.templating import FILTERS, LONGEST, Words
from console.plugins.messages.variables import VARIABLES
from console.plugins.messages.views import PLANNED, EventView
from console.web.answers import page
from console.web.identity import actor, moment, wants_fragment

TYPES = f"<any({', '.join(PLANNED)}):message_type>"
NOTE_LENGTH = 500
NO_EVENT = "example"
bp = Blueprint("templates", __name__, url_prefix="/messages/templates")


@bp.get("")
def index() -> ResponseReturnValue:
    return page("message_templates/index.html", templates=templates.overview(actor()))


@bp.get(f"/{TYPES}")
def show(message_type: str) -> ResponseReturnValue:
    found = templates.get(actor(), MessageType(message_type))
    return page("message_templates/show.html", **_editor(found, found.words))


@bp.post(f"/{TYPES}/preview")
def preview(message_type: str) -> ResponseReturnValue:
    """What the draft would read like; without JavaScript the whole page with the draft in it."""
    words = _draft()
    if wants_fragment():
        return page("message_templates/_preview.html", **_tried(words, _events()))
    found = templates.get(actor(), MessageType(message_type))
    return page("message_templates/show.html", **_editor(found, words))


@bp.post(f"/{TYPES}")
def save(message_type: str) -> ResponseReturnValue:
    kind, words = MessageType(message_type), _draft()
    reason = storable(request.form.get("reason", "").strip(), NOTE_LENGTH) or None
    try:
        saved = templates.save(actor(), kind, words, seen=_number("seen"), reason=reason, now=moment())
    except StaleTemplate as stale:
        context = _editor(stale.current, words) | {"stale": stale}
        return page("message_templates/show.html", stale.status, **context)
    except Invalid as error:
        found = templates.get(actor(), kind)
        context = _editor(found, words, error.fields) | {"seen": _number("seen")}
        return page("message_templates/show.html", error.status, **context)
    return _saved(saved)


@bp.post(f"/{TYPES}/restore")
def restore(message_type: str) -> ResponseReturnValue:
    kind = MessageType(message_type)
    saved = templates.restore(actor(), kind, _number("version"), seen=_number("seen"), now=moment())
    return _saved(saved)


def _saved(saved: Template) -> ResponseReturnValue:
    """Back to the editor, with the same event in the preview; a save of nothing new says so."""
    is_new = saved.created_at == moment()
    flash(f"Saved version {saved.version}." if is_new else f"{_name(saved)} says this already.")
    event = request.form.get("event") or None
    return redirect(url_for("templates.show", message_type=saved.message_type, event=event), 303)


def _name(saved: Template) -> str:
    name = templates.named(saved.version)
    return name[:1].upper() + name[1:]


def _editor(
    found: Template, words: Words, faults: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """The page of a template: `words` are what stands in its fields, `faults` what is wrong with them."""
    return {
        "current": found,
        "seen": found.version,
        "words": words,
        "faults": faults or {},
        "reason": request.form.get("reason", ""),
        "longest": LONGEST,
        "variables": VARIABLES,
        "filters": FILTERS,
        "history": templates.history(actor(), found.message_type),
        "stale": None,
        **_tried(words, _events()),
    }


def _tried(words: Words, events: Sequence[EventView]) -> dict[str, Any]:
    """The preview: with the chosen event, or else the nearest one."""
    chosen = request.values.get("event", "")
    event_id = _event_id(chosen) or (events[0].id if events and chosen != NO_EVENT else None)
    return {"events": events, "trial": trials.try_out(actor(), words, event_id), "example": NO_EVENT}


def _events() -> Sequence[EventView]:
    return trials.events_to_try(actor(), now=moment())


def _event_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _draft() -> Words:
    """What was typed, with the line ends that are stored."""
    typed = (request.form.get(name, "").replace("\r\n", "\n") for name in ("subject", "text", "html"))
    return Words(*typed)


def _number(name: str) -> int:
    """A version that the form carries; raises `Invalid`."""
    text = request.form.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise Invalid(f"{name}: is missing", fields={name: ["is missing"]})
    return int(text)
