"""The events by which the job table can be filtered."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, select

from console.core.actor import Actor
from console.db.jobs import Job
from console.db.session import db, reading
from console.plugins.messages import naming
from console.plugins.messages.event_views import view_of
from console.plugins.messages.models import Event

MOST = 200
STILL_NEAR = timedelta(hours=12)


def offered(actor: Actor, chosen: UUID | None, now: datetime) -> Sequence[tuple[UUID, str]]:
    """The org's events that have jobs, at most 200: those to come, nearest first, then the latest before.

    The `chosen` one is among them, also when it is deleted; another org's is not.
    """
    since = now - STILL_NEAR
    with reading():
        found = _events(actor, Event.starts_at >= since, Event.starts_at, MOST)
        found += _events(actor, Event.starts_at < since, Event.starts_at.desc(), MOST - len(found))
        if chosen and all(event.id != chosen for event in found):
            held = select(Event).where(Event.org_id == actor.org_id, Event.id == chosen)
            found = [*db.session.scalars(held), *found]
        return [(event.id, _label(event)) for event in found]


def named(actor: Actor, ids: Collection[UUID]) -> Mapping[UUID, str]:
    """The names of the org's events, also of those that are deleted, inside the caller's transaction."""
    query = select(Event.id, Event.name).where(Event.org_id == actor.org_id, Event.id.in_(ids))
    return {event_id: name for event_id, name in db.session.execute(query)} if ids else {}


def _events(actor: Actor, when: ColumnElement[bool], order: Any, limit: int) -> list[Event]:
    has_jobs = exists().where(
        Job.org_id == actor.org_id, Job.subject_id == Event.id, Job.deleted_at.is_(None)
    )
    mine = (Event.org_id == actor.org_id, Event.deleted_at.is_(None), when, has_jobs)
    return list(db.session.scalars(select(Event).where(*mine).order_by(order, Event.name).limit(limit)))


def _label(event: Event) -> str:
    about = naming.subject_of(view_of(event))
    return f"{event.name} ({about}){' · deleted' if event.deleted_at else ''}"
