"""The job that a task without one is given when somebody wants to run it."""

from datetime import datetime
from uuid import UUID

from console.core.actor import Actor
from console.core.permissions import Permission
from console.core.registry import registry
from console.db.session import transaction
from console.services import job_creation, job_names
from console.services.job_creation import KeyTaken, NewJob


def manual_job(actor: Actor, task_name: str, *, now: datetime) -> UUID:
    """The nearest job of the task, or a new one that never comes due by itself.

    The arguments of a new one come with each run.

    Raises `Forbidden`, and `UnknownTask` with suggestions.
    """
    actor.require(Permission.RUN_JOBS)
    task = registry.resolve(task_name)
    try:
        with transaction():
            found = job_names.find_row(actor, task.path)
            row = found or job_creation.insert(actor, NewJob(task=task.path, args=None), now)
            return row.id
    except KeyTaken:  # another click made it in the meantime, or a job of another task has this key
        with transaction():
            found = job_names.find_row(actor, task.path)
            key = f"{task.key}_{now:%Y%m%d%H%M%S}"
            row = found or job_creation.insert(actor, NewJob(task=task.path, key=key, args=None), now)
            return row.id
