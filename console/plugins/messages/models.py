"""The tables of the messages plugin."""

from datetime import time
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from console.db.columns import Created, Id, Instant, JsonList, JsonObject, OrgId
from console.db.session import Record

ALIVE = text("deleted_at IS NULL")


class Event(Record):
    """What messages are about. `crew` is a list of mail addresses, `load_in_at` is null while unknown."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_nearest", "org_id", "starts_at", "name", "id", postgresql_where=ALIVE),
        Index(
            "ix_events_search", "search", postgresql_using="gin", postgresql_ops={"search": "gin_trgm_ops"}
        ),
    )
    id: Mapped[Id]
    org_id: Mapped[OrgId]
    name: Mapped[str]
    venue: Mapped[str] = mapped_column(server_default=text("''"))
    starts_at: Mapped[Instant]
    load_in_at: Mapped[Instant | None]
    timezone: Mapped[str]
    contact_name: Mapped[str] = mapped_column(server_default=text("''"))
    contact_email: Mapped[str | None]
    crew: Mapped[JsonList]
    revision: Mapped[int] = mapped_column(server_default=text("1"))
    search: Mapped[str | None] = mapped_column(Computed("lower(name || ' ' || venue)", persisted=True))
    created_at: Mapped[Created]
    changed_at: Mapped[Created]
    deleted_at: Mapped[Instant | None]


class MessageSettings(Record):
    """An org's global switch and weekend rule; without a row the defaults hold."""

    __tablename__ = "message_settings"
    __table_args__ = (
        CheckConstraint("weekend_rule IN ('none', 'previous_friday', 'next_monday')", name="weekend_rule"),
    )
    org_id: Mapped[UUID] = mapped_column(ForeignKey("orgs.id", ondelete="CASCADE"), primary_key=True)
    enabled: Mapped[bool]
    weekend_rule: Mapped[str]
    revision: Mapped[int] = mapped_column(server_default=text("1"))
    changed_at: Mapped[Created]
    changed_by: Mapped[str]


class MessageTypeSettings(Record):
    """When an org sends one type of message: `lead_days` before (negative) or after the event's day."""

    __tablename__ = "message_types"
    org_id: Mapped[UUID] = mapped_column(ForeignKey("orgs.id", ondelete="CASCADE"), primary_key=True)
    message_type: Mapped[str] = mapped_column(primary_key=True)
    enabled: Mapped[bool]
    lead_days: Mapped[int]
    send_time: Mapped[time]
    revision: Mapped[int] = mapped_column(server_default=text("1"))
    changed_at: Mapped[Created]
    changed_by: Mapped[str]


class MessageTemplate(Record):
    """One version of an org's template for a type, never overwritten; the newest is in force."""

    __tablename__ = "message_templates"
    org_id: Mapped[UUID] = mapped_column(ForeignKey("orgs.id", ondelete="CASCADE"), primary_key=True)
    message_type: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str]
    body: Mapped[str]
    html: Mapped[str] = mapped_column(server_default=text("''"))
    actor: Mapped[str]
    reason: Mapped[str | None]
    created_at: Mapped[Created]


class MessagePlan(Record):
    """What the planner last wanted of one message: the job it made, and when that was to go out.

    A job whose time is not `planned_at` was moved by hand. `address` is in lower case, and empty
    while there is none. `is_withdrawn` says that the planner took the job away, not a person.
    `resumes_paused` says that the job was paused when the planner closed it. `written` is what it gave
    the job last: its name, subject and timezone; a job that differs in one of them was edited by hand.
    """

    __tablename__ = "message_plans"
    __table_args__ = (UniqueConstraint("event_id", "message_type", "address"), Index(None, "job_id"))
    id: Mapped[Id]
    org_id: Mapped[OrgId]
    event_id: Mapped[UUID] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"))
    message_type: Mapped[str]
    role: Mapped[str]
    address: Mapped[str]
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    planned_at: Mapped[Instant]
    resumes_paused: Mapped[bool] = mapped_column(server_default=text("false"))
    is_withdrawn: Mapped[bool] = mapped_column(server_default=text("false"))
    written: Mapped[JsonObject]
    created_at: Mapped[Created]
