"""Messages that come back from a deletion follow what became of events and settings meanwhile."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from console.core.actor import Actor
from console.db.session import db
from console.plugins.messages import events, planner
from console.plugins.messages.models import Event, MessageSettings, MessageTypeSettings


@contextmanager
def following(actor: Actor, subject_ids: Collection[UUID], since: datetime, now: datetime) -> Iterator[None]:
    """Locks these events before their jobs come back in the caller's transaction, and plans them after that.

    Only what has changed `since` is planned anew. What it makes of slots that had come due is pushed with
    all that waits in Postgres.
    """
    events.share(actor.org_id)
    query = select(Event).where(Event.org_id == actor.org_id, Event.id.in_(subject_ids))
    if not _have_settings_changed(actor, since):
        query = query.where(Event.changed_at > since)
    locked = query.order_by(Event.id).with_for_update().execution_options(populate_existing=True)
    rows = db.session.scalars(locked).all() if subject_ids else []
    yield
    planner.plan_events(actor, rows, now=now)


def _have_settings_changed(actor: Actor, since: datetime) -> bool:
    kinds = (MessageSettings, MessageTypeSettings)
    found = [
        select(kind.org_id).where(kind.org_id == actor.org_id, kind.changed_at > since) for kind in kinds
    ]
    return any(db.session.scalar(query.limit(1)) is not None for query in found)
