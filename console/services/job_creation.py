"""New jobs: checked, inserted all or none, with their first revision and their entry on the trail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from console.core.actor import Actor
from console.core.errors import Invalid
from console.core.permissions import Permission
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.schedule import first_slot, parse
from console.core.states import JobStatus, Kind
from console.core.tags import Tag
from console.core.task import About, Task
from console.db.jobs import Job
from console.db.session import db, transaction
from console.services import audit, definitions, job_names, jobs, second_person, standings, wakeups
from console.services.orgs import zone
from console.services.views import JobView


@dataclass(frozen=True)
class NewJob:
    """A job to create; `schedule` has the contract's shape, `key` and `name` come from the task if None.

    `args` are checked against the task's params; None means none, whatever the task needs. One that is
    `closed` is over from the start (the shape is that of `definitions.closing`), which its `note`
    explains; its time may be past.
    """

    task: str
    name: str | None = None
    key: str | None = None
    args: Mapping[str, Any] | None = field(default_factory=dict)
    schedule: Mapping[str, Any] = field(default_factory=lambda: {"type": "manual"})
    timezone: str | None = None
    subject: str = ""
    recipient: str | None = None
    overlap: str = "skip"
    catch_up: str = "latest"
    catch_up_window_seconds: int | None = None
    jitter_seconds: int | None = None
    paused: bool = False
    closed: Mapping[str, Any] | None = None
    note: str | None = None


class KeyTaken(Invalid):
    """Another job has this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"key: {key} is taken", fields={"key": [f"{key} is taken by another job"]})


def create(actor: Actor, new: NewJob, *, now: datetime) -> JobView:
    """Creates a job; raises `Forbidden`, `UnknownTask`, or `Invalid` that names the field."""
    actor.require(Permission.EDIT_JOBS)
    with transaction():
        job = insert(actor, new, now)
        return jobs.view_of(job, now)


def insert(actor: Actor, new: NewJob, now: datetime) -> Job:
    """As `create`, inside the caller's transaction and without asking for the role."""
    (job,) = insert_all(actor, [new], now=now)
    return job


def insert_all(
    actor: Actor, news: Sequence[NewJob], *, reason: str | None = None, now: datetime
) -> Sequence[Job]:
    """As `insert`, all of them or none; `reason` goes into history and audit."""
    rows = [_row(actor, new, now) for new in news]
    _add(rows)
    for job in rows:
        definitions.record(actor, job, [], reason=reason, now=now)
        defined = definitions.Definition.of(job).as_json()
        audit.add(actor, Tag.JOB_CREATED, audit.Subject("job", job.id), now=now, new=defined, reason=reason)
    if rows:
        wakeups.notify()
    return rows


def _row(actor: Actor, new: NewJob, now: datetime) -> Job:
    task = registry.resolve(new.task)
    schedule = definitions.check_schedule(new.schedule, now) if not new.closed else parse(new.schedule)
    second_person.check_new(actor, is_critical=task.critical, comes_due=schedule.kind is not Kind.MANUAL)
    zone_name = new.timezone or actor.zone
    args = definitions.check_args(task, new.args) if new.args is not None else {}
    about = task.about(args) if task.about else About()
    job = Job(
        org_id=actor.org_id,
        key=job_names.check_key(new.key) if new.key is not None else job_names.key_for(actor, task),
        **_checked(new, task),
        task=task.path,
        category=task.category,
        subject_id=about.subject_id,
        message_type=about.message_type,
        args=args,
        kind=schedule.kind,
        schedule=schedule.as_json(),
        timezone=zone_name,
        status=JobStatus.PAUSED if new.paused else JobStatus.SCHEDULED,
        status_reason=Reason.PAUSED if new.paused else None,
        next_run_at=first_slot(schedule, zone(zone_name), now),
        revision=1,
        applied_revision=1 if schedule.kind is Kind.MANUAL else 0,
        changed_at=now,
        created_at=now,
    )
    if new.closed:
        standings.close(actor, job, new.closed)
    job.status_note = new.note
    standings.settle(job, now)
    return job


def _checked(new: NewJob, task: Task) -> dict[str, Any]:
    """The columns that stand each for itself."""
    return {
        "name": definitions.check_name(new.name or task.title),
        "subject": definitions.check_subject(new.subject),
        "recipient": definitions.check_recipient(new.recipient),
        "overlap": definitions.check_overlap(new.overlap),
        "catch_up": definitions.check_catch_up(new.catch_up),
        "catch_up_window_seconds": definitions.check_window(new.catch_up_window_seconds),
        "jitter_seconds": definitions.check_jitter(new.jitter_seconds),
    }


def _add(rows: Sequence[Job]) -> None:
    """Inserts the rows; whoever came first has the key. Raises `KeyTaken`."""
    keys = [job.key for job in rows]
    try:
        with db.session.begin_nested():
            db.session.add_all(rows)
    except IntegrityError as error:
        taken = select(Job.key).where(
            Job.org_id == rows[0].org_id, Job.deleted_at.is_(None), Job.key.in_(keys)
        )
        raise KeyTaken(db.session.scalar(taken) or keys[0]) from error
