"""Runs at a time to come: which times may be asked for, and what speaks against one when its time has come.

A message goes out once. Whatever was sent, or may have been, between the click and its time stands
against the run that was asked for; so does a run that is on its way at that moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from console.core.errors import Invalid
from console.core.reasons import Reason, Refusal
from console.core.registry import registry
from console.core.states import Hold, Kind, RunState
from console.core.task import Task
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db
from console.services.definitions import in_the_past

LATE_CLICK = timedelta(minutes=1)
FURTHEST = timedelta(days=366)
SENT_MEANWHILE = "The message went out after this run was asked for, so it did not go out again."
UNKNOWN_MEANWHILE = (
    "A run of this message ended as unknown after this one was asked for; settle that one, then send again."
)
ON_ITS_WAY = "Another run of this message was on its way when the time had come."
# Read after the jobs are locked, so that what ended meanwhile is seen.
MEANWHILE = text(
    """
    SELECT runs.id, runs.job_id, runs.task, runs.dry_run, runs.held_by, jobs.kind, jobs.message_type,
        EXISTS (SELECT FROM runs AS other WHERE other.job_id = runs.job_id AND other.id <> runs.id
                AND other.state IN ('queued', 'running', 'retrying') AND other.held_by IS NULL
                AND NOT other.dry_run) AS is_busy,
        EXISTS (SELECT FROM runs AS other WHERE other.job_id = runs.job_id AND other.state = 'succeeded'
                AND NOT other.dry_run
                AND coalesce(other.resolved_at, other.finished_at) > runs.requested_at) AS was_sent,
        EXISTS (SELECT FROM runs AS other WHERE other.job_id = runs.job_id AND other.state = 'unknown'
                AND NOT other.dry_run AND other.finished_at > runs.requested_at) AS is_doubtful
    FROM runs JOIN jobs ON jobs.id = runs.job_id
    WHERE runs.id = ANY(:ids) AND (jobs.kind = 'once' OR jobs.message_type IS NOT NULL)
    ORDER BY runs.id
    """
)


@dataclass(frozen=True)
class Spent:
    """A run whose time has come and which may not start any more, and why."""

    run_id: UUID
    reason: Reason
    sentence: str


def check(start_at: datetime | None, *, is_dry: bool, now: datetime) -> None:
    """Raises `Invalid` that names `start_at` for a time that no run may be asked for."""
    if start_at is None:
        return
    if is_dry:
        raise _invalid("a dry run is made at once; leave it out")
    if start_at < now - LATE_CLICK:
        raise in_the_past("start_at")
    if start_at > now + FURTHEST:
        raise _invalid(f"lies more than {FURTHEST.days} days ahead; choose a nearer time")


def _invalid(word: str) -> Invalid:
    return Invalid(f"start_at: {word}", fields={"start_at": [word]})


def to_come(start_at: datetime | None, now: datetime) -> datetime | None:
    """None for a time that has come: what was to start then starts when somebody agrees to it."""
    return start_at if start_at is not None and start_at > now else None


def is_other(run: Run, start_at: datetime | None) -> bool:
    """Whether the run was asked for at another time than this one."""
    return run.start_after != start_at if start_at is not None else run.held_by == Hold.LATER


def refusal_of(job: Job, task: Task) -> Refusal | None:
    """Why the message may not be asked for at a time to come: it waits for one already."""
    if not _goes_out_once(task, job.kind, job.message_type):
        return None
    held = select(Run.id).where(Run.job_id == job.id, Run.held_by == Hold.LATER, Run.state == RunState.QUEUED)
    if db.session.scalar(held.limit(1)) is None:
        return None
    return Refusal(
        Reason.OVERLAP, "A run of this message is asked for at another time already; stop that one first."
    )


def _goes_out_once(task: Task | None, kind: str, message_type: str | None) -> bool:
    return task is not None and task.sends and (kind == Kind.ONCE or bool(message_type))


def spent(run_ids: Sequence[UUID]) -> list[Spent]:
    """Those of the runs that may not start although their time has come; the caller has locked their jobs.

    Of several runs of one message whose time has come together, the first one goes.
    """
    found: list[Spent] = []
    going: set[UUID] = set()
    for row in db.session.execute(MEANWHILE, {"ids": list(run_ids)}) if run_ids else ():
        if not _is_once(row):
            continue
        refusal = Refusal(Reason.OVERLAP, ON_ITS_WAY) if row.job_id in going else _against(row)
        if refusal is None:
            going.add(row.job_id)
        else:
            found.append(Spent(row.id, refusal.reason, refusal.sentence))
    return found


def _is_once(row: Any) -> bool:
    """Whether it is a message that goes out once; what recurs does so each time that it comes by itself."""
    is_asked_for = row.held_by in (Hold.LATER, Hold.SEQUENCE)
    message_type = row.message_type if is_asked_for else None
    return not row.dry_run and _goes_out_once(registry.get(row.task), row.kind, message_type)


def _against(row: Any) -> Refusal | None:
    if row.is_busy:
        return Refusal(Reason.OVERLAP, ON_ITS_WAY)
    if row.was_sent:
        return Refusal(Reason.ALREADY_SENT, SENT_MEANWHILE)
    if row.is_doubtful:
        return Refusal(Reason.OUTCOME_UNKNOWN, UNKNOWN_MEANWHILE)
    return None
