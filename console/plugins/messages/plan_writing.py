"""Writes the steps of a plan: each is a revision of its job with its reason, or a job that comes or goes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import select

from console.core import rehearsal
from console.core.actor import Actor
from console.core.schedule import parse
from console.core.states import JobStatus
from console.core.tags import Tag
from console.db.jobs import Job, JobRevision
from console.db.session import db
from console.plugins.messages import naming, plan_words
from console.plugins.messages.models import MessagePlan
from console.plugins.messages.place_rows import Found, standing
from console.plugins.messages.plan_views import Does, Step, Wording
from console.plugins.messages.views import EventView
from console.services import audit, edit_writing
from console.services.changes import Change
from console.services.definitions import LONGEST_WINDOW, FieldChange, closing
from console.services.job_creation import NewJob, insert_all

TASK = "send_message"


@dataclass
class Writer:
    """Takes one step after another; those that make jobs are kept for `insert`, which makes them at once.

    `done` counts what was done, `has_rung` says that the scheduler has to hear of it.
    """

    actor: Actor
    found: Found
    now: datetime
    done: Counter[Does] = field(default_factory=Counter)
    has_rung: bool = False
    _made: list[tuple[EventView, Step]] = field(default_factory=list)

    def write(self, event: EventView, step: Step, *, is_deleted: bool) -> None:
        """Writes one step about this event."""
        place = step.place
        job = self.found.jobs.get(place.job.id) if place and place.job else None
        if step.does is Does.CREATE or job is None:
            self._made.append((event, step))
            return
        reason = plan_words.reason(event, step, self.actor.zone, is_deleted=is_deleted)
        if step.does is Does.WITHDRAW:
            self._withdraw(job, reason)
        else:
            self._edit(event, job, step, reason)
        self._keep(step, job)

    def withdraw_free(self, event: EventView) -> None:
        """Takes away what persons wrote about a deleted event, unless it was sent or is on its way."""
        for job in self.found.free:
            stands = standing(job, self.found.busy)
            is_open = stands.is_waiting or stands.status is JobStatus.BLOCKED
            if job.subject_id == event.id and is_open and not stands.is_final:
                self._withdraw(job, plan_words.EVENT_DELETED)

    def insert(self) -> None:
        """Makes the new jobs."""
        new = [_new_job(event, step, self.actor.zone) for event, step in self._made]
        jobs = insert_all(self.actor, new, reason=plan_words.CREATED, now=self.now) if new else ()
        for (event, step), job in zip(self._made, jobs, strict=True):
            self._keep(step, job, event)
            rehearsal.changed(job.name, None, _when(job.schedule, job), _page(job))

    def _edit(self, event: EventView, job: Job, step: Step, reason: str) -> None:
        """Written before it comes back: what is due would go out the moment that it is there again."""
        change = _change(event, job, step, self.actor.zone)
        if change.wanted:
            changes, _ = edit_writing.write_row(
                self.actor, job, change, reason=reason, is_planned=True, now=self.now
            )
            self.has_rung = self.has_rung or bool(changes)
            _report(job, changes)
        if step.revives:
            self._revive(job, reason)

    def _withdraw(self, job: Job, reason: str) -> None:
        job.deleted_at = job.changed_at = self.now
        self._audit(Tag.JOB_DELETED, job, reason)
        rehearsal.changed(job.name, _when(job.schedule, job), "withdrawn")
        self.done[Does.WITHDRAW] += 1

    def _revive(self, job: Job, reason: str) -> None:
        job.deleted_at, job.changed_at = None, self.now
        self._audit(Tag.JOB_RESTORED, job, reason)

    def _audit(self, tag: Tag, job: Job, reason: str) -> None:
        subject, key = audit.Subject("job", job.id), {"key": job.key}
        is_gone = tag is Tag.JOB_DELETED
        audit.add(
            self.actor,
            tag,
            subject,
            now=self.now,
            old=key if is_gone else None,
            new=None if is_gone else key,
            reason=reason,
        )
        self.has_rung = True

    def _keep(self, step: Step, job: Job, event: EventView | None = None) -> None:
        """Keeps in `message_plans` what was wanted, and counts it."""
        is_open_again = step.revives and step.does in (Does.MOVE, Does.FOLLOW)
        if step.does is not Does.WITHDRAW:
            does = Does.CLOSE if step.closed else step.does
            self.done[Does.OPEN if is_open_again else does] += 1
        row = self.found.plans.get(step.place.id) if step.place else None
        if row is None and event is not None:
            row = MessagePlan(org_id=self.actor.org_id, event_id=event.id, created_at=self.now)
            db.session.add(row)
        if row is not None:
            _set(row, step, job)


def _report(job: Job, changes: Sequence[FieldChange]) -> None:
    """Tells the run that is performed, if one is, which message it moved, closed or opened."""
    for change in changes:
        if change.name == "schedule":
            rehearsal.changed(job.name, _when(change.old, job), _when(change.new, job), _page(job))
        elif change.name == "closed":
            old, new = ((found or {}).get("status", "scheduled") for found in (change.old, change.new))
            rehearsal.changed(job.name, old, new, _page(job))


def _when(schedule: Mapping[str, Any], job: Job) -> str:
    at = parse(schedule).at
    return naming.local(at, job.timezone) if at else "not at a time of its own"


def _page(job: Job) -> str:
    return f"/jobs/{job.id}"


def _set(row: MessagePlan, step: Step, job: Job) -> None:
    row.job_id = job.id
    row.is_withdrawn = step.does is Does.WITHDRAW
    if step.does is Does.WITHDRAW:
        return
    if step.seat is not None:
        row.message_type, row.role, row.address = step.seat.message_type, step.seat.role, step.seat.address
    if step.planned_at is not None:
        row.planned_at = step.planned_at
    if step.written is not None:
        row.written = vars(step.written).copy()
    if step.does in (Does.CLOSE, Does.OPEN):
        row.resumes_paused = step.does is Does.CLOSE and step.is_paused


def _new_job(event: EventView, step: Step, home: str) -> NewJob:
    seat, wording, at = step.seat, step.wording, step.at
    assert seat is not None and wording is not None and at is not None  # noqa: S101  (so are all new ones)
    return NewJob(
        task=TASK,
        name=wording.name,
        key=naming.key_of(event, seat.message_type, uuid4().hex[:8]),
        args={"message_type": seat.message_type, "event_id": str(event.id)},
        schedule={"type": "once", "at": at},
        timezone=wording.timezone,
        subject=wording.subject,
        recipient=seat.recipient,
        catch_up_window_seconds=_window(event, at),
        closed=_closing(step),
        note=plan_words.note(event, step, home),
    )


def _change(event: EventView, job: Job, step: Step, home: str) -> Change:
    """The edit that makes the step; what it leaves alone is not in it."""
    wanted: dict[str, Any] = {}
    if step.wording:
        wanted |= _wording(step.wording)
    if step.readdresses and step.seat:
        wanted["recipient"] = step.seat.recipient
    if step.at is not None and step.does is not Does.CLOSE:
        wanted["schedule"] = {"type": "once", "at": step.at}
        wanted["catch_up_window_seconds"] = _window(event, step.at)
    if step.closed:
        wanted |= {"closed": _closing(step), "enabled": True, "note": plan_words.note(event, step, home)}
    if step.does is Does.OPEN:
        wanted |= {"closed": None, "enabled": not step.is_paused}
        wanted["note"] = _note_of_pause(job) if step.is_paused else None
    return Change(**wanted)


def _wording(wording: Wording) -> Mapping[str, Any]:
    return {"name": wording.name, "subject": wording.subject, "timezone": wording.timezone}


def _closing(step: Step) -> dict[str, Any] | None:
    return closing(JobStatus.SKIPPED, step.closed) if step.closed else None


def _window(event: EventView, at: datetime) -> int | None:
    """How many seconds late it may go: what prepares an event is of no use once it has begun."""
    ahead = int((event.starts_at - at).total_seconds())
    return min(ahead, LONGEST_WINDOW) if ahead > 0 else None


def _note_of_pause(job: Job) -> str | None:
    """Why it was paused when the planner closed it: its last revision that was says so."""
    is_paused = JobRevision.definition["enabled"].astext == "false"
    query = select(JobRevision.definition["note"].astext).where(JobRevision.job_id == job.id, is_paused)
    return db.session.scalar(query.order_by(JobRevision.revision.desc()).limit(1))
