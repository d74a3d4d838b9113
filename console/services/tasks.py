"""Every task that has a job or ever ran, with its last run, whatever its schedule."""

from dataclasses import dataclass
from datetime import datetime

import humanize
from sqlalchemy import select

from console.core.actor import Actor
from console.core.registry import registry
from console.db.jobs import Job
from console.db.session import db, reading
from console.services.run_filters import paths_of
from console.services.task_lists import PATHS
from console.services.workers import Fleet, fleet

NEVER = "Never run"
LISTED = 1000


@dataclass(frozen=True)
class TaskStatus:
    """One line of the status API: a task that has a job or ever ran."""

    schedule_name: str
    task_path: str
    name: str
    category: str
    status: str
    is_registered: bool
    next_run_at: datetime | None
    last_run_at: datetime | None
    last_run_relative: str
    last_run_state: str


def status(actor: Actor, *, now: datetime) -> list[TaskStatus]:
    """One line for each of the nearest thousand jobs, and one for each other task that ever had a job."""
    with reading():
        seen = fleet(now)
        alive = select(Job).where(Job.org_id == actor.org_id, Job.deleted_at.is_(None))
        nearest = alive.order_by(Job.sort_at, Job.name, Job.id).limit(LISTED)
        jobs = list(db.session.scalars(nearest))
        listed = {_present(job.task) for job in jobs}
        used = db.session.scalars(PATHS, {"org": actor.org_id})
        others = sorted({_present(path) for path in used} - listed)
        jobs += [job for job in (_newest(actor, task) for task in others) if job is not None]
        return [_of_job(job, seen, now) for job in jobs]


def _present(path: str) -> str:
    """The path that the task has now, which is its own when it is no longer known."""
    known = registry.get(path)
    return known.path if known else path


def _newest(actor: Actor, task: str) -> Job | None:
    """The nearest job of the task under any of its paths, or the deleted one that ran."""
    query = select(Job).where(Job.org_id == actor.org_id, Job.task.in_(paths_of(task)))
    query = query.where(Job.deleted_at.is_(None) | Job.last_run_id.is_not(None))
    return db.session.scalar(query.order_by(Job.deleted_at.desc().nulls_first(), Job.sort_at).limit(1))


def _of_job(job: Job, seen: Fleet, now: datetime) -> TaskStatus:
    task = registry.get(job.task)
    return TaskStatus(
        schedule_name=job.key,
        task_path=_present(job.task),
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
