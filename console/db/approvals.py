"""Requests for a second person's word, and the idempotency keys that they answer."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from console.core.states import ApprovalState
from console.db.columns import Id, Instant, JsonObject, OrgId
from console.db.session import Record

PENDING = text("state = 'pending'")


class Approval(Record):
    """A run that waits for a second person, with all that it takes to make it once one agrees.

    `requested_by` is the person who asked (a token's is its owner, a shell's is nobody), `requester`
    the name that the run will carry, `requester_id` and `requester_kind` whatever asked. `recipient` is
    to whom the run would send, `shown` what would go out and what the rules said, as they stood then.
    `reason` was given with the request, `note` with the decision.
    """

    __tablename__ = "approvals"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'approved', 'rejected', 'expired')", name="state"),
        Index(None, "org_id", "state", "requested_at"),
        Index("ix_approvals_pending", "org_id", "expires_at", "id", postgresql_where=PENDING),
        Index("ix_approvals_job", "job_id", "state"),
        Index("ix_approvals_cause", "cause_id", postgresql_where=text("cause_id IS NOT NULL")),
    )
    id: Mapped[Id]
    org_id: Mapped[OrgId]
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("runs.id", ondelete="SET NULL"))
    state: Mapped[str] = mapped_column(server_default=text("'pending'"))
    revision: Mapped[int] = mapped_column(server_default=text("1"))
    trigger: Mapped[str] = mapped_column(server_default=text("'manual'"))
    args: Mapped[JsonObject]
    override: Mapped[bool] = mapped_column(server_default=text("false"))
    start_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    cause_id: Mapped[UUID | None]
    sequence_id: Mapped[UUID | None]
    after_run_id: Mapped[UUID | None]
    idempotency_key: Mapped[str | None]
    recipient: Mapped[str | None]
    requested_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    requester: Mapped[str] = mapped_column(server_default=text("''"))
    requester_kind: Mapped[str] = mapped_column(server_default=text("'person'"))
    requester_id: Mapped[UUID | None]
    requester_email: Mapped[str | None]
    reason: Mapped[str | None]
    shown: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    requested_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    decider: Mapped[str | None]
    decided_at: Mapped[Instant | None]
    note: Mapped[str | None]

    @property
    def is_withdrawn(self) -> bool:
        """Whether whoever asked took it back, which leaves it rejected."""
        is_own = self.requested_by is not None and self.decided_by == self.requested_by
        return self.state == ApprovalState.REJECTED and is_own

    @property
    def word(self) -> str:
        """What became of it: its state, but for one that was taken back."""
        return "withdrawn" if self.is_withdrawn else self.state


class ApprovalKey(Record):
    """An idempotency key whose answer is a request: several clicks may have asked for the same."""

    __tablename__ = "approval_keys"
    __table_args__ = (Index(None, "approval_id"),)
    org_id: Mapped[UUID] = mapped_column(ForeignKey("orgs.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    approval_id: Mapped[UUID] = mapped_column(ForeignKey("approvals.id", ondelete="CASCADE"))
