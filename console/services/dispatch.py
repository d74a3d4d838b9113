"""From due slots to runs: what one pass of a scheduler does, in one transaction for each batch."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Text, cast, func, select, text, update
from sqlalchemy.engine import Row

from console.core.due import Decided, Decision, DueJob, decide
from console.core.reasons import Reason, Refusal
from console.core.registry import registry
from console.core.schedule import Schedule, parse
from console.core.states import ACTIVE, CatchUp, JobStatus, Kind, Overlap, Priority, RunState, Trigger
from console.core.task import Check, Task
from console.db import bulk
from console.db.jobs import WAITING, Job
from console.db.runs import Run
from console.db.session import db, reading, transaction
from console.queue import Ticket
from console.services import execution, rules
from console.services.orgs import zone

BATCH = 1000
log = structlog.get_logger()
DueRow = Row[*tuple[Any, ...]]
_COLUMNS = (
    Job.id,
    Job.org_id,
    Job.task,
    cast(Job.args, Text).label("args"),
    Job.kind,
    cast(Job.schedule, Text).label("schedule"),
    Job.timezone,
    Job.overlap,
    Job.catch_up,
    Job.catch_up_window_seconds,
    Job.status,
    Job.next_run_at,
    Job.recipient,
)


@dataclass(frozen=True)
class Dispatched:
    """What a batch did: how many jobs were due, and the tickets of the runs that it queued."""

    due: int
    tickets: tuple[Ticket, ...]


def dispatch(
    *, scheduler: str, now: datetime, trigger: Trigger = Trigger.SCHEDULE, batch: int = BATCH
) -> Dispatched:
    """Decides the due slots of up to `batch` jobs and commits; pushing is the caller's next step.

    Rows that another scheduler holds are passed over, so that any number of them may run.
    """
    with transaction():
        rows = _due(now, batch)
        if not rows:
            return Dispatched(0, ())
        plans = [_plan(row, now) for row in rows]
        inserted = _insert(plans, trigger, scheduler, now)
        _step(plans, inserted, now)
    tickets = tuple(
        Ticket(run.id, run.queue, Priority(run.priority)) for run in inserted if run.state == RunState.QUEUED
    )
    return Dispatched(len(rows), tickets)


def _due(now: datetime, batch: int) -> Sequence[DueRow]:
    is_active = select(Run.id).where(Run.job_id == Job.id, Run.state.in_(ACTIVE)).exists()
    query = select(*_COLUMNS, is_active.label("is_active")).where(Job.next_run_at <= now, text(WAITING))
    query = query.order_by(Job.next_run_at).limit(batch).with_for_update(of=Job, skip_locked=True)
    return db.session.execute(query).all()


@dataclass(frozen=True)
class _Plan:
    row: DueRow
    task: Task | None
    decided: Decided


def _plan(row: DueRow, now: datetime) -> _Plan:
    task = registry.get(row.task)
    try:
        decided = decide(_due_job(row), now)
    except Exception as error:
        log.exception("a job's schedule can't be followed", action="dispatch.failed", job_id=str(row.id))
        detail = f"{type(error).__name__}: {error}"[:500]
        broken = Decision(row.next_run_at, RunState.FAILED, Reason.INVALID_SCHEDULE, detail)
        return _Plan(row, task, Decided((broken,), None))
    refusal = _refusal(row, task, now) if task else None
    return _Plan(row, task, _refused(decided, refusal) if refusal else decided)


def _due_job(row: DueRow) -> DueJob:
    window = row.catch_up_window_seconds
    return DueJob(
        schedule=_schedule(row.schedule),
        zone=zone(row.timezone),
        slot=row.next_run_at,
        is_paused=row.status == JobStatus.PAUSED,
        has_active_run=row.is_active,
        overlap=Overlap(row.overlap),
        catch_up=CatchUp(row.catch_up),
        catch_up_window=timedelta(seconds=window) if window is not None else None,
    )


@lru_cache(maxsize=4096)
def _schedule(shape: str) -> Schedule:
    """Many jobs share a schedule; each shape is read once."""
    return parse(json.loads(shape))


def _refusal(row: DueRow, task: Task, now: datetime) -> Refusal | None:
    if task.requires is None and task.rules is None:
        return None
    check = Check(str(row.org_id), json.loads(row.args), row.recipient, now)
    return rules.refusal_of((task.requires, task.rules), check)


def _refused(decided: Decided, refusal: Refusal) -> Decided:
    state = RunState.FAILED if refusal.reason is Reason.EXCEPTION else RunState.SKIPPED
    decisions = tuple(
        Decision(item.slot, state, refusal.reason, refusal.sentence)
        if item.state is RunState.QUEUED
        else item
        for item in decided.decisions
    )
    return Decided(decisions, decided.next_run_at)


def _insert(
    plans: Sequence[_Plan], trigger: Trigger, scheduler: str, now: datetime
) -> list[bulk.InsertedRun]:
    runs = [_new_run(plan, item, now) for plan in plans for item in plan.decided.decisions]
    return bulk.insert_runs(runs, trigger=trigger, scheduler=scheduler, now=now)


def _new_run(plan: _Plan, item: Decision, now: datetime) -> bulk.NewRun:
    row, task = plan.row, plan.task
    reason = item.reason
    return bulk.NewRun(
        job_id=row.id,
        queue=task.queue if task else "default",
        priority=(task.priority if task else Priority.NORMAL).value,
        state=item.state.value,
        reason_code=reason.value if reason else None,
        reason=_sentence(item),
        slot=item.slot,
        finished_at=None if item.state is RunState.QUEUED else now,
    )


def _step(plans: Sequence[_Plan], inserted: Sequence[bulk.InsertedRun], now: datetime) -> None:
    newest: dict[tuple[UUID, bool], bulk.InsertedRun] = {}
    for run in sorted(inserted, key=attrgetter("slot")):
        newest[(run.job_id, run.state == RunState.QUEUED)] = run
    bulk.step_jobs([_job_step(plan, newest) for plan in plans], now=now)


def _job_step(plan: _Plan, newest: Mapping[tuple[UUID, bool], bulk.InsertedRun]) -> bulk.JobStep:
    queued, ended = newest.get((plan.row.id, True)), newest.get((plan.row.id, False))
    word = next((item for item in plan.decided.decisions if ended and item.slot == ended.slot), None)
    status = _status_after(plan)
    reason = plan.decided.decisions[-1].reason
    return bulk.JobStep(
        plan.row.id,
        plan.decided.next_run_at,
        status=status.value if status else None,
        status_reason=reason.value if status and reason else None,
        queued_run=queued.id if queued else None,
        ended_run=ended.id if ended else None,
        ended_state=ended.state if ended else None,
        ended_code=word.reason.value if word and word.reason else None,
        ended_text=_sentence(word) if word else None,
    )


def _status_after(plan: _Plan) -> JobStatus | None:
    """The job's new status when nothing more will come of it by itself; None when it stays."""
    last = plan.decided.decisions[-1]
    if last.reason is Reason.INVALID_SCHEDULE:
        return JobStatus.BLOCKED
    if plan.row.kind != Kind.ONCE or last.state is RunState.QUEUED:
        return None
    return JobStatus.FAILED if last.state is RunState.FAILED else JobStatus.SKIPPED


def _sentence(item: Decision) -> str | None:
    return item.detail or (item.reason.text if item.reason else None)


def retry_due(*, now: datetime) -> list[Ticket]:
    """Queues the runs whose next attempt is due, and answers their tickets."""
    due = select(Run.id).where(Run.state == RunState.RETRYING, Run.retry_at <= now)
    due = due.limit(BATCH).with_for_update(skip_locked=True)
    again = update(Run).where(Run.id.in_(due)).values(execution.QUEUED_AGAIN)
    with transaction():
        rows = db.session.execute(again.returning(Run.id, Run.queue, Run.priority, Run.job_id)).all()
        # In one order everywhere, so that two schedulers can't wait for each other.
        jobs = (
            select(Job.id).where(Job.id.in_([row.job_id for row in rows])).order_by(Job.id).with_for_update()
        )
        if rows:
            db.session.execute(update(Job).where(Job.id.in_(jobs)).values(changed_at=now))
    return [Ticket(row.id, row.queue, Priority(row.priority)) for row in rows]


def acknowledge() -> int:
    """Marks the newest revision of every job as the one that the scheduler acts on; answers how many."""
    unapplied = select(Job.id).where(Job.applied_revision != Job.revision)
    # In the order of the partial index: without it Postgres expects most rows to match and reads them all.
    unapplied = unapplied.order_by(Job.id).limit(BATCH).with_for_update(skip_locked=True)
    applied = update(Job).where(Job.id.in_(unapplied)).values(applied_revision=Job.revision)
    with transaction():
        return len(db.session.execute(applied.returning(Job.id)).all())


def next_due(*, now: datetime) -> timedelta | None:
    """How long until the next slot or retry; None when nothing waits."""
    with reading():
        slot = db.session.scalar(select(func.min(Job.next_run_at)).where(text(WAITING)))
        retry = db.session.scalar(select(func.min(Run.retry_at)).where(Run.state == RunState.RETRYING))
    instants = [instant for instant in (slot, retry) if instant is not None]
    return max(min(instants) - now, timedelta(0)) if instants else None


def recover(*, now: datetime) -> int:
    """Settles the attempts whose worker has gone silent; answers how many."""
    detail = f"Nothing was heard of its worker for {int(execution.LEASE.total_seconds())} s."
    settled = [execution.lose(found, detail=detail, now=now) for found in execution.overdue(now=now)]
    return len([state for state in settled if state is not None])
