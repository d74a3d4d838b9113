"""Plans the messages of events in the caller's transaction: reads what stands, asks `plan`, writes its steps.

Events are locked before their jobs, all of them by id, so that two planners never wait in a circle; whoever
edits a job by hand at the same moment comes before or after, and nothing of it is lost.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select

from console.core.actor import Actor
from console.db.session import db, reading
from console.plugins.messages import explaining, place_rows, plan_writing, preferences
from console.plugins.messages.event_views import view_of
from console.plugins.messages.explaining import Explained
from console.plugins.messages.models import Event
from console.plugins.messages.plan import plan
from console.plugins.messages.plan_views import Does
from console.plugins.messages.views import EventView
from console.queue import Ticket
from console.services import wakeups

PLANNED_AFTER_START = timedelta(days=30)
"""How long after its start an event still follows the org's settings: the longest useful follow-up."""


@dataclass(frozen=True)
class Planned:
    """What became of the messages: how many were made, moved, taken away, closed as skipped, opened again.

    `tickets` are of those that had come due before: the caller pushes them after the commit.
    """

    created: int = 0
    moved: int = 0
    withdrawn: int = 0
    closed: int = 0
    opened: int = 0
    tickets: Sequence[Ticket] = field(default=(), repr=False)


def plan_event(actor: Actor, row: Event, *, now: datetime) -> Planned:
    """Plans, moves or withdraws the messages of one event, whose row is flushed; twice changes nothing."""
    return plan_events(actor, [row], now=now)


def plan_all(actor: Actor, *, now: datetime) -> Planned:
    """As `plan_event`, for every event of the org that is not long over: after a change of its settings."""
    query = select(Event).where(
        Event.org_id == actor.org_id, Event.deleted_at.is_(None), Event.starts_at > now - PLANNED_AFTER_START
    )
    locked = query.order_by(Event.id).with_for_update().execution_options(populate_existing=True)
    return plan_events(actor, db.session.scalars(locked).all(), now=now)


def plan_events(actor: Actor, rows: Sequence[Event], *, now: datetime) -> Planned:
    """As `plan_event`, for many at the price of a few."""
    if not rows:
        return Planned()
    found = place_rows.lock(actor, rows, now=now)
    wanted = preferences.of(actor.org_id)
    writer = plan_writing.Writer(actor, found, now)
    for row in rows:
        event = view_of(row)
        is_deleted = row.deleted_at is not None
        steps = plan(None if is_deleted else event, wanted, found.places(row.id), now=now)
        for step in steps:
            writer.write(event, step, is_deleted=is_deleted)
        if is_deleted:
            writer.withdraw_free(event)
    writer.insert()
    if writer.has_rung:
        wakeups.notify()
    return _planned(writer.done, found.tickets)


def explain(actor: Actor, event: EventView, *, now: datetime) -> list[Explained]:
    """What is planned for an event that the actor may see, and why, in sentences for its page."""
    with reading():
        places = place_rows.read(actor, event.id).places(event.id)
        return explaining.explain(event, preferences.of(actor.org_id), places, now=now)


def _planned(done: Counter[Does], tickets: Sequence[Ticket]) -> Planned:
    return Planned(
        created=done[Does.CREATE],
        moved=done[Does.MOVE],
        withdrawn=done[Does.WITHDRAW],
        closed=done[Does.CLOSE],
        opened=done[Does.OPEN],
        tickets=tuple(tickets),
    )
