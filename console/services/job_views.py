"""Turns rows of the job table into what the page shows."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from sqlalchemy import select

from console.core.hops import WAITS, Timestamps, hops, silence
from console.core.names import title_of
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.schedule import describe, parse
from console.core.states import Hold, JobStatus, Kind, MessageType, RunState
from console.core.task import Task
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db
from console.services import pending_requests, standings
from console.services.definitions import closing
from console.services.views import ActiveRun, JobView, LastRun, PendingRequest
from console.services.workers import Fleet


def views(jobs: Sequence[Job], fleet: Fleet, now: datetime) -> list[JobView]:
    """The views of some rows; one query for all of their active runs, and one for what they wait with."""
    ids = [job.active_run_id for job in jobs if job.active_run_id]
    runs = {run.id: run for run in db.session.scalars(select(Run).where(Run.id.in_(ids)))} if ids else {}
    asked = pending_requests.by_job([job.id for job in jobs], now)
    return [
        _view(job, runs.get(job.active_run_id) if job.active_run_id else None, asked.get(job.id), fleet, now)
        for job in jobs
    ]


def _view(
    job: Job, active: Run | None, pending: PendingRequest | None, fleet: Fleet, now: datetime
) -> JobView:
    task = registry.get(job.task)
    is_registered = fleet.offers(job.task)
    run = active_run(active, fleet, now, job.timezone) if active else None
    reason = None if is_registered else Reason.NOT_REGISTERED
    schedule = parse(job.schedule)
    return JobView(
        id=job.id,
        key=job.key,
        name=job.name,
        task=job.task,
        task_title=task.title if task else title_of(job.task.rsplit(".", 1)[-1]),
        kind=Kind(job.kind),
        category=job.category,
        subject=job.subject,
        recipient=job.recipient,
        args=job.args,
        status=JobStatus(job.status),
        status_reason=Reason(job.status_reason) if job.status_reason else None,
        status_note=job.status_note,
        message_type=MessageType(job.message_type) if job.message_type else None,
        subject_id=job.subject_id,
        closed_by=job.closed_by,
        closed=closing(JobStatus(job.status), job.status_reason) if job.closed_by else None,
        choices=standings.choices(job, now) if run is None or run.held_by else (),
        schedule=job.schedule,
        schedule_text=describe(schedule),
        timezone=job.timezone,
        overlap=job.overlap,
        catch_up=job.catch_up,
        catch_up_window_seconds=job.catch_up_window_seconds,
        jitter_seconds=job.jitter_seconds,
        next_run_at=job.next_run_at,
        revision=job.revision,
        applied_revision=job.applied_revision,
        is_registered=is_registered,
        needs_approval=job.needs_approval or bool(task and task.critical),
        is_critical=bool(task and task.critical),
        takes_dry_run=bool(task and task.dry_run),
        verb=task.verb if task else "Run now",
        done_word=task.done if task else "done",
        description=task.description if task else "",
        last_run=_last_run(job),
        active_run=run,
        button_reason=reason,
        button_text=f"{reason.text} {reason.advice}" if reason else None,
        version=row_version(job, run, is_registered, pending),
        as_of=now,
        pending=pending,
        queue=task.queue if task else None,
    )


def _last_run(job: Job) -> LastRun | None:
    if job.last_run_id is None or job.last_run_state is None:
        return None
    reason = Reason(job.last_run_reason) if job.last_run_reason else None
    return LastRun(job.last_run_id, RunState(job.last_run_state), job.last_run_at, reason, job.last_run_note)


def row_version(job: Job, run: ActiveRun | None, is_registered: bool, pending: PendingRequest | None) -> str:
    """Changes whenever anything on the row does, but for its age."""
    text = f"{job.id}{job.changed_at.isoformat()}{job.applied_revision}{is_registered}"
    if run:
        reached = [hop.name for hop in run.hops if hop.at]
        text += f"{run.state}{run.silence}{run.progress}{run.attempt}{reached}"
    if pending:
        text += f"{pending.id}{pending.number}"
    return sha256(text.encode()).hexdigest()[:16]


def max_attempts(task: Task | None) -> int:
    """How often a run of the task may start: once, and once more for each retry."""
    return 1 + (task.retries.max if task and task.retries else 0)


def stamps(run: Run) -> Timestamps:
    return Timestamps(
        RunState(run.state),
        run.requested_at,
        run.enqueued_at,
        run.started_at,
        run.finished_at,
        run.seen_at,
        Hold(run.held_by) if run.held_by else None,
        run.start_after,
    )


def active_run(run: Run, fleet: Fleet, now: datetime, timezone: str = "UTC") -> ActiveRun:
    """What the badge of an active run shows; `timezone` is its job's, which a version does without."""
    around = fleet.surroundings(run.queue, run.task, run.worker, run.beat_at, run.retry_at, run.org_id)
    return ActiveRun(
        id=run.id,
        state=RunState(run.state),
        requested_at=run.requested_at,
        started_at=run.started_at,
        attempt=run.attempt,
        max_attempts=max_attempts(registry.get(run.task)),
        retry_at=run.retry_at,
        worker=run.worker,
        progress=run.progress,
        hops=hops(stamps(run)),
        silence=silence(stamps(run), around, now),
        held_by=Hold(run.held_by) if run.held_by else None,
        start_after=run.start_after,
        waits_for=WAITS.get(Hold(run.held_by)) if run.held_by else None,
        stop_requested_at=run.stop_requested_at,
        executed_by=run.requested_by,
        timezone=timezone,
    )
