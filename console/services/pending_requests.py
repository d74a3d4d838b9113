"""What waits for a second person, as jobs say it: one look at the index for all jobs of a page."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, func, literal_column, select
from sqlalchemy.dialects.postgresql import distinct_on

from console.core.states import ApprovalState
from console.db.approvals import Approval
from console.db.session import db
from console.services.views import PendingRequest

# Made once, for every page of jobs asks it; the state is literal, as the indexes say it.
PENDING = (
    select(
        Approval.job_id,
        Approval.id,
        Approval.requester,
        Approval.requested_at,
        Approval.expires_at,
        func.count().over(partition_by=Approval.job_id),
    )
    .where(
        Approval.job_id.in_(bindparam("jobs", expanding=True)),
        Approval.state == literal_column(f"'{ApprovalState.PENDING}'"),
        Approval.expires_at > bindparam("now"),
    )
    .ext(distinct_on(Approval.job_id))
    .order_by(Approval.job_id, Approval.expires_at, Approval.id)
)


def by_job(job_ids: Sequence[UUID], now: datetime) -> Mapping[UUID, PendingRequest]:
    """The request of each of these jobs that expires first, inside the caller's transaction."""
    if not job_ids:
        return {}
    return {
        job_id: PendingRequest(id_, requester, asked_at, expires_at, number)
        for job_id, id_, requester, asked_at, expires_at, number in db.session.execute(
            PENDING, {"jobs": job_ids, "now": now}
        )
    }
