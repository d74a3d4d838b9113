"""Claims on runs: the attempt that a worker has, for as long as its lease is renewed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Update, null, select, text, update

from console.core.states import RunState, Trigger
from console.db.runs import Run
from console.db.session import db, reading, transaction
from console.services.outcomes import Outcome, stopped

LEASE = timedelta(seconds=20)
# What a run that waits for its next attempt no longer has; its hops begin anew.
QUEUED_AGAIN: dict[str, Any] = {
    "state": RunState.QUEUED,
    "enqueued_at": None,
    "started_at": None,
    "beat_at": None,
    "lease_until": None,
    "progress": null(),
}
STOP_ASKED = text(
    "SELECT stop_code, stop_text, task, dry_run FROM runs WHERE id = :run_id AND attempt = :attempt "
    "AND state = 'running' AND stop_requested_at IS NOT NULL"
)


@dataclass(frozen=True)
class Claim:
    """A started attempt: what the worker needs to execute it, and the number that guards its writes.

    `stop` is how it is to end if somebody asked for its stop.
    """

    run_id: UUID
    org_id: UUID
    job_id: UUID
    task: str
    trigger: Trigger
    attempt: int
    args: Mapping[str, Any]
    dry_run: bool
    recipient: str | None
    worker: str
    stop: Outcome | None = None


def regain(run_id: UUID, *, worker: str, since: datetime) -> Claim | None:
    """The attempt that this worker started after `since`, when the answer to its claim was lost."""
    query = select(Run).where(Run.id == run_id, Run.state == RunState.RUNNING)
    with reading():
        row = db.session.scalar(query.where(Run.worker == worker, Run.started_at >= since))
        return _of_row(row) if row else None


def held(run_id: UUID, attempt: int) -> Claim | None:
    """The running attempt of this number; None when it has ended or is another's."""
    query = select(Run).where(Run.id == run_id, Run.attempt == attempt, Run.state == RunState.RUNNING)
    with reading():
        row = db.session.scalar(query)
        return _of_row(row) if row else None


def overdue(*, now: datetime, limit: int = 100) -> list[Claim]:
    """Running attempts whose lease is over: their worker has been silent for 20 s."""
    query = select(Run).where(Run.state == RunState.RUNNING, Run.lease_until < now)
    with reading():
        return [_of_row(row) for row in db.session.scalars(query.order_by(Run.lease_until).limit(limit))]


def renew(run_id: UUID, attempt: int, *, now: datetime) -> bool:
    """Prolongs the lease; False when the attempt is no longer this worker's."""
    with transaction():
        longer = _attempt(run_id, attempt).values(beat_at=now, lease_until=now + LEASE)
        return db.session.execute(longer.returning(Run.id)).first() is not None


def stop_asked(run_id: UUID, attempt: int) -> Outcome | None:
    """How a running attempt is to end, when its stop was asked for; None when it may go on."""
    row = stop_of(run_id, attempt)
    return stopped(row.stop_code, row.stop_text, row.task, row.dry_run) if row else None


def stop_of(run_id: UUID, attempt: int) -> Row[Any] | None:
    """The stop that was asked of a running attempt: its code, sentence, task and whether it is a dry run."""
    with reading():
        return db.session.execute(STOP_ASKED, {"run_id": run_id, "attempt": attempt}).first()


def _attempt(run_id: UUID, attempt: int) -> Update:
    return update(Run).where(Run.id == run_id, Run.state == RunState.RUNNING, Run.attempt == attempt)


def mine(found: Claim) -> Update:
    """An update of the run that holds for this attempt alone, while it runs."""
    return _attempt(found.run_id, found.attempt)


def unstopped(found: Claim) -> Update:
    """As `mine`, for another attempt, which there is none of once the stop was asked for."""
    return mine(found).where(Run.stop_requested_at.is_(None))


def _of_row(row: Run) -> Claim:
    return Claim(
        row.id,
        row.org_id,
        row.job_id,
        row.task,
        Trigger(row.trigger),
        row.attempt,
        row.args,
        row.dry_run,
        row.recipient,
        row.worker or "",
        stopped(row.stop_code, row.stop_text or "", row.task, row.dry_run) if row.stop_code else None,
    )
