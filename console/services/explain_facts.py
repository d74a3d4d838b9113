"""What is recorded of a job around one minute: revisions, slots, runs; read by indexes, and bounded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.engine import Row

from console.core.due import LATE_AFTER
from console.core.explaining import MINUTE, NOTABLE, Clocks, Verdict, minute_of
from console.core.states import TERMINAL, RunState
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db
from console.services import explain_revisions
from console.services.explain_revisions import Held

MOST_SLOTS = 61
MOST_RUNS = 20
COLUMNS = (
    Run.id,
    Run.state,
    Run.slot,
    Run.dry_run,
    Run.requested_at,
    Run.start_after,
    Run.started_at,
    Run.finished_at,
    Run.decision_code,
)
RunRow = Row[*tuple[Any, ...]]


@dataclass(frozen=True)
class Facts:
    """A minute of a job's life, and what is recorded of it.

    `slots` are those that the `revisions` in force had in it. `due` are the runs of its slots; `ran`
    others that began in it, because somebody asked or because they were late; `beside` those that were
    only on their way.
    """

    job: Job
    at: datetime
    now: datetime
    clocks: Clocks
    revisions: Sequence[Held]
    slots: Sequence[datetime]
    due: Sequence[RunRow]
    ran: Sequence[RunRow]
    beside: Sequence[RunRow]

    @property
    def start(self) -> datetime:
        return minute_of(self.at)

    @property
    def end(self) -> datetime:
        return self.start + MINUTE

    @property
    def held(self) -> Held | None:
        """The revision in force at the minute's end; None before the job was made."""
        return self.revisions[-1] if self.revisions else None

    @property
    def leads(self) -> list[RunRow]:
        """The runs that decide the verdict, the most notable first; that of the very instant before all."""
        found = sorted(self.due or self.ran, key=lambda row: NOTABLE.index(verdict_of(row)))
        exact = [row for row in found if row.slot == self.at]
        return [*exact, *(row for row in found if row not in exact)]

    @property
    def open_slots(self) -> list[datetime]:
        """Slots of the minute that came, and of which there is no run."""
        decided = {row.slot for row in self.due}
        return [slot for slot in self.slots if slot <= self.now and slot not in decided]


def of_minute(job: Job, at: datetime, clocks: Clocks, now: datetime) -> Facts:
    """What is recorded of the minute that holds `at`, inside the caller's transaction."""
    start = minute_of(at)
    end = start + MINUTE
    revisions = explain_revisions.in_force(job, start, end)
    slots = sorted({slot for held in revisions for slot in _slots(held, start, end)})
    due = _runs(job, Run.slot >= start, Run.slot < end, by=Run.slot, limit=MOST_SLOTS)
    others = or_(Run.slot.is_(None), Run.slot < start, Run.slot >= end)
    asked = (Run.requested_at >= start, Run.requested_at < end, others)
    touching = [
        *_runs(job, *asked, by=Run.requested_at, limit=MOST_RUNS),
        *_runs(job, Run.requested_at < start, others, by=Run.requested_at.desc(), limit=MOST_RUNS),
    ]
    ran = [row for row in touching if _began(row, start, end)]
    beside = [row for row in touching if row not in ran and _was_active(row, start, end)]
    return Facts(job, at, now, clocks, revisions, slots, due, ran, beside)


def _slots(held: Held, start: datetime, end: datetime) -> list[datetime]:
    return [] if held.never_comes_due else held.spell().within(start, end)


def _runs(job: Job, *which: ColumnElement[bool], by: Any, limit: int) -> Sequence[RunRow]:
    query = select(*COLUMNS).where(Run.job_id == job.id, *which).order_by(by).limit(limit)
    return db.session.execute(query).all()


def _began(row: RunRow, start: datetime, end: datetime) -> bool:
    """Whether a run that is no dry one started in the minute, or was asked for in it and has not started."""
    if row.dry_run:
        return False
    if row.started_at is None:
        return row.slot is None and start <= row.requested_at < end
    return bool(start <= row.started_at < end) or (row.slot is None and bool(start <= row.requested_at < end))


def _was_active(row: RunRow, start: datetime, end: datetime) -> bool:
    return row.requested_at < end and (row.finished_at is None or row.finished_at >= start)


def verdict_of(row: RunRow) -> Verdict:
    """What one run makes of its minute."""
    state = RunState(row.state)
    if state not in TERMINAL:
        return Verdict.WAITING
    if state is RunState.MISSED:
        return Verdict.MISSED
    if state is RunState.UNKNOWN:
        return Verdict.UNKNOWN
    if state is RunState.SKIPPED or row.started_at is None:
        return Verdict.SKIPPED
    return Verdict.LATE if is_late(row) else Verdict.RAN


def is_late(row: RunRow) -> bool:
    """Whether it began more than a minute after the time that was meant, which jitter may have chosen."""
    if row.slot is None or row.started_at is None:
        return False
    meant = row.start_after if row.start_after and not row.decision_code else row.slot
    return bool(row.started_at - meant > LATE_AFTER)


def recent_slots(job: Job, before: datetime, limit: int) -> list[tuple[UUID, datetime, RunState]]:
    """The newest slots up to an instant that have a run, newest first, with the state of each."""
    query = select(Run.id, Run.slot, Run.state).where(Run.job_id == job.id, Run.slot <= before)
    rows = db.session.execute(query.order_by(Run.slot.desc()).limit(limit))
    return [(id_, slot, RunState(state)) for id_, slot, state in rows if slot is not None]


def over_by(job: Job, before: datetime) -> tuple[UUID, datetime] | None:
    """The run by which a job that runs once was over before an instant, and when that ended."""
    ended = (Run.state.in_((RunState.SUCCEEDED, RunState.UNKNOWN)), Run.dry_run.is_(False))
    query = select(Run.id, Run.finished_at).where(Run.job_id == job.id, Run.finished_at < before, *ended)
    row = db.session.execute(query.order_by(Run.requested_at.desc()).limit(1)).first()
    return (row[0], row[1]) if row is not None and row[1] is not None else None


def first_kept(job: Job) -> datetime | None:
    """When the oldest run was asked for that is still kept."""
    query = select(Run.requested_at).where(Run.job_id == job.id).order_by(Run.requested_at).limit(1)
    return db.session.scalar(query)
