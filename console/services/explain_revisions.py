"""Which definition of a job was in force when, and what its schedule meant then."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from console.core.errors import Invalid
from console.core.explaining import MICROSECOND, MINUTE, Clocks, Evidence, Link, schedule_text, when
from console.core.reasons import Reason
from console.core.schedule import MANUAL, Schedule, parse
from console.core.spell import Spell
from console.core.states import Kind
from console.db.jobs import Deletion, Job, JobRevision
from console.db.runs import Run
from console.db.session import db
from console.services.definitions import Definition
from console.services.orgs import zone

MOST_IN_A_MINUTE = 20


@dataclass(frozen=True)
class Held:
    """A revision, from `since` until the next one came (None: it is the newest)."""

    job: Job
    number: int
    since: datetime
    until: datetime | None
    actor: str
    reason: str | None
    definition: Definition
    schedule: Schedule
    zone: ZoneInfo

    @property
    def is_paused(self) -> bool:
        return self.definition.enabled is False

    @property
    def never_comes_due(self) -> bool:
        """Whether no slot of it is to be decided: by hand alone, closed, or waiting for its resumption."""
        is_once = self.schedule.kind is Kind.ONCE
        by_hand = self.schedule.kind is Kind.MANUAL
        return by_hand or bool(self.definition.closed) or (is_once and self.is_paused)

    def text(self, clocks: Clocks) -> str:
        """Its schedule, on the clocks of the zone that it had itself."""
        return schedule_text(self.schedule, Clocks(self.zone, clocks.org))

    @property
    def source(self) -> str:
        return f"revision r{self.number}"

    @property
    def link(self) -> Link:
        return revision_link(self.job, self.number)

    def spell(self) -> Spell:
        """Its slots over the time in which it was in force."""
        return Spell(self.schedule, self.zone, self.since, self.until, _anchor(self))

    def evidence(self, clocks: Clocks, verb: str = "is") -> Evidence:
        """That it is in force, or was; who made it, when and why."""
        why = f", “{self.reason}”" if self.reason else ""
        saved = f"saved by {self.actor} on {when(self.since, clocks)}"
        said = f"r{self.number} {verb} in force: {self.text(clocks)}; {saved}"
        return Evidence(f"{said}{why}.", self.source, None, self.since, self.link)

    def beside(self, minute: datetime, clocks: Clocks) -> list[Evidence]:
        """Its slots before and after a minute, with what daylight saving does to them."""
        if self.never_comes_due:
            return []
        spell = self.spell()
        pairs = (("before", spell.before(minute)), ("after", spell.after(minute + MINUTE - MICROSECOND)))
        return [self._slot(spell, word, slot, clocks) for word, slot in pairs if slot is not None]

    def _slot(self, spell: Spell, word: str, slot: datetime, clocks: Clocks) -> Evidence:
        text = f"The slot {word} this minute: {when(slot, clocks)}. {spell.marked(slot).note}".strip()
        link = Link("explain.show", {"job_id": self.job.id, "at": slot.isoformat()})
        return Evidence(text, f"schedule of r{self.number}", None, slot, link)


def revision_link(job: Job, number: int) -> Link:
    """Where a revision stands in the history; that of a deleted job is not shown any more."""
    if job.deleted_at is not None:
        return Link("explain.show", {"job_id": job.id})
    return Link("revisions.index", {"job_id": job.id, "before": number + 1, "_anchor": f"r{number}"})


def in_force(job: Job, start: datetime, end: datetime) -> Sequence[Held]:
    """The revisions that were in force from `start` to `end`, in their order; none before the first one."""
    mine = select(JobRevision).where(JobRevision.job_id == job.id)
    before = mine.where(JobRevision.created_at <= start).order_by(JobRevision.revision.desc()).limit(1)
    during = mine.where(JobRevision.created_at > start, JobRevision.created_at < end)
    during = during.order_by(JobRevision.revision).limit(MOST_IN_A_MINUTE)
    rows = [*db.session.scalars(before), *db.session.scalars(during)]
    untils = [*(row.created_at for row in rows[1:]), _end_of(job, rows[-1]) if rows else None]
    return [_held(job, row, until) for row, until in zip(rows, untils, strict=False)]


def newest(job: Job) -> Held:
    """The revision that is in force now."""
    row = db.session.get_one(JobRevision, (job.id, job.revision))
    return _held(job, row, None)


def _end_of(job: Job, row: JobRevision) -> datetime | None:
    after = select(JobRevision.created_at).where(
        JobRevision.job_id == job.id, JobRevision.revision == row.revision + 1
    )
    return db.session.scalar(after)


def _held(job: Job, row: JobRevision, until: datetime | None) -> Held:
    definition = Definition.read(row.definition)
    schedule, place = _read(definition.schedule), _zone(definition.timezone or job.timezone)
    return Held(job, row.revision, row.created_at, until, row.actor, row.reason, definition, schedule, place)


def _read(shape: Any) -> Schedule:
    """The schedule of a stored definition; one that can't be read any more never came due."""
    try:
        return parse(shape)
    except (Invalid, AttributeError):
        return MANUAL


def _zone(name: str) -> ZoneInfo:
    try:
        return zone(name)
    except Invalid:
        return zone("UTC")


def _anchor(held: Held) -> datetime:
    """One slot of an interval, which counts from slot to slot: a recorded one, or the one to come."""
    if held.schedule.kind is not Kind.INTERVAL:
        return held.since
    recorded = select(Run.slot).where(Run.job_id == held.job.id, Run.slot > held.since)
    if held.until is not None:
        recorded = recorded.where(Run.slot <= held.until)
    found = db.session.scalar(recorded.order_by(Run.slot).limit(1))
    to_come = held.job.next_run_at if held.until is None else None
    return found or to_come or held.since + timedelta(seconds=held.schedule.every_seconds or 0)


def last_switch(job: Job, *, enabled: bool) -> JobRevision | None:
    """The newest revision that switched the job off, or on; the first one when it was made so."""
    mine = select(JobRevision).where(JobRevision.job_id == job.id)
    switched = mine.where(JobRevision.changes["enabled"]["new"].as_boolean().is_(enabled))
    found = db.session.scalar(switched.order_by(JobRevision.revision.desc()).limit(1))
    return found or db.session.get(JobRevision, (job.id, 1))


def first(job: Job) -> JobRevision | None:
    """The revision that made the job."""
    return db.session.get(JobRevision, (job.id, 1))


def deletion_of(job: Job, clocks: Clocks) -> Evidence:
    """That the job is deleted: by whom, when, and whether that can be undone."""
    row = db.session.get(Deletion, job.deletion_id) if job.deletion_id else None
    by = f" by {row.actor}" if row else ""
    at = f" on {when(job.deleted_at, clocks)}" if job.deleted_at else ""
    text = f"The job was deleted{by}{at}; its schedule asks for nothing any more."
    return Evidence(text, "deletions", Reason.DELETED, job.deleted_at, Link("deletions.index"))
