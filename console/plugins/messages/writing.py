"""A message as it goes out: the words in force, with the event as it is at this moment."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from console.core.errors import Refused
from console.core.reasons import Reason
from console.core.states import MessageType
from console.db.people import Org
from console.db.session import db
from console.plugins.messages import templates, templating
from console.plugins.messages.event_views import load
from console.plugins.messages.templating import Rendered, Words
from console.plugins.messages.variables import values_of


@dataclass(frozen=True)
class Order:
    """What is to be written: a type's template, or for a free message `words` of its own."""

    message_type: MessageType
    event_id: UUID | None = None
    words: Words | None = None


@dataclass(frozen=True)
class Letter:
    """A message as it goes to its recipient; `template_version` is None for words of its own."""

    recipient: str
    rendered: Rendered
    template_version: int | None
    org_name: str


def compose(org_id: UUID, order: Order, recipient: str) -> Letter:
    """The message, inside the caller's transaction.

    Raises `Refused` with DELETED when its event is gone, and `Invalid` for words that can't be used.
    """
    event = load(org_id, order.event_id) if order.event_id else None
    if order.event_id and event is None:
        raise Refused("The event that it is about was deleted.", reason=Reason.DELETED)
    org_name = db.session.scalars(select(Org.name).where(Org.id == org_id)).one()
    words, version = _words(org_id, order)
    rendered = templating.render(words, values_of(event, recipient=recipient, org_name=org_name))
    return Letter(recipient, rendered, version, org_name)


def _words(org_id: UUID, order: Order) -> tuple[Words, int | None]:
    if order.words is not None:
        return order.words, None
    template = templates.current(org_id, order.message_type)
    return template.words, template.version
