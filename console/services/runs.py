"""Runs: listing, reading, following and waiting for them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import Select, select, update

from console.core.actor import Actor
from console.core.errors import NotFound
from console.core.hops import WAITS, hops, silence
from console.core.names import title_of
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.states import TERMINAL, Hold, RunState, Trigger
from console.core.task import Task
from console.db.jobs import Job
from console.db.runs import Run, RunLog
from console.db.session import db, reading, transaction
from console.services import pace, paging, run_filters
from console.services.job_views import max_attempts, stamps
from console.services.run_views import LogLine, Resolution, RunFilter, RunPage, RunView
from console.services.workers import Fleet, fleet

WAIT_STEP = 0.05


def page(actor: Actor, wanted: RunFilter, *, cursor: str | None, limit: int, now: datetime) -> RunPage:
    """One page of runs, newest first; raises `Invalid` that names `cursor` or `limit`."""
    after = paging.decode(cursor, "du") if cursor else None
    most = paging.check_limit(limit) + 1
    with reading():
        query = run_filters.newest(actor, wanted, after=after, limit=most)
        rows = db.session.execute(query).all()
        seen = fleet(now)
        found = [_view(run, job, seen, now) for run, job in rows[:limit]]
    last = found[-1] if len(rows) > limit else None
    return RunPage(found, paging.encode(last.requested_at, last.id) if last else None, now)


def several(actor: Actor, run_ids: Sequence[UUID], *, now: datetime) -> list[RunView]:
    """Those of the actor's runs that have one of these ids, oldest first."""
    with reading():
        query = _joined(actor).where(Run.id.in_(run_ids)).order_by(Run.id)
        seen = fleet(now)
        return [_view(run, job, seen, now) for run, job in db.session.execute(query)]


def _joined(actor: Actor) -> Select[Run, Job]:
    return select(Run, Job).join(Job, Job.id == Run.job_id).where(Run.org_id == actor.org_id)


def get(actor: Actor, run_id: UUID, *, now: datetime) -> RunView:
    """The run of this id in the actor's org; raises `NotFound`."""
    with reading():
        return load_view(actor, run_id, now)


def load_view(actor: Actor, run_id: UUID, now: datetime, seen: Fleet | None = None) -> RunView:
    """As `get`, inside the caller's transaction, who may have read the heartbeats before."""
    found = db.session.execute(_joined(actor).where(Run.id == run_id)).first()
    if found is None:
        raise NotFound("There is no such run.")
    view = _view(found[0], found[1], seen or fleet(now), now)
    return replace(view, hops=pace.marked(view))


def _done_word(task: Task | None, run: Run) -> str:
    """What it is called when it went well. A dry run sent or did nothing: it has the state's own word."""
    if run.dry_run:
        return RunState.SUCCEEDED.value
    return task.done if task else "done"


def _view(run: Run, job: Job, seen: Fleet, now: datetime) -> RunView:
    task = registry.get(run.task)
    around = seen.surroundings(run.queue, run.task, run.worker, run.beat_at, run.retry_at, run.org_id)
    ended = run.finished_at or now
    return RunView(
        id=run.id,
        job_id=run.job_id,
        job_name=job.name,
        job_key=job.key,
        task=run.task,
        task_title=task.title if task else title_of(run.task.rsplit(".", 1)[-1]),
        done_word=_done_word(task, run),
        queue=run.queue,
        trigger=Trigger(run.trigger),
        state=RunState(run.state),
        reason_code=Reason(run.reason_code) if run.reason_code else None,
        reason=run.reason,
        slot=run.slot,
        requested_at=run.requested_at,
        queued_at=run.enqueued_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        seen_at=run.seen_at,
        retry_at=run.retry_at,
        duration=max(ended - run.started_at, timedelta(0)) if run.started_at else None,
        lateness=_lateness(run),
        attempt=run.attempt,
        max_attempts=max_attempts(task),
        dry_run=run.dry_run,
        args=run.args,
        result=run.result,
        error=run.error,
        progress=run.progress,
        changes=run.changes,
        executed_by=run.requested_by,
        revision=run.revision,
        worker=run.worker,
        decision_code=Reason(run.decision_code) if run.decision_code else None,
        decision=run.decision,
        held_by=Hold(run.held_by) if run.held_by else None,
        start_after=run.start_after,
        waits_for=WAITS.get(Hold(run.held_by)) if run.held_by else None,
        stop_requested_at=run.stop_requested_at,
        stop_text=run.stop_text,
        resolved=_resolution(run),
        cause_id=run.cause_id,
        after_run_id=run.after_run_id,
        sequence_id=run.sequence_id,
        approval_id=run.approval_id,
        approved_by=run.approved_by,
        timezone=job.timezone,
        hops=hops(stamps(run)),
        silence=silence(stamps(run), around, now),
        version=_version(run, job, silence(stamps(run), around, now)),
        as_of=now,
    )


def _resolution(run: Run) -> Resolution | None:
    if run.resolved_at is None:
        return None
    return Resolution(run.resolved_at, run.resolved_by or "", run.resolved_note)


def _lateness(run: Run) -> timedelta | None:
    """From the slot to the start; where jitter alone moved the start, from the time that it chose."""
    if run.started_at is None or run.slot is None:
        return None
    return run.started_at - (run.start_after if run.start_after and not run.decision_code else run.slot)


def _version(run: Run, job: Job, silent: object) -> str:
    parts = (
        run.id,
        run.state,
        run.attempt,
        run.enqueued_at,
        run.progress,
        run.seen_at,
        run.held_by,
        run.stop_requested_at,
        job.name,
        job.timezone,
        silent,
    )
    return sha256(repr(parts).encode()).hexdigest()[:20]


def log(actor: Actor, run_id: UUID, *, after: int = 0, limit: int = 500) -> list[LogLine]:
    """Up to `limit` log lines in their order: the ones behind line `after`, or the last ones when it is 0."""
    owned = select(Run.id).where(Run.id == run_id, Run.org_id == actor.org_id)
    query = select(RunLog).where(RunLog.run_id.in_(owned)).limit(limit)
    with reading():
        if after:
            rows: Sequence[RunLog] = db.session.scalars(
                query.where(RunLog.id > after).order_by(RunLog.id)
            ).all()
        else:
            rows = db.session.scalars(query.order_by(RunLog.id.desc())).all()[::-1]
        return [LogLine(row.id, row.at, row.attempt, row.message) for row in rows]


def mark_seen(actor: Actor, run_ids: Sequence[UUID], *, now: datetime) -> None:
    """Records the first time that a person's page showed how each of the runs ended."""
    seen = update(Run).where(
        Run.id.in_(run_ids), Run.org_id == actor.org_id, Run.seen_at.is_(None), Run.state.in_(TERMINAL)
    )
    if run_ids:
        with transaction():
            db.session.execute(seen.values(seen_at=now))


def wait(actor: Actor, run_id: UUID, *, seconds: float, clock: Callable[[], datetime]) -> RunView:
    """The run once it has ended, or as it stands after `seconds`; raises `NotFound`."""
    deadline = clock() + timedelta(seconds=seconds)
    while True:
        with reading():
            state = db.session.scalar(select(Run.state).where(Run.id == run_id, Run.org_id == actor.org_id))
        now = clock()
        if state is None or RunState(state).is_terminal or now >= deadline:
            return get(actor, run_id, now=now)
        time.sleep(WAIT_STEP)
