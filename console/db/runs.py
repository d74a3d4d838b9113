"""Runs and their log lines."""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from console.core.states import ACTIVE, Hold, RunState, Trigger
from console.db.columns import Id, Instant, JsonList, JsonObject, OrgId
from console.db.session import Record


def listed(values: type[RunState] | type[Trigger] | type[Hold] | tuple[RunState, ...]) -> str:
    return ", ".join(repr(value.value) for value in values)


class Run(Record):
    """One execution, or one decision not to execute.

    `attempt` counts the starts; `lease_until` is how long the worker that holds the attempt may be
    silent. `enqueued_at` is null while the run waits for its push to Redis. A run with `held_by` is
    queued and not to be pushed yet: not before `start_after`, or not before other runs have ended.
    `decision` says for good what a policy made of its slot; `reason` changes with each attempt.
    `resolved_by` is who settled an end that was unknown.
    `cause_id` is the run that this one retries (trigger `retry`) or follows in a chain (`chain`);
    `after_run_id` is the run of the same sequence that must succeed before this one starts.
    `approved_by` is the second person of a run that needed one.
    """

    __tablename__ = "runs"
    __table_args__ = (
        CheckConstraint(f"state IN ({listed(RunState)})", name="state"),
        CheckConstraint(f"trigger IN ({listed(Trigger)})", name="trigger"),
        CheckConstraint(
            f"held_by IS NULL OR held_by IN ({listed(Hold)}) AND state = 'queued'", name="held_by"
        ),
        UniqueConstraint("job_id", "slot"),
        Index(
            "uq_runs_org_id_idempotency_key",
            "org_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
        Index("ix_runs_job", "job_id", "requested_at", "id"),
        Index("ix_runs_recent", "org_id", "requested_at", "id"),
        Index("ix_runs_state", "org_id", "state", "requested_at", "id"),
        Index("ix_runs_ended", "org_id", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
        Index(
            "ix_runs_bad",
            "org_id",
            "finished_at",
            postgresql_where=text("state IN ('failed', 'missed', 'unknown')"),
        ),
        Index("ix_runs_active", "job_id", postgresql_where=text(f"state IN ({listed(ACTIVE)})")),
        Index("ix_runs_retry", "retry_at", postgresql_where=text("state = 'retrying'")),
        Index("ix_runs_lease", "lease_until", postgresql_where=text("state = 'running'")),
        Index(
            "uq_runs_chain",
            "cause_id",
            "job_id",
            unique=True,
            postgresql_where=text("cause_id IS NOT NULL AND trigger = 'chain'"),
        ),
        Index("ix_runs_cause", "cause_id", postgresql_where=text("cause_id IS NOT NULL")),
        Index("ix_runs_after", "after_run_id", postgresql_where=text("after_run_id IS NOT NULL")),
        Index("ix_runs_sequence", "sequence_id", postgresql_where=text("sequence_id IS NOT NULL")),
        Index("ix_runs_dry", "org_id", "requested_at", "id", postgresql_where=text("dry_run")),
        # Those that somebody asked for are few beside those that came due.
        Index(
            "ix_runs_asked",
            "org_id",
            "trigger",
            "requested_at",
            "id",
            postgresql_where=text("trigger <> 'schedule' AND trigger <> 'tick'"),
        ),
        Index("ix_runs_held", "held_by", "start_after", postgresql_where=text("held_by IS NOT NULL")),
        # Half of each page stays free, so that the push and the worker write beside the row they change
        # without touching an index; a run is rewritten about three times in its life.
        {"postgresql_with": {"fillfactor": 50}},
    )
    id: Mapped[Id]
    org_id: Mapped[OrgId]
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    task: Mapped[str]
    queue: Mapped[str]
    priority: Mapped[str] = mapped_column(server_default=text("'normal'"))
    trigger: Mapped[str]
    state: Mapped[str]
    reason_code: Mapped[str | None]
    reason: Mapped[str | None]
    slot: Mapped[Instant | None]
    idempotency_key: Mapped[str | None]
    revision: Mapped[int]
    args: Mapped[JsonObject]
    dry_run: Mapped[bool] = mapped_column(server_default=text("false"))
    requested_by: Mapped[str]
    requester_id: Mapped[UUID | None]
    recipient: Mapped[str | None]
    requested_at: Mapped[Instant]
    enqueued_at: Mapped[Instant | None]
    started_at: Mapped[Instant | None]
    finished_at: Mapped[Instant | None]
    seen_at: Mapped[Instant | None]
    retry_at: Mapped[Instant | None]
    held_by: Mapped[str | None]
    start_after: Mapped[Instant | None]
    stop_requested_at: Mapped[Instant | None]
    stop_code: Mapped[str | None]
    stop_text: Mapped[str | None]
    decision_code: Mapped[str | None]
    decision: Mapped[str | None]
    resolved_at: Mapped[Instant | None]
    resolved_by: Mapped[str | None]
    resolved_note: Mapped[str | None]
    cause_id: Mapped[UUID | None]
    after_run_id: Mapped[UUID | None]
    sequence_id: Mapped[UUID | None]
    approval_id: Mapped[UUID | None]
    approved_by: Mapped[str | None]
    lease_until: Mapped[Instant | None]
    beat_at: Mapped[Instant | None]
    worker: Mapped[str | None]
    attempt: Mapped[int] = mapped_column(server_default=text("0"))
    result: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    error: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    progress: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    changes: Mapped[JsonList]


class RunLog(Record):
    """One line that a task wrote while it ran."""

    __tablename__ = "run_logs"
    __table_args__ = (Index(None, "run_id", "id"),)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    attempt: Mapped[int]
    at: Mapped[Instant]
    message: Mapped[str]
