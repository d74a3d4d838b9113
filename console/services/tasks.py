"""Every task that has a job or ever ran, with its last run, whatever its schedule."""

from datetime import datetime

import humanize
from sqlalchemy import select, text

from console.core.actor import Actor
from console.core.registry import registry
from console.db.jobs import Job
from console.db.session import db, reading
from console.services.views import TaskStatus
from console.services.workers import Fleet, fleet

NEVER = "Never run"
LISTED = 1000
TASKS = text(
    """
    WITH RECURSIVE found AS (
        (SELECT task FROM jobs WHERE org_id = :org ORDER BY task LIMIT 1)
        UNION ALL
        SELECT (SELECT task FROM jobs WHERE org_id = :org AND task > found.task ORDER BY task LIMIT 1)
        FROM found WHERE found.task IS NOT NULL
    )
    SELECT task FROM found WHERE task IS NOT NULL
    """
)


def status(actor: Actor, *, now: datetime) -> list[TaskStatus]:
    """One line for each of the nearest thousand jobs, and one for each other task that ever had a job."""
    with reading():
        seen = fleet(now)
        alive = select(Job).where(Job.org_id == actor.org_id, Job.deleted_at.is_(None))
        nearest = alive.order_by(Job.sort_at, Job.name, Job.id).limit(LISTED)
        jobs = list(db.session.scalars(nearest))
        listed = {job.task for job in jobs}
        others = [task for task in db.session.scalars(TASKS, {"org": actor.org_id}) if task not in listed]
        jobs += [job for job in (_newest(actor, task) for task in others) if job is not None]
        return [_of_job(job, seen, now) for job in jobs]


def _newest(actor: Actor, task: str) -> Job | None:
    """The task's nearest job, or the deleted one that ran."""
    query = select(Job).where(Job.org_id == actor.org_id, Job.task == task)
    query = query.where(Job.deleted_at.is_(None) | Job.last_run_id.is_not(None))
    return db.session.scalar(query.order_by(Job.deleted_at.desc().nulls_first(), Job.sort_at).limit(1))


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
