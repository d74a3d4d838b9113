"""Makes the run that is asked for, with its entry on the trail, or says why there is none."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert

from console.core.actor import Actor
from console.core.errors import Invalid, NotFound, Refused
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.states import Kind, Priority, RunState, Trigger
from console.core.tags import Tag
from console.core.task import Task
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db
from console.services import admission, audit, idempotency, later, repeats, second_person, wakeups
from console.services.run_requests import Request


def make(actor: Actor, job: Job, request: Request, now: datetime) -> tuple[UUID, bool]:
    """The run's id, and whether it is new; in the caller's transaction, which has locked the job.

    Raises `Invalid` that names the field, or `Refused` with its reason.
    """
    known = idempotency.known_run(actor, job, request)
    if known is not None:
        return known, False
    later.check(request.start_at, is_dry=request.dry_run, now=now)
    task, args = registry.get(job.task), admission.args_of(job, request)
    refusal = admission.refusal_of(actor, job, request, args, now)
    if refusal is not None:
        raise Refused(f"{refusal.sentence} {refusal.reason.advice}", reason=refusal.reason)
    _check_dry_run(task, request)
    # After all else: nobody is asked for their word on what would be refused anyway.
    _check_second_person(job, request)
    if job.kind == Kind.ONCE and not request.dry_run and request.hold is None:
        repeats.withdraw_held(job, task, now)
    run_id = _insert(actor, job, task, request, args, now)
    if run_id is None:  # another click with this key came first, and has committed by now
        return _made_meanwhile(actor, job, request), False
    _record(actor, job, run_id, request, args, now)
    return run_id, True


def _check_dry_run(task: Task | None, request: Request) -> None:
    if request.dry_run and not (task and task.dry_run):
        text = "this task has no dry run"
        raise Invalid(f"dry_run: {text}", fields={"dry_run": [text]})


def _check_second_person(job: Job, request: Request) -> None:
    if second_person.is_needed(job) and not request.dry_run and request.approved is None:
        text = f"{Reason.APPROVAL_REQUIRED.text} {Reason.APPROVAL_REQUIRED.advice}"
        raise Refused(text, reason=Reason.APPROVAL_REQUIRED)


def _made_meanwhile(actor: Actor, job: Job, request: Request) -> UUID:
    known = idempotency.known_run(actor, job, request)
    if known is None:
        raise NotFound("The run was deleted while it was asked for.")
    return known


def _insert(
    actor: Actor, job: Job, task: Task | None, request: Request, args: Mapping[str, Any], now: datetime
) -> UUID | None:
    values = {
        "org_id": job.org_id,
        "job_id": job.id,
        "task": job.task,
        "queue": task.queue if task else "default",
        "priority": task.priority if task else Priority.NORMAL,
        "state": RunState.QUEUED,
        "revision": job.revision,
        "args": dict(args),
        "requested_by": actor.name,
        "requester_id": actor.id,
        "recipient": admission.recipient_of(actor, job),
        "requested_at": now,
        **_asked(request),
    }
    statement = (
        insert(Run)
        .values(values)
        .on_conflict_do_nothing(
            index_elements=["org_id", "idempotency_key"], index_where=Run.idempotency_key.is_not(None)
        )
    )
    return db.session.scalar(statement.returning(Run.id))


def _asked(request: Request) -> dict[str, Any]:
    """The columns that repeat the request."""
    return {
        "trigger": request.trigger,
        "idempotency_key": request.key,
        "dry_run": request.dry_run,
        "held_by": request.hold,
        "start_after": request.start_at,
        "cause_id": request.cause_id,
        "after_run_id": request.place.after_run_id if request.place else None,
        "sequence_id": request.place.sequence_id if request.place else None,
        "approval_id": request.approved.approval_id if request.approved else None,
        "approved_by": request.approved.by if request.approved else None,
    }


def _record(
    actor: Actor, job: Job, run_id: UUID, request: Request, args: Mapping[str, Any], now: datetime
) -> None:
    if not request.dry_run:  # that is nothing that happens to the job
        shown = update(Job).where(Job.id == job.id).values(active_run_id=run_id, changed_at=now)
        db.session.execute(shown)
    if request.hold is not None:
        wakeups.notify()
    tag = Tag.RUN_RETRIED if request.trigger is Trigger.RETRY else Tag.RUN_REQUESTED
    new = _said(job, request, args)
    audit.add(actor, tag, audit.Subject("run", run_id), now=now, new=new, reason=request.note)


def _said(job: Job, request: Request, args: Mapping[str, Any]) -> dict[str, Any]:
    """What the trail says of the run; what was not asked for is left out."""
    optional = {
        "dry_run": request.dry_run or None,
        "start_at": request.start_at.isoformat() if request.start_at else None,
        "cause": str(request.cause_id) if request.cause_id else None,
        "approved_by": request.approved.by if request.approved else None,
    }
    return {
        "job": job.key,
        "task": job.task,
        "trigger": request.trigger,
        "arguments": sorted(args),
        **{name: value for name, value in optional.items() if value is not None},
    }
