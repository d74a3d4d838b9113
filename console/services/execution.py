"""What happens to a run while a worker has it; every write holds for its own attempt alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import case, insert, update

from console.core.actor import Actor
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.states import ActorKind, Condition, JobStatus, Role, RunState, Trigger
from console.core.tags import Tag
from console.core.task import Task
from console.db import attempts
from console.db.jobs import Job
from console.db.runs import Run, RunLog
from console.db.session import db, transaction
from console.services import audit, claims, pushing
from console.services.claims import Claim
from console.services.outcomes import Outcome

ON = {RunState.SUCCEEDED: Condition.SUCCESS, RunState.FAILED: Condition.FAILURE}
ONCE_ENDS = {RunState.SUCCEEDED: JobStatus.SENT, RunState.SKIPPED: JobStatus.SKIPPED}
_random = Random()  # noqa: S311  (spreads retries; no secret)


def claim(run_id: UUID, *, worker: str, offered: Sequence[str], now: datetime) -> Claim | None:
    """Starts the run if it is still queued and its task is offered here; None when it is not to be had.

    One conditional UPDATE, so that however often a ticket is pushed, one attempt starts.
    """
    with transaction():
        row = attempts.claim(run_id, worker=worker, offered=offered, now=now, lease_until=now + claims.LEASE)
        if row is None:
            return None
        found = _claimed(row, worker)
        if row.is_deleted:
            skipped = Outcome(RunState.SKIPPED, Reason.DELETED)
            _write(found, skipped, now)
            _audit(found, Tag.TASK_EXECUTION_FAILED, now, skipped)
            return None
        _audit(found, Tag.TASK_EXECUTION_STARTED, now, None)
    return found


def _claimed(row: attempts.ClaimedRow, worker: str) -> Claim:
    return Claim(
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


def _audit(found: Claim, tag: Tag, now: datetime, outcome: Outcome | None) -> None:
    """Scheduled runs are their own record; the trail holds those that somebody asked for."""
    if found.trigger in (Trigger.SCHEDULE, Trigger.TICK):
        return
    actor = Actor(ActorKind.WORKER, found.org_id, "", "UTC", Role.VIEWER, found.worker)
    new: dict[str, Any] = {"task": found.task, "attempt": found.attempt}
    if outcome is not None:
        new |= {"state": outcome.state, "reason_code": outcome.reason}
    audit.add(actor, tag, audit.Subject("run", found.run_id), now=now, new=new)


def note(found: Claim, *, lines: Sequence[tuple[datetime, str]], progress: Mapping[str, Any] | None) -> bool:
    """Stores log lines and progress while the attempt runs; False when it is no longer this worker's."""
    with transaction():
        values = {"progress": dict(progress)} if progress is not None else {"attempt": Run.attempt}
        if db.session.execute(claims.mine(found).values(values).returning(Run.id)).first() is None:
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
        stop = claims.stop_of(found.run_id, found.attempt) if state is None else None
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
        if db.session.execute(claims.unstopped(found).values(values).returning(Run.id)).first() is None:
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


def finish_without_retry(found: Claim, outcome: Outcome, now: datetime) -> RunState | None:
    """As `finish`, for an end that is final."""
    with transaction():
        followers = _write(found, outcome, now)
        if followers is None:
            return None
        _audit(found, Tag.TASK_EXECUTION_FAILED, now, outcome)
    pushing.push_if_any(followers, now=now)
    return outcome.state
