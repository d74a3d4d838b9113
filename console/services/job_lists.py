"""Short lists of jobs for reports: the first twenty, and how many there are."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, select

from console.core.due import LATE_AFTER
from console.core.reasons import Reason
from console.core.schedule import Schedule, describe, next_slot, parse
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


def coming(org_id: UUID, until: datetime, now: datetime) -> Capped[ComingJob]:
    """The jobs that come due before `until`, nearest first; those at rest are not among them."""
    held = (
        Job.org_id == org_id,
        Job.deleted_at.is_(None),
        Job.sort_at < until,
        Job.status.not_in((JobStatus.PAUSED, JobStatus.BLOCKED)),
    )
    query = select(Job).where(*held).order_by(Job.sort_at, Job.name, Job.id)
    jobs = db.session.scalars(query.limit(LISTED)).all()
    total = len(jobs) if len(jobs) < LISTED else _count(held)
    items = [_coming_job(job, until, now) for job in jobs]
    return Capped(items, min(total, COUNTED_UP_TO), total > COUNTED_UP_TO)


def _coming_job(job: Job, until: datetime, now: datetime) -> ComingJob:
    schedule = parse(job.schedule)
    is_overdue = job.sort_at < now - LATE_AFTER
    slots = [job.sort_at] if is_overdue else _slots(schedule, zone(job.timezone), job.sort_at, until)
    shown, more = slots[:SLOTS_SHOWN], max(len(slots) - SLOTS_SHOWN, 0)
    is_capped = len(slots) == SLOTS_COUNTED
    return ComingJob(job.id, job.name, describe(schedule), shown, more, is_capped, is_overdue)


def _slots(schedule: Schedule, zone: ZoneInfo, first: datetime, until: datetime) -> list[datetime]:
    """The slots from the first one up to `until`, at most `SLOTS_COUNTED`."""
    found: list[datetime] = []
    slot: datetime | None = first
    while slot is not None and slot < until and len(found) < SLOTS_COUNTED:
        found.append(slot)
        slot = next_slot(schedule, zone, slot)
    return found
