"""Alerts: where they go, the rules, what the rules found, and what was sent."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from console.core.alerts import AlertOn, AlertScope, ChannelKind, DeliveryState
from console.db.columns import Created, Id, Instant, JsonObject, OrgId
from console.db.session import Record


def one_of(column: str, values: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(value.value) for value in values)})"


class AlertChannel(Record):
    """A way by which messages go out.

    `recipients` are those of mail; `locked` holds what must not be read by looking at the table, encrypted:
    addresses and secrets of webhooks and of apprise. `target` is what may be shown of it.
    """

    __tablename__ = "alert_channels"
    __table_args__ = (
        CheckConstraint(one_of("kind", ChannelKind), name="kind"),
        UniqueConstraint("org_id", "name"),
    )
    id: Mapped[Id]
    org_id: Mapped[OrgId]
    name: Mapped[str]
    kind: Mapped[str]
    target: Mapped[str]
    locked: Mapped[str | None]
    created_at: Mapped[Created]


class AlertRule(Record):
    """What to look for, where it is said, and how seldom.

    `since` is from when on runs are looked at; `sent_at` is when the last message went out, from which
    `throttle_seconds` count. `count` is of failures in a row, `minutes` of lateness.
    """

    __tablename__ = "alert_rules"
    __table_args__ = (
        CheckConstraint(one_of("event", AlertOn), name="event"),
        CheckConstraint(one_of("scope", AlertScope), name="scope"),
        CheckConstraint("(scope = 'job') = (job_id IS NOT NULL)", name="job"),
        CheckConstraint("(scope = 'category') = (category IS NOT NULL)", name="category"),
        UniqueConstraint("org_id", "name"),
        Index("ix_alert_rules_job", "job_id", postgresql_where=text("job_id IS NOT NULL")),
    )
    id: Mapped[Id]
    org_id: Mapped[OrgId]
    name: Mapped[str]
    event: Mapped[str]
    scope: Mapped[str]
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    category: Mapped[str | None]
    count: Mapped[int | None]
    minutes: Mapped[int | None]
    throttle_seconds: Mapped[int]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    since: Mapped[Instant]
    sent_at: Mapped[Instant | None]
    created_at: Mapped[Created]


class AlertRuleChannel(Record):
    """That a rule's messages go to a channel."""

    __tablename__ = "alert_rule_channels"
    __table_args__ = (Index(None, "channel_id"),)
    rule_id: Mapped[UUID] = mapped_column(ForeignKey("alert_rules.id", ondelete="CASCADE"), primary_key=True)
    channel_id: Mapped[UUID] = mapped_column(
        ForeignKey("alert_channels.id", ondelete="CASCADE"), primary_key=True
    )


class AlertEvent(Record):
    """One thing that a rule found, once: `key` says what it is about.

    It waits for its message while `batch_id` is null. `over_at` is when it was over: the job succeeded,
    or the process was heard again; of a job's events of one rule only the newest may be open.
    """

    __tablename__ = "alert_events"
    __table_args__ = (
        UniqueConstraint("rule_id", "key"),
        Index("ix_alert_events_waiting", "rule_id", postgresql_where=text("batch_id IS NULL")),
        Index("ix_alert_events_open", "rule_id", "job_id", postgresql_where=text("over_at IS NULL")),
        Index("ix_alert_events_found", "org_id", "found_at"),
    )
    id: Mapped[Id]
    org_id: Mapped[OrgId]
    rule_id: Mapped[UUID] = mapped_column(ForeignKey("alert_rules.id", ondelete="CASCADE"))
    key: Mapped[str]
    event: Mapped[str]
    job_id: Mapped[UUID | None]
    run_id: Mapped[UUID | None]
    happened_at: Mapped[Instant]
    found_at: Mapped[Instant]
    facts: Mapped[JsonObject]
    over_at: Mapped[Instant | None]
    batch_id: Mapped[UUID | None]


class AlertDelivery(Record):
    """One message to one channel: what was sent, to whom, when, and what was answered.

    The names stand here once more, so that the history outlives rules and channels.
    """

    __tablename__ = "alert_deliveries"
    __table_args__ = (
        CheckConstraint(one_of("state", DeliveryState), name="state"),
        CheckConstraint(one_of("channel_kind", ChannelKind), name="channel_kind"),
        Index("ix_alert_deliveries_recent", "org_id", "created_at", "id"),
        Index("ix_alert_deliveries_pending", "next_at", postgresql_where=text("state = 'pending'")),
    )
    id: Mapped[Id]
    org_id: Mapped[OrgId]
    rule_id: Mapped[UUID | None] = mapped_column(ForeignKey("alert_rules.id", ondelete="SET NULL"))
    rule_name: Mapped[str | None]
    channel_id: Mapped[UUID | None] = mapped_column(ForeignKey("alert_channels.id", ondelete="SET NULL"))
    channel_name: Mapped[str]
    channel_kind: Mapped[str]
    target: Mapped[str]
    is_test: Mapped[bool] = mapped_column(server_default=text("false"))
    event: Mapped[str | None]
    event_count: Mapped[int]
    subject: Mapped[str]
    body: Mapped[str]
    payload: Mapped[Any] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(server_default=text("'pending'"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[Instant | None]
    created_at: Mapped[Instant]
    ended_at: Mapped[Instant | None]
    answer: Mapped[str | None]


class AlertCursor(Record):
    """Up to when the runs of an org were looked at."""

    __tablename__ = "alert_cursors"
    org_id: Mapped[UUID] = mapped_column(ForeignKey("orgs.id", ondelete="CASCADE"), primary_key=True)
    at: Mapped[Instant]
