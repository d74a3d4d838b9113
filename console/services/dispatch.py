"""From due slots to runs: what one pass of a scheduler does, in one transaction for each batch."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Text, cast, func, select, text, update
from sqlalchemy.engine import Row

from console.core.due import Decided, Decision, DueJob, decide
from console.core.reasons import Refusal
from console.core.registry import registry
from console.core.schedule import Schedule, parse
from console.core.states import ACTIVE, CatchUp, JobStatus, Kind, Overlap, Priority, RunState, Trigger
from console.core.task import Check, Task
from console.db import bulk
from console.db.jobs import WAITING, Job
from console.db.runs import Run
from console.db.session import db, reading, transaction
from console.queue import Ticket
from console.services import execution
from console.services.orgs import zone

BATCH = 1000
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
    window = row.catch_up_window_seconds
    due = DueJob(
        schedule=_schedule(row.schedule),
        zone=zone(row.timezone),
        slot=row.next_run_at,
        is_paused=row.status == JobStatus.PAUSED,
        has_active_run=row.is_active,
        overlap=Overlap(row.overlap),
        catch_up=CatchUp(row.catch_up),
        catch_up_window=timedelta(seconds=window) if window is not None else None,
    )
    task = registry.get(row.task)
    decided = decide(due, now)
    refusal = _refusal(row, task, now) if task else None
    return _Plan(row, task, _refused(decided, refusal) if refusal else decided)


@lru_cache(maxsize=4096)
def _schedule(shape: str) -> Schedule:
    """Many jobs share a schedule; each shape is read once."""
    return parse(json.loads(shape))


def _refusal(row: DueRow, task: Task, now: datetime) -> Refusal | None:
    if task.requires is None and task.rules is None:
        return None
    check = Check(str(row.org_id), json.loads(row.args), row.recipient, now)
    for rule in (task.requires, task.rules):
        refusal = rule(check) if rule else None
        if refusal:
            return refusal
    return None


def _refused(decided: Decided, refusal: Refusal) -> Decided:
    decisions = tuple(
        Decision(item.slot, RunState.SKIPPED, refusal.reason, refusal.sentence)
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
    last = plan.decided.decisions[-1]
    is_over = plan.row.kind == Kind.ONCE and last.state is not RunState.QUEUED
    word = next((item for item in plan.decided.decisions if ended and item.slot == ended.slot), None)
    return bulk.JobStep(
        plan.row.id,
        plan.decided.next_run_at,
        status=JobStatus.SKIPPED.value if is_over else None,
        status_reason=last.reason.value if is_over and last.reason else None,
        queued_run=queued.id if queued else None,
        ended_run=ended.id if ended else None,
        ended_state=ended.state if ended else None,
        ended_code=word.reason.value if word and word.reason else None,
        ended_text=_sentence(word) if word else None,
    )


def _sentence(item: Decision) -> str | None:
    return item.detail or (item.reason.text if item.reason else None)


def retry_due(*, now: datetime) -> list[Ticket]:
    """Queues the runs whose next attempt is due, and answers their tickets."""
    due = select(Run.id).where(Run.state == RunState.RETRYING, Run.retry_at <= now)
    due = due.limit(BATCH).with_for_update(skip_locked=True)
    again = update(Run).where(Run.id.in_(due)).values(state=RunState.QUEUED, enqueued_at=None)
    with transaction():
        rows = db.session.execute(again.returning(Run.id, Run.queue, Run.priority, Run.job_id)).all()
        if rows:
            shown = update(Job).where(Job.id.in_([row.job_id for row in rows]))
            db.session.execute(shown.values(changed_at=now))
    return [Ticket(row.id, row.queue, Priority(row.priority)) for row in rows]


def acknowledge() -> int:
    """Marks the newest revision of every job as the one that the scheduler acts on; answers how many."""
    unapplied = select(Job.id).where(Job.applied_revision != Job.revision)
    unapplied = unapplied.limit(BATCH).with_for_update(skip_locked=True)
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
