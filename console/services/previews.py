"""What a schedule would do, before it is saved: its words, its next slots, and what gives pause."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from console.core.actor import Actor
from console.core.cautions import Caution, CautionCode, same_minute, too_often
from console.core.errors import Invalid
from console.core.plain import Plain, plain
from console.core.reasons import Refusal
from console.core.schedule import Schedule, describe, first_slot, next_slot, parse
from console.core.slots import Slot, slots
from console.core.states import JobStatus, Kind
from console.db.jobs import Job
from console.db.session import db, reading
from console.services import definitions, jobs, rules
from console.services.orgs import zone

MOST_SLOTS = 400
LOOKED_AT = 5
COMPARED_WITH = 50
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Preview:
    """A schedule in words and in slots; `form` is what a form of plain fields shows for it."""

    schedule: Mapping[str, Any]
    timezone: str
    text: str
    form: Plain
    slots: Sequence[Slot]
    cautions: Sequence[Caution]
    as_of: datetime


def preview(
    actor: Actor,
    shape: Mapping[str, Any],
    timezone: str,
    *,
    job_id: UUID | None = None,
    count: int = LOOKED_AT,
    now: datetime,
) -> Preview:
    """What a job would do with this schedule if it were saved now.

    With the schedule and zone that the job has already, its slots go on where they stand. Raises
    `Invalid` that names the field, `NotFound`.
    """
    place = zone(timezone)
    with reading():
        job = jobs.load(actor, job_id) if job_id else None
        schedule = parse(shape)
        is_its_own = job is not None and schedule.as_json() == job.schedule and _keeps_phase(job, timezone)
        if not is_its_own:
            definitions.check_schedule(shape, now)
        first = job.next_run_at if job is not None and is_its_own else first_slot(schedule, place, now)
        found = slots(schedule, place, first, _check_count(count))
        cautions = _cautions(actor, job, schedule, place, found, now)
    return Preview(schedule.as_json(), timezone, describe(schedule), plain(schedule), found, cautions, now)


def _keeps_phase(job: Job, timezone: str) -> bool:
    return job.timezone == timezone or job.kind != Kind.CRON


def upcoming(actor: Actor, job_id: UUID, *, count: int = LOOKED_AT) -> list[Slot]:
    """The job's next slots as the scheduler will meet them; raises `NotFound`, `Invalid` for `count`."""
    with reading():
        job = jobs.load(actor, job_id)
        return slots(parse(job.schedule), zone(job.timezone), job.next_run_at, _check_count(count))


def _check_count(count: int) -> int:
    if not 1 <= count <= MOST_SLOTS:
        word = f"must be from 1 to {MOST_SLOTS}"
        raise Invalid(f"count: {word}", fields={"count": [word]})
    return count


def cautions(actor: Actor, job: Job, now: datetime) -> list[Caution]:
    """What gives pause about a job as it stands, inside the caller's transaction."""
    schedule, place = parse(job.schedule), zone(job.timezone)
    found = slots(schedule, place, job.next_run_at, LOOKED_AT)
    foretold = foretold_of(job)
    return [*_cautions(actor, job, schedule, place, found, now), *([foretold] if foretold else [])]


def foretold_of(job: Job) -> Caution | None:
    """That a job that runs once would not run at its time, as its task's rules stand now."""
    if job.kind != Kind.ONCE or job.next_run_at is None or job.status == JobStatus.PAUSED:
        return None
    refusal = rules.foretold(job, job.next_run_at)
    return Caution(CautionCode.RULE, would_skip(refusal)) if refusal else None


def would_skip(refusal: Refusal) -> str:
    """What a rule that would skip a run says of it beforehand."""
    return f"As things stand it would be skipped then: {refusal.sentence} Send now passes over this rule."


def foretold(actor: Actor, job_id: UUID) -> Caution | None:
    """As `foretold_of`, of one of the actor's jobs; raises `NotFound`."""
    with reading():
        return foretold_of(jobs.load(actor, job_id))


def _cautions(
    actor: Actor, job: Job | None, schedule: Schedule, place: ZoneInfo, found: Sequence[Slot], now: datetime
) -> list[Caution]:
    if job is not None and job.status == JobStatus.PAUSED:
        return []
    crowd = same_minute(found, _others(actor, job, found)) if job is not None else None
    return [caution for caution in (too_often(schedule, place, now), crowd) if caution]


def _others(actor: Actor, job: Job, found: Sequence[Slot]) -> list[tuple[str, list[datetime]]]:
    """The other jobs of the same task, each with those of the minutes in which it is due too."""
    if not found:
        return []
    query = select(Job.name, Job.schedule, Job.timezone, Job.next_run_at).where(
        Job.org_id == actor.org_id,
        Job.task == job.task,
        Job.id != job.id,
        Job.deleted_at.is_(None),
        Job.next_run_at.is_not(None),
        Job.status != JobStatus.PAUSED,
    )
    rows = db.session.execute(query.order_by(Job.sort_at).limit(COMPARED_WITH))
    minutes = [slot.at.replace(second=0, microsecond=0) for slot in found]
    return [
        (name, [minute for minute in minutes if _is_due_in(parse(shape), zone(place), first, minute)])
        for name, shape, place, first in rows
        if first is not None
    ]


def _is_due_in(schedule: Schedule, place: ZoneInfo, first: datetime, minute: datetime) -> bool:
    end = minute + MINUTE
    if first >= minute or schedule.kind is Kind.ONCE:
        return minute <= first < end
    if schedule.kind is Kind.INTERVAL:
        span = timedelta(seconds=schedule.every_seconds or 1)
        return first + span * -((first - minute) // span) < end
    following = next_slot(schedule, place, minute - timedelta(microseconds=1))
    return following is not None and following < end
