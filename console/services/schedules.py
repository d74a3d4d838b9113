"""Schedules by name: the job that a name means, or a first one for a task that has none."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.core.actor import Actor
from console.core.errors import Invalid, NotFound, UnknownTask
from console.core.names import key_of
from console.core.permissions import Permission
from console.core.registry import registry
from console.core.task import Task
from console.db.jobs import Job
from console.db.session import db, reading, transaction
from console.services import edits, job_creation, job_filters, job_names, jobs, previews
from console.services.changes import Change
from console.services.edits import Edited
from console.services.job_creation import KeyTaken, NewJob
from console.services.views import JobView

MOST_NAMED = 10


@dataclass(frozen=True)
class Put:
    """What became of a schedule that was put; `is_new` when it is the first of its task."""

    edited: Edited
    is_new: bool


def find(actor: Actor, name: str, *, now: datetime) -> JobView:
    """The job that `name` means, in any spelling; a task that has no job is said to have none.

    Raises `NotFound`, `UnknownTask` with suggestions, or `Invalid` for a task that has several jobs.
    """
    with reading():
        found = _meant(actor, name)
        if isinstance(found, Task):
            raise NotFound(f"The task {found.key} has no schedule yet; setting one makes its job.")
        return jobs.view_of(found, now)


def put(
    actor: Actor,
    name: str,
    change: Change,
    *,
    seen: int | None = None,
    reason: str | None = None,
    now: datetime,
) -> Put:
    """Gives what `name` means this schedule: edits its job, as `edits.edit`, or makes one for its task.

    Raises as `edits.edit` and `find`.
    """
    actor.require(Permission.EDIT_JOBS)
    try:
        return _put(actor, name, change, seen, reason, now)
    except KeyTaken:
        # Somebody else made the task's first job at the same moment: it is the one to edit.
        return _put(actor, name, change, seen, reason, now)


def _put(actor: Actor, name: str, change: Change, seen: int | None, reason: str | None, now: datetime) -> Put:
    # Two steps: a row that was read before it is locked would be seen as it was then.
    with reading():
        found = _meant(actor, name)
        meant = found if isinstance(found, Task) else found.id
    if isinstance(meant, Task):
        _refuse_revision(meant, seen)
        return Put(create(actor, _new(meant, change), reason=reason, now=now), is_new=True)
    return Put(edits.edit(actor, meant, change, seen=seen, reason=reason, now=now), is_new=False)


def _meant(actor: Actor, name: str) -> Job | Task:
    """The job, or the task without a job, that `name` means; inside the caller's transaction."""
    job = job_names.find_row(actor, name)
    if job is not None:
        _check_only(actor, job, name)
        return job
    try:
        return registry.resolve(name)
    except UnknownTask:
        raise job_names.unknown_name(actor, name) from None


def _check_only(actor: Actor, job: Job, name: str) -> None:
    """Raises `Invalid` when `name` is a task's and none of its several jobs bears it."""
    if name.strip() == str(job.id) or job.key == key_of(name):
        return
    same = job_filters.alive(actor).with_only_columns(Job.key).where(Job.task == job.task)
    keys = list(db.session.scalars(same.order_by(Job.key).limit(MOST_NAMED)))
    if len(keys) > 1:
        word = f"this task has several jobs; name one of them: {', '.join(keys)}"
        raise Invalid(f"name: {word}", fields={"name": [word]}, suggestions=keys)


def create(actor: Actor, new: NewJob, *, reason: str | None = None, now: datetime) -> Edited:
    """As `job_creation.create`, and says what gives pause about the new job; there was no revision before."""
    actor.require(Permission.EDIT_JOBS)
    with transaction():
        (job,) = job_creation.insert_all(actor, [new], reason=reason, now=now)
        return Edited(jobs.view_of(job, now), (), None, 0, previews.cautions(actor, job, now))


def _refuse_revision(task: Task, seen: int | None) -> None:
    if seen is not None:
        word = f"{task.key} has no job yet, so that there is no revision; leave it out"
        raise Invalid(f"revision: {word}", fields={"revision": [word]})


def _new(task: Task, change: Change) -> NewJob:
    wanted: dict[str, Any] = change.wanted
    wanted["paused"] = not wanted.pop("enabled", True)
    if "send_at" in wanted:
        wanted["schedule"] = {"type": "once", "at": wanted.pop("send_at")}
    return NewJob(task=task.path, **wanted)
