"""One edit of many jobs: those that were selected, or all that match a filter."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from console.core.actor import Actor
from console.core.errors import ConsoleError, Invalid, NotFound, Refused
from console.core.permissions import Permission
from console.core.reasons import Reason
from console.core.schedule import parse
from console.core.shift import later, shift
from console.core.states import JobStatus, RunState
from console.db.jobs import Job
from console.db.session import db, reading, transaction
from console.queue import Ticket
from console.services import definitions, edit_writing, job_filters, jobs, pushing, wakeups
from console.services.changes import Change
from console.services.orgs import zone
from console.services.views import JobFilter

MOST_SELECTED = 1000
BATCH = 1000
MOST_REFUSED_NAMED = 50
LARGEST_SHIFT = 7 * 24 * 60
LARGEST_MOVE = 366 * 24 * 60
NOT_ONCE = "It recurs or waits for a person; change its schedule instead."


class Action(StrEnum):
    """What can be done to many jobs at once."""

    ENABLE = "enable"
    DISABLE = "disable"
    SHIFT = "shift"
    SET_ZONE = "set_zone"
    RESCHEDULE = "reschedule"


@dataclass(frozen=True)
class Wish:
    """An action with what it needs: `minutes` (may be negative) to shift, `timezone` to set a zone.

    To reschedule takes `minutes` or `send_at`. It moves jobs that run once and no others; whole days keep
    the time on the clock.
    """

    action: Action
    minutes: int | None = None
    timezone: str | None = None
    reason: str | None = None
    send_at: datetime | None = None


@dataclass(frozen=True)
class Left:
    """A job that was left as it is, and why."""

    job_id: UUID
    name: str
    reason: Reason | None
    text: str


@dataclass(frozen=True)
class BulkResult:
    """How many jobs were changed, how many were so already, and which were left (50 of them by name)."""

    changed: int
    unchanged: int
    left: int
    named: Sequence[Left]


def count(actor: Actor, wanted: JobFilter) -> int:
    """How many jobs match; never more than 10,001, at which counting stops."""
    with reading():
        return jobs.count(actor, wanted)


def change_selected(actor: Actor, ids: Sequence[UUID], wish: Wish, *, now: datetime) -> BulkResult:
    """Changes the jobs of these ids in one transaction; ids of other orgs are not there.

    A job that can't take the change is left, with the reason, and the others are changed. Raises
    `Forbidden`, or `Invalid` that names `selected`, `minutes` or `timezone`.
    """
    actor.require(Permission.EDIT_JOBS)
    check(wish)
    check_count(ids)
    tally = Tally()
    found = _change(actor, job_filters.alive(actor).where(Job.id.in_(ids)), wish, tally, now)
    for job_id in [job_id for job_id in dict.fromkeys(ids) if job_id not in found]:
        tally.leave(job_id, str(job_id), NotFound("There is no such job."))
    return tally.result


def change_matching(actor: Actor, wanted: JobFilter, wish: Wish, *, now: datetime) -> BulkResult:
    """Changes all jobs that match, in transactions of 1,000; raises as `change_selected`.

    Which jobs match is settled before the first of them is changed.
    """
    actor.require(Permission.EDIT_JOBS)
    check(wish)
    tally = Tally()
    for ids in _matching(actor, wanted):
        _change(actor, job_filters.alive(actor).where(Job.id.in_(ids)), wish, tally, now)
    return tally.result


def _matching(actor: Actor, wanted: JobFilter) -> Iterator[Sequence[UUID]]:
    with reading():
        ids = db.session.scalars(job_filters.filtered(select(Job.id), actor, wanted).order_by(Job.id)).all()
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


class Tally:
    """Counts what became of each job."""

    def __init__(self) -> None:
        self._changed = self._unchanged = 0
        self._left: list[Left] = []

    def edited(self, *, is_changed: bool) -> None:
        self._changed += is_changed
        self._unchanged += not is_changed

    def leave(self, job_id: UUID, name: str, error: ConsoleError) -> None:
        self._left.append(Left(job_id, name, error.reason, error.detail))

    @property
    def result(self) -> BulkResult:
        named = self._left[:MOST_REFUSED_NAMED]
        return BulkResult(self._changed, self._unchanged, len(self._left), named)


def _change(actor: Actor, query: Select[Any], wish: Wish, tally: Tally, now: datetime) -> set[UUID]:
    """Answers which jobs there are; those that can't take the change are left."""
    tickets: list[Ticket] = []
    with transaction():
        # In one order everywhere, so that two bulk edits can't wait for each other.
        rows = db.session.scalars(query.order_by(Job.id).with_for_update()).all()
        for job in rows:
            try:
                with db.session.begin_nested():
                    change = wanted(job, wish)
                    changes, due = edit_writing.write_row(actor, job, change, reason=wish.reason, now=now)
            except (Invalid, Refused) as error:
                tally.leave(job.id, job.name, error)
            else:
                tally.edited(is_changed=bool(changes))
                tickets += due
        found = {job.id for job in rows}
        wakeups.notify()
    pushing.push_tickets(tickets, now=now)
    return found


def wanted(job: Job, wish: Wish) -> Change:
    """What the wish means for this job; raises `Invalid` or `Refused` when it has no meaning for it."""
    if wish.action is Action.RESCHEDULE:
        return Change(send_at=_moved(job, wish))
    if wish.action is Action.SHIFT:
        return Change(schedule=shift(parse(job.schedule), wish.minutes or 0).as_json())
    if wish.action is Action.SET_ZONE:
        return Change(timezone=wish.timezone or job.timezone)
    # One that is paused already keeps the note that says why.
    note = wish.reason if job.status != JobStatus.PAUSED else None
    return Change(enabled=wish.action is Action.ENABLE, note=note)


def _moved(job: Job, wish: Wish) -> datetime:
    """The new time of a job that runs once; one that was sent is not opened again along with many others."""
    at = parse(job.schedule).at
    if at is None:
        raise Invalid(NOT_ONCE, reason=Reason.INVALID_SCHEDULE, fields={"schedule": [NOT_ONCE]})
    if job.status == JobStatus.SENT or job.closed_by is not None:
        raise Refused(f"It is over ({job.status}); a new time in its own row opens it again.")
    if job.last_run_state == RunState.UNKNOWN:
        word = "Nobody knows whether its last run sent it; open the run and say whether it arrived."
        raise Refused(word, reason=Reason.OUTCOME_UNKNOWN)
    return wish.send_at or later(at, zone(job.timezone), wish.minutes or 0)


def check_count(ids: Sequence[UUID]) -> None:
    """Raises `Invalid` that names `selected` for no job or for too many."""
    if not 1 <= len(ids) <= MOST_SELECTED:
        word = f"select 1 to {MOST_SELECTED} jobs"
        raise Invalid(f"selected: {word}", fields={"selected": [word]})


def check(wish: Wish) -> None:
    """Raises `Invalid` that names `minutes` or `timezone` for a wish that makes no sense for any job."""
    if wish.action is Action.SET_ZONE:
        definitions.check_zone(wish.timezone or "")
    if wish.action is Action.SHIFT:
        _check_minutes(wish, LARGEST_SHIFT)
    if wish.action is Action.RESCHEDULE and wish.send_at is None:
        _check_minutes(wish, LARGEST_MOVE)


def _check_minutes(wish: Wish, most: int) -> None:
    if not wish.minutes or abs(wish.minutes) > most:
        word = f"a whole number of minutes, not 0, from -{most} to {most}"
        raise Invalid(f"minutes: {word}", fields={"minutes": [word]})
