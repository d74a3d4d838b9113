"""Send now, Run now and their kin: an accepted trigger makes exactly one run, a refused one says why."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from console.core.actor import Actor
from console.core.errors import Refused, UnknownTask
from console.core.permissions import Permission
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.tags import Tag
from console.db.jobs import Job
from console.db.session import transaction
from console.services import (
    admission,
    approvals,
    audit,
    idempotency,
    job_creation,
    job_names,
    jobs,
    later,
    pushing,
    requesting,
)
from console.services.approval_views import ApprovalView
from console.services.job_creation import KeyTaken, NewJob
from console.services.run_requests import Request
from console.services.run_views import RunView
from console.services.runs import get


def send_now(actor: Actor, job_id: UUID, request: Request, *, now: datetime) -> RunView:
    """Makes a run of the job and pushes it; the same key answers the same run again.

    Raises `NotFound`, `Forbidden`, `Invalid` that names the field, or `Refused` with its reason; when a
    second person must agree, their word is asked for, and it raises `ApprovalRequested`, which is one.
    When Redis can't be reached the run is accepted all the same and pushed later.
    """
    # Locked, so that of many clicks on one message the first is seen by all others.
    return _trigger(actor, lambda: jobs.load(actor, job_id, lock=True), request, now)


def ask(actor: Actor, job: Job, request: Request, *, now: datetime) -> UUID:
    """As `send_now` of a row of the caller's transaction, without asking for the role; answers the run's id.

    The caller pushes it after the commit.
    """
    idempotency.check_key(request.key)
    return requesting.make(actor, job, request, now)[0]


def ask_or_wait(actor: Actor, job: Job, request: Request, *, now: datetime) -> UUID | None:
    """As `ask`; where a second person must agree, their word is asked for, and there is no run yet: None."""
    idempotency.check_key(request.key)
    made = _request_or_ask(actor, job, request, now)
    return None if isinstance(made, ApprovalView) else made[0]


def manual_trigger(actor: Actor, task_name: str, request: Request, *, now: datetime) -> RunView:
    """As `send_now`, by any spelling of a job's or task's name; a task without a job gets a manual one.

    Raises `UnknownTask` with suggestions.
    """

    def find() -> Job:
        found = job_names.find_row(actor, task_name)
        return jobs.load(actor, found.id, lock=True) if found else _manual_job(actor, task_name, now)

    return _trigger(actor, find, request, now)


def accept(actor: Actor, job_id: UUID, request: Request, *, now: datetime) -> tuple[UUID, bool]:
    """As `send_now`, without the push: the run's id, and whether it is new and so for the caller to push."""
    return _accept(actor, lambda: jobs.load(actor, job_id, lock=True), request, now)


def _trigger(actor: Actor, find: Callable[[], Job], request: Request, now: datetime) -> RunView:
    run_id, is_new = _accept(actor, find, request, now)
    if is_new:
        pushing.push([run_id], now=now)
    return get(actor, run_id, now=now)


def _accept(actor: Actor, find: Callable[[], Job], request: Request, now: datetime) -> tuple[UUID, bool]:
    """One transaction for job, run and audit entry; a refusal goes on the trail by itself."""
    actor.require(Permission.RUN_JOBS)
    idempotency.check_key(request.key)
    job_id: UUID | None = None
    try:
        with transaction():
            job = find()
            job_id = job.id
            made = _request_or_ask(actor, job, request, now)
    except Refused as refusal:
        refusal.job_id = job_id
        with transaction():
            subject = audit.Subject("job", job_id or "")
            audit.add(actor, Tag.RUN_REFUSED, subject, now=now, new={"reason_code": refusal.reason})
        raise
    if isinstance(made, ApprovalView):
        raise approvals.ApprovalRequested(made, actor.zone)
    return made


def _request_or_ask(
    actor: Actor, job: Job, request: Request, now: datetime
) -> tuple[UUID, bool] | ApprovalView:
    """As `requesting.make`; where a second person must agree, it asks for that, and answers what it asked."""
    args = admission.args_of(job, request)
    asked = approvals.known(
        actor,
        job,
        request.key,
        args,
        start_at=request.start_at,
        cause_id=request.cause_id,
        is_dry=request.dry_run,
    )
    if asked is None:
        try:
            return requesting.make(actor, job, request, now)
        except Refused as refusal:
            if refusal.reason is not Reason.APPROVAL_REQUIRED:
                raise
        asked = approvals.ask(actor, job, _wish(actor, job, request, args, now), now)
    return (asked.run_id, False) if asked.run_id else approvals.view_of(actor, asked, job, now)


def _wish(actor: Actor, job: Job, request: Request, args: Mapping[str, Any], now: datetime) -> approvals.Wish:
    place = request.place
    return approvals.Wish(
        request.trigger,
        args,
        admission.shown_of(actor, job, args, now),
        key=request.key,
        override=request.override,
        start_at=later.to_come(request.start_at, now),
        cause_id=request.cause_id,
        sequence_id=place.sequence_id if place else None,
        after_run_id=place.after_run_id if place else None,
        note=request.note,
    )


def _manual_job(actor: Actor, task_name: str, now: datetime) -> Job:
    """A manual job for a task that has none; its arguments come with each run."""
    try:
        task = registry.resolve(task_name)
    except UnknownTask as error:
        raise job_names.unknown_name(actor, task_name) from error
    try:
        return job_creation.insert(actor, NewJob(task=task.path, args=None), now)
    except KeyTaken:  # another click made it in the meantime, and has committed by now
        found = job_names.find_row(actor, task_name)
        if found is None:
            raise
        return found
