"""Jobs and their revisions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, DateTime, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from console.core.states import JobStatus, Kind
from console.db.columns import Created, Id, Instant, Json, JsonObject, OrgId
from console.db.session import Record

ALIVE = text("deleted_at IS NULL")
NEVER = "timestamptz '9999-12-31 00:00:00+00'"
WAITING = "next_run_at IS NOT NULL AND deleted_at IS NULL AND NOT (status = 'paused' AND kind = 'once')"

CHOSEN_BY = ("status", "status_reason", "kind", "category")
SETTLED = "message_type = 'INIT' AND status = 'skipped' AND status_reason = 'HAS_LOAD_IN_TIME'"


def one_of(column: str, values: type[JobStatus] | type[Kind]) -> str:
    return f"{column} IN ({', '.join(repr(value.value) for value in values)})"


class Job(Record):
    """A row of the job table: a task with arguments and a schedule.

    It carries what the table shows of its runs, so that a page is one index scan: `active_run_id`
    is the newest run that has not ended, `last_*` describe the newest that has. `sort_at` is
    `next_run_at`, or the year 9999 when there is none. `message_type` and `subject_id` say of which
    type a message is and about what. `closed_by` is who gave it the status of something that is over
    without a run, `needs_approval` says that an admin wants a second person
    for each click, `deletion_id` is the deletion that took it away together with others.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(one_of("status", JobStatus), name="status"),
        CheckConstraint(one_of("kind", Kind), name="kind"),
        Index("uq_jobs_org_id_key", "org_id", "key", unique=True, postgresql_where=ALIVE),
        Index("ix_jobs_nearest", "org_id", "sort_at", "name", "id", postgresql_where=ALIVE),
        Index("ix_jobs_status", "org_id", "status", "sort_at", "name", "id", postgresql_where=ALIVE),
        Index("ix_jobs_kind", "org_id", "kind", "sort_at", "name", "id", postgresql_where=ALIVE),
        Index("ix_jobs_category", "org_id", "category", "sort_at", "name", "id", postgresql_where=ALIVE),
        Index("ix_jobs_task", "org_id", "task", "sort_at"),
        Index("ix_jobs_due", "next_run_at", postgresql_where=text(WAITING)),
        Index("ix_jobs_unapplied", "id", postgresql_where=text("applied_revision <> revision")),
        Index(
            "ix_jobs_message_type",
            "org_id",
            "message_type",
            "sort_at",
            "name",
            "id",
            postgresql_include=CHOSEN_BY,
            postgresql_where=text("deleted_at IS NULL AND message_type IS NOT NULL"),
        ),
        Index(
            "ix_jobs_tasks",
            "org_id",
            "sort_at",
            "name",
            "id",
            postgresql_include=CHOSEN_BY,
            postgresql_where=text("deleted_at IS NULL AND message_type IS NULL"),
        ),
        Index(
            "ix_jobs_settled",
            "org_id",
            "sort_at",
            "name",
            "id",
            postgresql_where=text(f"deleted_at IS NULL AND {SETTLED}"),
        ),
        Index(
            "ix_jobs_subject",
            "org_id",
            "subject_id",
            "sort_at",
            "name",
            "id",
            postgresql_where=text("deleted_at IS NULL AND subject_id IS NOT NULL"),
        ),
        Index(
            "ix_jobs_recipient",
            "org_id",
            text("lower(recipient)"),
            "sort_at",
            "name",
            "id",
            postgresql_where=text("deleted_at IS NULL AND recipient IS NOT NULL"),
        ),
        Index(
            "ix_jobs_subject_deleted",
            "org_id",
            "subject_id",
            postgresql_where=text("deleted_at IS NOT NULL AND subject_id IS NOT NULL"),
        ),
        Index("ix_jobs_deletion", "deletion_id", postgresql_where=text("deletion_id IS NOT NULL")),
        Index("ix_jobs_search", "search", postgresql_using="gin", postgresql_ops={"search": "gin_trgm_ops"}),
    )
    id: Mapped[Id]
    org_id: Mapped[OrgId]
    key: Mapped[str]
    name: Mapped[str]
    task: Mapped[str]
    category: Mapped[str]
    subject: Mapped[str] = mapped_column(server_default=text("''"))
    subject_id: Mapped[UUID | None]
    message_type: Mapped[str | None]
    recipient: Mapped[str | None]
    args: Mapped[JsonObject]
    kind: Mapped[str]
    schedule: Mapped[Json]
    timezone: Mapped[str]
    overlap: Mapped[str] = mapped_column(server_default=text("'skip'"))
    catch_up: Mapped[str] = mapped_column(server_default=text("'latest'"))
    catch_up_window_seconds: Mapped[int | None]
    jitter_seconds: Mapped[int | None]
    status: Mapped[str] = mapped_column(server_default=text("'scheduled'"))
    status_reason: Mapped[str | None]
    status_note: Mapped[str | None]
    closed_by: Mapped[str | None]
    needs_approval: Mapped[bool] = mapped_column(server_default=text("false"))
    next_run_at: Mapped[Instant | None]
    sort_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), Computed(f"coalesce(next_run_at, {NEVER})", persisted=True)
    )
    search: Mapped[str] = mapped_column(
        Computed(
            "lower(name || ' ' || key || ' ' || task || ' ' || subject || ' ' || coalesce(recipient, ''))",
            persisted=True,
        )
    )
    revision: Mapped[int] = mapped_column(server_default=text("1"))
    applied_revision: Mapped[int] = mapped_column(server_default=text("0"))
    active_run_id: Mapped[UUID | None]
    last_run_id: Mapped[UUID | None]
    last_run_state: Mapped[str | None]
    last_run_at: Mapped[Instant | None]
    last_run_reason: Mapped[str | None]
    last_run_note: Mapped[str | None]
    changed_at: Mapped[Created]
    created_at: Mapped[Created]
    deleted_at: Mapped[Instant | None]
    deletion_id: Mapped[UUID | None]


class JobRevision(Record):
    """One definition of a job, never overwritten: what was changed, by whom, from where and why."""

    __tablename__ = "job_revisions"
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[OrgId]
    definition: Mapped[Json]
    changes: Mapped[JsonObject]
    actor: Mapped[str]
    origin: Mapped[str]
    reason: Mapped[str | None]
    created_at: Mapped[Created]


class Deletion(Record):
    """Many jobs deleted at once, by one filter; undone at most once, within 24 hours."""

    __tablename__ = "deletions"
    __table_args__ = (Index("ix_deletions_recent", "org_id", "at", "id"),)
    id: Mapped[Id]
    org_id: Mapped[OrgId]
    at: Mapped[Instant]
    actor: Mapped[str]
    filter: Mapped[JsonObject]
    deleted: Mapped[int]
    left_running: Mapped[int]
    undone_at: Mapped[Instant | None]
    undone_by: Mapped[str | None]
    restored: Mapped[int | None]
