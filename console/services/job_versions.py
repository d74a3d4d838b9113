"""The version of a page of jobs: one statement, so that a poll that finds nothing new costs little."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Select, literal_column, select, text

from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db
from console.services.job_views import active_run
from console.services.views import ActiveRun
from console.services.workers import LIVE_FOR, fleet

COLUMNS = (Job.id, Job.changed_at, Job.applied_revision, Job.active_run_id, Job.sort_at, Job.name)
# What the page shows of its jobs, which of them are active, and what the live workers can do, on which
# hangs whether a button is disabled. Texts, for building the expressions took longer than the answer.
SEEN: Select[*tuple[Any, ...]] = select(
    literal_column(
        "array_agg(concat_ws(' ', page.id, page.changed_at, page.applied_revision)"
        " ORDER BY page.sort_at, page.name, page.id)"
    ),
    literal_column("array_agg(page.active_run_id) FILTER (WHERE page.active_run_id IS NOT NULL)").label(
        "active"
    ),
    text(
        "(SELECT md5(array_agg(concat_ws(' ', name, queues, tasks) ORDER BY name)::text) FROM heartbeats"
        " WHERE kind = 'worker' AND stopped_at IS NULL AND beat_at > :live_since) AS workers"
    ),
)


def version_of(rows: Select[Any], now: datetime) -> str:
    """Changes whenever anything on the page of these rows does, but for its age.

    `rows` selects the page's jobs. To be read before the page itself: a page may be newer than its
    version, which costs one more answer, and never older, which would hide a change.
    """
    page = rows.with_only_columns(*COLUMNS).subquery("page")
    row = db.session.execute(SEEN.select_from(page), {"live_since": now - LIVE_FOR}).one()
    shown, active, workers = row
    parts = [shown, workers, *_active(active or (), now)]
    return sha256(" ".join(map(str, parts)).encode()).hexdigest()[:20]


def _active(ids: Sequence[UUID], now: datetime) -> list[str]:
    """What the badges of active runs show; most pages have none, and then nothing is read."""
    if not ids:
        return []
    seen = fleet(now)
    found = db.session.scalars(select(Run).where(Run.id.in_(ids)))
    return sorted(_badge(active_run(run, seen, now)) for run in found)


def _badge(run: ActiveRun) -> str:
    reached = [hop.name for hop in run.hops if hop.at]
    return f"{run.id}{run.state}{run.attempt}{run.progress}{run.silence}{reached}"
