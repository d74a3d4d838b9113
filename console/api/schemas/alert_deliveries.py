"""Alerts: what was sent, to whom, and what came of it."""

from uuid import UUID

from pydantic import Field

from console.api.schemas.common import LIMIT, Cursor, In, Instant, Limit, Out
from console.core.alerts import AlertOn, ChannelKind, DeliveryState
from console.services.alert_history import DeliveryPage, DeliveryView


class DeliveryQuery(In):
    """Which messages: all that match every given filter."""

    state: DeliveryState | None = None
    rule: UUID | None = None
    channel: UUID | None = None
    limit: Limit = LIMIT
    cursor: Cursor | None = None


class DeliveryOut(Out):
    """One message to one channel: what was sent, to whom, when, and what was answered."""

    id: UUID
    rule_id: UUID | None
    rule: str | None
    channel_id: UUID | None
    channel: str
    kind: ChannelKind
    target: str
    is_test: bool
    event: AlertOn | None
    count: int = Field(description="How many findings it tells of.")
    subject: str
    text: str
    state: DeliveryState
    attempts: int
    next_at: Instant | None = Field(description="When the next attempt is made, of a pending one.")
    created_at: Instant
    ended_at: Instant | None
    answer: str | None

    @classmethod
    def of(cls, found: DeliveryView) -> "DeliveryOut":
        return cls(
            id=found.id,
            rule_id=found.rule_id,
            rule=found.rule_name,
            channel_id=found.channel_id,
            channel=found.channel_name,
            kind=found.channel_kind,
            target=found.target,
            is_test=found.is_test,
            event=found.event,
            count=found.event_count,
            subject=found.subject,
            text=found.body,
            state=found.state,
            attempts=found.attempts,
            next_at=found.next_at,
            created_at=found.created_at,
            ended_at=found.ended_at,
            answer=found.answer,
        )


class DeliveriesOut(Out):
    """One page of messages, newest first."""

    deliveries: list[DeliveryOut]
    next_cursor: str | None
    as_of: Instant

    @classmethod
    def of(cls, page: DeliveryPage) -> "DeliveriesOut":
        found = [DeliveryOut.of(item) for item in page.deliveries]
        return cls(deliveries=found, next_cursor=page.next_cursor, as_of=page.as_of)
