"""Lets go of old records, a batch at a time."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, or_, select

from console.db.jobs import Job
from console.db.people import LoginSession
from console.db.runs import Run
from console.db.session import db, transaction


def delete_runs(org_id: UUID, *, before: datetime, limit: int) -> int:
    """Deletes up to `limit` runs of the org that ended before an instant; each job's last run stays."""
    is_shown = select(Job.id).where(or_(Job.last_run_id == Run.id, Job.active_run_id == Run.id)).exists()
    old = select(Run.id).where(Run.org_id == org_id, Run.finished_at < before, ~is_shown).limit(limit)
    with transaction():
        return len(db.session.execute(delete(Run).where(Run.id.in_(old)).returning(Run.id)).all())


def delete_sessions(org_id: UUID, *, before: datetime) -> int:
    """Deletes the org's sessions that ended before an instant."""
    ended = or_(LoginSession.expires_at < before, LoginSession.revoked_at < before)
    gone = delete(LoginSession).where(LoginSession.org_id == org_id, ended).returning(LoginSession.id)
    with transaction():
        return len(db.session.execute(gone).all())
