"""The version of a page of jobs: one statement, so that a poll that finds nothing new costs little."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, cast, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from console.core.states import Beating
from console.db.jobs import Job
from console.db.operations import Heartbeat
from console.db.runs import Run
from console.db.session import db
from console.services.job_views import active_run
from console.services.views import ActiveRun
from console.services.workers import LIVE_FOR, fleet


def version_of(rows: Select[Any], now: datetime) -> str:
    """Changes whenever anything on the page of these rows does, but for its age.

    `rows` selects the page's jobs. To be read before the page itself: a page may be newer than its
    version, which costs one more answer, and never older, which would hide a change.
    """
    columns = (Job.id, Job.changed_at, Job.applied_revision, Job.active_run_id, Job.sort_at, Job.name)
    job = rows.with_only_columns(*columns).subquery().c
    said = func.concat_ws(" ", job.id, job.changed_at, job.applied_revision)
    in_order = aggregate_order_by(said, job.sort_at, job.name, job.id)
    active = func.array_agg(job.active_run_id).filter(job.active_run_id.is_not(None))
    seen = select(func.array_agg(in_order), active, _workers(now))
    rows_text, active_ids, workers_text = db.session.execute(seen).one()
    parts = [rows_text, workers_text, *_active(active_ids or (), now)]
    return sha256(" ".join(map(str, parts)).encode()).hexdigest()[:20]


def _workers(now: datetime) -> Any:
    """What the live workers can do, for on it hangs whether a button is disabled."""
    said = func.concat_ws(" ", Heartbeat.name, Heartbeat.queues, Heartbeat.tasks)
    live = select(func.md5(cast(func.array_agg(aggregate_order_by(said, Heartbeat.name)), Text)))
    return live.where(
        Heartbeat.kind == Beating.WORKER, Heartbeat.stopped_at.is_(None), Heartbeat.beat_at > now - LIVE_FOR
    ).scalar_subquery()


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
