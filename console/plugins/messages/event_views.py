"""From an event's row to its view."""

from uuid import UUID

from sqlalchemy import select

from console.db.session import db
from console.plugins.messages.models import Event
from console.plugins.messages.views import EventView


def view_of(row: Event) -> EventView:
    """The event as the pages, templates and the planner see it."""
    return EventView(
        id=row.id,
        name=row.name,
        venue=row.venue,
        starts_at=row.starts_at,
        load_in_at=row.load_in_at,
        timezone=row.timezone,
        contact_name=row.contact_name,
        contact_email=row.contact_email,
        crew=tuple(row.crew),
        revision=row.revision,
        changed_at=row.changed_at,
    )


def load(org_id: UUID, event_id: UUID) -> EventView | None:
    """The org's event inside the caller's transaction; None when there is none, or it is deleted."""
    query = select(Event).where(Event.id == event_id, Event.org_id == org_id, Event.deleted_at.is_(None))
    row = db.session.scalar(query)
    return view_of(row) if row else None
