"""Message jobs out of a file: compared with what is there, shown, and put in force as a whole.

1. A row with an `id` or a `key` is about that job; it may change when the message goes out, to whom, and
   whether it is paused. A row with neither makes a message; the same row again finds it made.
2. A row that was exported before somebody else changed its job is a conflict, and nothing is imported.
3. Who has seen a plan asks for just that by its mark: if it has moved meanwhile, nothing is imported.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from console.core.actor import Actor
from console.core.errors import Refused
from console.core.permissions import Permission
from console.core.reasons import Reason
from console.db.jobs import Job
from console.db.session import db, reading, transaction
from console.plugins.messages import message_rows, new_rows, old_rows
from console.plugins.messages.event_rows import Faults
from console.plugins.messages.message_rows import Row
from console.plugins.messages.models import Event
from console.queue import Ticket
from console.services import edit_writing, job_creation, job_files, job_filters, job_names, pushing, wakeups
from console.services.changes import Change
from console.services.job_creation import NewJob
from console.services.job_files import JobLine

IMPORTED = "imported from a file"


class Action(StrEnum):
    """What a row does."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"


@dataclass(frozen=True)
class PlannedRow:
    """What one row does; `before` and `after` hold the fields that change, all of them for a new message.

    Of a conflict they hold what the row would change; `revision` is the one that the job has by now.
    """

    line: int
    action: Action
    job_id: UUID | None
    name: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]
    revision: int | None = None


@dataclass(frozen=True)
class Plan:
    """What a file does, row by row."""

    rows: Sequence[PlannedRow]
    as_of: datetime

    @property
    def mark(self) -> str:
        """Changes whenever what is to be done does."""
        held = [[row.action, str(row.job_id), row.before, row.after] for row in self.rows]
        return sha256(json.dumps(held, sort_keys=True, default=str).encode()).hexdigest()[:20]

    @property
    def conflicts(self) -> Sequence[PlannedRow]:
        return [row for row in self.rows if row.action is Action.CONFLICT]

    def count(self, action: Action) -> int:
        return sum(row.action is action for row in self.rows)


class PlanMoved(Refused):
    """Somebody changed these messages since you looked; nothing was imported. Look again."""

    reason = Reason.STALE_REVISION


class Conflicts(Refused):
    """Somebody changed messages after the file was exported; nothing was imported."""

    reason = Reason.STALE_REVISION

    def __init__(self, rows: Sequence[PlannedRow]) -> None:
        named = ", ".join(
            f"line {row.line} (“{row.name}”, revision {row.revision} by now)" for row in rows[:10]
        )
        more = f" and {len(rows) - 10} more" if len(rows) > 10 else ""
        super().__init__(
            f"Changed since the file was exported: {named}{more}. Nothing was imported. Export them again, "
            "or take these rows out."
        )


@dataclass(frozen=True)
class Step:
    """One row: what it does, and with which edit of which job, or which new one."""

    planned: PlannedRow
    job: Job | None = None
    change: Change | None = None
    new: NewJob | None = None


def plan(actor: Actor, text: str, *, now: datetime) -> Plan:
    """What `apply` would do, without writing; raises `BadFile` with everything wrong, by line and column."""
    with reading():
        return Plan([step.planned for step in _compare(actor, text, now)], now)


def apply(
    actor: Actor, text: str, *, expected: str | None = None, reason: str | None = None, now: datetime
) -> Plan:
    """Imports a file in one transaction; `expected` is the mark that was seen.

    Raises `Forbidden`, `BadFile` as `plan`, `Conflicts` or `PlanMoved`, and then nothing was changed.
    """
    actor.require(Permission.EDIT_JOBS)
    with transaction():
        steps = _compare(actor, text, now, lock=True)
        done = Plan([step.planned for step in steps], now)
        if expected is not None and done.mark != expected:
            raise PlanMoved()
        if done.conflicts:
            raise Conflicts(done.conflicts)
        tickets = _write(actor, steps, reason or IMPORTED, now)
    pushing.push_tickets(tickets, now=now)
    return done


def _write(actor: Actor, steps: Sequence[Step], reason: str, now: datetime) -> list[Ticket]:
    tickets: list[Ticket] = []
    edited = [step for step in steps if step.job and step.change]
    for step in edited:
        assert step.job is not None and step.change is not None  # noqa: S101  (so are all of them)
        _, due = edit_writing.write_row(actor, step.job, step.change, reason=reason, now=now)
        tickets += due
    job_creation.insert_all(actor, [step.new for step in steps if step.new], reason=reason, now=now)
    if edited:
        wakeups.notify()
    return tickets


# What a file comes to ------------------------------------------------------------------------------


def _compare(actor: Actor, text: str, now: datetime, *, lock: bool = False) -> list[Step]:
    faults = Faults()
    rows = message_rows.read(text, faults)
    faults.check()
    jobs_of = _jobs(actor, [row for row in rows if not row.is_new], lock)
    lines = {line.id: line for line in job_files.lines(actor, list(jobs_of.values()))}
    events_of = new_rows.events(actor, [row for row in rows if row.is_new], lock=lock)
    steps = [_step(actor, row, jobs_of, lines, events_of, faults, now) for row in rows]
    _check_twins(steps, faults)
    faults.check()
    return _without_made(actor, [step for step in steps if step])


def _jobs(actor: Actor, rows: Sequence[Row], lock: bool) -> dict[UUID | str, Job]:
    """The jobs that rows name, by id and by key; locked in the order of all who lock several."""
    ids, keys = [row.id for row in rows if row.id], [job_names.spelled(row.key) for row in rows if row.key]
    query = job_filters.alive(actor).where(or_(Job.id.in_(ids), Job.key.in_(keys))).order_by(Job.id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    found = db.session.scalars(query).all() if rows else ()
    return {name: job for job in found for name in (job.id, job.key)}


def _step(
    actor: Actor,
    row: Row,
    jobs_of: Mapping[UUID | str, Job],
    lines: Mapping[str, JobLine],
    events_of: Mapping[UUID | str, Sequence[Event]],
    faults: Faults,
    now: datetime,
) -> Step | None:
    """What the row does; None when it is wrong, which `faults` then says."""
    if row.is_new:
        return _made(new_rows.job_of(actor, row, events_of, faults, now), row)
    job = old_rows.job_of(row, jobs_of, faults)
    return _changed(row, job, lines[str(job.id)], faults, now) if job else None


def _made(new: NewJob | None, row: Row) -> Step | None:
    if new is None:
        return None
    after = {name: text for name, text in row.cells.items() if text}
    return Step(PlannedRow(row.number, Action.CREATE, None, new.name or "", None, after), new=new)


def _changed(row: Row, job: Job, line: JobLine, faults: Faults, now: datetime) -> Step | None:
    wish = old_rows.wish_of(row, job, line, faults)
    if wish is None:
        return None
    action = Action.UPDATE if wish.after else Action.UNCHANGED
    if wish.differs and row.revision is not None and row.revision != job.revision:
        action = Action.CONFLICT
    elif not old_rows.is_possible(row, job, wish, faults, now):
        return None
    planned = PlannedRow(row.number, action, job.id, job.name, wish.before, wish.after, job.revision)
    return Step(planned, job, wish.change if action is Action.UPDATE else None)


def _check_twins(steps: Iterable[Step | None], faults: Faults) -> None:
    """Two rows about one job, or that make the same message, are a mistake."""
    seen: dict[object, int] = {}
    for step in steps:
        if step is None:
            continue
        line = step.planned.line
        first = seen.setdefault(step.new.key if step.new else step.planned.job_id, line)
        if first != line:
            faults.add(line, "", f"is about the same message as line {first}")


def _without_made(actor: Actor, steps: Sequence[Step]) -> list[Step]:
    """A new row whose message the same file has made before changes nothing."""
    keys = [step.new.key for step in steps if step.new]
    query = select(Job.key, Job.id).where(
        Job.org_id == actor.org_id, Job.deleted_at.is_(None), Job.key.in_(keys)
    )
    made = {key: job_id for key, job_id in db.session.execute(query)} if keys else {}
    return [_known(step, made[step.new.key]) if step.new and step.new.key in made else step for step in steps]


def _known(step: Step, job_id: UUID) -> Step:
    planned = step.planned
    return Step(PlannedRow(planned.line, Action.UNCHANGED, job_id, planned.name, {}, {}))
