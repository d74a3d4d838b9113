"""What jobs are called: keys in any spelling, and names of tasks that mean a job."""

import re
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from console.core.actor import Actor
from console.core.errors import Invalid, UnknownTask
from console.core.names import key_of, suggest
from console.core.registry import registry
from console.core.task import Task
from console.db.jobs import Job
from console.db.session import db, reading
from console.services import job_filters, jobs
from console.services.views import JobView

KEY = re.compile(r"^[a-z0-9][a-z0-9_]{0,119}$")


def find(actor: Actor, name: str, *, now: datetime) -> JobView:
    """The job that `name` means: an id, a key in any spelling, or a task that has one job.

    Raises `NotFound` or `UnknownTask` with suggestions.
    """
    with reading():
        job = find_row(actor, name)
        if job is None:
            raise unknown_name(actor, name)
        return jobs.view_of(job, now)


def find_row(actor: Actor, name: str) -> Job | None:
    """As `find`, inside the caller's transaction; None when nothing is called so."""
    query = job_filters.alive(actor)
    try:
        return db.session.scalar(query.where(Job.id == UUID(name.strip())))
    except ValueError:
        pass
    by_key = db.session.scalar(query.where(Job.key == key_of(name))) if "." not in name else None
    if by_key is not None:
        return by_key
    try:
        task = registry.resolve(name)
        paths = [task.path, *task.aliases]
    except UnknownTask:
        paths = [name.strip()]
    # Of several jobs the one that bears the task's name, so that every spelling finds the same.
    nearest = query.where(Job.task.in_(paths)).order_by(Job.key != key_of(name), Job.sort_at, Job.id)
    return db.session.scalar(nearest.limit(1))


def unknown_name(actor: Actor, name: str) -> UnknownTask:
    """The error for a name that finds nothing, with the nearest keys of jobs and tasks."""
    keys = list(
        db.session.scalars(
            select(Job.key).where(Job.org_id == actor.org_id, Job.deleted_at.is_(None)).limit(1000)
        )
    )
    near = suggest(name, [*keys, *(task.key for task in registry.all())])
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return UnknownTask(
        f"No job or task is called “{name[:200]}”.{hint}",
        fields={"task_name": ["no such task"]},
        suggestions=near,
    )


def spelled(key: str) -> str:
    """A key in the one spelling that jobs have, whether or not it may be one."""
    return key.strip().lower().replace("-", "_").replace(" ", "_")


def check_key(key: str) -> str:
    """The key in that spelling; raises `Invalid` unless a new job may be called so."""
    key = spelled(key)
    if not KEY.match(key):
        raise Invalid("key: letters, digits and _", fields={"key": ["use letters, digits and _"]})
    return key


def key_for(actor: Actor, task: Task) -> str:
    """The key of a new job of the task: the task's own, or its whole path when another one has that."""
    long = task.path.replace(".", "_").lower()
    return long if _is_taken(actor, task) else task.key


def _is_taken(actor: Actor, task: Task) -> bool:
    """Whether the task's own key belongs to a job of another task, whose last part is the same."""
    taken = select(Job.id).where(
        Job.org_id == actor.org_id, Job.key == task.key, Job.deleted_at.is_(None), Job.task != task.path
    )
    return db.session.scalar(taken) is not None
