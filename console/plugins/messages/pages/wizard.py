"""New messages by hand on one page: event, type, recipients, words and time, with a preview beside them."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid, NotFound, Refused
from console.core.permissions import Permission
from console.core.states import MessageType
from console.plugins.messages import events, templates, trials, wizard
from console.plugins.messages.pages import wizard_drafts
from console.plugins.messages.pages.wizard_drafts import NOW, Read, WizardDraft
from console.plugins.messages.templating import FILTERS, Words
from console.plugins.messages.variables import VARIABLES
from console.plugins.messages.views import PLANNED, EventView
from console.plugins.messages.wishes import Made
from console.web import words
from console.web.answers import page
from console.web.identity import actor, moment, wants_fragment
from console.web.parameters import check_names

OFFERED_EVENTS = 200
bp = Blueprint("wizard", __name__, url_prefix="/messages/new")


@bp.get("")
def show() -> ResponseReturnValue:
    """The form to begin with; about `event`, or else the nearest one."""
    actor().require(Permission.EDIT_JOBS)
    check_names(request.args, "event", "type")
    draft = WizardDraft(event=request.args.get("event", ""))
    event = _event(draft)
    if event is None:
        return page("wizard/show.html", event=None)
    begun = wizard_drafts.begun(event, uuid4().hex, moment())
    found = wizard_drafts.read(replace(begun, type=request.args.get("type", begun.type)), event)
    return page("wizard/show.html", **_room(found, event, is_said=False))


@bp.post("/preview")
def preview() -> ResponseReturnValue:
    """What the draft would make; without JavaScript the whole page with the draft in it."""
    actor().require(Permission.EDIT_JOBS)
    taken = request.form.get("take")
    found, event = _read(_template(request.form.get("source", "")) if taken else None)
    if wants_fragment():
        return page("wizard/_previewed.html", is_other=_is_other(event), **_room(found, event, is_said=False))
    focus = "subject" if taken else "make-messages"
    return page(
        "wizard/show.html", **_room(found, event) | ({} if found.faults and not taken else {"first": focus})
    )


@bp.post("")
def send() -> ResponseReturnValue:
    actor().require(Permission.EDIT_JOBS)
    found, event = _read()
    if _is_other(event):
        word = "these are the addresses of another event than before; look at them, then go on"
        found.faults.setdefault("recipients", []).append(word)
    if found.faults:
        return page("wizard/show.html", 422, **_room(found, event))
    try:
        return _sent(wizard.make(actor(), found.wish, found.draft.form, now=moment()), found)
    except Invalid as error:
        found.add(error)
        return page("wizard/show.html", error.status, **_room(found, event))
    except Refused as refusal:
        return page("wizard/show.html", refusal.status, **_room(found, event) | {"refusal": refusal})


def _sent(made: Made, found: Read) -> ResponseReturnValue:
    """To the messages of the event in the job table."""
    number = f"{made.count} message{'s' if made.count > 1 else ''}"
    at = found.wish.at
    if made.is_again:
        said = f"{number}: made already by this very form, and not a second time."
    elif at is None:
        said = f"{number} on the way."
    else:
        said = f"{number} scheduled for {words.local(at, made.event.timezone)} ({made.event.timezone})."
    flash(f"{made.event.name}: {said}")
    return redirect(url_for("jobs.index", event=made.event.id), 303)


def _event(draft: WizardDraft) -> EventView | None:
    """The chosen event, or else the nearest one; raises `NotFound` for one that is gone."""
    if draft.event:
        return events.get(actor(), draft.event_id or UUID(int=0))
    return next(iter(trials.events_to_try(actor(), now=moment())), None)


def _read(taken: Words | None = None) -> tuple[Read, EventView]:
    """What was typed, with the words that were `taken` over it; raises `NotFound` when there is no event.

    Where the event is gone the nearest one stands in for it, so that nothing of the draft is lost.
    """
    draft = wizard_drafts.typed(request.form)
    draft = draft.worded(taken) if taken else draft
    try:
        event, gone = events.get(actor(), draft.event_id or UUID(int=0)), []
    except NotFound:
        event, gone = _nearest(), ["is not there any more; choose another one"]
    found = wizard_drafts.read(draft.about(event) if _is_other(event) else draft, event)
    if gone:
        found.faults["event"] = gone
    return found, event


def _nearest() -> EventView:
    found = _event(WizardDraft())
    if found is None:
        raise NotFound("There is no such event, and no other one.")
    return found


def _is_other(event: EventView) -> bool:
    """Whether the form showed the recipients of another event."""
    return request.form.get("shown_event", str(event.id)) != str(event.id)


def _template(source: str) -> Words:
    """The words of a type's template in force; raises `Invalid` for a type without one."""
    if source not in PLANNED:
        raise Invalid("source: choose one of the list", fields={"source": ["choose one of the list"]})
    return templates.get(actor(), MessageType(source)).words


def _room(found: Read, event: EventView, *, is_said: bool = True) -> dict[str, Any]:
    """What the page shows; what is wrong stands beside its field when it `is_said`, and in the preview."""
    is_timed = "send_at" not in found.faults
    foreseen = wizard.foresee(actor(), found.wish, is_timed=is_timed, now=moment())
    wrong = {**foreseen.faults, **found.faults}
    faults = {name: wrong[name] for name in wizard_drafts.ORDER if name in wrong}
    return {
        "draft": found.draft,
        "event": event,
        "events": trials.events_to_try(actor(), now=moment(), ahead=OFFERED_EVENTS),
        "wish": found.wish,
        "foreseen": foreseen,
        "faults": faults if is_said else {},
        "wrong": faults,
        "first": found.first if is_said else None,
        "is_timed": is_timed,
        "is_now": found.draft.when == NOW,
        "twice": wizard_drafts.twice_of(found.draft, event),
        "types": tuple(MessageType),
        "planned": PLANNED,
        "variables": VARIABLES,
        "filters": FILTERS,
        "refusal": None,
    }
