"""Every task that has a job or ever ran, with its last run, whatever its schedule."""

from datetime import datetime

import humanize
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from console.core.actor import Actor
from console.core.registry import registry
from console.db.jobs import Job
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
        former = _former_jobs(actor, {job.task for job in jobs})
        return [_of_job(job, seen, now) for job in (*jobs, *former)]


def _former_jobs(actor: Actor, known: set[str]) -> list[Job]:
    """The deleted job that ran last, for each task that has no job now."""
    query = select(Job).where(
        Job.org_id == actor.org_id, Job.deleted_at.is_not(None), Job.last_run_id.is_not(None)
    )
    query = query.ext(distinct_on(Job.task)).order_by(Job.task, Job.last_run_at.desc())
    return [job for job in db.session.scalars(query) if job.task not in known]


def _of_job(job: Job, seen: Fleet, now: datetime) -> TaskStatus:
    task = registry.get(job.task)
    return TaskStatus(
        schedule_name=job.key,
        task_path=job.task,
        name=job.name,
        category=task.category if task else job.category,
        status=job.status,
        is_registered=seen.offers(job.task),
        next_run_at=None if job.deleted_at else job.next_run_at,
        last_run_at=job.last_run_at,
        last_run_relative=_relative(job.last_run_at, now),
        last_run_state=job.last_run_state or "never",
    )


def _relative(at: datetime | None, now: datetime) -> str:
    return str(humanize.naturaltime(now - at)) if at else NEVER
