"""Deleting many jobs at once, and bringing them back within a day."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, select, update

from console.core.actor import Actor
from console.core.errors import NotFound, Refused
from console.core.permissions import Permission
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.schedule import parse, slot_after
from console.core.states import JobStatus, Kind, RunState
from console.core.tags import Tag
from console.db.jobs import Deletion, Job
from console.db.runs import Run
from console.db.session import db, reading, transaction
from console.services import audit, chain_cuts, dispatch, job_filters, pushing, wakeups
from console.services.chain_cuts import NO_CUTS, Cuts
from console.services.orgs import zone
from console.services.views import JobFilter

UNDONE_WITHIN = timedelta(hours=24)
LISTED = 50


@dataclass(frozen=True)
class Foreseen:
    """What a deletion would take: how many jobs match, and how many of these are running and stay.

    `cuts` are the chains that lead from jobs that stay to some that go, or the other way.
    """

    matching: int
    running: int
    cuts: Cuts = NO_CUTS

    @property
    def going(self) -> int:
        return self.matching - self.running


@dataclass(frozen=True)
class DeletionView:
    """Jobs that were deleted together; `id` is the token that undoes it, None when there were none.

    `left_running` are those that matched and stayed, because they were running. `restored` may be
    fewer than `deleted`: a job whose key belongs to another one by now stays deleted.
    """

    id: UUID | None
    at: datetime
    actor: str
    filter: Mapping[str, Any]
    deleted: int
    left_running: int
    undone_at: datetime | None = None
    undone_by: str | None = None
    restored: int | None = None

    @property
    def undo_until(self) -> datetime:
        return self.at + UNDONE_WITHIN


class CountMoved(Refused):
    """Another number of jobs matches by now; nothing was deleted."""

    def __init__(self, expected: int, found: Foreseen) -> None:
        self.found = found
        super().__init__(f"{found.matching} jobs match by now, not {expected}. Nothing was deleted.")


def foresee(actor: Actor, wanted: JobFilter) -> Foreseen:
    """What deleting all that match would take now."""
    actor.require(Permission.DELETE_JOBS)
    with reading():
        return _foresee(actor, _matching(actor, wanted))


def delete_matching(
    actor: Actor, wanted: JobFilter, *, expected: int | None = None, now: datetime
) -> DeletionView:
    """Deletes all that match, in one transaction; those that are running stay.

    `expected` is how many matched when somebody confirmed it: raises `CountMoved` when it is another
    number by now. Raises `Forbidden` or `Refused`, and then nothing was deleted.
    """
    return _delete(actor, _matching(actor, wanted), _described(wanted), expected, now)


def delete_selected(actor: Actor, ids: Sequence[UUID], *, now: datetime) -> DeletionView:
    """As `delete_matching`, for jobs by their ids; ids of none are passed over."""
    mine = (Job.org_id == actor.org_id, Job.deleted_at.is_(None), Job.id.in_(ids))
    return _delete(actor, mine, {"selected": len(ids)}, None, now)


Conditions = tuple[ColumnElement[bool], ...]


def _matching(actor: Actor, wanted: JobFilter) -> Conditions:
    """The conditions of the filter; its whereclause is what `job_filters.filtered` adds to a query."""
    clause = job_filters.filtered(select(Job.id), actor, wanted).whereclause
    return () if clause is None else (clause,)


def _described(wanted: JobFilter) -> dict[str, Any]:
    given = {item.name: getattr(wanted, item.name) for item in fields(wanted)}
    return {name: str(value) for name, value in given.items() if value}


def _is_running() -> ColumnElement[bool]:
    return exists().where(Run.job_id == Job.id, Run.state == RunState.RUNNING)


def _foresee(actor: Actor, which: Conditions) -> Foreseen:
    matching = db.session.scalar(select(func.count()).select_from(Job).where(*which)) or 0
    running = db.session.scalar(select(func.count()).select_from(Job).where(*which, _is_running())) or 0
    return Foreseen(matching, running, chain_cuts.of(actor, and_(*which, ~_is_running())))


def _delete(
    actor: Actor, which: Conditions, described: Mapping[str, Any], expected: int | None, now: datetime
) -> DeletionView:
    actor.require(Permission.DELETE_JOBS)
    with transaction():
        # Locked in the order of all who lock several jobs; what the rows say holds from here on.
        db.session.execute(select(Job.id).where(*which).order_by(Job.id).with_for_update())
        found = _foresee(actor, which)
        if expected is not None and found.matching != expected:
            raise CountMoved(expected, found)
        tickets = dispatch.settle_all(*which, now=now)
        view = _take_away(actor, which, described, now)
    pushing.push_tickets(
        tickets, now=now
    )  # whoever takes them finds that their jobs are deleted, and says so
    return view


def _take_away(actor: Actor, which: Conditions, described: Mapping[str, Any], now: datetime) -> DeletionView:
    running = db.session.scalar(select(func.count()).select_from(Job).where(*which, _is_running())) or 0
    row = Deletion(
        org_id=actor.org_id, at=now, actor=actor.name, filter=dict(described), deleted=0, left_running=running
    )
    db.session.add(row)
    db.session.flush()
    gone = update(Job).where(*which, ~_is_running())
    gone = gone.values(deleted_at=now, changed_at=now, deletion_id=row.id)
    result = db.session.execute(gone, execution_options={"synchronize_session": False})
    row.deleted = int(getattr(result, "rowcount", 0))
    if not row.deleted:
        db.session.delete(row)
        return DeletionView(None, now, actor.name, described, 0, running)
    new = {"deleted": row.deleted, "left_running": running, "filter": dict(described)}
    audit.add(actor, Tag.JOBS_DELETED, audit.Subject("deletion", row.id), now=now, new=new)
    wakeups.notify()
    return _view(row)


def _view(row: Deletion) -> DeletionView:
    return DeletionView(
        row.id,
        row.at,
        row.actor,
        row.filter,
        row.deleted,
        row.left_running,
        row.undone_at,
        row.undone_by,
        row.restored,
    )


def recent(actor: Actor, *, now: datetime) -> Sequence[DeletionView]:
    """The org's deletions of the last 24 hours, newest first, at most 50."""
    query = select(Deletion).where(Deletion.org_id == actor.org_id, Deletion.at > now - UNDONE_WITHIN)
    with reading():
        return [_view(row) for row in db.session.scalars(query.order_by(Deletion.at.desc()).limit(LISTED))]


def undo(actor: Actor, deletion_id: UUID, *, now: datetime) -> DeletionView:
    """Brings the jobs back; doing it twice changes nothing. Slots that passed meanwhile are not run.

    Raises `NotFound`, `Forbidden`, or `Refused` after 24 hours.
    """
    actor.require(Permission.DELETE_JOBS)
    mine = select(Deletion).where(Deletion.id == deletion_id, Deletion.org_id == actor.org_id)
    with transaction():
        row = db.session.scalar(mine.with_for_update())
        if row is None:
            raise NotFound("There is no such deletion.")
        if row.undone_at is not None:
            return _view(row)
        if now - row.at > UNDONE_WITHIN:
            raise Refused(
                "A deletion can be undone for 24 hours; this one is older. Create the jobs anew.",
                reason=Reason.DELETED,
            )
        row.undone_at, row.undone_by = now, actor.name
        with _following(actor, row, now):
            _lock(actor, row)
            row.restored = restore(Job.deletion_id == row.id, Job.org_id == actor.org_id, now=now)
        new = {"restored": row.restored, "deleted": row.deleted}
        audit.add(actor, Tag.JOBS_RESTORED, audit.Subject("deletion", row.id), now=now, new=new)
        wakeups.notify()
        return _view(row)


def _following(actor: Actor, row: Deletion, now: datetime) -> AbstractContextManager[None]:
    """Whoever has made the jobs sees to it that they fit what has become of it since they were deleted."""
    if registry.restoring is None:
        return nullcontext()
    ids = [subject_id for subject_id in db.session.scalars(_subjects(actor, row)) if subject_id]
    return registry.restoring(actor, ids, row.at, now)


def _subjects(actor: Actor, row: Deletion) -> Select[UUID | None]:
    about = Job.deletion_id == row.id, Job.org_id == actor.org_id, Job.subject_id.is_not(None)
    return select(Job.subject_id).where(*about).distinct()


def _lock(actor: Actor, row: Deletion) -> None:
    """Locks what comes back and all else about the same, in the order of all who lock several jobs."""
    which = (Job.deletion_id == row.id) | Job.subject_id.in_(_subjects(actor, row))
    query = select(Job.id).where(Job.org_id == actor.org_id, which)
    db.session.execute(query.order_by(Job.id).with_for_update())


def restore(*which: ColumnElement[bool], now: datetime) -> int:
    """Brings back the deleted jobs of which all this holds, in the caller's transaction; how many.

    A job whose key another one has taken stays deleted.
    """
    gone = (*which, Job.deleted_at.is_not(None))
    db.session.execute(select(Job.id).where(*gone).order_by(Job.id).with_for_update())
    other = Job.__table__.alias("other")
    is_free = ~exists().where(
        other.c.org_id == Job.org_id, other.c.key == Job.key, other.c.deleted_at.is_(None)
    )
    at_rest = (Job.status == JobStatus.PAUSED) & (Job.kind == Kind.ONCE)
    for job in db.session.scalars(select(Job).where(*gone, is_free, Job.next_run_at <= now, ~at_rest)):
        _step_on(job, now)
    db.session.flush()
    back = (
        update(Job).where(*gone, is_free).values(deleted_at=None, deletion_id=None, changed_at=now, **_open())
    )
    result = db.session.execute(back, execution_options={"synchronize_session": False})
    return int(getattr(result, "rowcount", 0))


def _open() -> dict[str, ColumnElement[Any]]:
    """A job of which no more than a click's run was skipped by the deletion is open: its time is to come."""
    is_ahead = (Job.status_reason == Reason.DELETED) & Job.next_run_at.is_not(None)
    is_open = (Job.status == JobStatus.SKIPPED) & is_ahead
    return {
        "status": case((is_open, JobStatus.SCHEDULED.value), else_=Job.status),
        "status_reason": case((is_open, None), else_=Job.status_reason),
    }


def _step_on(job: Job, now: datetime) -> None:
    """A slot that passed while the job was deleted belongs to nobody: a recurring job goes on after now."""
    schedule = parse(job.schedule)
    if schedule.kind is Kind.ONCE:
        job.status, job.status_reason, job.next_run_at = JobStatus.SKIPPED, Reason.DELETED, None
    elif job.next_run_at is not None:
        job.next_run_at = slot_after(schedule, zone(job.timezone), job.next_run_at, now)
