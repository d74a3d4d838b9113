"""Statements over whole batches: one round trip for thousands of rows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from console.db.session import db


@dataclass(frozen=True)
class NewRun:
    """A row of `runs` for one slot; what is not here comes from its job."""

    job_id: UUID
    queue: str
    priority: str
    state: str
    slot: datetime
    reason_code: str | None = None
    reason: str | None = None
    finished_at: datetime | None = None
    decision_code: str | None = None
    decision: str | None = None
    held_by: str | None = None
    start_after: datetime | None = None


@dataclass(frozen=True)
class JobStep:
    """What a pass does to a job: its next slot, its newest queued run, and its newest decided one.

    `applied_revision` is the one that the pass acts on, `status` the new status; None keeps either.
    """

    job_id: UUID
    next_run_at: datetime | None
    applied_revision: int | None = None
    status: str | None = None
    status_reason: str | None = None
    queued_run: UUID | None = None
    ended_run: UUID | None = None
    ended_state: str | None = None
    ended_code: str | None = None
    ended_text: str | None = None


INSERT_RUNS = text(
    """
    INSERT INTO runs (org_id, job_id, task, queue, priority, trigger, state, reason_code, reason, slot,
                      revision, args, recipient, finished_at, requested_by, requested_at,
                      decision_code, decision, held_by, start_after)
    SELECT jobs.org_id, jobs.id, jobs.task, given.queue, given.priority, :trigger, given.state,
           given.reason_code, given.reason, given.slot, jobs.revision, jobs.args, jobs.recipient,
           given.finished_at, :scheduler, :now,
           given.decision_code, given.decision, given.held_by, given.start_after
    FROM json_to_recordset(CAST(:rows AS json))
      AS given (job_id uuid, queue text, priority text, state text, reason_code text, reason text,
                slot timestamptz, finished_at timestamptz, decision_code text, decision text,
                held_by text, start_after timestamptz)
    JOIN jobs ON jobs.id = given.job_id
    ON CONFLICT (job_id, slot) DO NOTHING
    RETURNING id, job_id, queue, priority, state, slot, held_by
    """
)

STEP_JOBS = text(
    """
    UPDATE jobs SET
        next_run_at = given.next_run_at,
        status = coalesce(given.status, jobs.status),
        status_reason = CASE WHEN given.status IS NULL THEN jobs.status_reason ELSE given.status_reason END,
        applied_revision = coalesce(given.applied_revision, jobs.applied_revision),
        changed_at = :now,
        active_run_id = coalesce(given.queued_run, jobs.active_run_id),
        last_run_id = coalesce(given.ended_run, jobs.last_run_id),
        last_run_state = coalesce(given.ended_state, jobs.last_run_state),
        last_run_at = CASE WHEN given.ended_run IS NULL THEN jobs.last_run_at ELSE :now END,
        last_run_reason = CASE WHEN given.ended_run IS NULL THEN last_run_reason ELSE given.ended_code END,
        last_run_note = CASE WHEN given.ended_run IS NULL THEN last_run_note ELSE given.ended_text END
    FROM json_to_recordset(CAST(:rows AS json))
      AS given (job_id uuid, next_run_at timestamptz, applied_revision integer, status text,
                status_reason text, queued_run uuid, ended_run uuid, ended_state text, ended_code text,
                ended_text text)
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
    held_by: str | None


def insert_runs(runs: Sequence[NewRun], *, trigger: str, scheduler: str, now: datetime) -> list[InsertedRun]:
    """Inserts all runs in one statement; a slot that has a run keeps it."""
    values = {"rows": _rows(runs), "trigger": trigger, "scheduler": scheduler, "now": now}
    return [InsertedRun(*row) for row in db.session.execute(INSERT_RUNS, values)]


def step_jobs(steps: Sequence[JobStep], *, now: datetime) -> None:
    """Moves all jobs of a batch to their next slots in one statement."""
    db.session.execute(STEP_JOBS, {"rows": _rows(steps), "now": now})


def _rows(items: Sequence[NewRun] | Sequence[JobStep]) -> str:
    """A batch as one JSON text, which is built and read several times as fast as an array per column.

    What is not there is null to Postgres; most items have most of their fields empty.
    """
    present = [{name: value for name, value in vars(item).items() if value is not None} for item in items]
    return json.dumps(present, default=_text)


def _text(value: UUID | datetime) -> str:
    return value.hex if isinstance(value, UUID) else value.isoformat()


def uuid_array(ids: Sequence[UUID]) -> str:
    """Ids as one text for `CAST(:ids AS uuid[])`, built several times as fast as a bound list of them."""
    return "{" + ",".join([id_.hex for id_ in ids]) + "}"
