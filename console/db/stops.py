"""Runs that end without a worker: stop requests, and held runs that are let go or given up."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from console.db.session import db

STOP = text(
    """
    WITH given AS (
        SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS given (run_id uuid, code text, sentence text)
    ), locked AS (
        SELECT runs.id, given.code, given.sentence FROM runs JOIN given ON given.run_id = runs.id
        WHERE runs.state IN ('queued', 'running', 'retrying') AND runs.stop_requested_at IS NULL
        ORDER BY runs.id FOR UPDATE OF runs
    )
    UPDATE runs SET stop_requested_at = :now, stop_code = locked.code, stop_text = locked.sentence,
        state = CASE WHEN state = 'running' THEN state ELSE 'stopped' END,
        reason_code = CASE WHEN state = 'running' THEN reason_code ELSE locked.code END,
        reason = CASE WHEN state = 'running' THEN reason ELSE locked.sentence END,
        finished_at = CASE WHEN state = 'running' THEN finished_at ELSE :now END,
        held_by = NULL, retry_at = NULL
    FROM locked
    WHERE runs.id = locked.id AND state IN ('queued', 'running', 'retrying') AND stop_requested_at IS NULL
    RETURNING runs.id, job_id, state, dry_run, reason_code, reason, org_id, trigger
    """
)

GIVE_UP = text(
    """
    UPDATE runs SET state = 'skipped', reason_code = :code, reason = :sentence, finished_at = :now,
        held_by = NULL
    WHERE id = ANY(:ids) AND held_by IS NOT NULL
    RETURNING id, job_id, state, dry_run, reason_code, reason, org_id, trigger
    """
)

# A run that came to nothing before its job's own time takes nothing from it: it still goes out then.
LOCK = text("SELECT id FROM jobs WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE")
# Nor does it take the place of a message's run of which nobody knows whether it was sent.
NO_NEWS = """(given.run_id IS NULL OR (last_run_state = 'unknown'
                AND (kind = 'once' OR message_type IS NOT NULL)))"""
# It stays where it is, unless that was between two attempts of a run that has none left.
STAYS = f"""(given.run_id IS NULL OR ({NO_NEWS} AND status <> 'retrying')
                OR status IN ('paused', 'sent', 'blocked'))"""
SHOW = text(
    f"""
    UPDATE jobs SET changed_at = :now,
        active_run_id = CASE WHEN active_run_id = ANY(:ended) THEN (
            SELECT runs.id FROM runs
            WHERE runs.job_id = jobs.id AND runs.state IN ('queued', 'running', 'retrying')
              AND NOT runs.dry_run
            ORDER BY runs.requested_at DESC LIMIT 1
        ) ELSE active_run_id END,
        last_run_id = CASE WHEN {NO_NEWS} THEN last_run_id ELSE given.run_id END,
        last_run_state = CASE WHEN {NO_NEWS} THEN last_run_state ELSE given.state END,
        last_run_at = CASE WHEN {NO_NEWS} THEN last_run_at ELSE :now END,
        last_run_reason = CASE WHEN {NO_NEWS} THEN last_run_reason ELSE given.code END,
        last_run_note = CASE WHEN {NO_NEWS} THEN last_run_note ELSE left(given.sentence, 200) END,
        status = CASE WHEN {STAYS} THEN status
                      WHEN kind = 'once' AND next_run_at > :now THEN 'scheduled'
                      WHEN kind = 'once' AND given.state = 'skipped' THEN 'skipped'
                      WHEN kind = 'once' THEN 'failed' ELSE 'scheduled' END,
        status_reason = CASE WHEN {STAYS} OR kind <> 'once' THEN status_reason
                             WHEN next_run_at > :now THEN NULL ELSE given.code END
    FROM json_to_recordset(CAST(:rows AS json))
      AS given (job_id uuid, run_id uuid, state text, code text, sentence text)
    WHERE jobs.id = given.job_id
    """  # noqa: S608  (of constants alone)
)


@dataclass(frozen=True)
class StopRow:
    """A run that is to be stopped: the reason code, and the sentence that it ends with."""

    run_id: UUID
    code: str
    sentence: str


@dataclass(frozen=True)
class ToldRun:
    """A run after its stop was asked for or it was given up: ended, or running with a request."""

    id: UUID
    job_id: UUID
    state: str
    dry_run: bool
    reason_code: str | None
    reason: str | None
    org_id: UUID
    trigger: str


def stop(wanted: Sequence[StopRow], *, now: datetime) -> list[ToldRun]:
    """Ends those that are not running and asks of those that are; one that has ended is left out.

    Locks runs in one order before their jobs, as every other writer does.
    """
    rows = json.dumps([asdict(item) for item in wanted], default=str)
    told = [ToldRun(*row) for row in db.session.execute(STOP, {"rows": rows, "now": now})]
    _show(told, now)
    return told


def lock_jobs(job_ids: Sequence[UUID]) -> None:
    """Locks jobs in the one order in which all who lock several do, so that none waits in a circle."""
    db.session.execute(LOCK, {"ids": list(job_ids)})


def give_up(run_ids: Sequence[UUID], *, code: str, sentence: str, now: datetime) -> list[ToldRun]:
    """Ends held runs, which the caller has locked, as skipped."""
    values = {"ids": list(run_ids), "code": code, "sentence": sentence, "now": now}
    told = [ToldRun(*row) for row in db.session.execute(GIVE_UP, values)]
    _show(told, now)
    return told


def _show(told: Sequence[ToldRun], now: datetime) -> None:
    """Shows on each job the newest of its runs that ended, and that something has changed.

    The jobs are locked by a statement of its own, so that the next one sees what others did meanwhile.
    """
    told = [run for run in told if not run.dry_run]  # a dry run is nothing that happened to its job
    shown: dict[UUID, dict[str, object]] = {run.job_id: {"job_id": run.job_id} for run in told}
    for run in sorted(told, key=lambda run: run.id):
        if run.state != "running":
            shown[run.job_id] |= {
                "run_id": run.id,
                "state": run.state,
                "code": run.reason_code,
                "sentence": run.reason,
            }
    if shown:
        lock_jobs(list(shown))
        rows = json.dumps(list(shown.values()), default=str)
        ended = [run.id for run in told if run.state != "running"]
        db.session.execute(SHOW, {"rows": rows, "ended": ended, "now": now})
