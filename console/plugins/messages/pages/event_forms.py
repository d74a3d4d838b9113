"""The form of an event: making one, and changing one that is there."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid
from console.core.permissions import Permission
from console.core.texts import storable
from console.plugins.messages import events
from console.plugins.messages.events import EventChange, NewEvent, StaleEvent, Written
from console.plugins.messages.outcomes import became
from console.plugins.messages.pages import event_drafts
from console.plugins.messages.pages.event_drafts import EventDraft, Read, draft_of
from console.plugins.messages.pages.event_words import FIELDS, in_words
from console.plugins.messages.pages.events import bp
from console.plugins.messages.views import EventView
from console.web.answers import page
from console.web.editor import zones
from console.web.identity import actor, moment
from console.web.parameters import check_names
from console.web.saves import seen_revision

LONGEST_REASON = 500


@bp.get("/events/new")
def new() -> ResponseReturnValue:
    actor().require(Permission.EDIT_EVENTS)
    check_names(request.args)
    return _form(Read(EventDraft(timezone=actor().zone)))


@bp.post("/events")
def create() -> ResponseReturnValue:
    actor().require(Permission.EDIT_EVENTS)
    found = event_drafts.read(event_drafts.typed(request.form))
    if found.faults:
        return _form(found, status=422)
    try:
        done = events.created(actor(), NewEvent(**found.given), key=_key(), now=moment())
        return _saved(done, "created")
    except Invalid as error:
        found.add(error)
        return _form(found, status=422)


@bp.get("/events/<uuid:event_id>/edit")
def edit(event_id: UUID) -> ResponseReturnValue:
    actor().require(Permission.EDIT_EVENTS)
    event = events.get(actor(), event_id)
    return _form(Read(draft_of(event)), event)


@bp.post("/events/<uuid:event_id>")
def save(event_id: UUID) -> ResponseReturnValue:
    """Saves what differs from the event; when somebody else was first, their changes are shown beside it."""
    actor().require(Permission.EDIT_EVENTS)
    event, seen = events.get(actor(), event_id), seen_revision()
    found = event_drafts.read(event_drafts.typed(request.form), event)
    if found.faults:
        return _form(found, event, status=422, revision=seen)
    try:
        change = EventChange(**found.given)
        done = events.edited(actor(), event_id, change, seen=seen, reason=_reason(), now=moment())
    except StaleEvent as stale:
        return _stale(stale, found.draft)
    except Invalid as error:
        found.add(error)
        return _form(found, event, status=422, revision=seen)
    return _saved(done, "saved")


def _key() -> UUID | None:
    """What makes two clicks on one form one event."""
    try:
        return UUID(request.form.get("key", ""))
    except ValueError:
        return None


def _reason() -> str | None:
    return storable(request.form.get("reason", "").strip(), LONGEST_REASON) or None


def _saved(done: Written, verb: str) -> ResponseReturnValue:
    if done.is_changed:
        flash(f"{done.event.name}: {verb}. {became(done.planned)}")
    else:
        flash(f"{done.event.name}: nothing to change, it is so already.")
    return redirect(url_for("events.show", event_id=done.event.id), 303)


def _stale(stale: StaleEvent, draft: EventDraft) -> ResponseReturnValue:
    """The draft again, over what is saved now; saving once more puts it in force."""
    base = _before(stale)
    shown = Read(event_drafts.merged(draft, base, stale.current))
    theirs = [
        (FIELDS[name], in_words(name, old, base.timezone), in_words(name, new, stale.current.timezone))
        for name, old, new in ((name, stale.later.old[name], new) for name, new in stale.later.new.items())
    ]
    return _form(shown, stale.current, status=409, stale=stale, theirs=theirs)


def _before(stale: StaleEvent) -> EventView:
    """The event as it was in the revision that was seen."""
    old: dict[str, Any] = dict(stale.later.old)
    for name in ("starts_at", "load_in_at"):
        if old.get(name):
            old[name] = datetime.fromisoformat(old[name])
    if "crew" in old:
        old["crew"] = tuple(old["crew"])
    return replace(stale.current, **old)


def _form(
    found: Read,
    event: EventView | None = None,
    *,
    status: int = 200,
    revision: int | None = None,
    **more: Any,
) -> ResponseReturnValue:
    """The page with the form; `revision` is the one that the draft was begun on."""
    context: dict[str, Any] = {
        "event": event,
        "draft": found.draft,
        "faults": found.faults,
        "focus": found.first or "name",
        "twice": found.twice,
        "revision": revision or (event.revision if event else None),
        "key": _key() or uuid4(),
        "reason": _reason() or "",
        "zones": zones(actor().zone),
        "stale": None,
        "theirs": [],
    }
    return page("events/form.html", status, **context | more)
