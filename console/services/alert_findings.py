"""Finds in the records what alert rules wait for; each finding is kept once for each rule.

They are statements over the tables of runs and jobs, so that a look costs the same whether one rule waits
or a hundred do, and nothing is done in between. `ON CONFLICT DO NOTHING` on (rule, key) is what makes it safe
to look twice at the same run, which is done on purpose: what was committed late is seen by a later look.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from console.db.session import db

OVERLAP = timedelta(minutes=10)
"""How far each look reaches back before the last one: longer than clocks differ, and a commit takes."""

WATCHED = """rule.org_id = :org_id AND rule.enabled AND (rule.scope = 'all' OR rule.job_id = job.id
            OR rule.scope = 'category' AND rule.category = job.category)"""
FACTS = """jsonb_build_object('job', job.name, 'job_key', job.key, 'reason_code', run.reason_code,
        'reason', run.reason, 'slot', run.slot, 'error', left(run.error ->> 'message', 300),
        'count', rule.count)"""
INTO = "INSERT INTO alert_events (org_id, rule_id, key, event, job_id, run_id, happened_at, found_at, facts)"

# The last run of its job that went well before this one names the row that it belongs to.
STREAK = """coalesce((SELECT good.id::text FROM runs AS good WHERE good.job_id = run.job_id
            AND good.state = 'succeeded' AND NOT good.dry_run AND good.finished_at <= run.finished_at
            ORDER BY good.requested_at DESC LIMIT 1), 'first')"""
IN_A_ROW = """(SELECT count(*) FILTER (WHERE last.state = 'failed') FROM (
            SELECT one.state FROM runs AS one WHERE one.job_id = run.job_id AND NOT one.dry_run
            AND one.state IN ('succeeded', 'failed') AND one.finished_at <= run.finished_at
            ORDER BY one.requested_at DESC, one.id DESC LIMIT rule.count) AS last)"""
ENDED = text(
    f"""
    {INTO}
    SELECT run.org_id, rule.id,
        CASE WHEN rule.event = 'failed_in_a_row' THEN 'row:' || run.job_id || ':' || {STREAK}
             ELSE 'run:' || run.id END,
        rule.event, run.job_id, run.id, run.finished_at, :now, {FACTS}
    FROM runs AS run JOIN jobs AS job ON job.id = run.job_id JOIN alert_rules AS rule ON {WATCHED}
    WHERE run.org_id = :org_id AND run.state IN ('failed', 'missed', 'unknown') AND run.finished_at > :since
        AND run.finished_at >= rule.since AND NOT run.dry_run AND run.resolved_at IS NULL
        AND (rule.event = run.state OR rule.event = 'failed_in_a_row' AND run.state = 'failed'
            AND {IN_A_ROW} = rule.count)
        AND NOT EXISTS (SELECT FROM alert_events AS known WHERE known.rule_id = rule.id
            AND known.key = 'run:' || run.id)
    ORDER BY run.finished_at, run.id
    ON CONFLICT (rule_id, key) DO NOTHING
    RETURNING id
    """  # noqa: S608  (of constants alone)
)
AT_SLOT = "'late:' || job.id || ':' || extract(epoch FROM {})"
ALLOWED = "make_interval(mins => rule.minutes)"
UNDECIDED = text(
    f"""
    {INTO}
    SELECT job.org_id, rule.id, {AT_SLOT.format("job.next_run_at")}, 'late', job.id, NULL,
        job.next_run_at + {ALLOWED}, :now,
        jsonb_build_object('job', job.name, 'job_key', job.key, 'slot', job.next_run_at,
            'minutes', rule.minutes)
    FROM jobs AS job JOIN alert_rules AS rule ON {WATCHED}
    WHERE job.org_id = :org_id AND job.next_run_at IS NOT NULL AND job.deleted_at IS NULL
        AND NOT (job.status = 'paused' AND job.kind = 'once') AND job.status <> 'paused'
        AND rule.event = 'late' AND job.next_run_at <= :now - {ALLOWED} AND job.next_run_at <= :now
    ON CONFLICT (rule_id, key) DO NOTHING
    RETURNING id
    """  # noqa: S608  (of constants alone)
)
WANTED_AT = "greatest(coalesce(run.slot, run.requested_at), run.start_after)"
WAITING = text(
    f"""
    {INTO}
    SELECT run.org_id, rule.id,
        CASE WHEN run.slot IS NULL THEN 'late:' || run.id ELSE {AT_SLOT.format("run.slot")} END,
        'late', run.job_id, run.id, {WANTED_AT} + {ALLOWED}, :now,
        {FACTS} || jsonb_build_object('minutes', rule.minutes)
    FROM runs AS run JOIN jobs AS job ON job.id = run.job_id JOIN alert_rules AS rule ON {WATCHED}
    WHERE run.org_id = :org_id AND run.state = 'queued' AND run.held_by IS NULL AND NOT run.dry_run
        AND rule.event = 'late' AND {WANTED_AT} <= :now - {ALLOWED}
    ON CONFLICT (rule_id, key) DO NOTHING
    RETURNING id
    """  # noqa: S608  (of constants alone)
)
# Of a job's events of one rule only the newest stays open, so that what is open stays small.
ONE_OPEN = text(
    """
    UPDATE alert_events AS older SET over_at = :now
    FROM alert_events AS newer
    WHERE newer.id = ANY(:ids) AND older.rule_id = newer.rule_id AND older.job_id = newer.job_id
        AND older.over_at IS NULL AND (older.happened_at, older.id) < (newer.happened_at, newer.id)
    """
)
OPEN = "event.over_at IS NULL AND job.last_run_state = 'succeeded' AND job.last_run_at > event.happened_at"
RECOVERED = text(
    f"""
    {INTO.replace("facts)", "facts, over_at)")}
    SELECT job.org_id, rule.id, 'run:' || job.last_run_id, 'recovered', job.id, job.last_run_id,
        job.last_run_at, :now, jsonb_build_object('job', job.name, 'job_key', job.key,
            'since', min(event.happened_at)), :now
    FROM alert_events AS event JOIN jobs AS job ON job.id = event.job_id
        JOIN alert_rules AS rule ON {WATCHED} AND rule.event = 'recovered'
    WHERE event.org_id = :org_id AND {OPEN} AND job.last_run_at >= rule.since
    GROUP BY job.id, rule.id
    ON CONFLICT (rule_id, key) DO NOTHING
    RETURNING id
    """  # noqa: S608  (of constants alone)
)
CLOSE = text(
    f"UPDATE alert_events AS event SET over_at = :now FROM jobs AS job "  # noqa: S608
    f"WHERE job.id = event.job_id AND event.org_id = :org_id AND {OPEN}"
)
CURSOR = text("SELECT at FROM alert_cursors WHERE org_id = :org_id")
MOVE = text(
    "INSERT INTO alert_cursors (org_id, at) VALUES (:org_id, :now) "
    "ON CONFLICT (org_id) DO UPDATE SET at = greatest(alert_cursors.at, excluded.at)"
)


def of_runs(org_id: UUID, *, now: datetime, events: frozenset[str]) -> int:
    """Keeps what the rules of the org find in its runs and jobs by now; answers how much that was.

    Inside the caller's transaction; `events` are those that some rule waits for.
    """
    at: datetime | None = db.session.scalar(CURSOR, {"org_id": org_id})
    given = {"org_id": org_id, "now": now}
    found: list[UUID] = []
    if events & {"failed", "failed_in_a_row", "missed", "unknown"}:
        # Without a cursor nothing was looked at yet; each rule's own `since` bounds it.
        since = (at or datetime.min.replace(tzinfo=now.tzinfo, year=1970)) - OVERLAP
        found += db.session.scalars(ENDED, {**given, "since": since})
    if "late" in events:
        found += db.session.scalars(UNDECIDED, given)
        found += db.session.scalars(WAITING, given)
    if found:
        db.session.execute(ONE_OPEN, {"ids": found, "now": now})
    recovered = list(db.session.scalars(RECOVERED, given)) if "recovered" in events else []
    db.session.execute(CLOSE, given)
    db.session.execute(MOVE, given)
    return len(found) + len(recovered)
