"""The two statements of every attempt, its claim and its end: one round trip each, for run and job together.

They are SQL rather than expressions because building the expressions took longer than running them
(`bench/worker.py` shows the rate of runs).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from console.core.reasons import Reason
from console.core.states import Overlap
from console.db.session import db

WAITING = [Overlap.BUFFER_ONE.value, Overlap.CANCEL_OTHER.value]

CLAIM = text(
    """
    WITH taken AS (
        UPDATE runs SET state = 'running', attempt = attempt + 1, worker = :worker, started_at = :now,
            beat_at = :now, lease_until = :lease_until, retry_at = NULL, reason_code = NULL, reason = NULL,
            error = NULL, progress = NULL
        WHERE id = :run_id AND state = 'queued' AND held_by IS NULL AND task = ANY(CAST(:offered AS text[]))
          AND NOT EXISTS (SELECT FROM queue_pauses AS pause
                          WHERE pause.org_id = runs.org_id AND pause.queue = runs.queue)
        RETURNING id, org_id, job_id, task, trigger, attempt, args, dry_run, recipient
    ), shown AS (
        UPDATE jobs SET changed_at = :now FROM taken
        WHERE jobs.id = taken.job_id AND NOT taken.dry_run RETURNING jobs.deleted_at
    )
    SELECT taken.*, CASE WHEN taken.dry_run THEN (SELECT deleted_at FROM jobs WHERE id = taken.job_id)
                         ELSE shown.deleted_at END IS NOT NULL AS is_deleted
    FROM taken LEFT JOIN shown ON true
    """
)

# A dry run touches its job neither when it starts nor when it ends: it is nothing that happened to it.
# A pause outlives a run that did nothing, and what was sent stays sent when it could not be sent again.
# Of all else a run's end is the newest word: no note or name explains what it was at before.
STAYS = """(kind = 'once' AND (
                (status = 'paused' AND :state NOT IN ('succeeded', 'unknown'))
                OR (status = 'sent' AND :state <> 'succeeded')))"""
# A click that came to nothing before the job's own time takes nothing from it: it still goes out then.
AHEAD = """(kind = 'once' AND coalesce(next_run_at > :now, false)
                AND :state NOT IN ('succeeded', 'unknown'))"""
END = text(
    f"""
    WITH ended AS (
        UPDATE runs SET state = :state, reason_code = :reason_code, reason = :reason, result = :result,
            error = :error, changes = :changes, finished_at = :now, lease_until = NULL
        WHERE id = :run_id AND state = 'running' AND attempt = :attempt
          AND (:is_locked OR NOT EXISTS (SELECT FROM job_links AS link WHERE link.from_job_id = runs.job_id
                                         AND link.condition = CAST(:condition AS text)))
        RETURNING id, job_id, dry_run, sequence_id,
            CASE WHEN decision_code = :late THEN decision END AS lateness
    ), shown AS (
        UPDATE jobs SET changed_at = :now,
            active_run_id = CASE WHEN active_run_id = ended.id THEN (
                SELECT id FROM runs AS other
                WHERE other.job_id = ended.job_id AND other.id <> ended.id
                  AND other.state IN ('queued', 'running', 'retrying') AND NOT other.dry_run
                ORDER BY other.requested_at DESC LIMIT 1
            ) ELSE active_run_id END,
            next_run_at = CASE WHEN kind = 'once' AND :state IN ('succeeded', 'unknown')
                               THEN NULL ELSE next_run_at END,
            last_run_id = ended.id, last_run_state = :state, last_run_at = :now,
            last_run_reason = :reason_code,
            last_run_note = nullif(concat_ws(' · ', CAST(:note AS text), lateness), ''),
            status = CASE WHEN {STAYS} THEN status WHEN {AHEAD} THEN 'scheduled'
                          WHEN kind = 'once' THEN :once_status
                          WHEN status = 'paused' THEN status ELSE 'scheduled' END,
            status_reason = CASE WHEN {STAYS} OR kind <> 'once' THEN status_reason
                                 WHEN NOT {AHEAD} THEN :reason_code END,
            status_note = CASE WHEN {STAYS} OR kind <> 'once' THEN status_note END,
            closed_by = CASE WHEN {STAYS} OR kind <> 'once' THEN closed_by END
        FROM ended WHERE jobs.id = ended.job_id AND NOT ended.dry_run
        RETURNING new.active_run_id IS NOT NULL AND overlap = ANY(CAST(:waiting AS text[])) AS may_wait,
            CASE WHEN new.active_run_id <> old.active_run_id THEN jobs.id END AS moved_job
    )
    SELECT id, moved_job, CASE WHEN may_wait OR sequence_id IS NOT NULL THEN pg_notify(:channel, '') END
    FROM ended LEFT JOIN shown ON true
    """  # noqa: S608  (of constants alone)
).bindparams(
    bindparam("result", type_=JSONB(none_as_null=True)),
    bindparam("error", type_=JSONB(none_as_null=True)),
    bindparam("changes", type_=JSONB()),
)

# Sees what committed while END waited for the job's row: the run that it chose may have ended since.
CHOOSE_AGAIN = text(
    """
    UPDATE jobs SET active_run_id = (
        SELECT id FROM runs
        WHERE runs.job_id = jobs.id AND state IN ('queued', 'running', 'retrying') AND NOT dry_run
        ORDER BY requested_at DESC LIMIT 1
    )
    WHERE id = :job_id
    """
)


@dataclass(frozen=True)
class ClaimedRow:
    """What a worker needs of a run that it has just claimed."""

    run_id: UUID
    org_id: UUID
    job_id: UUID
    task: str
    trigger: str
    attempt: int
    args: dict[str, Any]
    dry_run: bool
    recipient: str | None
    is_deleted: bool


def claim(
    run_id: UUID, *, worker: str, offered: Sequence[str], now: datetime, lease_until: datetime
) -> ClaimedRow | None:
    """Starts a queued run's next attempt if its task is among the offered; None when there is none."""
    values = {
        "run_id": run_id,
        "worker": worker,
        "offered": list(offered),
        "now": now,
        "lease_until": lease_until,
    }
    row = db.session.execute(CLAIM, values).first()
    return ClaimedRow(*row) if row else None


@dataclass(frozen=True)
class End:
    """How an attempt ended, as run and job show it; `once_status` is the status of a job that runs once.

    `condition` is the one on which other jobs follow, None when none may.
    """

    run_id: UUID
    attempt: int
    state: str
    reason_code: str | None
    reason: str | None
    result: Any
    error: dict[str, str] | None
    changes: list[dict[str, Any]]
    note: str | None
    once_status: str
    condition: str | None = None


def end(ending: End, *, channel: str, is_locked: bool = False, now: datetime) -> bool:
    """Ends a running attempt; False when the attempt of this number runs no more.

    Nor does it end one of a job that others follow on this condition, unless the caller says that it
    has locked them (`chains.lock_next`): that there are none is asked within the statement, for nothing.

    A job whose overlap policy holds runs, and which still has an active one, rings the `channel`:
    one that waits for this end may begin. It hangs on the job's row, which is read as it is when
    it is written, and so can't overlook a run that was held this very moment. The end of one in a sequence
    rings as well.
    """
    values = vars(ending) | {
        "now": now,
        "channel": channel,
        "late": Reason.SCHEDULER_DOWN,
        "is_locked": is_locked,
        "waiting": WAITING,
    }
    row = db.session.execute(END, values).first()
    if row is not None and row.moved_job is not None:
        db.session.execute(CHOOSE_AGAIN, {"job_id": row.moved_job})
    return row is not None
