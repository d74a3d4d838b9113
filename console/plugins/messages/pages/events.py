"""Events: the list, an event's page with its messages, and deleting it."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid
from console.core.permissions import Permission
from console.plugins.messages import event_lists, events, planner
from console.plugins.messages.event_lists import EventFilter
from console.plugins.messages.outcomes import became
from console.services import jobs
from console.services.views import JobFilter
from console.web.answers import is_known, nothing_new, page
from console.web.identity import actor, moment, wants_fragment
from console.web.parameters import check_names
from console.web.queries import PAGE, Query
from console.web.saves import revision_of

MOST_MESSAGES = 200
LONGEST = {"q": 200, "cursor": 1000}
TABS = {"": "Upcoming", "past": "Past"}
WIZARD = "wizard.show"
bp = Blueprint("events", __name__)


@dataclass(frozen=True)
class EventQuery(Query):
    """What the list shows: events to come, nearest first, or with the tab `past` those that have begun."""

    tab: str | None = None
    q: str | None = None
    cursor: str | None = None

    @classmethod
    def read(cls, args: Mapping[str, str], *also: str) -> "EventQuery":
        """Raises `Invalid` that names the parameter; those in `also` are let pass."""
        check_names(args, "tab", *LONGEST, *also)
        tab = args.get("tab", "").strip()
        if tab not in TABS:
            raise Invalid("tab: must be past, or left out", fields={"tab": ["must be past, or left out"]})
        return cls(tab or None, *(_text(args, name) for name in LONGEST))

    @property
    def filter(self) -> EventFilter:
        if self.tab:
            return EventFilter(self.q, until=moment(), is_backwards=True)
        return EventFilter(self.q, since=moment())


def _text(args: Mapping[str, str], name: str) -> str | None:
    text = args.get(name, "").strip()
    if len(text) > LONGEST[name] or "\0" in text:
        word = f"must be plain text of up to {LONGEST[name]} characters"
        raise Invalid(f"{name}: {word}", fields={name: [word]})
    return text or None


@bp.get("/events")
def index() -> ResponseReturnValue:
    return page("events/index.html", **_table(EventQuery.read(request.args)))


@bp.get("/fragments/events/table")
def table() -> ResponseReturnValue:
    context = _table(EventQuery.read(request.args, "version"))
    return nothing_new() if is_known(context["version"]) else page("events/_table.html", **context)


def _table(query: EventQuery) -> dict[str, Any]:
    found = event_lists.page(actor(), query.filter, cursor=query.cursor, limit=PAGE, now=moment())
    upcoming, past = event_lists.counts(actor(), EventFilter(query.q), moment())
    version = sha256(f"{found.version} {upcoming} {past}".encode()).hexdigest()[:16]
    return {
        "page": found,
        "query": query,
        "tabs": [(value or None, word, past if value else upcoming) for value, word in TABS.items()],
        "version": version,
    }


@bp.get("/events/<uuid:event_id>")
def show(event_id: UUID) -> ResponseReturnValue:
    check_names(request.args)
    return page("events/show.html", **context_of(event_id))


@bp.get("/fragments/events/<uuid:event_id>")
def event(event_id: UUID) -> ResponseReturnValue:
    check_names(request.args, "version")
    context = context_of(event_id)
    return nothing_new() if is_known(context["version"]) else page("events/_event.html", **context)


def context_of(event_id: UUID) -> dict[str, Any]:
    """What the event's page shows."""
    found = events.get(actor(), event_id)
    wanted = JobFilter(subject_id=event_id, with_settled=True)
    messages = jobs.page(actor(), wanted, cursor=None, limit=MOST_MESSAGES, now=moment())
    explained = planner.explain(actor(), found, now=moment())
    text = f"{found} {messages.version} {[(job.id, job.version) for job in messages.jobs]} {explained}"
    return {
        "event": found,
        "messages": messages,
        "explained": explained,
        "has_wizard": WIZARD in current_app.view_functions,
        "version": sha256(text.encode()).hexdigest()[:16],
    }


# Deleting ------------------------------------------------------------------------------------------


@bp.get("/events/<uuid:event_id>/delete")
def confirm(event_id: UUID) -> ResponseReturnValue:
    return page("events/delete.html", **_confirmation(event_id))


@bp.get("/fragments/events/<uuid:event_id>/delete")
def confirm_fragment(event_id: UUID) -> ResponseReturnValue:
    return page("events/_delete.html", **_confirmation(event_id))


def _confirmation(event_id: UUID) -> dict[str, Any]:
    actor().require(Permission.EDIT_EVENTS)
    found = events.get(actor(), event_id)
    return {"event": found, "line": event_lists.line(actor(), found), "problem": None}


@bp.post("/events/<uuid:event_id>/delete")
def delete(event_id: UUID) -> ResponseReturnValue:
    """Deletes it as it was seen: one that somebody has changed meanwhile is shown again first."""
    actor().require(Permission.EDIT_EVENTS)
    seen = revision_of(request.form, "revision")
    try:
        done = events.deleted(actor(), event_id, seen=seen, now=moment())
    except events.StaleEvent as stale:
        context = _confirmation(event_id) | {"problem": stale}
        return page("events/_delete.html" if wants_fragment() else "events/delete.html", 409, **context)
    flash(f"{done.event.name}: deleted. {_withdrawn(done.planned.withdrawn)}")
    address = url_for("events.index")
    return Response(headers={"HX-Redirect": address}) if wants_fragment() else redirect(address, 303)


def _withdrawn(number: int) -> str:
    if not number:
        return "It had no open messages."
    return f"{became(planner.Planned(withdrawn=number))} What was sent stays."
