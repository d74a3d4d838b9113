"""What keeps the console going: heartbeats, settings and caught mail."""

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from console.db.columns import Created, Id, Instant, JsonObject, OrgId
from console.db.session import Record


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
