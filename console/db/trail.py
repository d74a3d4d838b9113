"""The audit trail: its entries, the chain that seals them, and the signed heads of the chain.

Postgres refuses UPDATE, DELETE and TRUNCATE on all three. None has a foreign key: a trail outlives its org.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from console.db.columns import Instant
from console.db.session import Record


class AuditEntry(Record):
    """One change or one manual run, committed together with what it describes.

    `uid` and `mac` are null in entries from before there were any.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index(None, "org_id", "number"),
        Index(None, "org_id", "object_id"),
        Index(None, "org_id", "tag", "number"),
        Index(None, "org_id", "at"),
    )
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    org_id: Mapped[UUID]
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
    uid: Mapped[UUID | None] = mapped_column(unique=True)
    mac: Mapped[bytes | None] = mapped_column(LargeBinary)


class AuditLink(Record):
    """The place of one entry in the chain of its org, counted from 1, and its hash."""

    __tablename__ = "audit_chain"
    __table_args__ = (Index(None, "org_id", "number", unique=True),)
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditHead(Record):
    """The end of a chain after a group of entries was sealed, signed; see `core.trail.Head`."""

    __tablename__ = "audit_heads"
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[Instant]
    legacy_until: Mapped[int] = mapped_column(BigInteger)
    signature: Mapped[bytes] = mapped_column(LargeBinary)
