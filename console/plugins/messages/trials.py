"""How a draft of a template reads: filled in with a real event, or with an example where there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, UnaryExpression, select

from console.core.actor import Actor
from console.core.errors import Invalid, NotFound
from console.db.session import db, reading
from console.plugins.messages import templating
from console.plugins.messages.event_views import load, view_of
from console.plugins.messages.models import Event
from console.plugins.messages.templating import Rendered, Words
from console.plugins.messages.variables import EXAMPLES, values_of
from console.plugins.messages.views import EventView

AHEAD, BEHIND = 40, 10


@dataclass(frozen=True)
class Trial:
    """A draft as the contact of `event` would get it; without `event` it is an example.

    `rendered` is None when the draft can't be used, and `faults` say why, by field.
    """

    recipient: str
    event: EventView | None
    rendered: Rendered | None = None
    faults: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        return self.rendered.subject if self.rendered else ""

    @property
    def text(self) -> str:
        return self.rendered.text if self.rendered else ""

    @property
    def html(self) -> str | None:
        return self.rendered.html if self.rendered else None


def try_out(actor: Actor, words: Words, event_id: UUID | None) -> Trial:
    """The draft with this event, or with the example; raises `NotFound` for another org's event."""
    event = _event(actor, event_id) if event_id else None
    recipient = (event.contact_email or "") if event else EXAMPLES["recipient"]
    values = values_of(event, recipient=recipient, org_name=actor.org_name) if event else EXAMPLES
    words = words.tidied()
    try:
        templating.check(words)
        return Trial(recipient, event, templating.render(words, values))
    except Invalid as error:
        return Trial(recipient, event, faults=error.fields)


def events_to_try(actor: Actor, *, ahead: int = AHEAD, now: datetime) -> Sequence[EventView]:
    """The nearest events, those to come before those that are over."""
    with reading():
        coming = _nearest(actor, Event.starts_at >= now, Event.starts_at.asc(), ahead)
        return [*coming, *_nearest(actor, Event.starts_at < now, Event.starts_at.desc(), BEHIND)]


def _nearest(
    actor: Actor, side: ColumnElement[bool], order: UnaryExpression[datetime], count: int
) -> list[EventView]:
    query = select(Event).where(Event.org_id == actor.org_id, Event.deleted_at.is_(None), side)
    return [view_of(row) for row in db.session.scalars(query.order_by(order, Event.id).limit(count))]


def _event(actor: Actor, event_id: UUID) -> EventView:
    with reading():
        found = load(actor.org_id, event_id)
    if found is None:
        raise NotFound("There is no such event.")
    return found
