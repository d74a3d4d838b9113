"""Writes an edit of a job into its row, which makes the next revision, with its entry on the trail."""

from collections.abc import Sequence
from datetime import datetime

from console.core.actor import Actor
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.schedule import first_slot, parse
from console.core.states import JobStatus, Kind
from console.core.tags import Tag
from console.db.jobs import Job
from console.db.session import db
from console.queue import Ticket
from console.services import (
    audit,
    conflicts,
    definitions,
    dispatch,
    edit_validation,
    holding,
    second_person,
    standings,
)
from console.services.changes import Change, shortened
from console.services.definitions import Definition, FieldChange
from console.services.orgs import zone

ENDED = (JobStatus.SENT, JobStatus.FAILED, JobStatus.SKIPPED, JobStatus.BLOCKED)


def write_row(
    actor: Actor,
    job: Job,
    change: Change,
    *,
    seen: int | None = None,
    reason: str | None = None,
    is_planned: bool = False,
    now: datetime,
) -> tuple[Sequence[FieldChange], Sequence[Ticket]]:
    """What `edits.edit_row` writes, for a transaction with many rows, which rings the bell once itself.

    `is_planned` says that it follows from something else that the actor may change.
    """
    old = Definition.of(job)
    if seen is not None and seen != job.revision:
        raise conflicts.stale(actor, job, old, change.meant, seen=seen, now=now)
    new = edit_validation.foresee(job, change, now=now)
    changes = definitions.differences(old, new)
    if not changes:
        return (), ()
    if not is_planned:
        second_person.check_edit(actor, job, changes)
    tickets = _settle(job, now)
    if new.closed and new.closed != old.closed:
        # What came due this moment and was not pushed yet gives way to whoever says that it is over.
        holding.keep([ticket.run_id for ticket in tickets])
        tickets = ()
    _withdraw(job, old, new, now)
    _write(actor, job, old, new, now)
    standings.settle(job, now)
    definitions.record(actor, job, changes, reason=shortened(reason or change.note), now=now)
    _audit(actor, job, changes, reason or change.note, now)
    return changes, tickets


def _settle(job: Job, now: datetime) -> Sequence[Ticket]:
    """A slot that is due already belongs to the definition under which it came due."""
    if job.next_run_at is None or job.next_run_at > now:
        return ()
    tickets = dispatch.settle(job.id, now=now)
    db.session.refresh(job)
    return tickets


def _withdraw(job: Job, old: Definition, new: Definition, now: datetime) -> None:
    """A message that is moved while it waits to start goes out at its new time, and not at both."""
    if job.kind != Kind.ONCE or (new.schedule == old.schedule and new.closed == old.closed):
        return
    what = f"marked as {new.closed['status']}" if new.closed else "moved to another time"
    sentence = f"Its job was {what} before it could start."
    if holding.withdraw(job.id, reason=Reason.NOT_DUE, sentence=sentence, now=now):
        db.session.refresh(job)
    if new.closed and holding.is_leaving(job.id):
        raise standings.on_its_way()


def _write(actor: Actor, job: Job, old: Definition, new: Definition, now: datetime) -> None:
    """Makes the row the next revision; its next slot is computed anew only if its schedule has changed."""
    job.name, job.args, job.timezone = new.name, dict(new.args), new.timezone
    job.subject, job.recipient = new.subject, new.recipient
    task = registry.get(job.task)
    if task and task.about and new.args != old.args:
        about = task.about(new.args)
        job.subject_id, job.message_type = about.subject_id, about.message_type
    job.overlap, job.catch_up = new.overlap, new.catch_up
    job.catch_up_window_seconds, job.jitter_seconds = new.catch_up_window_seconds, new.jitter_seconds
    if new.schedule != old.schedule or (new.timezone != old.timezone and job.kind == Kind.CRON):
        _reschedule(job, new, now)
    _change_status(actor, job, old, new, now)
    job.revision += 1
    job.changed_at = now


def _change_status(actor: Actor, job: Job, old: Definition, new: Definition, now: datetime) -> None:
    if new.enabled != old.enabled:
        job.status = JobStatus.SCHEDULED if new.enabled else JobStatus.PAUSED
        job.status_reason = None if new.enabled else Reason.PAUSED
        job.status_note = None
    if new.closed != old.closed:
        standings.close_or_open(actor, job, new, now)
    if not new.enabled or new.closed:
        job.status_note = new.note


def _reschedule(job: Job, new: Definition, now: datetime) -> None:
    schedule = parse(new.schedule)
    job.schedule, job.kind = dict(new.schedule), schedule.kind
    job.next_run_at = first_slot(schedule, zone(new.timezone), now)
    if job.status in ENDED and job.next_run_at is not None:
        job.status, job.status_reason, job.status_note = JobStatus.SCHEDULED, None, None
        job.closed_by = None


def _audit(actor: Actor, job: Job, changes: Sequence[FieldChange], reason: str | None, now: datetime) -> None:
    old = {change.name: change.old for change in changes}
    new = {change.name: change.new for change in changes} | {"revision": job.revision}
    audit.add(
        actor,
        _tag(changes),
        audit.Subject("job", job.id),
        now=now,
        old=old,
        new=new,
        reason=shortened(reason),
    )


def _tag(changes: Sequence[FieldChange]) -> Tag:
    """A pause with its note is a pause; anything more is a change."""
    switch = next((change for change in changes if change.name == "enabled"), None)
    if switch is None or {change.name for change in changes} - {"enabled", "note"}:
        return Tag.JOB_CHANGED
    return Tag.JOB_RESUMED if switch.new else Tag.JOB_PAUSED
