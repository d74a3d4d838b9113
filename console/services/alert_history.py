"""What alerts were sent, to whom, and what was answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, tuple_

from console.core.actor import Actor
from console.core.alerts import AlertOn, ChannelKind, DeliveryState
from console.core.errors import NotFound
from console.core.permissions import Permission
from console.db.alerts import AlertDelivery, AlertEvent
from console.db.session import db, reading, transaction
from console.services import paging


@dataclass(frozen=True)
class DeliveryView:
    """One message to one channel. `next_at` is when the next attempt is made while it is pending."""

    id: UUID
    rule_id: UUID | None
    rule_name: str | None
    channel_id: UUID | None
    channel_name: str
    channel_kind: ChannelKind
    target: str
    is_test: bool
    event: AlertOn | None
    event_count: int
    subject: str
    body: str
    state: DeliveryState
    attempts: int
    next_at: datetime | None
    created_at: datetime
    ended_at: datetime | None
    answer: str | None


@dataclass(frozen=True)
class DeliveryFilter:
    """Which messages; None leaves it open."""

    state: DeliveryState | None = None
    rule_id: UUID | None = None
    channel_id: UUID | None = None


@dataclass(frozen=True)
class DeliveryPage:
    """One page of messages, newest first."""

    deliveries: Sequence[DeliveryView]
    next_cursor: str | None
    as_of: datetime


def page(
    actor: Actor, wanted: DeliveryFilter, *, cursor: str | None, limit: int, now: datetime
) -> DeliveryPage:
    """One page; raises `Invalid` that names `cursor` or `limit`."""
    actor.require(Permission.READ)
    query = select(AlertDelivery).where(AlertDelivery.org_id == actor.org_id)
    if wanted.state:
        query = query.where(AlertDelivery.state == wanted.state)
    if wanted.rule_id:
        query = query.where(AlertDelivery.rule_id == wanted.rule_id)
    if wanted.channel_id:
        query = query.where(AlertDelivery.channel_id == wanted.channel_id)
    if cursor:
        before = tuple_(*paging.decode(cursor, "du"))
        query = query.where(tuple_(AlertDelivery.created_at, AlertDelivery.id) < before)
    query = query.order_by(AlertDelivery.created_at.desc(), AlertDelivery.id.desc())
    with reading():
        rows = db.session.scalars(query.limit(paging.check_limit(limit) + 1)).all()
        views = [view_of(row) for row in rows[:limit]]
    last = views[-1] if len(rows) > limit else None
    return DeliveryPage(views, paging.encode(last.created_at, last.id) if last else None, now)


def get(actor: Actor, delivery_id: UUID) -> DeliveryView:
    """The message of this id; raises `NotFound`."""
    actor.require(Permission.READ)
    query = select(AlertDelivery).where(AlertDelivery.id == delivery_id, AlertDelivery.org_id == actor.org_id)
    with reading():
        row = db.session.scalar(query)
        if row is None:
            raise NotFound("There is no such message; it may be older than what is kept.")
        return view_of(row)


def failed_since(*, since: datetime) -> int:
    """How many messages of all orgs were given up since an instant."""
    query = select(func.count()).select_from(AlertDelivery)
    query = query.where(AlertDelivery.state == DeliveryState.FAILED, ~AlertDelivery.is_test)
    with reading():
        return db.session.scalar(query.where(AlertDelivery.created_at >= since)) or 0


def forget(org_id: UUID, *, before: datetime) -> int:
    """Deletes the org's messages, and what was found and is over, of before an instant."""
    old = delete(AlertDelivery).where(
        AlertDelivery.org_id == org_id,
        AlertDelivery.created_at < before,
        AlertDelivery.state != DeliveryState.PENDING,
    )
    found = delete(AlertEvent).where(
        AlertEvent.org_id == org_id,
        AlertEvent.found_at < before,
        AlertEvent.batch_id.is_not(None),
        AlertEvent.over_at.is_not(None),
    )
    with transaction():
        db.session.execute(found)
        return len(db.session.execute(old.returning(AlertDelivery.id)).all())


def view_of(row: AlertDelivery) -> DeliveryView:
    return DeliveryView(
        id=row.id,
        rule_id=row.rule_id,
        rule_name=row.rule_name,
        channel_id=row.channel_id,
        channel_name=row.channel_name,
        channel_kind=ChannelKind(row.channel_kind),
        target=row.target,
        is_test=row.is_test,
        event=AlertOn(row.event) if row.event else None,
        event_count=row.event_count,
        subject=row.subject,
        body=row.body,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        next_at=row.next_at,
        created_at=row.created_at,
        ended_at=row.ended_at,
        answer=row.answer,
    )
