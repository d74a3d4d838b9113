"""What happens to a run while a worker has it; every write holds for its own attempt alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Update, case, insert, null, select, text, update

from console.core.actor import Actor
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.states import ActorKind, Condition, JobStatus, Role, RunState, Trigger
from console.core.tags import Tag
from console.core.task import Task
from console.db import attempts
from console.db.jobs import Job
from console.db.runs import Run, RunLog
from console.db.session import db, reading, transaction
from console.services import audit, pushing

LEASE = timedelta(seconds=20)
STARTS_AFTER_LOSS = 3
# What a run that waits for its next attempt no longer has; its hops begin anew.
QUEUED_AGAIN: dict[str, Any] = {
    "state": RunState.QUEUED,
    "enqueued_at": None,
    "started_at": None,
    "beat_at": None,
    "lease_until": None,
    "progress": null(),
}
ON = {RunState.SUCCEEDED: Condition.SUCCESS, RunState.FAILED: Condition.FAILURE}
ONCE_ENDS = {RunState.SUCCEEDED: JobStatus.SENT, RunState.SKIPPED: JobStatus.SKIPPED}
CUT_OFF = "It was cut off and may have been sending; find out whether it was sent, then settle it."
STOP_ASKED = text(
    "SELECT stop_code, stop_text, task, dry_run FROM runs WHERE id = :run_id AND attempt = :attempt "
    "AND state = 'running' AND stop_requested_at IS NOT NULL"
)
_random = Random()  # noqa: S311  (spreads retries; no secret)


@dataclass(frozen=True)
class Claim:
    """A started attempt: what the worker needs to execute it, and the number that guards its writes.

    `stop` is how it is to end if somebody asked for its stop.
    """

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
    stop: "Outcome | None" = None


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended; `error` is {type, message, traceback}. Without `may_retry` a failure is final."""

    state: RunState
    reason: Reason | None = None
    detail: str | None = None
    result: Any = None
    error: Mapping[str, str] | None = None
    changes: Sequence[Mapping[str, Any]] = ()
    may_retry: bool = True


def claim(run_id: UUID, *, worker: str, offered: Sequence[str], now: datetime) -> Claim | None:
    """Starts the run if it is still queued and its task is offered here; None when it is not to be had.

    One conditional UPDATE, so that however often a ticket is pushed, one attempt starts.
    """
    with transaction():
        row = attempts.claim(run_id, worker=worker, offered=offered, now=now, lease_until=now + LEASE)
        if row is None:
            return None
        found = Claim(
            run_id=row.run_id,
            org_id=row.org_id,
            job_id=row.job_id,
            task=row.task,
            trigger=Trigger(row.trigger),
            attempt=row.attempt,
            args=row.args,
            dry_run=row.dry_run,
            recipient=row.recipient,
            worker=worker,
        )
        if row.is_deleted:
            skipped = Outcome(RunState.SKIPPED, Reason.DELETED)
            _write(found, skipped, now)
            _audit(found, Tag.TASK_EXECUTION_FAILED, now, skipped)
            return None
        _audit(found, Tag.TASK_EXECUTION_STARTED, now, None)
    return found


def regain(run_id: UUID, *, worker: str, since: datetime) -> Claim | None:
    """The attempt that this worker started after `since`, when the answer to its claim was lost."""
    query = select(Run).where(Run.id == run_id, Run.state == RunState.RUNNING)
    with reading():
        row = db.session.scalar(query.where(Run.worker == worker, Run.started_at >= since))
        return _claim_of(row) if row else None


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


def stop_asked(run_id: UUID, attempt: int) -> Outcome | None:
    """How a running attempt is to end, when its stop was asked for; None when it may go on."""
    row = _request_of(run_id, attempt)
    return _stopped(row.stop_code, row.stop_text, row.task, row.dry_run) if row else None


def _request_of(run_id: UUID, attempt: int) -> Row[Any] | None:
    """The stop that was asked of a running attempt: its code, sentence, task and whether it is a dry run."""
    with reading():
        return db.session.execute(STOP_ASKED, {"run_id": run_id, "attempt": attempt}).first()


def _stopped(code: str, sentence: str, task: str, is_dry: bool) -> Outcome:
    """How an attempt ends that is cut off: where it may have sent, nobody knows whether it has."""
    if leaves_doubt(task, is_dry=is_dry):
        return Outcome(RunState.UNKNOWN, Reason.OUTCOME_UNKNOWN, f"{sentence.rstrip('.')}. {CUT_OFF}")
    return Outcome(RunState.STOPPED, Reason(code), sentence)


def leaves_doubt(task_path: str, *, is_dry: bool) -> bool:
    """Whether a run of the task that is cut off may have sent something that must not be sent twice."""
    task = registry.get(task_path)
    return task is not None and task.sends and not task.idempotent and not is_dry


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


def _again(found: Claim) -> Update:
    """For another attempt, which there is none of once the stop was asked for."""
    return _mine(found).where(Run.stop_requested_at.is_(None))


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
    """Records how the attempt ended, or that it will be tried again; None when it is not the worker's.

    One that failed after its stop was asked for is not tried again: it ends as stopped.
    """
    task = registry.get(found.task)
    if outcome.state is RunState.FAILED and outcome.may_retry and _may_retry(task, found):
        state = _retry(found, outcome, task, now)
        stop = _request_of(found.run_id, found.attempt) if state is None else None
        if stop is None:
            return state
        # It ended by itself before it was cut off, so that there is no doubt about what it did.
        stopped = {"state": RunState.STOPPED, "reason": Reason(stop.stop_code), "detail": stop.stop_text}
        outcome = replace(outcome, **stopped)
    with transaction():
        followers = _write(found, outcome, now)
        if followers is None:
            return None
        is_good = outcome.state is RunState.SUCCEEDED
        _audit(found, Tag.TASK_EXECUTION_COMPLETED if is_good else Tag.TASK_EXECUTION_FAILED, now, outcome)
    pushing.push_if_any(followers, now=now)
    return outcome.state


def _may_retry(task: Task | None, found: Claim) -> bool:
    return bool(task and task.retries and found.attempt <= task.retries.max and not found.dry_run)


def _retry(found: Claim, outcome: Outcome, task: Task | None, now: datetime) -> RunState | None:
    retries = task.retries if task else None
    delay = retries.delay(found.attempt, _random) if retries else timedelta(0)
    values = {
        "state": RunState.RETRYING,
        "reason_code": outcome.reason,
        "reason": outcome.detail,
        "error": dict(outcome.error) if outcome.error else None,
        "lease_until": None,
        "retry_at": now + delay,
    }
    with transaction():
        if db.session.execute(_again(found).values(values).returning(Run.id)).first() is None:
            return None
        stays = Job.status.in_((JobStatus.PAUSED, JobStatus.SENT))
        shown = update(Job).where(Job.id == found.job_id)
        status = case((stays, Job.status), else_=JobStatus.RETRYING.value)
        db.session.execute(shown.values(changed_at=now, status=status))
        _audit(found, Tag.TASK_EXECUTION_FAILED, now, outcome)
    return RunState.RETRYING


def _write(found: Claim, outcome: Outcome, now: datetime) -> Sequence[UUID] | None:
    """Ends the attempt; answers the runs that follow it, None when it is not the worker's."""
    from console.services import following  # which stands on jobs, and they on this

    ending = attempts.End(
        run_id=found.run_id,
        attempt=found.attempt,
        state=outcome.state,
        reason_code=outcome.reason,
        reason=outcome.detail or (outcome.reason.text if outcome.reason else None),
        result=outcome.result,
        error=dict(outcome.error) if outcome.error else None,
        changes=[dict(change) for change in outcome.changes],
        note=_note(outcome),
        once_status=ONCE_ENDS.get(outcome.state, JobStatus.FAILED),
        condition=None if found.dry_run else ON.get(outcome.state),
    )
    return following.end(ending, found.job_id, now=now)


def _note(outcome: Outcome) -> str | None:
    if isinstance(outcome.result, Mapping) and outcome.result.get("summary"):
        return str(outcome.result["summary"])[:200]
    return outcome.detail[:200] if outcome.detail else None


def lose(found: Claim, *, detail: str, now: datetime) -> RunState | None:
    """Records that the attempt's process is gone.

    One whose stop was asked for ends as stopped, or as unknown where it may have sent. An idempotent
    task starts again (up to three times in all), another one ends as `unknown`: nobody knows whether
    its side effect happened.
    """
    if found.stop is not None:
        return finish_without_retry(found, found.stop, now)
    task = registry.get(found.task)
    if task is not None and task.idempotent:
        if found.attempt < STARTS_AFTER_LOSS:
            return _start_again(found, detail, now)
        return finish_without_retry(found, Outcome(RunState.FAILED, Reason.WORKER_LOST, detail), now)
    if found.dry_run:  # there is no doubt about what it did: nothing
        return finish_without_retry(found, Outcome(RunState.FAILED, Reason.WORKER_LOST, detail), now)
    return finish_without_retry(found, Outcome(RunState.UNKNOWN, Reason.OUTCOME_UNKNOWN, detail), now)


def finish_without_retry(found: Claim, outcome: Outcome, now: datetime) -> RunState | None:
    """As `finish`, for an end that is final."""
    with transaction():
        followers = _write(found, outcome, now)
        if followers is None:
            return None
        _audit(found, Tag.TASK_EXECUTION_FAILED, now, outcome)
    pushing.push_if_any(followers, now=now)
    return outcome.state


def _start_again(found: Claim, detail: str, now: datetime) -> RunState | None:
    values = {**QUEUED_AGAIN, "reason_code": Reason.WORKER_LOST, "reason": detail}
    with transaction():
        if db.session.execute(_again(found).values(values).returning(Run.id)).first() is None:
            return None
        if not found.dry_run:
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
        _stopped(row.stop_code, row.stop_text or "", row.task, row.dry_run) if row.stop_code else None,
    )
