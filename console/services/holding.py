"""Held runs: queued in Postgres, and kept from Redis until their time has come or other runs have ended."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from console.core.reasons import Reason
from console.core.states import Kind, Priority
from console.core.tags import Tag
from console.db import stops
from console.db.session import db, transaction
from console.queue import Ticket
from console.services import later, stopping, wakeups

BATCH = 1000
# One that waits for others goes when none is active that came before it, by its slot, for ids made in one
# statement have no order; a buffered one also waits for those that somebody asked for since. Of two that
# wait, the older goes first, so that neither waits for ever.
READY = text(
    """
    SELECT runs.id, runs.job_id, runs.queue, runs.priority, runs.held_by, jobs.kind,
        jobs.status = 'paused' AND runs.held_by NOT IN ('later', 'sequence') AS is_paused,
        jobs.deleted_at IS NOT NULL AS is_deleted, broken.id AS broken_by, broken.state AS broken_state,
        broken.name AS broken_name
    FROM runs JOIN jobs ON jobs.id = runs.job_id
    LEFT JOIN LATERAL (
        SELECT earlier.id, earlier.state, job.name
        FROM runs AS earlier JOIN jobs AS job ON job.id = earlier.job_id
        WHERE earlier.sequence_id = runs.sequence_id AND earlier.id < runs.id
          AND earlier.state IN ('failed', 'stopped', 'skipped', 'missed', 'unknown')
        ORDER BY earlier.id LIMIT 1
    ) AS broken ON runs.held_by = 'sequence'
    WHERE runs.held_by IS NOT NULL AND (jobs.deleted_at IS NOT NULL
       OR (runs.held_by IN ('jitter', 'later') AND runs.start_after <= :now)
       OR (runs.held_by = 'pause' AND jobs.status <> 'paused')
       OR (runs.held_by = 'sequence' AND (broken.id IS NOT NULL OR NOT EXISTS (
           SELECT FROM runs AS earlier
           WHERE earlier.id = runs.after_run_id AND earlier.state IN ('queued', 'running', 'retrying'))))
       OR (runs.held_by IN ('buffer_one', 'cancel_other')
           AND (runs.start_after IS NULL OR runs.start_after <= :now)
           AND NOT EXISTS (
               SELECT FROM runs AS other
               WHERE other.job_id = runs.job_id AND other.id <> runs.id
                 AND other.state IN ('queued', 'running', 'retrying') AND NOT other.dry_run
                 AND coalesce(other.held_by, '') NOT IN ('later', 'sequence')
                 AND (CASE WHEN other.slot IS NULL OR runs.slot IS NULL THEN other.id < runs.id
                      ELSE other.slot < runs.slot END
                   OR (runs.held_by = 'buffer_one' AND other.trigger NOT IN ('schedule', 'tick')
                     AND coalesce(other.held_by, 'jitter') = 'jitter')))))
    ORDER BY runs.id LIMIT :batch FOR UPDATE OF runs SKIP LOCKED
    """
)
RELEASE = text(
    """
    WITH released AS (
        UPDATE runs SET start_after = CASE WHEN held_by IN ('jitter', 'later') THEN start_after ELSE :now END,
            held_by = NULL
        WHERE id = ANY(:ids) RETURNING job_id
    )
    UPDATE jobs SET changed_at = :now WHERE id IN (SELECT job_id FROM released)
    """
)
# Of those that wait for others too, only times to come count: their end wakes the scheduler, time does not.
NEXT = text(
    """
    SELECT least(
        (SELECT min(start_after) FROM runs WHERE held_by IN ('jitter', 'later')),
        (SELECT min(start_after) FROM runs WHERE held_by IN ('buffer_one', 'cancel_other')
         AND start_after > :now))
    """
)
WAIT = text("UPDATE runs SET held_by = 'pause' WHERE id = ANY(:ids)")
WITHDRAW = text(
    """
    SELECT id FROM runs WHERE job_id = :job_id AND held_by IS NOT NULL AND state = 'queued'
    ORDER BY id FOR UPDATE SKIP LOCKED
    """
)
LEAVING = text(
    "SELECT 1 FROM runs WHERE job_id = :job_id AND held_by IS NOT NULL AND state = 'queued' LIMIT 1"
)
DELETED_MEANWHILE = "Its job was deleted before it could start."
PAUSED_MEANWHILE = "Its job was paused before it could start."


def release(*, now: datetime) -> list[Ticket]:
    """Lets go what need not be held any longer, and answers its tickets; pushing is the caller's next step.

    Runs that give way to a held one are told to stop first. When the job was paused meanwhile, a
    message waits until it is resumed, and another run is skipped. What comes in a sequence behind a run
    that did not succeed is given up.
    """
    stopping.stop_replaced(now=now)
    with transaction():
        ready = db.session.execute(READY, {"now": now, "batch": BATCH}).all()
        if ready:
            stops.lock_jobs([row.job_id for row in ready])
        deleted = [row.id for row in ready if row.is_deleted]
        if deleted:
            _give_up(deleted, code=Reason.DELETED, sentence=DELETED_MEANWHILE, now=now)
        _give_up_broken([row for row in ready if row.broken_by and not row.is_deleted], now)
        ready = [row for row in ready if not row.broken_by]
        paused = [row for row in ready if row.is_paused and not row.is_deleted]
        going = [row.id for row in ready if not row.is_paused]
        spent = _give_up_spent(going, deleted, now)
        free = [row for row in ready if not row.is_paused and not row.is_deleted and row.id not in spent]
        if free:
            db.session.execute(RELEASE, {"ids": [row.id for row in free], "now": now})
        waiting = [row.id for row in paused if row.kind == Kind.ONCE]
        if waiting:
            db.session.execute(WAIT, {"ids": waiting})
        skipped = [row.id for row in paused if row.kind != Kind.ONCE]
        if skipped:
            _give_up(skipped, code=Reason.PAUSED, sentence=PAUSED_MEANWHILE, now=now)
        if deleted or spent:
            wakeups.notify()  # what comes behind one of them in a sequence is given up by the next pass
    return [Ticket(row.id, row.queue, Priority(row.priority)) for row in free]


def _give_up(run_ids: Sequence[UUID], *, code: Reason, sentence: str, now: datetime) -> None:
    told = stops.give_up(run_ids, code=code, sentence=sentence, now=now)
    stopping.record(told, Tag.RUN_REFUSED, now=now)


def _give_up_broken(rows: Sequence[Row[Any]], now: datetime) -> None:
    """Gives up what waited in a sequence for a run that came to no good; each says for which."""
    ids: dict[str, list[UUID]] = defaultdict(list)
    for row in rows:
        word = f"The run before it in its sequence ({row.broken_name}) ended as {row.broken_state}."
        ids[word].append(row.id)
    for sentence, waiting in ids.items():
        _give_up(waiting, code=Reason.BLOCKED, sentence=sentence, now=now)


def _give_up_spent(run_ids: Sequence[UUID], deleted: Sequence[UUID], now: datetime) -> frozenset[UUID]:
    """Gives up messages that went out, or may have, since they were asked for or came due; answers which."""
    spent = later.spent([run_id for run_id in run_ids if run_id not in deleted])
    for item in spent:
        _give_up([item.run_id], code=item.reason, sentence=item.sentence, now=now)
    return frozenset(item.run_id for item in spent)


def withdraw(job_id: UUID, *, reason: Reason, sentence: str, now: datetime) -> int:
    """Gives up the job's runs that are held and so never began, inside the caller's transaction; how many.

    One that a scheduler is letting go this very moment is past that, and goes its way: to wait for it
    here would be to wait in a circle, for the scheduler locks runs before jobs.
    """
    ids = list(db.session.scalars(WITHDRAW, {"job_id": job_id}))
    if ids:
        _give_up(ids, code=reason, sentence=sentence, now=now)
    return len(ids)


def is_leaving(job_id: UUID) -> bool:
    """Whether a scheduler is letting go a run of this job right now, which `withdraw` has passed over."""
    return db.session.scalar(LEAVING, {"job_id": job_id}) is not None


def keep(run_ids: Sequence[UUID]) -> None:
    """Holds runs that the caller's transaction has made, so that it may withdraw what nobody has yet."""
    db.session.execute(WAIT, {"ids": list(run_ids)})


def next_start(*, now: datetime) -> datetime | None:
    """The time of the held run that may start first, inside the caller's transaction; None without one."""
    found: datetime | None = db.session.scalar(NEXT, {"now": now})
    return found
