"""Lets go of old records, a batch at a time."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, or_, select

from console.db.jobs import Job
from console.db.operations import CaughtMail
from console.db.people import LoginSession
from console.db.runs import Run
from console.db.session import db, reading, transaction


def delete_runs(org_id: UUID, *, before: datetime, limit: int) -> int:
    """As `delete_runs_by_job`; answers how many."""
    return delete_runs_by_job(org_id, before=before, limit=limit).total()


def delete_runs_by_job(org_id: UUID, *, before: datetime, limit: int) -> Counter[UUID]:
    """Deletes up to `limit` runs of the org that ended before an instant; each job's last run stays.

    Answers how many of each job.
    """
    old = select(Run.id).join(Job, Job.id == Run.job_id)
    old = old.where(Run.org_id == org_id, Run.finished_at < before)
    old = old.where(Job.last_run_id.is_distinct_from(Run.id), Job.active_run_id.is_distinct_from(Run.id))
    with transaction():
        gone = delete(Run).where(Run.id.in_(old.limit(limit))).returning(Run.job_id)
        return Counter(db.session.scalars(gone))


def names(org_id: UUID, job_ids: Collection[UUID]) -> Mapping[UUID, str]:
    """What these jobs of the org are called."""
    query = select(Job.id, Job.name).where(Job.org_id == org_id, Job.id.in_(job_ids))
    with reading():
        return {job_id: name for job_id, name in db.session.execute(query)}


def delete_mails(org_id: UUID, *, before: datetime) -> int:
    """Deletes the org's caught mail of before an instant."""
    gone = delete(CaughtMail).where(CaughtMail.org_id == org_id, CaughtMail.received_at < before)
    with transaction():
        return len(db.session.execute(gone.returning(CaughtMail.id)).all())


def delete_sessions(org_id: UUID, *, before: datetime) -> int:
    """Deletes the org's sessions that ended before an instant."""
    ended = or_(LoginSession.expires_at < before, LoginSession.revoked_at < before)
    gone = delete(LoginSession).where(LoginSession.org_id == org_id, ended).returning(LoginSession.id)
    with transaction():
        return len(db.session.execute(gone).all())
