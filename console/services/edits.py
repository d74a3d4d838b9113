"""Edits of a job: page, API, command line, bulk and import all come through here."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from console.core.actor import Actor
from console.core.cautions import Caution, CautionCode
from console.core.permissions import Permission
from console.core.schedule import parse
from console.core.states import RunState
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db, transaction
from console.queue import Ticket
from console.services import edit_writing, jobs, previews, pushing, wakeups
from console.services.changes import Change
from console.services.definitions import FieldChange
from console.services.views import JobView


@dataclass(frozen=True)
class Edited:
    """What an edit did; `next_before` is when the job would have run next, `undoes` the revision before.

    Without `changes` there was nothing to do, and no revision was made.
    """

    job: JobView
    changes: Sequence[FieldChange]
    next_before: datetime | None
    revision_before: int
    cautions: Sequence[Caution] = ()
    tickets: Sequence[Ticket] = field(default=(), repr=False)

    @property
    def is_changed(self) -> bool:
        return bool(self.changes)


def edit(
    actor: Actor,
    job_id: UUID,
    change: Change,
    *,
    seen: int | None = None,
    reason: str | None = None,
    now: datetime,
) -> Edited:
    """Changes a job, which makes its next revision; a change that changes nothing makes none.

    `seen` is the revision that the caller saw: when it is no longer the newest, nothing is changed
    and `StaleRevision` says what became of the job meanwhile. `reason` goes into history and audit.
    Raises `NotFound`, `Forbidden`, or `Invalid` that names the field.
    """
    actor.require(Permission.EDIT_JOBS)
    with transaction():
        job = jobs.load(actor, job_id, lock=True)
        done = edit_row(actor, job, change, seen=seen, reason=reason, now=now)
    pushing.push_tickets(done.tickets, now=now)
    return done


def edit_row(
    actor: Actor,
    job: Job,
    change: Change,
    *,
    seen: int | None = None,
    reason: str | None = None,
    now: datetime,
) -> Edited:
    """As `edit`, on a row that the caller's transaction has locked; pushing the tickets is the caller's."""
    next_before, revision_before, old_at = job.next_run_at, job.revision, parse(job.schedule).at
    changes, tickets = edit_writing.write_row(actor, job, change, seen=seen, reason=reason, now=now)
    if changes:
        wakeups.notify()
    cautions = (
        [*_already_due(old_at, job, changes, now), *previews.cautions(actor, job, now)] if changes else ()
    )
    return Edited(jobs.view_of(job, now), changes, next_before, revision_before, cautions, tickets)


def _already_due(
    old_at: datetime | None, job: Job, changes: Sequence[FieldChange], now: datetime
) -> list[Caution]:
    """Whoever moves a job that runs once may not know that it has come due meanwhile."""
    is_moved = any(change.name == "schedule" for change in changes) and job.next_run_at is not None
    if not is_moved or old_at is None or old_at > now or not _has_run(job, old_at):
        return []
    text = "It had come due at its old time already; with the new time it runs once more."
    if job.active_run_id is not None:
        text = "It had come due at its old time already and is on its way; it runs again only if that fails."
    return [Caution(CautionCode.ALREADY_DUE, text)]


def _has_run(job: Job, slot: datetime) -> bool:
    """Whether the slot led to more than a decision against it."""
    begun = Run.state.not_in((RunState.SKIPPED, RunState.MISSED))
    found = select(Run.id).where(Run.job_id == job.id, Run.slot == slot, begun)
    return db.session.scalar(found) is not None


def set_paused(
    actor: Actor, job_id: UUID, paused: bool, *, note: str | None, seen: int | None = None, now: datetime
) -> JobView:
    """Pauses or resumes a job; doing it twice changes nothing. Raises `NotFound`, `StaleRevision`."""
    return edit(actor, job_id, Change(enabled=not paused, note=note), seen=seen, now=now).job
