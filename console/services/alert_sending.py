"""Sends the messages of alerts, some at once, and keeps what was answered.

An attempt is taken by moving the time of the next one past the longest that an attempt can take, and its end
is recorded when it has one. A sender that dies in between leaves the message to the next: an alert may come
twice then, and is never lost. Its mail has the same Message-ID and its webhook the same
`X-Callboard-Delivery` both times.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Thread
from time import monotonic
from uuid import UUID

import structlog
from sqlalchemy import select, update

from console.core.actor import Actor
from console.core.alerts import RETRY_DELAYS, AlertOn, ChannelKind, DeliveryState
from console.core.errors import ConsoleError, OutcomeUnknown
from console.core.permissions import Permission
from console.core.tags import Tag
from console.core.texts import storable
from console.db.alerts import AlertChannel, AlertDelivery
from console.db.session import db, transaction
from console.services import alert_channels, alert_messages, audit, chats, mail, webhooks
from console.services.alert_history import DeliveryView, view_of
from console.services.alert_ways import Way

AT_ONCE = 8
LONGEST_ATTEMPT = timedelta(minutes=3)
LONGEST_ANSWER = 500
GONE = "The channel was deleted before it was sent."
log = structlog.get_logger()


@dataclass(frozen=True)
class Outgoing:
    """One attempt: all that is needed to send, without looking into Postgres again."""

    id: UUID
    way: Way | None
    problem: str
    subject: str
    body: str
    payload: dict[str, object]
    is_good: bool


@dataclass(frozen=True)
class Answer:
    """What became of an attempt; one that is final and no success is not tried again."""

    is_sent: bool
    text: str
    is_final: bool = False


def send(now: datetime) -> int:
    """One attempt for each message that is due, up to eight; answers how many were made."""
    batch = _take(now)
    if not batch:
        return 0
    for item, answer in zip(batch, _attempts(batch, now), strict=True):
        _record(item.id, answer, now)
    return len(batch)


def _attempts(batch: Sequence[Outgoing], now: datetime) -> list[Answer]:
    """All at once. In daemon threads: a process that has to stop waits for no receiver."""
    answers = [Answer(False, "It was cut off.") for _ in batch]

    def attempt(place: int) -> None:
        answers[place] = _attempt(batch[place], now)

    threads = [Thread(target=attempt, args=(place,), daemon=True) for place in range(len(batch))]
    for thread in threads:
        thread.start()
    end = monotonic() + LONGEST_ATTEMPT.total_seconds()
    for thread in threads:
        thread.join(max(end - monotonic(), 0.0))
    return list(answers)


def test(actor: Actor, channel_id: UUID, *, now: datetime) -> DeliveryView:
    """Sends a test through the channel at once; the answer is in the view. Raises `Forbidden`, `NotFound`."""
    actor.require(Permission.EDIT_ALERTS)
    channel = alert_channels.get(actor, channel_id)
    message = alert_messages.test(channel.name, actor.org_name, actor.name, now=now)
    with transaction():
        row = AlertDelivery(
            org_id=actor.org_id,
            channel_id=channel.id,
            channel_name=channel.name,
            channel_kind=channel.kind,
            target=channel.target,
            is_test=True,
            event_count=0,
            subject=message.subject,
            body=message.body,
            payload=message.payload,
            attempts=1,
            created_at=now,
        )
        db.session.add(row)
        db.session.flush()
        audit.add(actor, Tag.ALERT_TESTED, audit.Subject("alert_channel", channel_id), now=now)
        item = _outgoing(row)
    _record(item.id, _attempt(item, now), now)
    with transaction():
        return view_of(db.session.get_one(AlertDelivery, item.id))


def _take(now: datetime) -> list[Outgoing]:
    due = select(AlertDelivery.id).where(
        AlertDelivery.state == DeliveryState.PENDING, AlertDelivery.next_at <= now
    )
    due = due.order_by(AlertDelivery.next_at).limit(AT_ONCE).with_for_update(skip_locked=True)
    with transaction():
        ids = db.session.scalars(due).all()
        if not ids:
            return []
        mine = update(AlertDelivery).where(AlertDelivery.id.in_(ids))
        later = {"next_at": now + LONGEST_ATTEMPT, "attempts": AlertDelivery.attempts + 1}
        db.session.execute(mine.values(**later))
        return [_outgoing(row) for row in _rows(ids)]


def _rows(ids: Sequence[UUID]) -> Sequence[AlertDelivery]:
    return db.session.scalars(select(AlertDelivery).where(AlertDelivery.id.in_(ids))).all()


def _outgoing(row: AlertDelivery) -> Outgoing:
    """With the channel as it is now: a corrected address counts for what still waits."""
    way, problem = None, GONE
    channel = db.session.get(AlertChannel, row.channel_id) if row.channel_id else None
    if channel is not None:
        try:
            way, problem = alert_channels.opened(channel), ""
        except ConsoleError as error:
            problem = error.detail
    payload = {"id": str(row.id), **row.payload}
    is_good = row.is_test or row.event == AlertOn.RECOVERED
    return Outgoing(row.id, way, problem, row.subject, row.body, payload, is_good)


def _attempt(item: Outgoing, now: datetime) -> Answer:
    """In a thread of its own: touches neither Postgres nor anything of the app's."""
    if item.way is None:
        return Answer(False, item.problem, is_final=True)
    try:
        return Answer(True, _sent(item, item.way, now))
    except ConsoleError as error:
        is_final = error.is_final and not isinstance(error, OutcomeUnknown)
        return Answer(False, error.detail, is_final=is_final or error.status == 422)
    except Exception as error:  # whatever a library raises, the others go out
        return Answer(False, f"It broke: {type(error).__name__}.")


def _sent(item: Outgoing, way: Way, now: datetime) -> str:
    if way.kind is ChannelKind.WEBHOOK:
        return webhooks.post(way.url, way.secret, item.payload, delivery=str(item.id), now=now)
    if way.kind is ChannelKind.APPRISE:
        return chats.send(way.url, item.subject, item.body, is_good=item.is_good)
    taken = mail.deliver(mail.Message(str(item.id), way.recipients, item.subject, item.body))
    refused = "; ".join(f"{to} was refused: {said}" for to, said in taken.refused.items())
    return f"taken by the mail server{f'; {refused}' if refused else ''}"


def _record(delivery_id: UUID, answer: Answer, now: datetime) -> None:
    with transaction():
        row = db.session.get(AlertDelivery, delivery_id, with_for_update=True)
        if row is None or row.state != DeliveryState.PENDING:
            return
        row.answer = storable(answer.text, LONGEST_ANSWER)
        is_over = answer.is_sent or answer.is_final or row.is_test or row.attempts > len(RETRY_DELAYS)
        if is_over:
            row.state = DeliveryState.SENT if answer.is_sent else DeliveryState.FAILED
            row.next_at, row.ended_at = None, now
        else:
            row.next_at = now + RETRY_DELAYS[row.attempts - 1]
        _tell(row, answer)


def _tell(row: AlertDelivery, answer: Answer) -> None:
    ids = {"delivery": str(row.id), "channel": str(row.channel_id), "attempt": row.attempts}
    if answer.is_sent:
        log.info("an alert was sent", action="alert.sent", **ids)
    else:
        log.warning("an alert was not taken", action="alert.refused", answer=row.answer, **ids)
