"""What happens to a run while a worker has it; every write holds for its own attempt alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import Update, case, insert, null, select, update

from console.core.actor import Actor
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.states import ActorKind, JobStatus, Kind, Role, RunState, Trigger
from console.core.tags import Tag
from console.core.task import Task
from console.db.jobs import Job
from console.db.runs import Run, RunLog
from console.db.session import db, reading, transaction
from console.services import audit

LEASE = timedelta(seconds=20)
STARTS_AFTER_LOSS = 3
_random = Random()  # noqa: S311  (spreads retries; no secret)


@dataclass(frozen=True)
class Claim:
    """A started attempt: what the worker needs to execute it, and the number that guards its writes."""

    run_id: UUID
    org_id: UUID
    job_id: UUID
    task: str
    trigger: Trigger
    attempt: int
    args: Mapping[str, Any]
    dry_run: bool
    recipient: str | None
    worker: str


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended; `error` is {type, message, traceback}."""

    state: RunState
    reason: Reason | None = None
    detail: str | None = None
    result: Any = None
    error: Mapping[str, str] | None = None
    changes: Sequence[Mapping[str, Any]] = ()


def claim(run_id: UUID, *, worker: str, offered: Sequence[str], now: datetime) -> Claim | None:
    """Starts the run if it is still queued and its task is offered here; None when it is not to be had.

    One conditional UPDATE, so that however often a ticket is pushed, one attempt starts.
    """
    taken = update(Run).where(Run.id == run_id, Run.state == RunState.QUEUED, Run.task.in_(offered))
    taken = taken.values(
        state=RunState.RUNNING,
        attempt=Run.attempt + 1,
        worker=worker,
        started_at=now,
        beat_at=now,
        lease_until=now + LEASE,
        retry_at=None,
        reason_code=None,
        reason=None,
        error=null(),
        progress=null(),
    )
    columns = (
        Run.org_id,
        Run.job_id,
        Run.task,
        Run.trigger,
        Run.attempt,
        Run.args,
        Run.dry_run,
        Run.recipient,
    )
    with transaction():
        row = db.session.execute(taken.returning(*columns)).first()
        if row is None:
            return None
        found = Claim(run_id, row[0], row[1], row[2], Trigger(row[3]), row[4], row[5], row[6], row[7], worker)
        is_deleted = _touch(found, now)
        if is_deleted:
            _write(found, Outcome(RunState.SKIPPED, Reason.DELETED), now)
            return None
        _audit(found, Tag.TASK_EXECUTION_STARTED, now, None)
    return found


def _touch(found: Claim, now: datetime) -> bool:
    shown = update(Job).where(Job.id == found.job_id).values(changed_at=now)
    deleted_at = db.session.scalar(shown.returning(Job.deleted_at))
    return deleted_at is not None


def _audit(found: Claim, tag: Tag, now: datetime, outcome: Outcome | None) -> None:
    """Scheduled runs are their own record; the trail holds those that somebody asked for."""
    if found.trigger in (Trigger.SCHEDULE, Trigger.TICK):
        return
    actor = Actor(ActorKind.WORKER, found.org_id, "", "UTC", Role.VIEWER, found.worker)
    new: dict[str, Any] = {"task": found.task, "attempt": found.attempt}
    if outcome is not None:
        new |= {"state": outcome.state, "reason_code": outcome.reason}
    audit.add(actor, tag, audit.Subject("run", found.run_id), now=now, new=new)


def renew(run_id: UUID, attempt: int, *, now: datetime) -> bool:
    """Prolongs the lease; False when the attempt is no longer this worker's."""
    with transaction():
        longer = _attempt(run_id, attempt).values(beat_at=now, lease_until=now + LEASE)
        return db.session.execute(longer.returning(Run.id)).first() is not None


def held(run_id: UUID, attempt: int) -> Claim | None:
    """The running attempt of this number; None when it has ended or is another's."""
    query = select(Run).where(Run.id == run_id, Run.attempt == attempt, Run.state == RunState.RUNNING)
    with reading():
        row = db.session.scalar(query)
        return _claim_of(row) if row else None


def _attempt(run_id: UUID, attempt: int) -> Update:
    return update(Run).where(Run.id == run_id, Run.state == RunState.RUNNING, Run.attempt == attempt)


def _mine(found: Claim) -> Update:
    return _attempt(found.run_id, found.attempt)


def note(found: Claim, *, lines: Sequence[tuple[datetime, str]], progress: Mapping[str, Any] | None) -> bool:
    """Stores log lines and progress while the attempt runs; False when it is no longer this worker's."""
    with transaction():
        values = {"progress": dict(progress)} if progress is not None else {"attempt": Run.attempt}
        if db.session.execute(_mine(found).values(values).returning(Run.id)).first() is None:
            return False
        if lines:
            rows = [
                {"run_id": found.run_id, "attempt": found.attempt, "at": at, "message": message}
                for at, message in lines
            ]
            db.session.execute(insert(RunLog), rows)
        return True


def finish(found: Claim, outcome: Outcome, *, now: datetime) -> RunState | None:
    """Records how the attempt ended, or that it will be tried again; None when it is no longer this worker's."""
    task = registry.get(found.task)
    if outcome.state is RunState.FAILED and _may_retry(task, found):
        return _retry(found, outcome, task, now)
    with transaction():
        if not _write(found, outcome, now):
            return None
        is_good = outcome.state is RunState.SUCCEEDED
        _audit(found, Tag.TASK_EXECUTION_COMPLETED if is_good else Tag.TASK_EXECUTION_FAILED, now, outcome)
    return outcome.state


def _may_retry(task: Task | None, found: Claim) -> bool:
    return bool(task and task.retries and found.attempt <= task.retries.max and not found.dry_run)


def _retry(found: Claim, outcome: Outcome, task: Task | None, now: datetime) -> RunState | None:
    retries = task.retries if task else None
    delay = retries.delay(found.attempt, _random) if retries else timedelta(0)
    values = _values(outcome, now) | {
        "state": RunState.RETRYING,
        "finished_at": None,
        "retry_at": now + delay,
    }
    with transaction():
        if db.session.execute(_mine(found).values(values).returning(Run.id)).first() is None:
            return None
        is_paused = Job.status == JobStatus.PAUSED
        shown = update(Job).where(Job.id == found.job_id)
        status = case((is_paused, Job.status), else_=JobStatus.RETRYING.value)
        db.session.execute(shown.values(changed_at=now, status=status))
        _audit(found, Tag.TASK_EXECUTION_FAILED, now, outcome)
    return RunState.RETRYING


def _values(outcome: Outcome, now: datetime) -> dict[str, Any]:
    return {
        "state": outcome.state,
        "reason_code": outcome.reason,
        "reason": outcome.detail or (outcome.reason.text if outcome.reason else None),
        "result": outcome.result,
        "error": dict(outcome.error) if outcome.error else None,
        "changes": [dict(change) for change in outcome.changes],
        "finished_at": now,
        "lease_until": None,
    }


def _write(found: Claim, outcome: Outcome, now: datetime) -> bool:
    ended = _mine(found).values(_values(outcome, now)).returning(Run.id)
    if db.session.execute(ended).first() is None:
        return False
    show_end(found, outcome, now)
    return True


def show_end(found: Claim, outcome: Outcome, now: datetime) -> None:
    """Carries the end of a run to its job's row, inside the caller's transaction."""
    values: dict[str, Any] = {
        "changed_at": now,
        "active_run_id": case((Job.active_run_id == found.run_id, None), else_=Job.active_run_id),
    }
    if not found.dry_run:
        values |= {
            "last_run_id": found.run_id,
            "last_run_state": outcome.state,
            "last_run_at": now,
            "last_run_reason": outcome.reason,
            "last_run_note": _note(outcome),
            "status": _status(outcome),
            "status_reason": case((Job.kind == Kind.ONCE.value, outcome.reason), else_=Job.status_reason),
        }
    db.session.execute(update(Job).where(Job.id == found.job_id).values(values))


def _note(outcome: Outcome) -> str | None:
    if isinstance(outcome.result, Mapping) and outcome.result.get("summary"):
        return str(outcome.result["summary"])[:200]
    return outcome.detail[:200] if outcome.detail else None


def _status(outcome: Outcome) -> Any:
    ends = {RunState.SUCCEEDED: JobStatus.SENT, RunState.SKIPPED: JobStatus.SKIPPED}
    once = ends.get(outcome.state, JobStatus.FAILED)
    return case(
        (Job.status == JobStatus.PAUSED.value, Job.status),
        (Job.kind == Kind.ONCE.value, once.value),
        else_=JobStatus.SCHEDULED.value,
    )


def lose(found: Claim, *, detail: str, now: datetime) -> RunState | None:
    """Records that the attempt's process is gone.

    An idempotent task starts again (up to three times in all), another one ends as `unknown`:
    nobody knows whether its side effect happened.
    """
    task = registry.get(found.task)
    if task is not None and task.idempotent:
        if found.attempt < STARTS_AFTER_LOSS:
            return _start_again(found, detail, now)
        return finish_without_retry(found, Outcome(RunState.FAILED, Reason.WORKER_LOST, detail), now)
    return finish_without_retry(found, Outcome(RunState.UNKNOWN, Reason.OUTCOME_UNKNOWN, detail), now)


def finish_without_retry(found: Claim, outcome: Outcome, now: datetime) -> RunState | None:
    """As `finish`, for an end that is final."""
    with transaction():
        if not _write(found, outcome, now):
            return None
        _audit(found, Tag.TASK_EXECUTION_FAILED, now, outcome)
    return outcome.state


def _start_again(found: Claim, detail: str, now: datetime) -> RunState | None:
    values = {
        "state": RunState.QUEUED,
        "enqueued_at": None,
        "lease_until": None,
        "reason_code": Reason.WORKER_LOST,
        "reason": detail,
    }
    with transaction():
        if db.session.execute(_mine(found).values(values).returning(Run.id)).first() is None:
            return None
        db.session.execute(update(Job).where(Job.id == found.job_id).values(changed_at=now))
    return RunState.QUEUED


def overdue(*, now: datetime, limit: int = 100) -> list[Claim]:
    """Running attempts whose lease is over: their worker has been silent for 20 s."""
    query = select(Run).where(Run.state == RunState.RUNNING, Run.lease_until < now)
    with reading():
        return [_claim_of(row) for row in db.session.scalars(query.order_by(Run.lease_until).limit(limit))]


def _claim_of(row: Run) -> Claim:
    return Claim(
        row.id,
        row.org_id,
        row.job_id,
        row.task,
        Trigger(row.trigger),
        row.attempt,
        row.args,
        row.dry_run,
        row.recipient,
        row.worker or "",
    )
