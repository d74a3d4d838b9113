"""The history of a job: every definition that it had, and the way back to any of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from console.core.actor import Actor
from console.core.errors import Invalid, NotFound, Refused
from console.core.permissions import Permission
from console.core.reasons import Reason
from console.db.jobs import Job, JobRevision
from console.db.session import db, reading, transaction
from console.services import edits, jobs, paging, pushing
from console.services.changes import Change
from console.services.definitions import NAMES, FieldChange


@dataclass(frozen=True)
class RevisionView:
    """One revision: who made it, when, from where and why, and what it changed.

    `origin` is the kind of actor: person (a page), token (the API), cli, or the product itself.
    """

    revision: int
    created_at: datetime
    actor: str
    origin: str
    reason: str | None
    changes: Sequence[FieldChange]
    definition: Mapping[str, Any]
    is_current: bool
    is_applied: bool


@dataclass(frozen=True)
class RevisionPage:
    """Newest first; `next_before` is the `before` of the page that follows, None when there is none."""

    revisions: Sequence[RevisionView]
    next_before: int | None
    as_of: datetime


def page(
    actor: Actor, job_id: UUID, *, before: int | None = None, limit: int = 20, now: datetime
) -> RevisionPage:
    """The revisions older than `before`; raises `NotFound`, or `Invalid` that names `limit`."""
    with reading():
        job = jobs.load(actor, job_id)
        query = select(JobRevision).where(JobRevision.job_id == job_id, JobRevision.org_id == actor.org_id)
        if before is not None:
            query = query.where(JobRevision.revision < before)
        query = query.order_by(JobRevision.revision.desc()).limit(paging.check_limit(limit) + 1)
        rows = db.session.scalars(query).all()
        shown = [_view(row, job) for row in rows[:limit]]
    return RevisionPage(shown, shown[-1].revision if len(rows) > limit else None, now)


def _view(row: JobRevision, job: Job) -> RevisionView:
    return RevisionView(
        revision=row.revision,
        created_at=row.created_at,
        actor=row.actor,
        origin=row.origin,
        reason=row.reason,
        changes=[FieldChange(name, **row.changes[name]) for name in NAMES if name in row.changes],
        definition=row.definition,
        is_current=row.revision == job.revision,
        is_applied=row.revision == job.applied_revision,
    )


def restore(
    actor: Actor,
    job_id: UUID,
    number: int,
    *,
    seen: int | None = None,
    reason: str | None = None,
    now: datetime,
) -> edits.Edited:
    """Makes the definition of revision `number` the newest one, which is a revision of its own.

    Raises `NotFound`, `Forbidden`, `StaleRevision`, or `Invalid` when it can't be had any more (an
    instant that has passed since).
    """
    actor.require(Permission.EDIT_JOBS)
    with transaction():
        job = jobs.load(actor, job_id, lock=True)
        done = _restore(actor, job, number, seen, reason, now)
    pushing.push_tickets(done.tickets, now=now)
    return done


def undo(
    actor: Actor, job_id: UUID, *, seen: int | None = None, reason: str | None = None, now: datetime
) -> edits.Edited:
    """Takes the newest revision back; raises as `restore`, and `Refused` for a job that has only one."""
    actor.require(Permission.EDIT_JOBS)
    with transaction():
        job = jobs.load(actor, job_id, lock=True)
        if job.revision == 1:
            raise Refused("There is nothing to undo: the job is as it was made.")
        done = _restore(actor, job, job.revision - 1, seen, reason, now)
    pushing.push_tickets(done.tickets, now=now)
    return done


def _restore(
    actor: Actor, job: Job, number: int, seen: int | None, reason: str | None, now: datetime
) -> edits.Edited:
    row = db.session.get(JobRevision, (job.id, number)) if 1 <= number <= job.revision else None
    if row is None:
        raise NotFound(f"There is no revision {number} of this job; the newest is {job.revision}.")
    change = _change_to(row.definition)
    try:
        return edits.edit_row(actor, job, change, seen=seen, reason=reason or f"restored r{number}", now=now)
    except Invalid as error:
        if error.reason is not Reason.IN_THE_PAST:
            raise
        raise Refused(
            f"r{number} can't be restored: its time has passed. Edit the job and choose a time to come.",
            reason=Reason.IN_THE_PAST,
        ) from error


def _change_to(stored: Mapping[str, Any]) -> Change:
    """What a revision from before a field was known says nothing of stays as it is."""
    wanted = {name: value for name, value in stored.items() if name in NAMES and name != "task"}
    wanted["closed"] = stored.get("closed")
    return Change(**wanted)
