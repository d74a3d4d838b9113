"""Send now, Run now and their kin: an accepted trigger makes exactly one run, a refused one says why."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from console.core.actor import Actor
from console.core.errors import Invalid, NotFound, Refused, UnknownTask
from console.core.permissions import Permission
from console.core.reasons import Reason, Refusal
from console.core.registry import registry
from console.core.states import Hold, Kind, Priority, RunState, Trigger
from console.core.tags import Tag
from console.core.task import Check, Preview, Task
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db, reading, transaction
from console.services import (
    approvals,
    audit,
    definitions,
    jobs,
    later,
    pushing,
    repeats,
    rules,
    second_person,
    wakeups,
)
from console.services.approval_views import ApprovalView, Shown
from console.services.runs import get
from console.services.views import JobView, RunView
from console.services.workers import fleet

LONGEST_KEY = 200


@dataclass(frozen=True)
class Approved:
    """A second person's word: which request it settled, and who gave it."""

    approval_id: UUID
    by: str


@dataclass(frozen=True)
class Place:
    """The place of a run in a sequence; the first one waits for none."""

    sequence_id: UUID
    after_run_id: UUID | None


@dataclass(frozen=True)
class Request:
    """What was asked: the idempotency `key` (None: each call is its own), and arguments for this run.

    `start_at` is when it is to start, None at once. `cause_id` is the run that this one retries or
    follows. `note` is the reason that was given for it.
    """

    trigger: Trigger
    key: str | None = None
    args: Mapping[str, Any] | None = None
    dry_run: bool = False
    override: bool = False
    start_at: datetime | None = None
    cause_id: UUID | None = None
    place: Place | None = None
    approved: Approved | None = None
    note: str | None = None

    @property
    def hold(self) -> Hold | None:
        """What keeps its run from starting at once."""
        if self.place is not None and self.place.after_run_id is not None:
            return Hold.SEQUENCE
        return Hold.LATER if self.start_at is not None else None


AGAIN = Request(Trigger.MANUAL, override=True)


@dataclass(frozen=True)
class Preflight:
    """What a click would do; `refusal` is None when it would run.

    `may_override` says that the refusal gives way to “send again”; when it would, were it not for another
    reason, `again` is that one. `rules` is what the task's own
    rules, which a click passes over, say of a run that came by itself now. `message` is what would go
    out, None when the task sends none or it can't be made. `waits` says by whom the queue is paused, or
    that nothing is alive to serve it, so that the run is accepted and waits.
    """

    job: JobView
    refusal: Reason | None
    text: str | None
    idempotency_key: str
    may_override: bool = False
    rules: Refusal | None = None
    message: Preview | None = None
    again: Reason | None = None
    waits: str | None = None


def preflight(actor: Actor, job_id: UUID, *, now: datetime) -> Preflight:
    """What Send now would answer, and a fresh idempotency key for the click; raises `NotFound`."""
    with reading():
        return preflight_row(actor, jobs.load(actor, job_id), now)


def preflight_row(actor: Actor, job: Job, now: datetime) -> Preflight:
    """As `preflight`, of a row of the caller's transaction."""
    task = registry.get(job.task)
    refusal = _refusal(actor, job, Request(Trigger.MANUAL), job.args, now)
    is_repeatable = refusal is not None and refusal.reason in repeats.REPEATABLE
    again = _refusal(actor, job, AGAIN, job.args, now) if is_repeatable else None
    check = _check(actor, job, job.args, now)
    return Preflight(
        jobs.view_of(job, now),
        refusal.reason if refusal else None,
        _said(refusal, again) if refusal else None,
        uuid4().hex,
        may_override=is_repeatable and again is None,
        rules=rules.refusal_of((task.rules,), check) if task else None,
        message=rules.preview_of(task, check)[0] if task else None,
        again=again.reason if again else None,
        waits=fleet(now).wait_of(job.org_id, task.queue) if task else None,
    )


def _said(refusal: Refusal, again: Refusal | None) -> str:
    """What is against a click, and what would be against “send again”."""
    if again is None:
        return f"{refusal.sentence} {refusal.reason.advice}"
    return f"{refusal.sentence} It can't be sent again either: {again.sentence} {again.reason.advice}"


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
    _check_key(request.key)
    return _request(actor, job, request, now)[0]


def ask_or_wait(actor: Actor, job: Job, request: Request, *, now: datetime) -> UUID | None:
    """As `ask`; where a second person must agree, their word is asked for, and there is no run yet: None."""
    _check_key(request.key)
    made = _request_or_ask(actor, job, request, now)
    return None if isinstance(made, ApprovalView) else made[0]


def manual_trigger(actor: Actor, task_name: str, request: Request, *, now: datetime) -> RunView:
    """As `send_now`, by any spelling of a job's or task's name; a task without a job gets a manual one.

    Raises `UnknownTask` with suggestions.
    """

    def find() -> Job:
        found = jobs.find_row(actor, task_name)
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
    _check_key(request.key)
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
    """As `_request`; where a second person must agree, it asks for that, and answers what it asked."""
    args = _checked(job, job.args if request.args is None else request.args)
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
            return _request(actor, job, request, now)
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
        shown_of(actor, job, args, now),
        key=request.key,
        override=request.override,
        start_at=later.to_come(request.start_at, now),
        cause_id=request.cause_id,
        sequence_id=place.sequence_id if place else None,
        after_run_id=place.after_run_id if place else None,
        note=request.note,
    )


def shown_of(actor: Actor, job: Job, args: Mapping[str, Any], now: datetime) -> Shown:
    """What a run of the job for the actor would do, inside the caller's transaction."""
    task, check = registry.get(job.task), _check(actor, job, args, now)
    if task is None:
        return Shown()
    # A task that sends nothing does the same whoever asks.
    recipient = check.recipient if task.sends or job.message_type else job.recipient
    message = rules.preview_of(task, check)[0]
    return Shown(recipient, message, rules.refusal_of((task.rules,), check))


def against(actor: Actor, job: Job, request: Request, now: datetime) -> Refusal | None:
    """What stands against this request as things are, inside the caller's transaction."""
    args = _checked(job, job.args if request.args is None else request.args)
    return _refusal(actor, job, request, args, now)


def _check_key(key: str | None) -> None:
    if key is not None and (not key.strip() or len(key) > LONGEST_KEY or not key.isprintable()):
        text = f"1 to {LONGEST_KEY} printable characters"
        raise Invalid(f"Idempotency-Key: {text}", fields={"Idempotency-Key": [text]})


def _manual_job(actor: Actor, task_name: str, now: datetime) -> Job:
    """A manual job for a task that has none; its arguments come with each run."""
    try:
        task = registry.resolve(task_name)
    except UnknownTask as error:
        raise jobs.unknown_name(actor, task_name) from error
    try:
        return jobs.insert(actor, jobs.NewJob(task=task.path, args=None), now)
    except jobs.KeyTaken:  # another click made it in the meantime, and has committed by now
        found = jobs.find_row(actor, task_name)
        if found is None:
            raise
        return found


def _request(actor: Actor, job: Job, request: Request, now: datetime) -> tuple[UUID, bool]:
    known = _known_run(actor, job, request)
    if known is not None:
        return known, False
    later.check(request.start_at, is_dry=request.dry_run, now=now)
    task = registry.get(job.task)
    args = _checked(job, job.args if request.args is None else request.args)
    refusal = _refusal(actor, job, request, args, now)
    if refusal is not None:
        raise Refused(f"{refusal.sentence} {refusal.reason.advice}", reason=refusal.reason)
    if request.dry_run and not (task and task.dry_run):
        text = "this task has no dry run"
        raise Invalid(f"dry_run: {text}", fields={"dry_run": [text]})
    # After all else: nobody is asked for their word on what would be refused anyway.
    if second_person.is_needed(job) and not request.dry_run and request.approved is None:
        text = f"{Reason.APPROVAL_REQUIRED.text} {Reason.APPROVAL_REQUIRED.advice}"
        raise Refused(text, reason=Reason.APPROVAL_REQUIRED)
    if job.kind == Kind.ONCE and not request.dry_run and request.hold is None:
        repeats.withdraw_held(job, task, now)
    run_id = _insert(actor, job, task, request, args, now)
    if run_id is None:  # another click with this key came first, and has committed by now
        known = _known_run(actor, job, request)
        if known is None:
            raise NotFound("The run was deleted while it was asked for.")
        return known, False
    _record(actor, job, run_id, request, args, now)
    return run_id, True


def _known_run(actor: Actor, job: Job, request: Request) -> UUID | None:
    if request.key is None:
        return None
    query = select(Run).where(Run.org_id == actor.org_id, Run.idempotency_key == request.key)
    found = db.session.scalar(query)
    if found is None:
        return None
    is_other = found.job_id != job.id or found.dry_run != request.dry_run
    is_other = is_other or found.cause_id != request.cause_id or later.is_other(found, request.start_at)
    if is_other or (request.args is not None and _checked(job, request.args) != found.args):
        text = "was used for another request; take a new one"
        raise Invalid(f"Idempotency-Key: {text}", fields={"Idempotency-Key": [text]})
    return found.id


def _checked(job: Job, args: Mapping[str, Any]) -> dict[str, Any]:
    task = registry.get(job.task)
    return definitions.check_args(task, args) if task else dict(args)


def _refusal(
    actor: Actor, job: Job, request: Request, args: Mapping[str, Any], now: datetime
) -> Refusal | None:
    task = registry.get(job.task)
    if task is None:
        sentence = f"The console itself does not know {job.task}; its CONSOLE_TASKS must list the module too."
        return Refusal(Reason.NOT_REGISTERED, sentence)
    if not fleet(now).offers(job.task):
        return Refusal(Reason.NOT_REGISTERED, f"No live worker offers {job.task}.")
    repeated = repeats.refusal_of(job, task) if not request.dry_run else None
    repeated = repeated or (later.refusal_of(job, task) if request.start_at is not None else None)
    if repeated is not None and not (request.override and repeated.reason in repeats.REPEATABLE):
        return repeated
    check = _check(actor, job, args, now)
    return rules.refusal_of((task.requires,), check) or rules.preview_of(task, check)[1]


def _check(actor: Actor, job: Job, args: Mapping[str, Any], now: datetime) -> Check:
    return Check(str(job.org_id), args, _recipient(actor, job), now, str(job.id))


def _recipient(actor: Actor, job: Job) -> str | None:
    """A message goes to its own recipient or to nobody; what else sends, to whoever asks."""
    return job.recipient if job.message_type else job.recipient or actor.email


def _insert(
    actor: Actor, job: Job, task: Task | None, request: Request, args: Mapping[str, Any], now: datetime
) -> UUID | None:
    values = {
        "org_id": job.org_id,
        "job_id": job.id,
        "task": job.task,
        "queue": task.queue if task else "default",
        "priority": task.priority if task else Priority.NORMAL,
        "trigger": request.trigger,
        "state": RunState.QUEUED,
        "idempotency_key": request.key,
        "revision": job.revision,
        "args": dict(args),
        "dry_run": request.dry_run,
        "requested_by": actor.name,
        "requester_id": actor.id,
        "recipient": _recipient(actor, job),
        "requested_at": now,
        "held_by": request.hold,
        "start_after": request.start_at,
        "cause_id": request.cause_id,
        "after_run_id": request.place.after_run_id if request.place else None,
        "sequence_id": request.place.sequence_id if request.place else None,
        "approval_id": request.approved.approval_id if request.approved else None,
        "approved_by": request.approved.by if request.approved else None,
    }
    statement = (
        insert(Run)
        .values(values)
        .on_conflict_do_nothing(
            index_elements=["org_id", "idempotency_key"], index_where=Run.idempotency_key.is_not(None)
        )
    )
    return db.session.scalar(statement.returning(Run.id))


def _record(
    actor: Actor, job: Job, run_id: UUID, request: Request, args: Mapping[str, Any], now: datetime
) -> None:
    if not request.dry_run:  # that is nothing that happens to the job
        shown = update(Job).where(Job.id == job.id).values(active_run_id=run_id, changed_at=now)
        db.session.execute(shown)
    if request.hold is not None:
        wakeups.notify()
    new: dict[str, Any] = {
        "job": job.key,
        "task": job.task,
        "trigger": request.trigger,
        "arguments": sorted(args),
    }
    new |= {
        name: value
        for name, value in (
            ("dry_run", request.dry_run or None),
            ("start_at", request.start_at.isoformat() if request.start_at else None),
            ("cause", str(request.cause_id) if request.cause_id else None),
            ("approved_by", request.approved.by if request.approved else None),
        )
        if value is not None
    }
    tag = Tag.RUN_RETRIED if request.trigger is Trigger.RETRY else Tag.RUN_REQUESTED
    audit.add(actor, tag, audit.Subject("run", run_id), now=now, new=new, reason=request.note)
