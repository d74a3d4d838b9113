"""Every task that has a job or ever ran, with its last run, whatever its schedule."""

from datetime import datetime

import humanize
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from console.core.actor import Actor
from console.core.names import key_of, title_of
from console.core.registry import registry
from console.core.states import RunState
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db, reading
from console.services.views import TaskStatus
from console.services.workers import Fleet, fleet

NEVER = "Never run"


def status(actor: Actor, *, now: datetime) -> list[TaskStatus]:
    """One line for each job of the org, and one for each task that ran without having one any more."""
    with reading():
        seen = fleet(now)
        jobs = db.session.scalars(
            select(Job)
            .where(Job.org_id == actor.org_id, Job.deleted_at.is_(None))
            .order_by(Job.sort_at, Job.name)
        ).all()
        lines = [_of_job(job, seen, now) for job in jobs]
        known = {job.task for job in jobs}
        return lines + [_of_run(run, seen, now) for run in _latest_runs(actor) if run.task not in known]


def _latest_runs(actor: Actor) -> list[Run]:
    query = select(Run).where(Run.org_id == actor.org_id)
    query = query.ext(distinct_on(Run.task)).order_by(Run.task, Run.requested_at.desc())
    return list(db.session.scalars(query))


def _of_job(job: Job, seen: Fleet, now: datetime) -> TaskStatus:
    task = registry.get(job.task)
    return TaskStatus(
        schedule_name=job.key,
        task_path=job.task,
        name=job.name,
        category=task.category if task else job.category,
        status=job.status,
        is_registered=seen.offers(job.task),
        next_run_at=job.next_run_at,
        last_run_at=job.last_run_at,
        last_run_relative=_relative(job.last_run_at, now),
        last_run_state=job.last_run_state or "never",
    )


def _of_run(run: Run, seen: Fleet, now: datetime) -> TaskStatus:
    task = registry.get(run.task)
    key = key_of(run.task)
    return TaskStatus(
        schedule_name=key,
        task_path=run.task,
        name=task.title if task else title_of(key),
        category=task.category if task else "General",
        status=RunState(run.state),
        is_registered=seen.offers(run.task),
        next_run_at=None,
        last_run_at=run.finished_at or run.requested_at,
        last_run_relative=_relative(run.finished_at or run.requested_at, now),
        last_run_state=run.state,
    )


def _relative(at: datetime | None, now: datetime) -> str:
    return str(humanize.naturaltime(now - at)) if at else NEVER
