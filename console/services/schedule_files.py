"""Schedules as code: one YAML file that is written out, compared, and put in force as a whole."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

from sqlalchemy import ColumnElement, any_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, TEXT

from console.core.actor import Actor
from console.core.cautions import Caution, too_often
from console.core.errors import Invalid, Refused, UnknownTask
from console.core.permissions import Permission
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.schedule import MANUAL, parse
from console.core.states import CatchUp, JobStatus, Kind, Overlap
from console.core.strict_yaml import Inline, dump
from console.core.task import Task
from console.db.jobs import Job
from console.db.session import db, reading, transaction
from console.queue import Ticket
from console.services import definitions, edits, jobs, pushing, schedule_entries, wakeups
from console.services.definitions import Definition
from console.services.orgs import zone
from console.services.schedule_entries import LARGEST, MOST_ENTRIES, VERSION, Entry, Mistakes

HEADER = """\
# Schedules of Callboard. Compare:   python -m console schedule plan FILE
#                        Put in force: python -m console schedule import FILE
# Arguments stand here as they are: keep secrets out of them.
"""
FIXED = ("subject", "recipient")
IMPORTED = "imported from a file"


@dataclass(frozen=True)
class PlannedChange:
    """What a file does to the job of this key, its `name`.

    For a new job `after` is all of it and `before` is None; else both hold the fields that change.
    """

    name: str
    action: Literal["create", "update"]
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]
    cautions: Sequence[Caution] = ()


@dataclass(frozen=True)
class Plan:
    """What a file changes, by key; `not_in_file` counts the schedules that it does not name, which stay."""

    changes: Sequence[PlannedChange]
    unchanged: int
    not_in_file: int
    as_of: datetime

    @property
    def mark(self) -> str:
        """Changes whenever what is to be changed does: who has seen a plan can ask for just that."""
        return _mark(self.changes)


class PlanMoved(Refused):
    """Somebody edited one of these jobs while the file was compared; nothing was changed. Try again."""

    reason = Reason.STALE_REVISION


def _mark(changes: Iterable[PlannedChange]) -> str:
    held = [
        [item.name, item.action, dict(item.before) if item.before else None, dict(item.after)]
        for item in changes
    ]
    return sha256(json.dumps(held, sort_keys=True, default=str).encode()).hexdigest()[:20]


def export(actor: Actor, *, now: datetime) -> str:
    """All schedules of the actor's org as YAML, by key, and the same text until one of them changes.

    Jobs that ran once and are over are left out, for no console could take them. Raises `Refused`
    for more than one file may hold.
    """
    with reading():
        query = select(Job).where(*_of(actor), _is_to_come(now)).order_by(Job.key)
        rows = db.session.scalars(query.limit(MOST_ENTRIES + 1)).all()
        entries = [_written(row) for row in rows]
    text = HEADER + dump({"version": VERSION, "schedules": entries})
    if len(entries) > MOST_ENTRIES or len(text.encode()) > LARGEST:
        raise Refused(
            f"One file holds at most {MOST_ENTRIES:,} schedules and {LARGEST // 1024**2} MiB, "
            "and these are more. Read them page by page through the API instead."
        )
    return text


def _of(actor: Actor) -> tuple[ColumnElement[bool], ...]:
    return Job.org_id == actor.org_id, Job.deleted_at.is_(None)


def _is_to_come(now: datetime) -> ColumnElement[bool]:
    """Whether a job may come due again, or waits for a person; one that ran once and is over may not."""
    return or_(Job.kind != Kind.ONCE, Job.next_run_at >= now)


def _written(job: Job) -> dict[str, Any]:
    """An entry with every field, so that the file alone says what holds."""
    fields = {"key": job.key, **_shown(Definition.of(job))}
    fields["schedule"] = Inline(parse(job.schedule).as_json())
    return fields | {name: getattr(job, name) for name in FIXED if getattr(job, name)}


def plan(actor: Actor, text: str, *, now: datetime) -> Plan:
    """What `apply` would do, without locks or writes.

    Raises `Invalid` with everything that is wrong, each by its place, such as `schedules[2].cron`.
    """
    with reading():
        work = _compare(actor, text, now)
    return work.plan(now)


def apply(
    actor: Actor, text: str, *, expected: str | None = None, reason: str | None = None, now: datetime
) -> Plan:
    """Puts a file in force in one transaction, and answers what was done.

    What the file leaves out of a job stays as it is, and so do jobs that it does not name. A file
    that holds already changes nothing. `expected` is the mark of the plan that the caller has seen.
    Raises `Forbidden`, `Invalid` as `plan`, or `PlanMoved`, and then nothing was changed.
    """
    actor.require(Permission.EDIT_JOBS)
    with reading():  # so that only rows that change are locked, and due slots of the others don't wait
        foreseen = {row.key for row, _ in _compare(actor, text, now).updates}
    tickets: list[Ticket] = []
    with transaction():
        work = _compare(actor, text, now, locked=foreseen)
        _check_foreseen(work, foreseen, expected)
        for row, change in work.updates:
            _, due = edits.write_row(actor, row, change, reason=reason or IMPORTED, now=now)
            tickets += due
        jobs.insert_all(actor, work.creates, reason=reason or IMPORTED, now=now)
        if work.updates:
            wakeups.notify()
    pushing.push_tickets(tickets, now=now)
    return work.plan(now)


def _check_foreseen(work: "_Work", locked: Collection[str], expected: str | None) -> None:
    is_locked = all(row.key in locked for row, _ in work.updates)
    is_expected = expected is None or _mark(step.planned for step in work.steps) == expected
    if not (is_locked and is_expected):
        raise PlanMoved()


# What a file comes to ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Step:
    """One change: an edit of `row`, or a `new` job; `outcome` is its definition afterwards."""

    planned: PlannedChange
    outcome: Definition
    row: Job | None = None
    change: edits.Change = field(default_factory=edits.Change)
    new: jobs.NewJob | None = None


@dataclass(frozen=True)
class _Work:
    """What is to be done, by key."""

    steps: Sequence[_Step]
    unchanged: int
    not_in_file: int

    @property
    def updates(self) -> list[tuple[Job, edits.Change]]:
        """In the order of ids, as in bulk edits, so that none of them can wait for another."""
        found = [(step.row, step.change) for step in self.steps if step.row is not None]
        return sorted(found, key=lambda item: item[0].id)

    @property
    def creates(self) -> list[jobs.NewJob]:
        """In the order of keys, for the same reason."""
        return [step.new for step in self.steps if step.new is not None]

    def plan(self, now: datetime) -> Plan:
        """With its cautions, which take time to find that no locked row should wait for."""
        changes = [replace(step.planned, cautions=_cautions(step.outcome, now)) for step in self.steps]
        return Plan(changes, self.unchanged, self.not_in_file, now)


def _compare(actor: Actor, text: str, now: datetime, *, locked: Collection[str] = ()) -> _Work:
    entries, mistakes = schedule_entries.read(text)
    rows = _rows(actor, locked, lock=True) if locked else {}
    rows |= _rows(actor, [entry.key for entry in entries if entry.key not in rows])
    steps: list[_Step] = []
    for entry in entries:
        row = rows.get(entry.key)
        step = _create(actor, entry, mistakes, now) if row is None else _update(row, entry, mistakes, now)
        steps += [step] if step else []
    mistakes.check()
    steps.sort(key=lambda step: step.planned.name)
    return _Work(steps, len(entries) - len(steps), _not_in_file(actor, entries, now))


def _rows(actor: Actor, keys: Collection[str], *, lock: bool = False) -> dict[str, Job]:
    query = select(Job).where(*_of(actor), _is_one_of(keys)).order_by(Job.id)
    query = query.execution_options(populate_existing=True)  # a row that was read before it is locked is old
    found = db.session.scalars(query.with_for_update() if lock else query).all()
    return {row.key: row for row in found}


def _is_one_of(keys: Collection[str]) -> ColumnElement[bool]:
    return Job.key == any_(literal(list(keys), ARRAY(TEXT)))


def _not_in_file(actor: Actor, entries: Sequence[Entry], now: datetime) -> int:
    named = _is_one_of([entry.key for entry in entries])
    query = select(func.count()).select_from(Job).where(*_of(actor), _is_to_come(now), ~named)
    return db.session.scalar(query) or 0


# A job that is there ------------------------------------------------------------------------------


def _change(entry: Entry) -> edits.Change:
    wanted = {name: value for name, value in entry.given.items() if name not in ("task", *FIXED)}
    return edits.Change(**wanted)


def _update(job: Job, entry: Entry, mistakes: Mistakes, now: datetime) -> _Step | None:
    """The edit of a job that is there; None when the file leaves it as it is, or is wrong about it."""
    _refuse_fixed(job, entry, mistakes)
    change = _change(entry)
    try:
        outcome = edits.outcome(job, change, now=now)
    except Invalid as error:
        entry.refuse(mistakes, error)
        return None
    found = definitions.differences(Definition.of(job), outcome)
    before = {item.name: item.old for item in found}
    after = {item.name: item.new for item in found}
    planned = PlannedChange(job.key, "update", before, after)
    return _Step(planned, outcome, row=job, change=change) if found else None


def _refuse_fixed(job: Job, entry: Entry, mistakes: Mistakes) -> None:
    """What a job is about is settled when it is made."""
    named = entry.given.get("task", job.task)
    if named != job.task and _path(named) != _path(job.task):
        text = f"this job runs {job.task}, and its task can't be changed; give the new job another key"
        entry.complain(mistakes, "task", text)
    for name in FIXED:
        if name in entry.given and (entry.given[name] or "") != (getattr(job, name) or ""):
            entry.complain(mistakes, name, f"this job has {getattr(job, name)!r}, which a file can't change")


def _path(name: str) -> str:
    """The path of the task that is called so, now or before; the name itself when none is."""
    try:
        return registry.resolve(name).path
    except UnknownTask:
        return name


# A new job ----------------------------------------------------------------------------------------


def _create(actor: Actor, entry: Entry, mistakes: Mistakes, now: datetime) -> _Step | None:
    """The job that an entry makes, checked by what checks an edit of it; None when the entry is wrong."""
    task = _task(entry, mistakes)
    try:
        jobs.check_key(entry.key)
    except Invalid as error:
        entry.refuse(mistakes, error)
    try:
        outcome = edits.outcome(_blank(actor, task), _change(entry), now=now)
        if task and "args" not in entry.unread:
            _check_args(task, outcome)
    except Invalid as error:
        entry.refuse(mistakes, error)
        return None
    about = {name: entry.given[name] for name in FIXED if entry.given.get(name)}
    planned = PlannedChange(entry.key, "create", None, _shown(outcome) | about)
    return _Step(planned, outcome, new=_new_job(entry.key, outcome, about))


def _task(entry: Entry, mistakes: Mistakes) -> Task | None:
    if "task" not in entry.given:
        if "task" not in entry.unread:
            entry.complain(mistakes, "task", "is missing: no job has this key, and a new one needs a task")
        return None
    try:
        return registry.resolve(entry.given["task"])
    except UnknownTask as error:
        entry.complain(mistakes, "task", error.detail, Reason.UNKNOWN_TASK)
        return None


def _blank(actor: Actor, task: Task | None) -> Job:
    """A job as it is without a word about it; never stored."""
    return Job(
        name=task.title if task else "-",
        task=task.path if task else "",
        args={},
        kind=Kind.MANUAL,
        schedule=MANUAL.as_json(),
        timezone=actor.zone,
        status=JobStatus.SCHEDULED,
        overlap=Overlap.SKIP,
        catch_up=CatchUp.LATEST,
    )


def _check_args(task: Task, new: Definition) -> None:
    """A new job that comes due by itself has all arguments; those of a manual one may come with each run."""
    if not new.args and not _waits_for_args(new):
        definitions.check_args(task, new.args)


def _waits_for_args(new: Definition) -> bool:
    return not new.args and new.schedule["type"] == "manual"


def _new_job(key: str, new: Definition, about: Mapping[str, Any]) -> jobs.NewJob:
    return jobs.NewJob(
        task=new.task,
        key=key,
        name=new.name,
        args=None if _waits_for_args(new) else new.args,
        schedule=new.schedule,
        timezone=new.timezone,
        overlap=new.overlap,
        catch_up=new.catch_up,
        catch_up_window_seconds=new.catch_up_window_seconds,
        jitter_seconds=new.jitter_seconds,
        paused=not new.enabled,
        **about,
    )


def _cautions(new: Definition, now: datetime) -> list[Caution]:
    """What gives pause; a time of the day comes once a day, which needs no search."""
    if not new.enabled or new.schedule["type"] not in ("cron", "interval"):
        return []
    found = too_often(parse(new.schedule), zone(new.timezone), now)
    return [found] if found else []


def _shown(definition: Definition) -> dict[str, Any]:
    """What a file holds of a definition; why a job is paused is said where it is paused, not in a file."""
    left_out = ("note", "closed", *FIXED)
    return {name: value for name, value in definition.as_json().items() if name not in left_out}
