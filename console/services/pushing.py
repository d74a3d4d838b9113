"""From Postgres to Redis: pushes the tickets of committed runs, and stamps what was pushed."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import func, select, text

from console.core.errors import Unavailable
from console.core.states import Priority, RunState
from console.db import bulk, pauses
from console.db.runs import Run
from console.db.session import db, reading, transaction
from console.queue import QueueUnavailable, Ticket, queues
from console.services import workers

LOST_AFTER = timedelta(seconds=4)
BATCH = 20_000
STAMP = text(
    """
    UPDATE runs SET enqueued_at = coalesce(enqueued_at, greatest(
        least(clock_timestamp(), coalesce(started_at, clock_timestamp())), CAST(:now AS timestamptz)))
    WHERE id = ANY(CAST(:ids AS uuid[]))
    """
)
log = structlog.get_logger()


def push(run_ids: Sequence[UUID], *, now: datetime) -> int:
    """Pushes queued runs that are not held and were not pushed yet; answers how many.

    0 when Redis can't be reached.
    """
    with reading():
        query = select(Run.id, Run.queue, Run.priority).where(
            Run.id.in_(run_ids),
            Run.state == RunState.QUEUED,
            Run.held_by.is_(None),
            Run.enqueued_at.is_(None),
            ~pauses.is_paused(),
        )
        tickets = [
            Ticket(id_, queue, Priority(priority)) for id_, queue, priority in db.session.execute(query)
        ]
    return _push(tickets, now)


def push_if_any(run_ids: Sequence[UUID], *, now: datetime) -> None:
    """As `push`, after what must not be done again because this failed; a sweep pushes them then."""
    if run_ids:
        with suppress(Unavailable):
            push(run_ids, now=now)


def push_tickets(tickets: Sequence[Ticket], *, now: datetime) -> int:
    """Pushes tickets in one pipeline and stamps their runs; answers as `push` does.

    Those of a paused queue are left: they wait in Postgres until it is resumed.
    """
    return _push(_free(tickets), now)


def _free(tickets: Sequence[Ticket]) -> Sequence[Ticket]:
    """The tickets whose queue is not paused; their runs are looked at only when one of that name is."""
    if not tickets:
        return ()
    with reading():
        paused = pauses.names()
        doubtful = [ticket.run_id for ticket in tickets if ticket.queue in paused]
        withheld = pauses.withheld(doubtful) if doubtful else frozenset()
    return [ticket for ticket in tickets if ticket.run_id not in withheld]


def _push(tickets: Sequence[Ticket], now: datetime) -> int:
    if not tickets:
        return 0
    try:
        queues.push(tickets)
    except QueueUnavailable as error:
        log.warning(
            "runs wait in Postgres until Redis is back", action="push", count=len(tickets), error=str(error)
        )
        return 0
    _stamp([ticket.run_id for ticket in tickets], now)
    return len(tickets)


def _stamp(run_ids: Sequence[UUID], now: datetime) -> None:
    """Stamps the first push of an attempt by Postgres' clock, within `now` and a start that came first."""
    with transaction():
        db.session.execute(STAMP, {"ids": bulk.uuid_array(run_ids), "now": now})


def push_missing(*, now: datetime) -> int:
    """Pushes what a crash or an outage kept from Redis; answers how many.

    These are queued runs without a stamp, and stamped ones that lie in no lane of Redis any more
    (after FLUSHALL, or when a worker died right after taking one). A run that is taken this very
    moment may be pushed a second time; its claim finds it taken and does nothing. A run whose task
    no live worker of its queue offers is left alone: they would only drop it again. So is a run that
    is held, or whose queue is paused.
    """
    is_old = Run.enqueued_at.is_(None) | (Run.enqueued_at < now - LOST_AFTER)
    is_free = (Run.state == RunState.QUEUED, Run.held_by.is_(None), ~pauses.is_paused())
    wanted = (*is_free, is_old, Run.requested_at <= now - timedelta(seconds=1))
    with reading():
        counts = db.session.execute(select(Run.queue, func.count()).where(*wanted).group_by(Run.queue)).all()
    try:
        short = [queue for queue, count in counts if queues.depth(queue) < count]
        waiting = queues.waiting(short) if short else set()
    except QueueUnavailable:
        return 0
    with reading():
        seen = workers.fleet(now)
        query = select(Run.id, Run.queue, Run.priority, Run.task).where(*wanted, Run.queue.in_(short))
        rows = db.session.execute(query.order_by(Run.id).limit(BATCH)).all() if short else []
        missing = [
            Ticket(row.id, row.queue, Priority(row.priority))
            for row in rows
            if str(row.id) not in waiting and seen.takes(row.queue, row.task)
        ]
    return _push(missing, now)


def push_resumed(org_id: UUID, queue: str, *, now: datetime) -> int:
    """Pushes what waited for a queue to be resumed and lies in none of its lanes; answers as `push` does."""
    try:
        waiting = queues.waiting([queue])
    except QueueUnavailable:
        return 0
    with reading():
        query = select(Run.id, Run.queue, Run.priority).where(
            Run.org_id == org_id, Run.state == RunState.QUEUED, Run.queue == queue, Run.held_by.is_(None)
        )
        rows = db.session.execute(query.order_by(Run.requested_at, Run.id).limit(BATCH)).all()
    return _push(
        [Ticket(row.id, row.queue, Priority(row.priority)) for row in rows if str(row.id) not in waiting], now
    )
