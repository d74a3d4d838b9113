"""Stop requests: what is not running ends at once, what is running is ended by its worker.

A worker looks for requests twice a second and kills its horse; the lease of a dead worker runs out.
Either way the run ends as `stopped` with the reason that was given here, and is not tried again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text

from console.core.actor import Actor
from console.core.due import took_place
from console.core.errors import Invalid
from console.core.reasons import Reason
from console.core.states import ActorKind, Role, RunState, Trigger
from console.core.tags import Tag
from console.db import stops
from console.db.session import db, transaction
from console.services import audit, wakeups
from console.services.orgs import zone

BATCH = 1000
REPLACED = text(
    """
    SELECT DISTINCT ON (other.id) other.id, coalesce(held.slot, held.requested_at) AS slot, jobs.timezone
    FROM runs AS held
    JOIN runs AS other ON other.job_id = held.job_id AND other.id <> held.id
        AND CASE WHEN other.slot IS NULL OR held.slot IS NULL THEN other.id < held.id
            ELSE other.slot < held.slot END
        AND other.state IN ('queued', 'running', 'retrying') AND other.stop_requested_at IS NULL
        AND NOT other.dry_run
        AND coalesce(other.held_by, '') NOT IN ('later', 'sequence')
    JOIN jobs ON jobs.id = held.job_id
    WHERE held.held_by = 'cancel_other' AND (held.start_after IS NULL OR held.start_after <= :now)
    ORDER BY other.id, held.id DESC LIMIT :batch
    """
)


@dataclass(frozen=True)
class Stop:
    """Which run is to be stopped, and why: the reason and the sentence that the run ends with."""

    run_id: UUID
    reason: Reason
    sentence: str


@dataclass(frozen=True)
class Stopping:
    """A run that was told to stop: `stopped` when that has ended it, `running` until its worker has."""

    run_id: UUID
    state: RunState


def request_stop(wanted: Sequence[Stop], *, now: datetime) -> list[Stopping]:
    """Tells runs to stop, inside the caller's transaction; answers those that were told for the first time.

    Left out are runs that have ended or were told before. Wakes the scheduler, for another run may
    have waited for the end of one of these.
    """
    return [Stopping(run.id, RunState(run.state)) for run in _tell(wanted, now)]


def _tell(wanted: Sequence[Stop], now: datetime) -> list[stops.ToldRun]:
    rows = [stops.StopRow(item.run_id, item.reason, item.sentence) for item in wanted]
    told = stops.stop(rows, now=now) if rows else []
    if told:
        wakeups.notify()
    return told


def record(told: Sequence[stops.ToldRun], tag: Tag, *, now: datetime) -> None:
    """Runs that somebody asked for and that the scheduler ends are on the trail; what came due is its own."""
    for run in told:
        if run.trigger in (Trigger.SCHEDULE, Trigger.TICK):
            continue
        actor = Actor(ActorKind.SCHEDULER, run.org_id, "", "UTC", Role.VIEWER, "scheduler")
        new = {"state": run.state, "reason_code": run.reason_code}
        audit.add(actor, tag, audit.Subject("run", run.id), now=now, new=new, reason=run.reason)


def stop_replaced(*, now: datetime) -> int:
    """Tells every run to stop in whose place a later slot is to start; answers how many.

    The later slot's run is held meanwhile, so that a crash in between forgets nothing.
    """
    with transaction():
        rows = db.session.execute(REPLACED, {"now": now, "batch": BATCH}).all()
        wanted = [Stop(row.id, Reason.OVERLAP, took_place(row.slot, _zone(row.timezone))) for row in rows]
        told = _tell(wanted, now)
        record(told, Tag.RUN_STOPPED, now=now)
        return len(told)


def _zone(name: str) -> ZoneInfo:
    """The job's zone, or UTC: a zone that is gone must not keep a run from its end."""
    try:
        return zone(name)
    except Invalid:
        return zone("UTC")
