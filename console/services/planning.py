"""One batch of due jobs, whose rows the caller has locked: decided, written as runs, and moved on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Select, Text, case, cast, select, text
from sqlalchemy.engine import Row

from console.core.due import LATE_AFTER, Decided, Decision, DueJob, decide
from console.core.reasons import Reason, Refusal
from console.core.registry import registry
from console.core.schedule import Schedule, parse
from console.core.states import Beating, CatchUp, JobStatus, Kind, Overlap, Priority, RunState, Trigger
from console.core.task import Check, Task, TaskCheck
from console.db import bulk
from console.db.jobs import WAITING, Job, JobRevision
from console.db.session import db
from console.queue import Ticket
from console.services import heartbeats, rules
from console.services.orgs import zone

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
    Job.jitter_seconds,
    Job.status,
    Job.next_run_at,
    Job.recipient,
    Job.revision,
)
# Read after the rows are locked: what a scheduler committed that held the lock before is seen here, and
# would not be in the statement that waited for it.
_ACTIVE = text(
    """
    SELECT job_id, coalesce(bool_or(held_by IN ('buffer_one', 'cancel_other')), false) AS is_waiting FROM runs
    WHERE job_id = ANY(CAST(:ids AS uuid[])) AND state IN ('queued', 'running', 'retrying') AND NOT dry_run
      AND coalesce(held_by, '') NOT IN ('later', 'sequence')
    GROUP BY job_id
    """
)


@dataclass(frozen=True)
class _Plan:
    row: DueRow
    task: Task | None
    decided: Decided
    lacks: Refusal | None = None


@dataclass(frozen=True)
class Written:
    """What came of a batch: the tickets of runs that may start at once, how many are held, how many slots."""

    tickets: tuple[Ticket, ...]
    held: int
    slots: int


def lock_due(now: datetime, limit: int) -> Sequence[DueRow]:
    """The rows of jobs that are due, locked; those that another scheduler holds are passed over."""
    query = _due(now).order_by(Job.next_run_at).limit(limit).with_for_update(of=Job, skip_locked=True)
    return db.session.execute(query).all()


def lock_one(job_id: UUID, now: datetime) -> DueRow | None:
    """The row of one job if it is due, locked."""
    return db.session.execute(_due(now).where(Job.id == job_id).with_for_update(of=Job)).first()


def lock_these(now: datetime, limit: int, *which: ColumnElement[bool]) -> Sequence[DueRow]:
    """As `lock_due`, of those jobs of which all this holds, and waiting for whoever holds them."""
    query = _due(now).where(*which).order_by(Job.id).limit(limit).with_for_update(of=Job)
    return db.session.execute(query).all()


def _due(now: datetime) -> Select[*tuple[Any, ...]]:
    """Only of a late one it is asked when its definition was made; that is looked up for each."""
    newest = select(JobRevision.created_at).where(
        JobRevision.job_id == Job.id, JobRevision.revision == Job.revision
    )
    revised_at = case((Job.next_run_at < now - LATE_AFTER, newest.scalar_subquery()), else_=None)
    return select(*_COLUMNS, revised_at.label("revised_at")).where(Job.next_run_at <= now, text(WAITING))


def write(
    rows: Sequence[DueRow], *, trigger: Trigger, scheduler: str, now: datetime, acknowledges: bool
) -> Written:
    """Decides the due slots of locked rows, inserts their runs, and moves the jobs to their next slots.

    With `acknowledges` the jobs show that a scheduler acts on the revision that was read here.
    """
    active = _active(rows)
    grace = heartbeats.on_time(Beating.EXTERNAL_CRON) if trigger is Trigger.TICK else None
    plans = [_plan(row, active, grace, now) for row in rows]
    runs = [_new_run(plan, item, now) for plan in plans for item in plan.decided.decisions]
    inserted = bulk.insert_runs(runs, trigger=trigger, scheduler=scheduler, now=now)
    _step(plans, inserted, now, acknowledges)
    queued = [run for run in inserted if run.state == RunState.QUEUED]
    tickets = tuple(Ticket(run.id, run.queue, Priority(run.priority)) for run in queued if not run.held_by)
    return Written(tickets, len(queued) - len(tickets), len(inserted))


def _active(rows: Sequence[DueRow]) -> dict[UUID, bool]:
    """The jobs that have an active run, and whether one of those waits for another to end.

    A dry run does nothing that another run could collide with, and one that a person asked for at a
    time to come is in nobody's way until then.
    """
    ids = [row.id for row in rows if _overlap(row) is not Overlap.ALLOW_ALL]
    found = db.session.execute(_ACTIVE, {"ids": bulk.uuid_array(ids)})
    return {row.job_id: row.is_waiting for row in found}


def _plan(row: DueRow, active: Mapping[UUID, bool], grace: timedelta | None, now: datetime) -> _Plan:
    task = registry.get(row.task)
    lacks = _refusal(row, task.requires, now) if task else None
    refusal = lacks or (_refusal(row, task.rules, now) if task else None)
    try:
        return _Plan(row, task, decide(_due_job(row, active, refusal, grace), now), lacks)
    except Exception as error:
        log.exception("a job's schedule can't be followed", action="dispatch.failed", job_id=str(row.id))
        detail = f"{type(error).__name__}: {error}"[:500]
        broken = Decision(row.next_run_at, RunState.FAILED, Reason.INVALID_SCHEDULE, detail)
        return _Plan(row, task, Decided((broken,), None))


def _due_job(
    row: DueRow, active: Mapping[UUID, bool], refusal: Refusal | None, grace: timedelta | None
) -> DueJob:
    return DueJob(
        id=row.id,
        schedule=_schedule(row.schedule),
        zone=zone(row.timezone),
        slot=row.next_run_at,
        is_paused=row.status == JobStatus.PAUSED,
        has_active_run=row.id in active,
        has_waiting_run=active.get(row.id, False),
        overlap=_overlap(row),
        catch_up=CatchUp(row.catch_up),
        catch_up_window=_span(row.catch_up_window_seconds),
        jitter=_span(row.jitter_seconds),
        refusal=refusal,
        revised_at=row.revised_at,
        tick_grace=grace,
    )


def _overlap(row: DueRow) -> Overlap:
    """The job's policy; but a message that goes out once never goes out beside, or after, its own run."""
    task = registry.get(row.task) if row.kind == Kind.ONCE else None
    return Overlap.SKIP if task is not None and task.sends else Overlap(row.overlap)


def _span(seconds: int | None) -> timedelta | None:
    return timedelta(seconds=seconds) if seconds is not None else None


@lru_cache(maxsize=4096)
def _schedule(shape: str) -> Schedule:
    """Many jobs share a schedule; each shape is read once."""
    return parse(json.loads(shape))


def _refusal(row: DueRow, rule: TaskCheck | None, now: datetime) -> Refusal | None:
    if rule is None:
        return None
    check = Check(str(row.org_id), json.loads(row.args), row.recipient, now, str(row.id))
    return rules.refusal_of((rule,), check)


def _new_run(plan: _Plan, item: Decision, now: datetime) -> bulk.NewRun:
    """The reason of a run that is queued is the word of a policy, which stays whatever becomes of the run."""
    row, task = plan.row, plan.task
    reason = item.reason.value if item.reason else None
    is_queued = item.state is RunState.QUEUED
    return bulk.NewRun(
        job_id=row.id,
        queue=task.queue if task else "default",
        priority=(task.priority if task else Priority.NORMAL).value,
        state=item.state.value,
        slot=item.slot,
        reason_code=None if is_queued else reason,
        reason=None if is_queued else _sentence(item),
        finished_at=None if is_queued else now,
        decision_code=reason if is_queued else None,
        decision=item.detail if is_queued else None,
        held_by=item.held_by.value if item.held_by else None,
        start_after=item.start_after,
    )


def _step(
    plans: Sequence[_Plan], inserted: Sequence[bulk.InsertedRun], now: datetime, acknowledges: bool
) -> None:
    newest: dict[tuple[UUID, bool], bulk.InsertedRun] = {}
    for run in sorted(inserted, key=attrgetter("slot")):
        newest[(run.job_id, run.state == RunState.QUEUED)] = run
    bulk.step_jobs([_job_step(plan, newest, acknowledges) for plan in plans], now=now)


def _job_step(
    plan: _Plan, newest: Mapping[tuple[UUID, bool], bulk.InsertedRun], acknowledges: bool
) -> bulk.JobStep:
    queued, ended = newest.get((plan.row.id, True)), newest.get((plan.row.id, False))
    word = next((item for item in plan.decided.decisions if ended and item.slot == ended.slot), None)
    status = _status_after(plan)
    reason = plan.decided.decisions[-1].reason
    return bulk.JobStep(
        plan.row.id,
        plan.decided.next_run_at,
        applied_revision=plan.row.revision if acknowledges else None,
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
    if last.reason is Reason.OVERLAP:
        return None  # the run that is on its way will say how it ended
    if last.state is RunState.FAILED:
        return JobStatus.FAILED
    # What a run requires is still missing, and somebody has to see to it; a rule has simply spoken.
    is_blocked = plan.lacks is not None and last.reason is plan.lacks.reason
    return JobStatus.BLOCKED if is_blocked else JobStatus.SKIPPED


def _sentence(item: Decision) -> str | None:
    return item.detail or (item.reason.text if item.reason else None)
