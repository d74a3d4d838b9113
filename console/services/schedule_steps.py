"""What an entry of a file comes to: the edit of a job that is there, or a new job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from console.core.actor import Actor
from console.core.cautions import Caution
from console.core.errors import Invalid, UnknownTask
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.schedule import MANUAL
from console.core.states import CatchUp, JobStatus, Kind, Overlap
from console.core.task import Task
from console.db.jobs import Job
from console.services import definitions, edit_validation, job_names
from console.services.changes import Change
from console.services.definitions import Definition
from console.services.job_creation import NewJob
from console.services.schedule_entries import Entry, Mistakes
from console.services.schedule_links import LinkChange, shape

FIXED = ("subject", "recipient")


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
class Step:
    """One change: an edit of `row`, or a `new` job; `outcome` is its definition afterwards.

    It is None when no more changes than what follows the job, which is no part of its definition.
    """

    planned: PlannedChange
    outcome: Definition | None
    row: Job | None = None
    change: Change = field(default_factory=Change)
    new: NewJob | None = None


# A job that is there ------------------------------------------------------------------------------


def _change(entry: Entry) -> Change:
    wanted = {name: value for name, value in entry.given.items() if name not in ("task", "then", *FIXED)}
    return Change(**wanted)


def chained(step: Step | None, links: LinkChange) -> Step:
    """The step with what it does to the links from its job; without another change it does no more."""
    before, after = {"then": shape(links.before)}, {"then": shape(links.after)}
    if step is None:
        return Step(PlannedChange(links.key, "update", before, after), None)
    planned = step.planned
    old = None if planned.before is None else {**planned.before, **before}
    return replace(step, planned=replace(planned, before=old, after={**planned.after, **after}))


def update(job: Job, entry: Entry, mistakes: Mistakes, now: datetime) -> Step | None:
    """The edit of a job that is there; None when the file leaves it as it is, or is wrong about it."""
    _refuse_fixed(job, entry, mistakes)
    change = _change(entry)
    try:
        outcome = edit_validation.outcome(job, change, now=now)
    except Invalid as error:
        entry.refuse(mistakes, error)
        return None
    found = definitions.differences(Definition.of(job), outcome)
    before = {item.name: item.old for item in found}
    after = {item.name: item.new for item in found}
    planned = PlannedChange(job.key, "update", before, after)
    return Step(planned, outcome, row=job, change=change) if found else None


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


def create(actor: Actor, entry: Entry, mistakes: Mistakes, now: datetime) -> Step | None:
    """The job that an entry makes, checked by what checks an edit of it; None when the entry is wrong."""
    task = _task(entry, mistakes)
    try:
        job_names.check_key(entry.key)
    except Invalid as error:
        entry.refuse(mistakes, error)
    try:
        outcome = edit_validation.outcome(_blank(actor, task), _change(entry), now=now)
        if task and "args" not in entry.unread:
            _check_args(task, outcome)
    except Invalid as error:
        entry.refuse(mistakes, error)
        return None
    about = {name: entry.given[name] for name in FIXED if entry.given.get(name)}
    planned = PlannedChange(entry.key, "create", None, shown(outcome) | about)
    return Step(planned, outcome, new=_new_job(entry.key, outcome, about))


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


def _new_job(key: str, new: Definition, about: Mapping[str, Any]) -> NewJob:
    return NewJob(
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


def shown(definition: Definition) -> dict[str, Any]:
    """What a file holds of a definition; why a job is paused is said where it is paused, not in a file."""
    left_out = ("note", "closed", *FIXED)
    return {name: value for name, value in definition.as_json().items() if name not in left_out}
