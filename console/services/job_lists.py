"""Short lists of jobs for reports: the first twenty, and how many there are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, takewhile
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, select

from console.core.due import LATE_AFTER
from console.core.reasons import Reason
from console.core.schedule import Schedule, describe, parse, slot_after
from console.core.slots import chain
from console.core.states import JobStatus, Kind
from console.db.jobs import Job
from console.db.session import db
from console.services.orgs import zone
from console.services.report_views import Capped, ComingJob, JobLine

LISTED = 20
COUNTED_UP_TO = 10_000
SLOTS_SHOWN = 4
SLOTS_COUNTED = 500


def job_lines(org_id: UUID, *conditions: ColumnElement[bool], by: Any = None) -> Capped[JobLine]:
    """The org's jobs of which all this holds, nearest first, and how many they are."""
    held = (Job.org_id == org_id, Job.deleted_at.is_(None), *conditions)
    order = [*([by] if by is not None else []), Job.sort_at, Job.name, Job.id]
    jobs = db.session.scalars(select(Job).where(*held).order_by(*order).limit(LISTED)).all()
    total = len(jobs) if len(jobs) < LISTED else _count(held)
    return Capped([_line(job) for job in jobs], min(total, COUNTED_UP_TO), total > COUNTED_UP_TO)


def _count(held: Sequence[ColumnElement[bool]]) -> int:
    some = select(Job.id).where(*held).limit(COUNTED_UP_TO + 1).subquery()
    return db.session.scalar(select(func.count()).select_from(some)) or 0


def _line(job: Job) -> JobLine:
    return JobLine(
        id=job.id,
        name=job.name,
        task=job.task,
        kind=Kind(job.kind),
        status=JobStatus(job.status),
        status_reason=Reason(job.status_reason) if job.status_reason else None,
        status_note=job.status_note,
        next_run_at=job.next_run_at,
        revision=job.revision,
        applied_revision=job.applied_revision,
        last_run_note=job.last_run_note,
        created_at=job.created_at,
    )


def overdue(org_id: UUID, now: datetime) -> Capped[JobLine]:
    """The jobs whose slot came due longer ago than `LATE_AFTER` and is still undecided."""
    at_rest = (Job.status == JobStatus.PAUSED) & (Job.kind == Kind.ONCE)
    return job_lines(org_id, Job.sort_at < now - LATE_AFTER, ~at_rest)


def coming(org_id: UUID, until: datetime, now: datetime) -> Capped[ComingJob]:
    """The jobs with a slot after `now` and before `until`, nearest first; those at rest are not among them.

    A slot that is due already is no coming one; the schedule says which one follows it.
    """
    active = (
        Job.org_id == org_id,
        Job.deleted_at.is_(None),
        Job.status.not_in((JobStatus.PAUSED, JobStatus.BLOCKED)),
    )
    ahead = (*active, Job.sort_at > now, Job.sort_at < until)
    columns = select(Job.id, Job.name, Job.schedule, Job.timezone, Job.sort_at)
    query = columns.order_by(Job.sort_at, Job.name, Job.id)
    due = db.session.execute(query.where(*active, Job.sort_at <= now).limit(COUNTED_UP_TO + 1)).all()
    later = db.session.execute(query.where(*ahead).limit(LISTED)).all()
    found = [*_followed(due, until, now), *(_Coming(*row[:2], parse(row[2]), *row[3:]) for row in later)]
    total = len(found) if len(later) < LISTED else len(found) - LISTED + _count(ahead)
    nearest = sorted(found, key=lambda job: (job.first, job.name, job.id))[:LISTED]
    is_capped = total > COUNTED_UP_TO or len(due) > COUNTED_UP_TO
    return Capped([_coming_job(job, until) for job in nearest], min(total, COUNTED_UP_TO), is_capped)


@dataclass(frozen=True)
class _Coming:
    id: UUID
    name: str
    schedule: Schedule
    timezone: str
    first: datetime


def _followed(due: Sequence[Any], until: datetime, now: datetime) -> Iterator[_Coming]:
    """Jobs whose slot is due, with the one that comes after `now`, where that is before `until`."""
    for job_id, name, shape, timezone, slot in due:
        schedule = parse(shape)
        first = slot_after(schedule, zone(timezone), slot, now)
        if first is not None and first < until:
            yield _Coming(job_id, name, schedule, timezone, first)


def _coming_job(job: _Coming, until: datetime) -> ComingJob:
    slots = _slots(job.schedule, zone(job.timezone), job.first, until)
    shown, more = slots[:SLOTS_SHOWN], max(len(slots) - SLOTS_SHOWN, 0)
    return ComingJob(job.id, job.name, describe(job.schedule), shown, more, len(slots) == SLOTS_COUNTED)


def _slots(schedule: Schedule, zone: ZoneInfo, first: datetime, until: datetime) -> list[datetime]:
    """The slots from the first one up to `until`, at most `SLOTS_COUNTED`."""
    before = takewhile(lambda slot: slot < until, chain(schedule, zone, first))
    return list(islice(before, SLOTS_COUNTED))
