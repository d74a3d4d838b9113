"""What frames a report: one snapshot, its run, and to whom it may go."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import func, select, text

from console.core.errors import NotFound
from console.core.rehearsal import is_rehearsing
from console.core.states import Role
from console.db.jobs import Job
from console.db.people import Membership, Org, User
from console.db.runs import Run
from console.db.session import db, reading
from console.services.report_views import ReportFrame


@contextmanager
def snapshot() -> Iterator[None]:
    """A read whose statements all see the same instant; it can't stand within another transaction.

    In a dry run, which is one transaction, each sees its own.
    """
    with reading():
        if not is_rehearsing():
            db.session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        yield


def admins(org_id: UUID) -> tuple[str, ...]:
    """The addresses of the org's active admins, in alphabetical order."""
    query = select(User.email).join(Membership, Membership.user_id == User.id)
    query = query.where(Membership.org_id == org_id, Membership.role == Role.ADMIN, User.is_active)
    query = query.where(Membership.disabled_at.is_(None))
    with reading():
        return tuple(db.session.scalars(query.order_by(User.email)))


def frame(org_id: UUID, run_id: UUID) -> ReportFrame:
    """What frames the report that this run makes; raises `NotFound`."""
    asked_at = func.coalesce(Run.slot, Run.requested_at)
    query = select(Org.name, Org.created_at, Job.timezone, asked_at).join(Job, Job.org_id == Org.id)
    query = query.join(Run, Run.job_id == Job.id).where(Org.id == org_id, Run.id == run_id)
    with reading():
        row = db.session.execute(query).first()
    if row is None:
        raise NotFound("There is no such run.")
    return ReportFrame(*row)
