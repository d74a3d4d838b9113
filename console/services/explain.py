"""Why: for any job and any minute what became of it, and for now what stands in its way.

It reads only what is recorded, each piece by an index, and never walks a job's runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from console.core.actor import Actor
from console.core.errors import Invalid, NotFound
from console.core.explaining import MICROSECOND, MINUTE, Clocks, Explanation, minute_of
from console.core.permissions import Permission
from console.core.schedule import YEARS
from console.core.states import RunState
from console.db.jobs import Job
from console.db.session import db, reading
from console.services import (
    explain_facts,
    explain_obstacles,
    explain_past,
    explain_present,
    explain_revisions,
    workers,
)
from console.services.orgs import zone
from console.services.workers import Fleet

RECENT = 12


@dataclass(frozen=True)
class RecentSlot:
    """A slot that was decided, and what became of it."""

    run_id: UUID
    slot: datetime
    state: RunState


@dataclass(frozen=True)
class ExplainedPage:
    """What the page shows: the answer for the minute (None without one), and for now.

    `before` and `after` are the slots beside the minute, or beside now.
    """

    job_id: UUID
    job_name: str
    job_key: str
    is_deleted: bool
    clocks: Clocks
    then: Explanation | None
    present: Explanation
    before: datetime | None
    after: datetime | None
    recent: Sequence[RecentSlot]
    as_of: datetime


def explain(actor: Actor, job_id: UUID, at: datetime | None, *, now: datetime) -> Explanation:
    """What became of the job in the minute that holds `at`, or without it what stands in its way now.

    A deleted job is explained too. Raises `NotFound`, and `Invalid` that names `at` for an instant that
    lies beyond the calendar.
    """
    actor.require(Permission.READ)
    _check(at)
    redis_is_up = workers.redis_is_up()
    with reading():
        job = _load(actor, job_id)
        clocks = _clocks(actor, job)
        seen = _fleet(actor, clocks, redis_is_up, now)
        if at is not None:
            return _at(actor, job, at, clocks, seen, now)
        return _present(actor, job, clocks, seen, now)


def page(actor: Actor, job_id: UUID, at: datetime | None, *, now: datetime) -> ExplainedPage:
    """Both answers and the way to other minutes; raises as `explain`."""
    actor.require(Permission.READ)
    _check(at)
    redis_is_up = workers.redis_is_up()
    with reading():
        job = _load(actor, job_id)
        clocks = _clocks(actor, job)
        seen = _fleet(actor, clocks, redis_is_up, now)
        recent = explain_facts.recent_slots(job, now, RECENT)
        before, after = _neighbours(job, at or now)
        return ExplainedPage(
            job_id=job.id,
            job_name=job.name,
            job_key=job.key,
            is_deleted=job.deleted_at is not None,
            clocks=clocks,
            then=_at(actor, job, at, clocks, seen, now) if at is not None else None,
            present=_present(actor, job, clocks, seen, now),
            before=before,
            after=after,
            recent=[RecentSlot(*found) for found in recent],
            as_of=now,
        )


def clocks_of(actor: Actor, job_id: UUID) -> Clocks:
    """The clocks on which the job's minutes are meant, and the org's; raises `NotFound`."""
    actor.require(Permission.READ)
    with reading():
        return _clocks(actor, _load(actor, job_id))


def _check(at: datetime | None) -> None:
    if at is not None and not YEARS[0] <= at.year <= YEARS[1]:
        word = f"must lie in the years {YEARS[0]} to {YEARS[1]}"
        raise Invalid(f"at: {word}", fields={"at": [word]})


def _load(actor: Actor, job_id: UUID) -> Job:
    """The row, deleted or not; another org's is not found."""
    job = db.session.scalar(select(Job).where(Job.id == job_id, Job.org_id == actor.org_id))
    if job is None:
        raise NotFound("There is no such job.")
    return job


def _place(job: Job) -> ZoneInfo:
    try:
        return zone(job.timezone)
    except Invalid:
        return zone("UTC")


def _clocks(actor: Actor, job: Job) -> Clocks:
    return Clocks(_place(job), ZoneInfo(actor.zone))


def _fleet(actor: Actor, clocks: Clocks, redis_is_up: bool, now: datetime) -> Fleet:
    """The processes, as they are to be spoken of here; Redis was asked before the transaction began."""
    return replace(workers.fleet(now, actor.org_id), clocks=clocks, redis_is_up=redis_is_up)


def _present(actor: Actor, job: Job, clocks: Clocks, seen: Fleet, now: datetime) -> Explanation:
    return explain_present.explain(actor, explain_obstacles.read(actor, job, clocks, seen, now))


def _at(actor: Actor, job: Job, at: datetime, clocks: Clocks, seen: Fleet, now: datetime) -> Explanation:
    if minute_of(at) > now:
        found = explain_obstacles.read(actor, job, clocks, seen, now)
        return explain_present.explain_future(actor, found, at)
    return explain_past.explain(actor, explain_facts.of_minute(job, at, clocks, now), seen)


def _neighbours(job: Job, at: datetime) -> tuple[datetime | None, datetime | None]:
    """The slots before and after the minute: by the schedule in force then, or else by a recorded run."""
    start = minute_of(at)
    end = start + MINUTE
    held = explain_revisions.in_force(job, start, end)
    spell = held[-1].spell() if held and not held[-1].never_comes_due else None
    before = spell.before(start) if spell else None
    after = spell.after(end - MICROSECOND) if spell else None
    recorded = explain_facts.recent_slots(job, start - MICROSECOND, 1)
    return before or (recorded[0][1] if recorded else None), after
