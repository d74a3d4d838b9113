"""Events: making, changing and deleting them; their messages follow in the same transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Function, func, select

from console.core.actor import Actor
from console.core.errors import NotFound
from console.core.permissions import Permission
from console.core.tags import Tag
from console.db.session import db, reading, transaction
from console.plugins.messages import event_shape, planner, stale
from console.plugins.messages.event_shape import EventChange as EventChange
from console.plugins.messages.event_shape import Facts
from console.plugins.messages.event_shape import NewEvent as NewEvent
from console.plugins.messages.event_views import load as load
from console.plugins.messages.event_views import view_of as view_of
from console.plugins.messages.models import Event
from console.plugins.messages.planner import Planned
from console.plugins.messages.stale import StaleEvent as StaleEvent
from console.plugins.messages.views import EventView
from console.services import audit, pushing

LONGEST_REASON = 500


@dataclass(frozen=True)
class Written:
    """An event after a save, and what became of its messages; without a change nothing is planned."""

    event: EventView
    planned: Planned
    is_changed: bool = True


def create(actor: Actor, new: NewEvent, *, now: datetime) -> EventView:
    """Creates an event and plans its messages; raises `Forbidden`, or `Invalid` that names the fields."""
    return created(actor, new, now=now).event


def edit(
    actor: Actor,
    event_id: UUID,
    change: EventChange,
    *,
    seen: int | None = None,
    reason: str | None = None,
    now: datetime,
) -> EventView:
    """Changes an event and plans, moves or withdraws its messages; a change of nothing makes no revision.

    `seen` is the revision that the caller saw. Raises `NotFound`, `Forbidden`, `Invalid` that names the
    fields, and `StaleEvent` when somebody else was first.
    """
    return edited(actor, event_id, change, seen=seen, reason=reason, now=now).event


def delete(actor: Actor, event_id: UUID, *, now: datetime) -> Planned:
    """Deletes an event and withdraws its open messages; what was sent stays. Raises as `edit`."""
    return deleted(actor, event_id, now=now).planned


def created(actor: Actor, new: NewEvent, *, key: UUID | None = None, now: datetime) -> Written:
    """As `create`, with what became of the messages.

    With a `key`, which becomes the event's id, the same wish sent twice makes one event.
    """
    actor.require(Permission.EDIT_EVENTS)
    facts = event_shape.checked_new(new, actor.zone)
    with transaction():
        share(actor.org_id)
        made = _made_already(actor, key) if key else None
        if made is not None:
            return Written(view_of(made), Planned(), is_changed=False)
        (row,) = insert_all(actor, [facts], ids=[key] if key else None, now=now)
        done = Written(view_of(row), planner.plan_event(actor, row, now=now))
    pushing.push_tickets(done.planned.tickets, now=now)
    return done


def _made_already(actor: Actor, key: UUID) -> Event | None:
    """The event that this key has made; waits for whoever makes it this moment."""
    db.session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"event {key}", 0))))
    row = db.session.get(Event, key)
    if row is not None and row.org_id != actor.org_id:
        raise NotFound("There is no such event.")
    return row


def edited(
    actor: Actor,
    event_id: UUID,
    change: EventChange,
    *,
    seen: int | None = None,
    reason: str | None = None,
    now: datetime,
) -> Written:
    """As `edit`, with what became of the messages."""
    actor.require(Permission.EDIT_EVENTS)
    with transaction():
        share(actor.org_id)
        row = row_of(actor, event_id, lock=True)
        _check_seen(actor, row, seen)
        facts = event_shape.checked_edit(facts_of(row), change)
        if facts == facts_of(row):
            return Written(view_of(row), Planned(), is_changed=False)
        write(actor, row, facts, reason=reason, now=now)
        done = Written(view_of(row), planner.plan_event(actor, row, now=now))
    pushing.push_tickets(done.planned.tickets, now=now)
    return done


def deleted(actor: Actor, event_id: UUID, *, seen: int | None = None, now: datetime) -> Written:
    """As `delete`, with the event as it was; raises `StaleEvent` too when `seen` is not the newest."""
    actor.require(Permission.EDIT_EVENTS)
    with transaction():
        share(actor.org_id)
        row = row_of(actor, event_id, lock=True)
        _check_seen(actor, row, seen)
        row.deleted_at = row.changed_at = now
        row.revision += 1
        gone = facts_of(row).as_json()
        audit.add(actor, Tag.EVENT_DELETED, stale.event_subject(row.id), now=now, old=gone)
        db.session.flush()
        done = Written(view_of(row), planner.plan_event(actor, row, now=now))
    pushing.push_tickets(done.planned.tickets, now=now)
    return done


def get(actor: Actor, event_id: UUID) -> EventView:
    """The event of this id in the actor's org; raises `NotFound`."""
    with reading():
        return view_of(row_of(actor, event_id))


# Inside the caller's transaction ------------------------------------------------------------------


def share(org_id: UUID) -> None:
    """Keeps the org's settings as they are to the end of the transaction, so that a plan fits them."""
    db.session.execute(select(func.pg_advisory_xact_lock_shared(_lock_key(org_id))))


def hold(org_id: UUID) -> None:
    """Waits for all who `share`, and keeps others from it to the end of the transaction."""
    db.session.execute(select(func.pg_advisory_xact_lock(_lock_key(org_id))))


def _lock_key(org_id: UUID) -> Function[int]:
    return func.hashtextextended(f"messages {org_id}", 0)


def row_of(actor: Actor, event_id: UUID, *, lock: bool = False) -> Event:
    """The row itself; another org's is not found. Raises `NotFound`."""
    held = (Event.id == event_id, Event.org_id == actor.org_id, Event.deleted_at.is_(None))
    query = select(Event).where(*held)
    if lock:  # a row that was read before it is locked is old
        query = query.with_for_update().execution_options(populate_existing=True)
    row = db.session.scalar(query)
    if row is None:
        raise NotFound("There is no such event.")
    return row


def facts_of(row: Event) -> Facts:
    """What the row says, to compare and to keep."""
    held = {name: getattr(row, name) for name in event_shape.NAMES}
    return Facts(**{**held, "crew": tuple(row.crew)})


def insert_all(
    actor: Actor,
    found: Sequence[Facts],
    *,
    ids: Sequence[UUID] | None = None,
    reason: str | None = None,
    now: datetime,
) -> Sequence[Event]:
    """Adds events with their entries in the trail; planning their messages is the caller's."""
    rows = [_row(actor, facts, now) for facts in found]
    for row, id_ in zip(rows, ids or (), strict=False):
        row.id = id_
    db.session.add_all(rows)
    db.session.flush()
    for row, facts in zip(rows, found, strict=True):
        new = facts.as_json() | {"revision": 1}
        subject = stale.event_subject(row.id)
        audit.add(actor, Tag.EVENT_CREATED, subject, now=now, new=new, reason=_cut(reason))
    return rows


def _row(actor: Actor, facts: Facts, now: datetime) -> Event:
    held = {**vars(facts), "crew": list(facts.crew)}
    return Event(org_id=actor.org_id, revision=1, created_at=now, changed_at=now, **held)


def write(actor: Actor, row: Event, facts: Facts, *, reason: str | None = None, now: datetime) -> None:
    """Makes the locked row the next revision; planning its messages is the caller's."""
    old, new = event_shape.differences(facts_of(row), facts)
    for name, value in vars(facts).items():
        setattr(row, name, list(value) if name == "crew" else value)
    row.revision += 1
    row.changed_at = now
    subject = stale.event_subject(row.id)
    changed = {**new, "revision": row.revision}
    audit.add(actor, Tag.EVENT_CHANGED, subject, now=now, old=old, new=changed, reason=_cut(reason))
    db.session.flush()


def _check_seen(actor: Actor, row: Event, seen: int | None) -> None:
    if seen is None or seen == row.revision:
        return
    stale.check_known(seen, row.revision)
    subject = stale.event_subject(row.id)
    later = stale.later(actor, Tag.EVENT_CHANGED, subject, seen=seen, newest=row.revision)
    raise StaleEvent(f"“{row.name}”", later, view_of(row))


def _cut(reason: str | None) -> str | None:
    return (reason or "").strip()[:LONGEST_REASON] or None
