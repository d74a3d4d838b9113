"""How long the hops of a job's runs take, so that a slow one can be told from a usual one."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from console.core import pace
from console.core.hops import Hop
from console.core.pace import COMPARED, Pace
from console.db.session import db
from console.services.run_views import RunView

HOPS = ("queued", "started", "finished")
# The newest runs before this one, however many there are: an index gives them.
MEDIANS = text(
    """
    SELECT count(*) AS runs,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM
            enqueued_at - greatest(requested_at, start_after))) FILTER (WHERE attempt = 1) AS queued,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - enqueued_at)) AS started,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - started_at)) AS finished
    FROM (
        SELECT * FROM runs WHERE job_id = :job_id AND requested_at < :before
        ORDER BY requested_at DESC, id DESC LIMIT :compared
    ) AS recent
    WHERE started_at IS NOT NULL AND finished_at IS NOT NULL AND enqueued_at IS NOT NULL AND NOT dry_run
    """
)


def of_job(job_id: UUID, before: datetime) -> Pace:
    """The pace of the job's runs that were asked for before an instant, inside the caller's transaction."""
    values = {"job_id": job_id, "before": before, "compared": COMPARED}
    row = db.session.execute(MEDIANS, values).one()
    found = {name: getattr(row, name) for name in HOPS}
    return Pace(row.runs, {name: float(value) for name, value in found.items() if value is not None})


def marked(run: RunView) -> list[Hop]:
    """The hops of a run with the slow ones marked, inside the caller's transaction."""
    before = of_job(run.job_id, run.requested_at)
    return pace.marked(run.hops, before, attempt=run.attempt, start_after=run.start_after)
