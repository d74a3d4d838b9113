"""A job's status as its owner may set it: paused, open again, or over without a run."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from console.core import standings
from console.core.actor import Actor
from console.core.errors import Invalid, Refused
from console.core.reasons import Reason, Refusal
from console.core.registry import registry
from console.core.schedule import first_slot, parse
from console.core.states import ACTIVE, JobStatus, Kind
from console.core.task import Check
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db
from console.services import rules
from console.services.definitions import Definition, closing
from console.services.orgs import zone

OVER = (JobStatus.SENT, JobStatus.FAILED, JobStatus.SKIPPED)
SETTLED = (Reason.HAS_LOAD_IN_TIME, Reason.IN_THE_PAST)
"""Why the console closes a job by itself: to be sent all the same it needs a new time, or a click."""


def choices(job: Job, now: datetime) -> tuple[JobStatus, ...]:
    """The statuses that a person may give this job now; the one that it has is not among them."""
    at = parse(job.schedule).at
    is_ahead = at is not None and at > now and job.status_reason not in SETTLED
    kind, status = Kind(job.kind), JobStatus(job.status)
    return standings.choices(kind, status, is_closed=job.closed_by is not None, is_ahead=is_ahead)


def as_fields(
    job: Job, status: JobStatus, note: str | None, now: datetime, *, is_moved: bool = False
) -> dict[str, Any]:
    """The fields of a definition that make this status; raises `Invalid` that says which ones can be had.

    `is_moved` says that the same edit gives the job a new time, which opens one that is over.
    """
    if status == job.status:
        return {}
    if is_moved and status in (JobStatus.SCHEDULED, JobStatus.PAUSED):
        return {"enabled": status is JobStatus.SCHEDULED}
    allowed = choices(job, now)
    if status not in allowed:
        can = f"can become {', '.join(allowed)}" if allowed else "can't be changed by hand"
        raise _invalid(f"a job that is {job.status} {can}")
    if status is JobStatus.SENT and not (note or "").strip():
        word = "say why it counts as sent"
        raise Invalid(f"note: {word}", fields={"note": [word]})
    return fields_of(status)


def fields_of(status: JobStatus) -> dict[str, Any]:
    """The fields of a definition that make a status which a person may set."""
    if status in standings.CLOSED:
        return {"closed": closing(status), "enabled": True}
    return {"closed": None, "enabled": status is JobStatus.SCHEDULED}


def check(job: Job, old: Definition, new: Definition, now: datetime) -> None:
    """Raises `Invalid` for a job that can't be paused, closed or opened."""
    if (
        job.kind == Kind.ONCE
        and old.enabled
        and not new.enabled
        and job.status in OVER
        and not _opens(old, new)
    ):
        raise _invalid(f"this job is over ({job.status}); there is nothing to pause")
    if new.closed == old.closed:
        return
    schedule = parse(new.schedule)
    if new.closed and schedule.kind is not Kind.ONCE:
        raise _invalid("only a job that runs once can be marked as sent or skipped")
    if not new.closed and schedule.at is not None and schedule.at <= now and new.schedule == old.schedule:
        raise _invalid("its time has passed; give it a new time, which opens it again")


def _opens(old: Definition, new: Definition) -> bool:
    return (bool(old.closed) and not new.closed) or new.schedule != old.schedule


def _invalid(word: str) -> Invalid:
    return Invalid(f"status: {word}. Nothing was changed.", fields={"status": [word]})


def check_free(job: Job, old: Definition, new: Definition) -> None:
    """Raises `Refused` when a run is on its way whose outcome would contradict the new status."""
    if new.closed == old.closed or not new.closed or job.active_run_id is None:
        return
    # A held run gives way, and a dry run sends nothing.
    is_on_its_way = select(Run.id).where(
        Run.job_id == job.id, Run.state.in_(ACTIVE), Run.held_by.is_(None), Run.dry_run.is_(False)
    )
    if db.session.scalar(is_on_its_way.limit(1)) is not None:
        raise on_its_way()


def on_its_way() -> Refused:
    """The refusal of a status that the outcome of a run would contradict."""
    text = "A run of this job is on its way. Set the status when it has ended; nothing was changed."
    return Refused(text, reason=Reason.OVERLAP)


def close_or_open(actor: Actor, job: Job, new: Definition, now: datetime) -> None:
    """Writes onto the row that it is over without a run, or that it is open again."""
    if new.closed:
        close(actor, job, new.closed)
        return
    job.closed_by = None
    job.status = JobStatus.SCHEDULED if new.enabled else JobStatus.PAUSED
    job.status_reason = None if new.enabled else Reason.PAUSED
    job.status_note = None
    job.next_run_at = first_slot(parse(new.schedule), zone(new.timezone), now)


def close(actor: Actor, job: Job, closed: Mapping[str, Any]) -> None:
    """Writes onto the row that it is over without a run; `closed` has the shape of `definitions.closing`."""
    job.closed_by = actor.name
    job.status, job.status_reason = closed["status"], closed["reason_code"]
    job.next_run_at = None


def settle(job: Job, now: datetime) -> None:
    """Blocks a job that runs once while what its task requires is missing, and unblocks it after that."""
    if job.kind != Kind.ONCE or job.status not in (JobStatus.SCHEDULED, JobStatus.BLOCKED):
        return
    if job.status_reason == Reason.INVALID_SCHEDULE:
        return
    refusal = missing(job, now)
    if refusal is not None:
        job.status, job.status_reason = JobStatus.BLOCKED, refusal.reason
    elif job.status == JobStatus.BLOCKED and job.next_run_at is None:
        job.status = JobStatus.SKIPPED  # its time passed while it was blocked, which its reason still says
    elif job.status == JobStatus.BLOCKED:
        job.status, job.status_reason = JobStatus.SCHEDULED, None


def missing(job: Job, now: datetime) -> Refusal | None:
    """What a run of this job that comes by itself would lack, in the caller's transaction."""
    task = registry.get(job.task)
    if task is None or task.requires is None:
        return None
    check_ = Check(str(job.org_id), job.args, job.recipient, now, str(job.id) if job.id else None)
    return rules.refusal_of((task.requires,), check_)
