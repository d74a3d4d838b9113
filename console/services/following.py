"""What follows the end of a run: a run of each job that is linked to its own on this condition.

The end and the runs that follow commit together, so that none is lost and none comes twice; whoever
ended the run pushes them afterwards. Each goes through the gate of a click, but for the role, and one
that may not begin is recorded as skipped with its reason.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from console.core.actor import Actor
from console.core.errors import ConsoleError, Unavailable
from console.core.reasons import Reason, Refusal
from console.core.registry import registry
from console.core.states import (
    ActorKind,
    Condition,
    Hold,
    JobStatus,
    Kind,
    Overlap,
    Priority,
    Role,
    RunState,
    Trigger,
)
from console.core.tags import Tag
from console.db import attempts, chains, resolutions
from console.db.jobs import Job
from console.db.people import ApiToken, User
from console.db.runs import Run
from console.db.session import db, is_unreachable
from console.services import audit, triggers, wakeups
from console.services.run_requests import Request

log = structlog.get_logger()
DELETED = (
    "The job was deleted before the run that it follows had ended. Each such end leaves a skipped run like "
    "this one: undo the deletion, or take the job out of the chain."
)


def end(ending: attempts.End, job_id: UUID, *, now: datetime) -> list[UUID] | None:
    """Ends a running attempt, inside the caller's transaction; answers the runs that follow it at once.

    None when the attempt runs no more.
    """
    if attempts.end(ending, channel=wakeups.CHANNEL, now=now):
        return []
    jobs = chains.lock_next(ending.run_id, job_id, Condition(ending.condition)) if ending.condition else []
    if not attempts.end(ending, channel=wakeups.CHANNEL, is_locked=True, now=now):
        return None
    return _follow(ending.run_id, jobs, now)


def settle(wanted: resolutions.Settlement, job_id: UUID, *, is_dry: bool, now: datetime) -> list[UUID] | None:
    """Settles a run whose end was unknown, and lets its chain go on; answers as `end` does."""
    condition = Condition.SUCCESS if wanted.is_good else Condition.FAILURE
    jobs = chains.lock_next(wanted.run_id, job_id, condition) if not is_dry else []
    if not resolutions.settle(wanted, now=now):
        return None
    return _follow(wanted.run_id, jobs, now)


def _follow(run_id: UUID, job_ids: Sequence[UUID], now: datetime) -> list[UUID]:
    """Makes a run of each job; answers those that may be pushed."""
    if not job_ids:
        return []
    ended, name = db.session.execute(
        select(Run, Job.name).join(Job, Job.id == Run.job_id).where(Run.id == run_id)
    ).one()
    actor = _asker(ended, name)
    made = [_start(actor, job_id, run_id, now) for job_id in job_ids]
    return [run_id for run_id in made if run_id is not None]


def _asker(ended: Run, name: str) -> Actor:
    """In whose name the next one runs: the chain's, for whoever asked for the run with which it began."""
    email = db.session.scalar(select(User.email).where(User.id == ended.requester_id)) or db.session.scalar(
        select(User.email)
        .join(ApiToken, ApiToken.owner_id == User.id)
        .where(ApiToken.id == ended.requester_id)
    )
    said = f"chain ({name})"
    return Actor(ActorKind.SYSTEM, ended.org_id, "", "UTC", Role.VIEWER, said, ended.requester_id, email)


def _start(actor: Actor, job_id: UUID, cause_id: UUID, now: datetime) -> UUID | None:
    """Makes the run, or records why there is none; None unless it may be pushed."""
    job = db.session.get_one(Job, job_id, populate_existing=True)
    found = _standing(job) or _overlapping(job)
    if not isinstance(found, Refusal):
        asked = _ask(actor, job, cause_id, now)
        if not isinstance(asked, Refusal):
            return _kept(asked, found) if asked else None
        found = asked
    _skip(actor, job, cause_id, found, now)
    return None


def _standing(job: Job) -> Refusal | None:
    if job.deleted_at is not None:
        return Refusal(Reason.DELETED, DELETED)
    if job.status == JobStatus.PAUSED:
        return Refusal(Reason.PAUSED, "The job was paused when the run that it follows ended.")
    return None


def _overlapping(job: Job) -> Hold | Refusal | None:
    """What the job's overlap policy makes of a run that follows while another one of the job is active.

    A message that goes out once has its own rule, which the gate asks.
    """
    overlap, busy = Overlap(job.overlap), chains.busy(job.id)
    if busy is None or overlap is Overlap.ALLOW_ALL:
        return None
    if overlap is Overlap.SKIP:
        return Refusal(Reason.OVERLAP, "Another run of the job was still active (overlap skip).")
    if overlap is Overlap.BUFFER_ONE and busy.is_waiting:
        detail = "Another run of the job was still active, and one waited already (overlap buffer_one)."
        return Refusal(Reason.OVERLAP, detail)
    return Hold(overlap)


def _ask(actor: Actor, job: Job, cause_id: UUID, now: datetime) -> UUID | Refusal | None:
    """The run, or what the gate has against it; None when a second person was asked for their word.

    Whatever breaks there must not take the end along.
    """
    request = Request(Trigger.CHAIN, cause_id=cause_id)
    try:
        with db.session.begin_nested():
            return triggers.ask_or_wait(actor, job, request, now=now)
    except Unavailable:
        raise
    except ConsoleError as error:
        reason = error.reason or Reason.EXCEPTION
        return Refusal(reason, error.detail.removesuffix(f" {reason.advice}"))
    except Exception as error:
        if is_unreachable(error):
            raise
        log.exception("a run that was to follow can't be made", action="chain.broke", job_id=str(job.id))
        return Refusal(Reason.EXCEPTION, f"It can't be started: {type(error).__name__}: {error}"[:500])


def _kept(run_id: UUID, hold: Hold | None) -> UUID | None:
    """The run, unless it has to wait for others; then the scheduler, which the bell wakes, lets it go."""
    if hold is None:
        return run_id
    db.session.execute(update(Run).where(Run.id == run_id).values(held_by=hold))
    wakeups.notify()
    return None


def _skip(actor: Actor, job: Job, cause_id: UUID, refusal: Refusal, now: datetime) -> None:
    """Records the run that did not begin. A job that runs once keeps what it shows: it lost nothing by it."""
    task = registry.get(job.task)
    values = {
        "org_id": job.org_id,
        "job_id": job.id,
        "task": job.task,
        "queue": task.queue if task else "default",
        "priority": task.priority if task else Priority.NORMAL,
        "trigger": Trigger.CHAIN,
        "state": RunState.SKIPPED,
        "reason_code": refusal.reason,
        "reason": refusal.sentence,
        "revision": job.revision,
        "args": job.args,
        "requested_by": actor.name,
        "requester_id": actor.id,
        "recipient": job.recipient,
        "requested_at": now,
        "finished_at": now,
        "cause_id": cause_id,
    }
    run_id = db.session.scalar(insert(Run).values(values).returning(Run.id))
    shown = {
        "last_run_id": run_id,
        "last_run_state": RunState.SKIPPED,
        "last_run_at": now,
        "last_run_reason": refusal.reason,
        "last_run_note": refusal.sentence[:200],
    }
    kept = job.kind == Kind.ONCE or job.deleted_at is not None or job.last_run_state == RunState.UNKNOWN
    change = update(Job).where(Job.id == job.id).values(changed_at=now, **({} if kept else shown))
    db.session.execute(change)
    new = {"job": job.key, "task": job.task, "reason_code": refusal.reason, "cause": str(cause_id)}
    audit.add(actor, Tag.RUN_REFUSED, audit.Subject("run", run_id or ""), now=now, new=new)
