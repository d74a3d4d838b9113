"""The statement that settles a run whose end was unknown: run and job together, in one round trip."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from console.db.session import db

# The job follows where this run is its last; a status that somebody has given it since then stays. One that
# has failed once more since, or came to nothing, is sent all the same. Columns on the right are those of the
# job as it was.
BECOMES_SENT = (
    ":is_good AND kind = 'once' AND (status = 'failed' OR (status = 'skipped' AND closed_by IS NULL) "
    "OR (status = 'paused' AND last_run_id = settled.id))"
)
# What did not arrive before the job's own time goes out then, as it would have without the click.
FAILED = "NOT :is_good AND last_run_id = settled.id AND kind = 'once' AND status = 'failed'"
BECOMES_OPEN = f"{FAILED} AND coalesce(CAST(schedule ->> 'at' AS timestamptz) > :now, false)"
RESOLVE = text(
    f"""
    WITH settled AS (
        UPDATE runs SET state = :state, resolved_at = :now, resolved_by = :resolved_by, resolved_note = :note,
            reason_code = CASE WHEN :is_good THEN NULL ELSE reason_code END
        WHERE id = :run_id AND org_id = :org_id AND state = 'unknown'
        RETURNING id, job_id, reason_code
    ), followed AS (
        UPDATE jobs SET changed_at = :now,
            last_run_state = CASE WHEN last_run_id = settled.id THEN :state ELSE last_run_state END,
            last_run_reason = CASE WHEN last_run_id = settled.id THEN settled.reason_code
                                   ELSE last_run_reason END,
            last_run_note = CASE WHEN last_run_id = settled.id THEN :job_note ELSE last_run_note END,
            status = CASE WHEN {BECOMES_SENT} THEN 'sent' WHEN {BECOMES_OPEN} THEN 'scheduled'
                          ELSE status END,
            status_reason = CASE WHEN {BECOMES_SENT} OR {FAILED} THEN NULL ELSE status_reason END,
            next_run_at = CASE WHEN {BECOMES_SENT} THEN NULL
                               WHEN {BECOMES_OPEN} THEN CAST(schedule ->> 'at' AS timestamptz)
                               ELSE next_run_at END
        FROM settled WHERE jobs.id = settled.job_id
    )
    SELECT id FROM settled
    """  # noqa: S608  (of constants alone)
)


@dataclass(frozen=True)
class Settlement:
    """How a run is settled; `note` is the person's own, `job_note` what the job's row says of the run."""

    run_id: UUID
    org_id: UUID
    state: str
    is_good: bool
    resolved_by: str
    note: str | None
    job_note: str


def settle(wanted: Settlement, *, now: datetime) -> bool:
    """Settles a run that is unknown; False when it is not, or not any more."""
    row = db.session.execute(RESOLVE, vars(wanted) | {"now": now}).first()
    db.session.expire_all()  # what was read before is no longer so
    return row is not None
