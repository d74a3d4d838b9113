"""What keeps the console going: audit trail, heartbeats, approvals, settings and caught mail."""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from console.db.columns import Created, Id, Instant, JsonObject, OrgId
from console.db.session import Record


class AuditEntry(Record):
    """One change or one manual run, committed together with what it describes."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index(None, "org_id", "number"), Index(None, "org_id", "object_id"))
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    org_id: Mapped[OrgId]
    at: Mapped[Instant]
    tag: Mapped[str]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    address: Mapped[str | None]
    object_kind: Mapped[str]
    object_id: Mapped[str]
    old: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    new: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    reason: Mapped[str | None]
    request_id: Mapped[str | None]


class Heartbeat(Record):
    """The newest proof of life of one process; workers also say what they serve and offer."""

    __tablename__ = "heartbeats"
    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    started_at: Mapped[Instant]
    beat_at: Mapped[Instant]
    stopped_at: Mapped[Instant | None]
    queues: Mapped[list[str]] = mapped_column(ARRAY(TEXT), server_default=text("'{}'"))
    tasks: Mapped[list[str]] = mapped_column(ARRAY(TEXT), server_default=text("'{}'"))
    run_id: Mapped[UUID | None]
    details: Mapped[JsonObject]


class Approval(Record):
    """A run that waits for a second person."""

    __tablename__ = "approvals"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'approved', 'rejected', 'expired')", name="state"),
        Index(None, "org_id", "state", "requested_at"),
    )
    id: Mapped[Id]
    org_id: Mapped[OrgId]
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("runs.id", ondelete="SET NULL"))
    state: Mapped[str] = mapped_column(server_default=text("'pending'"))
    args: Mapped[JsonObject]
    requested_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    requested_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    decided_at: Mapped[Instant | None]
    note: Mapped[str | None]


class Setting(Record):
    """One setting of one org."""

    __tablename__ = "settings"
    org_id: Mapped[UUID] = mapped_column(ForeignKey("orgs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Any] = mapped_column(JSONB)
    changed_at: Mapped[Created]


class CaughtMail(Record):
    """A mail that the embedded catcher accepted instead of delivering it."""

    __tablename__ = "caught_mails"
    __table_args__ = (Index(None, "org_id", "received_at", "id"),)
    id: Mapped[Id]
    org_id: Mapped[OrgId]
    run_id: Mapped[UUID | None]
    received_at: Mapped[Instant]
    sender: Mapped[str]
    recipients: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    subject: Mapped[str]
    text: Mapped[str]
    raw: Mapped[bytes] = mapped_column(LargeBinary)
