"""Statements over whole batches: one round trip for thousands of rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import text

from console.db.session import db


@dataclass(frozen=True)
class NewRun:
    """A row of `runs` for one slot."""

    org_id: UUID
    job_id: UUID
    task: str
    queue: str
    priority: str
    state: str
    reason_code: str | None
    reason: str | None
    slot: datetime
    revision: int
    args: str
    recipient: str | None
    finished_at: datetime | None


@dataclass(frozen=True)
class JobStep:
    """What a pass does to a job: its next slot, and its last decided run, if that one has ended.

    `status` is the new status or None to keep it.
    """

    job_id: UUID
    next_run_at: datetime | None
    status: str | None
    status_reason: str | None


INSERT_RUNS = text(
    """
    INSERT INTO runs (org_id, job_id, task, queue, priority, trigger, state, reason_code, reason, slot,
                      revision, args, recipient, finished_at, requested_by, requested_at)
    SELECT org_id, job_id, task, queue, priority, :trigger, state, reason_code, reason, slot, revision,
           args::jsonb, recipient, finished_at, :scheduler, :now
    FROM unnest(CAST(:org_id AS uuid[]), CAST(:job_id AS uuid[]), CAST(:task AS text[]),
                CAST(:queue AS text[]), CAST(:priority AS text[]), CAST(:state AS text[]),
                CAST(:reason_code AS text[]),
                CAST(:reason AS text[]), CAST(:slot AS timestamptz[]), CAST(:revision AS int[]),
                CAST(:args AS text[]), CAST(:recipient AS text[]), CAST(:finished_at AS timestamptz[]))
      AS given (org_id, job_id, task, queue, priority, state, reason_code, reason, slot, revision, args,
                recipient, finished_at)
    ON CONFLICT (job_id, slot) DO NOTHING
    RETURNING id, job_id, queue, priority, state, slot
    """
)
RUN_COLUMNS = tuple(NewRun.__dataclass_fields__)

STEP_JOBS = text(
    """
    UPDATE jobs SET
        next_run_at = given.next_run_at,
        status = coalesce(given.status, jobs.status),
        status_reason = CASE WHEN given.status IS NULL THEN jobs.status_reason ELSE given.status_reason END,
        applied_revision = jobs.revision,
        changed_at = :now,
        active_run_id = coalesce(queued.id, jobs.active_run_id),
        last_run_id = coalesce(ended.id, jobs.last_run_id),
        last_run_state = coalesce(ended.state, jobs.last_run_state),
        last_run_at = CASE WHEN ended.id IS NULL THEN jobs.last_run_at ELSE :now END,
        last_run_reason = CASE WHEN ended.id IS NULL THEN jobs.last_run_reason ELSE ended.reason_code END,
        last_run_note = CASE WHEN ended.id IS NULL THEN jobs.last_run_note ELSE ended.reason END
    FROM unnest(CAST(:job_id AS uuid[]), CAST(:next_run_at AS timestamptz[]), CAST(:status AS text[]),
                CAST(:status_reason AS text[])) AS given (job_id, next_run_at, status, status_reason)
    LEFT JOIN unnest(CAST(:queued_job AS uuid[]), CAST(:queued_run AS uuid[])) AS queued (job_id, id)
        ON queued.job_id = given.job_id
    LEFT JOIN unnest(CAST(:ended_job AS uuid[]), CAST(:ended_run AS uuid[]), CAST(:ended_state AS text[]),
                     CAST(:ended_reason AS text[]), CAST(:ended_note AS text[]))
        AS ended (job_id, id, state, reason_code, reason) ON ended.job_id = given.job_id
    WHERE jobs.id = given.job_id
    """
)


@dataclass(frozen=True)
class InsertedRun:
    """A run that this batch made; slots that had a run already are not among them."""

    id: UUID
    job_id: UUID
    queue: str
    priority: str
    state: str
    slot: datetime


def insert_runs(runs: Sequence[NewRun], *, trigger: str, scheduler: str, now: datetime) -> list[InsertedRun]:
    """Inserts all runs in one statement; a slot that has a run keeps it."""
    columns: dict[str, Any] = {name: list(map(attrgetter(name), runs)) for name in RUN_COLUMNS}
    rows = db.session.execute(INSERT_RUNS, columns | {"trigger": trigger, "scheduler": scheduler, "now": now})
    return [InsertedRun(*row) for row in rows]


@dataclass(frozen=True)
class Shown:
    """The newest run of a job that a batch made, as the job's row shows it."""

    job_id: UUID
    run_id: UUID
    state: str
    reason_code: str | None
    reason: str | None


def step_jobs(
    steps: Sequence[JobStep], *, queued: Sequence[Shown], ended: Sequence[Shown], now: datetime
) -> None:
    """Moves all jobs of a batch to their next slots in one statement."""
    db.session.execute(
        STEP_JOBS,
        {
            "now": now,
            "job_id": [step.job_id for step in steps],
            "next_run_at": [step.next_run_at for step in steps],
            "status": [step.status for step in steps],
            "status_reason": [step.status_reason for step in steps],
            "queued_job": [item.job_id for item in queued],
            "queued_run": [item.run_id for item in queued],
            "ended_job": [item.job_id for item in ended],
            "ended_run": [item.run_id for item in ended],
            "ended_state": [item.state for item in ended],
            "ended_reason": [item.reason_code for item in ended],
            "ended_note": [item.reason for item in ended],
        },
    )
