"""Jobs: listing, finding, creating and deleting them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, literal_column, select, text, tuple_
from sqlalchemy.exc import IntegrityError

from console.core.actor import Actor
from console.core.errors import Invalid, NotFound, UnknownTask
from console.core.names import key_of, suggest
from console.core.permissions import Permission
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.schedule import first_slot, parse
from console.core.states import JobStatus, Kind, MessageType
from console.core.tags import Tag
from console.core.task import About, Task
from console.db.jobs import NEVER, Deletion, Job
from console.db.session import db, reading, transaction
from console.services import audit, definitions, dispatch, paging, second_person, standings, wakeups
from console.services.job_versions import version_of
from console.services.job_views import views
from console.services.orgs import zone
from console.services.views import JobFilter, JobPage, JobView
from console.services.workers import fleet

COUNTED_UP_TO = 10_000
KEY = re.compile(r"^[a-z0-9][a-z0-9_]{0,119}$")


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


def page(
    actor: Actor,
    wanted: JobFilter,
    *,
    cursor: str | None,
    limit: int,
    total: int | None = None,
    now: datetime,
) -> JobPage:
    """One page, nearest first, then by name; raises `Invalid` that names `cursor` or `limit`.

    Whoever has counted all that match, up to 10,001 of them, says so by `total`.
    """
    query = _page(actor, wanted, cursor, limit)
    with reading():
        version = version_of(query, now)
        rows = db.session.scalars(query).all()
        found = views(rows[:limit], fleet(now), now)
        matching = count(actor, wanted) if total is None else total
        last = rows[limit - 1] if len(rows) > limit else None
        following = paging.encode(last.sort_at, last.name, last.id) if last else None
        return JobPage(found, following, version, now, min(matching, COUNTED_UP_TO), matching > COUNTED_UP_TO)


def page_version(actor: Actor, wanted: JobFilter, *, cursor: str | None, limit: int, now: datetime) -> str:
    """The version that `page` would have, for a fraction of its price."""
    with reading():
        return version_of(_page(actor, wanted, cursor, limit), now)


def _page(actor: Actor, wanted: JobFilter, cursor: str | None, limit: int) -> Select[Job]:
    """One row more than the page has, which tells whether another one follows."""
    query = filtered(select(Job), actor, wanted)
    if cursor:
        after = paging.decode(cursor, "dsu")
        query = query.where(tuple_(Job.sort_at, Job.name, Job.id) > tuple_(*after))
    return query.order_by(Job.sort_at, Job.name, Job.id).limit(paging.check_limit(limit) + 1)


def alive(actor: Actor) -> Select[Job]:
    """The actor's jobs that are not deleted."""
    return select(Job).where(Job.org_id == actor.org_id, Job.deleted_at.is_(None))


def filtered(query: Select[Any], actor: Actor, wanted: JobFilter) -> Select[Any]:
    """The query for those of the actor's jobs that match."""
    query = query.where(Job.org_id == actor.org_id, Job.deleted_at.is_(None))
    return query.where(*_about_itself(wanted), *_about_its_subject(wanted), *_about_its_time(wanted))


SETTLED = and_(
    Job.message_type == literal_column(f"'{MessageType.INIT}'"),
    Job.status == literal_column(f"'{JobStatus.SKIPPED}'"),
    Job.status_reason == literal_column(f"'{Reason.HAS_LOAD_IN_TIME}'"),
)
"""A message that need not go out because what it asks for is known; literal, as its index says it."""


def hides_settled(wanted: JobFilter) -> bool:
    """Whether the table leaves out messages that are settled, which the filter alone would let in."""
    can_be = wanted.message_type in (None, MessageType.INIT) and not wanted.tasks_only
    return can_be and not wanted.with_settled and wanted.status is not JobStatus.SKIPPED


def _about_itself(wanted: JobFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.q:
        yield Job.search.contains(wanted.q.strip().lower(), autoescape=True)
    if wanted.status:
        yield Job.status == wanted.status
    if wanted.kind:
        yield Job.kind == wanted.kind
    if wanted.category:
        yield Job.category == wanted.category
    if hides_settled(wanted):
        yield SETTLED.is_not(True)


def _about_its_subject(wanted: JobFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.message_type:
        yield Job.message_type == wanted.message_type
    if wanted.tasks_only:
        yield Job.message_type.is_(None)
    if wanted.subject_id:
        yield Job.subject_id == wanted.subject_id
    if wanted.recipient:
        yield func.lower(Job.recipient) == wanted.recipient.strip().lower()


def _about_its_time(wanted: JobFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.scheduled_only or wanted.since or wanted.until:
        # Said of the column that the indexes are sorted by: the rest of them is never walked through.
        yield Job.sort_at < literal_column(NEVER)
    if wanted.since:
        yield Job.sort_at >= wanted.since
    if wanted.until:
        yield Job.sort_at <= wanted.until


def count(actor: Actor, wanted: JobFilter) -> int:
    """How many jobs match, inside the caller's transaction; counting stops at 10,001."""
    capped = filtered(select(Job.id), actor, wanted).limit(COUNTED_UP_TO + 1).subquery()
    return db.session.scalar(select(func.count()).select_from(capped)) or 0


def get(actor: Actor, job_id: UUID, *, now: datetime) -> JobView:
    """The job of this id in the actor's org; raises `NotFound`."""
    with reading():
        return view_of(load(actor, job_id), now)


def view_of(job: Job, now: datetime) -> JobView:
    """The view of one row, inside the caller's transaction."""
    return views([job], fleet(now), now)[0]


def load(actor: Actor, job_id: UUID, *, lock: bool = False) -> Job:
    """The row itself, inside the caller's transaction; another org's is not found."""
    query = select(Job).where(Job.id == job_id, Job.org_id == actor.org_id, Job.deleted_at.is_(None))
    if lock:  # a row that was read before it is locked is old
        query = query.with_for_update().execution_options(populate_existing=True)
    job = db.session.scalar(query)
    if job is None:
        raise NotFound("There is no such job.")
    return job


def find(actor: Actor, name: str, *, now: datetime) -> JobView:
    """The job that `name` means: an id, a key in any spelling, or a task that has one job.

    Raises `NotFound` or `UnknownTask` with suggestions.
    """
    with reading():
        job = find_row(actor, name)
        if job is None:
            raise unknown_name(actor, name)
        return view_of(job, now)


def find_row(actor: Actor, name: str) -> Job | None:
    """As `find`, inside the caller's transaction; None when nothing is called so."""
    query = select(Job).where(Job.org_id == actor.org_id, Job.deleted_at.is_(None))
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


CATEGORIES = text(
    """
    WITH RECURSIVE found AS (
        (SELECT category FROM jobs WHERE org_id = :org AND deleted_at IS NULL ORDER BY category LIMIT 1)
        UNION ALL
        SELECT (SELECT category FROM jobs WHERE org_id = :org AND deleted_at IS NULL
                AND category > found.category ORDER BY category LIMIT 1)
        FROM found WHERE found.category IS NOT NULL
    )
    SELECT category FROM found WHERE category IS NOT NULL
    """
)


def categories(actor: Actor) -> list[str]:
    """The categories of the org's jobs in alphabetical order: one look at the index for each."""
    with reading():
        return list(db.session.scalars(CATEGORIES, {"org": actor.org_id}))


def create(actor: Actor, new: NewJob, *, now: datetime) -> JobView:
    """Creates a job; raises `Forbidden`, `UnknownTask`, or `Invalid` that names the field."""
    actor.require(Permission.EDIT_JOBS)
    with transaction():
        job = insert(actor, new, now)
        return view_of(job, now)


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
        key=_key(actor, new, task),
        name=definitions.check_name(new.name or task.title),
        task=task.path,
        category=task.category,
        subject=definitions.check_subject(new.subject),
        subject_id=about.subject_id,
        message_type=about.message_type,
        recipient=definitions.check_recipient(new.recipient),
        args=args,
        kind=schedule.kind,
        schedule=schedule.as_json(),
        timezone=zone_name,
        overlap=definitions.check_overlap(new.overlap),
        catch_up=definitions.check_catch_up(new.catch_up),
        catch_up_window_seconds=definitions.check_window(new.catch_up_window_seconds),
        jitter_seconds=definitions.check_jitter(new.jitter_seconds),
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


class KeyTaken(Invalid):
    """Another job has this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"key: {key} is taken", fields={"key": [f"{key} is taken by another job"]})


def _key(actor: Actor, new: NewJob, task: Task) -> str:
    """The wanted key, or one made of the task's; raises `Invalid` for one that can't be."""
    if new.key is None:
        long = task.path.replace(".", "_").lower()
        return long if _is_taken(actor, task) else task.key
    return check_key(new.key)


def spelled(key: str) -> str:
    """A key in the one spelling that jobs have, whether or not it may be one."""
    return key.strip().lower().replace("-", "_").replace(" ", "_")


def check_key(key: str) -> str:
    """The key in that spelling; raises `Invalid` unless a new job may be called so."""
    key = spelled(key)
    if not KEY.match(key):
        raise Invalid("key: letters, digits and _", fields={"key": ["use letters, digits and _"]})
    return key


def _is_taken(actor: Actor, task: Task) -> bool:
    """Whether the task's own key belongs to a job of another task, whose last part is the same."""
    taken = select(Job.id).where(
        Job.org_id == actor.org_id, Job.key == task.key, Job.deleted_at.is_(None), Job.task != task.path
    )
    return db.session.scalar(taken) is not None


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


def delete(actor: Actor, job_id: UUID, *, now: datetime) -> None:
    """Deletes a job softly, so that it can be brought back for 24 hours; raises `NotFound`."""
    actor.require(Permission.DELETE_JOBS)
    with transaction():
        job = load(actor, job_id, lock=True)
        # A slot that is due already has its record; the run itself is skipped when a worker takes it.
        dispatch.settle(job.id, now=now)
        gone = Deletion(
            org_id=actor.org_id, at=now, actor=actor.name, filter={"job": job.key}, deleted=1, left_running=0
        )
        db.session.add(gone)
        db.session.flush()
        job.deleted_at = job.changed_at = now
        job.deletion_id = gone.id
        audit.add(actor, Tag.JOB_DELETED, audit.Subject("job", job_id), now=now, old={"key": job.key})
        wakeups.notify()
