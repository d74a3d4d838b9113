"""From due slots to runs: what one pass of a scheduler does, in one transaction for each batch."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, text, update

from console.core.due import SLOTS_PER_PASS
from console.core.errors import Refused
from console.core.hops import Clock
from console.core.reasons import Reason
from console.core.states import Priority, RunState, Trigger
from console.db.jobs import WAITING, Job
from console.db.runs import Run
from console.db.session import db, reading, transaction
from console.queue import Ticket
from console.services import claims, holding, losing, planning, workers
from console.services.claims import LEASE

BATCH = 1000
SETTLE_PASSES = 100
TICKER = "external cron"
"""In whose name runs come due by a tick; never a token's, for a tick serves the jobs of every org."""


@dataclass(frozen=True)
class Dispatched:
    """What a batch did: how many jobs were due, the tickets to push, the number of held runs and of slots."""

    due: int
    tickets: tuple[Ticket, ...]
    held: int = 0
    slots: int = 0


def dispatch(
    *, scheduler: str, now: datetime, trigger: Trigger = Trigger.SCHEDULE, batch: int = BATCH
) -> Dispatched:
    """Decides the due slots of up to `batch` jobs and commits; pushing is the caller's next step.

    Rows that another scheduler holds are passed over, so that any number of them may run.
    """
    with transaction():
        rows = planning.lock_due(now, batch)
        if not rows:
            return Dispatched(0, ())
        done = planning.write(rows, trigger=trigger, scheduler=scheduler, now=now, acknowledges=True)
    return Dispatched(len(rows), done.tickets, done.held, done.slots)


def settle(job_id: UUID, *, now: datetime) -> list[Ticket]:
    """Decides all due slots of one job as the clock would; answers the tickets to push after the commit.

    It takes part in the transaction of its caller, who has locked the job's row and is about to
    edit it: what came due before the edit is decided by what was in force. The row is read anew.
    No revision is acknowledged, for only a scheduler can say what it acts on.

    Raises `Refused` when more slots wait than a request may decide.
    """
    tickets: list[Ticket] = []
    for _ in range(SETTLE_PASSES):
        row = planning.lock_one(job_id, now)
        if row is None:
            return tickets
        trigger, name = _clock(now)
        done = planning.write([row], trigger=trigger, scheduler=name, now=now, acknowledges=False)
        tickets += done.tickets
        job = db.session.get(Job, job_id)
        if job is not None:
            db.session.refresh(job)
    limit = SETTLE_PASSES * SLOTS_PER_PASS
    text = f"More than {limit} slots of this job have come due undecided. Start a scheduler, then save again."
    raise Refused(text, reason=Reason.SCHEDULER_DOWN)


def _clock(now: datetime) -> tuple[Trigger, str]:
    """The clock that would have come to the slots, and in whose name."""
    is_tick = workers.fleet(now).clock is Clock.EXTERNAL_CRON
    return (Trigger.TICK, TICKER) if is_tick else (Trigger.SCHEDULE, "scheduler")


def settle_all(*which: ColumnElement[bool], now: datetime) -> list[Ticket]:
    """As `settle`, for all due slots of the jobs of which all this holds; raises `Refused` likewise."""
    tickets: list[Ticket] = []
    for _ in range(SETTLE_PASSES):
        rows = planning.lock_these(now, BATCH, *which)
        if not rows:
            return tickets
        trigger, name = _clock(now)
        done = planning.write(rows, trigger=trigger, scheduler=name, now=now, acknowledges=False)
        tickets += done.tickets
    text = "More slots than a request may decide have come due undecided. Start a scheduler, then try again."
    raise Refused(text, reason=Reason.SCHEDULER_DOWN)


def release(*, now: datetime) -> list[Ticket]:
    """Lets go the held runs that may start, and answers their tickets; see `holding`."""
    return holding.release(now=now)


def retry_due(*, now: datetime) -> list[Ticket]:
    """Queues the runs whose next attempt is due, and answers their tickets."""
    due = select(Run.id).where(Run.state == RunState.RETRYING, Run.retry_at <= now)
    due = due.limit(BATCH).with_for_update(skip_locked=True)
    again = update(Run).where(Run.id.in_(due)).values(claims.QUEUED_AGAIN)
    with transaction():
        rows = db.session.execute(again.returning(Run.id, Run.queue, Run.priority, Run.job_id)).all()
        # In one order everywhere, so that two schedulers can't wait for each other.
        jobs = (
            select(Job.id).where(Job.id.in_([row.job_id for row in rows])).order_by(Job.id).with_for_update()
        )
        if rows:
            db.session.execute(update(Job).where(Job.id.in_(jobs)).values(changed_at=now))
    return [Ticket(row.id, row.queue, Priority(row.priority)) for row in rows]


def acknowledge() -> int:
    """Marks the newest revision of every job as the one that the scheduler acts on; answers how many."""
    unapplied = select(Job.id).where(Job.applied_revision != Job.revision)
    # In the order of the partial index: without it Postgres expects most rows to match and reads them all.
    unapplied = unapplied.order_by(Job.id).limit(BATCH).with_for_update(skip_locked=True)
    applied = update(Job).where(Job.id.in_(unapplied)).values(applied_revision=Job.revision)
    with transaction():
        return len(db.session.execute(applied.returning(Job.id)).all())


def next_due(*, now: datetime) -> timedelta | None:
    """How long until the next slot, retry or start of a held run; None when nothing waits."""
    with reading():
        slot = db.session.scalar(select(func.min(Job.next_run_at)).where(text(WAITING)))
        retry = db.session.scalar(select(func.min(Run.retry_at)).where(Run.state == RunState.RETRYING))
        start = holding.next_start(now=now)
    instants = [instant for instant in (slot, retry, start) if instant is not None]
    return max(min(instants) - now, timedelta(0)) if instants else None


def recover(*, now: datetime) -> int:
    """Settles the attempts whose worker has gone silent; answers how many."""
    detail = f"Nothing was heard of its worker for {int(LEASE.total_seconds())} s."
    settled = [losing.lose(found, detail=detail, now=now) for found in claims.overdue(now=now)]
    return len([state for state in settled if state is not None])
