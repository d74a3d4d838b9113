"""Edits of a job: page, API, command line, bulk and import all come through here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import select

from console.core.actor import Actor
from console.core.cautions import Caution, CautionCode
from console.core.errors import Invalid
from console.core.permissions import Permission
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.schedule import first_slot, parse
from console.core.states import JobStatus, Kind, RunState
from console.core.tags import Tag
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db, transaction
from console.queue import Ticket
from console.services import (
    audit,
    conflicts,
    definitions,
    dispatch,
    holding,
    jobs,
    previews,
    pushing,
    second_person,
    standings,
    wakeups,
)
from console.services.definitions import Definition, FieldChange
from console.services.orgs import zone
from console.services.views import JobView

LONGEST_REASON = 500
SEND_AT_GRACE = timedelta(minutes=5)
ENDED = (JobStatus.SENT, JobStatus.FAILED, JobStatus.SKIPPED, JobStatus.BLOCKED)


class Unset(Enum):
    """The mark of a field that an edit leaves as it is."""

    UNSET = "unset"


UNSET = Unset.UNSET


@dataclass(frozen=True)
class Change:
    """What an edit wants; what is left `UNSET` stays as it is.

    `schedule` has the contract's shape: its type and that type's fields. `send_at` moves a job that
    runs once. `status` is one of those that make sense from where the job stands (`standings`); to
    set `sent` by hand takes a `note`. `closed` has the shape of `definitions.closing`. `note` says
    why a job is paused or closed.
    """

    name: str | Unset = UNSET
    subject: str | Unset = UNSET
    recipient: str | Unset | None = UNSET
    args: Mapping[str, Any] | Unset = UNSET
    schedule: Mapping[str, Any] | Unset = UNSET
    timezone: str | Unset = UNSET
    enabled: bool | Unset = UNSET
    overlap: str | Unset = UNSET
    catch_up: str | Unset = UNSET
    catch_up_window_seconds: int | Unset | None = UNSET
    jitter_seconds: int | Unset | None = UNSET
    send_at: datetime | Unset = UNSET
    status: JobStatus | Unset = UNSET
    closed: Mapping[str, Any] | Unset | None = UNSET
    note: str | None = None

    @property
    def wanted(self) -> dict[str, Any]:
        """The fields that it sets."""
        given = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "note"}
        return {name: value for name, value in given.items() if value is not UNSET}

    @property
    def meant(self) -> dict[str, Any]:
        """As `wanted`, with the note that belongs to a new status."""
        has_note = self.note and not {"status", "enabled", "closed"}.isdisjoint(self.wanted)
        return self.wanted | {"note": self.note} if has_note else self.wanted


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
    changes, tickets = write_row(actor, job, change, seen=seen, reason=reason, now=now)
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
    """What `edit_row` writes, for a transaction with many rows, which rings the bell once itself.

    `is_planned` says that it follows from something else that the actor may change.
    """
    old = Definition.of(job)
    if seen is not None and seen != job.revision:
        raise conflicts.stale(actor, job, old, change.meant, seen=seen, now=now)
    new = _foreseen(job, old, change, now)
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
    definitions.record(actor, job, changes, reason=_shortened(reason or change.note), now=now)
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


def set_paused(
    actor: Actor, job_id: UUID, paused: bool, *, note: str | None, seen: int | None = None, now: datetime
) -> JobView:
    """Pauses or resumes a job; doing it twice changes nothing. Raises `NotFound`, `StaleRevision`."""
    return edit(actor, job_id, Change(enabled=not paused, note=note), seen=seen, now=now).job


def outcome(job: Job, change: Change, *, now: datetime) -> Definition:
    """The definition to which `edit_row` would lead; writes nothing. Raises `Invalid`."""
    return _changed(job, Definition.of(job), change, now)


def foresee(job: Job, change: Change, *, now: datetime) -> Definition:
    """As `outcome`; raises also the `Invalid` and `Refused` that come of the job's runs."""
    return _foreseen(job, Definition.of(job), change, now)


def _foreseen(job: Job, old: Definition, change: Change, now: datetime) -> Definition:
    new = _changed(job, old, change, now)
    _check_unused(job, old, new, "send_at" if "send_at" in change.wanted else "at")
    standings.check_free(job, old, new)
    return new


def _changed(job: Job, old: Definition, change: Change, now: datetime) -> Definition:
    """The definition that the edit leads to, checked; all wrong fields are named at once."""
    wanted = change.wanted
    if "send_at" in wanted:
        if "schedule" in wanted:
            word = "give either this or schedule, not both"
            raise Invalid(f"send_at: {word}", fields={"send_at": [word]})
        wanted["schedule"] = _moved(job, wanted.pop("send_at"), now)
    if "status" in wanted:
        status = JobStatus(wanted.pop("status"))
        wanted |= standings.as_fields(job, status, change.note, now, is_moved=_is_moved(job, wanted))
    checked: dict[str, Any] = {}
    wrong: list[Invalid] = []
    for name, value in wanted.items():
        try:
            checked[name] = _check(job, old, name, value, now)
        except Invalid as error:
            wrong.append(error)
    if wrong:
        raise _together(wrong)
    new = Definition(**{**vars(old), **checked})
    if new.schedule != old.schedule and "closed" not in wanted:
        new = replace(new, closed=None)
    new = replace(new, note=_note(old, new, change))
    standings.check(job, old, new, now)
    _check_args_given(job, new)
    return new


def _is_moved(job: Job, wanted: Mapping[str, Any]) -> bool:
    """Whether the edit brings another schedule; what is wrong with one that can't be read is said later."""
    if "schedule" not in wanted:
        return False
    try:
        return parse(wanted["schedule"]).as_json() != job.schedule
    except Invalid:
        return True


def _note(old: Definition, new: Definition, change: Change) -> str | None:
    """A new note, or the old one for as long as what it explains stands."""
    if new.enabled and not new.closed:
        return None
    is_same = new.enabled == old.enabled and new.closed == old.closed
    return _shortened(change.note) or (old.note if is_same else None)


def _check_unused(job: Job, old: Definition, new: Definition, field: str) -> None:
    """A slot has one run: an instant that has one already can't be had again."""
    at = parse(new.schedule).at
    if at is None or new.schedule == old.schedule:
        return
    if db.session.scalar(select(Run.id).where(Run.job_id == job.id, Run.slot == at)) is not None:
        word = "has its run already; choose another time, or run it now"
        raise Invalid(f"{field}: {word}", reason=Reason.INVALID_SCHEDULE, fields={field: [word]})


def _check_args_given(job: Job, new: Definition) -> None:
    """A manual job may lack arguments, which come with each run; nobody brings them to a scheduled one."""
    task = registry.get(job.task)
    if task and job.kind == Kind.MANUAL and parse(new.schedule).kind is not Kind.MANUAL:
        definitions.check_args(task, new.args)


def _check(job: Job, old: Definition, name: str, value: Any, now: datetime) -> Any:
    if definitions.is_same(value, getattr(old, name)):
        return value
    if name == "schedule":
        if parse(value).as_json() == old.schedule:
            return old.schedule
        # An instant that stands already may be past; a new one may not, but for the grace of `send_at`.
        earliest = now - SEND_AT_GRACE if isinstance(value, _Moved) else now
        return definitions.check_schedule(value, earliest).as_json()
    if name == "args":
        task = registry.get(job.task)
        return definitions.check_args(task, value) if task else dict(value)
    check = CHECKS.get(name)
    return check(value) if check else value


CHECKS: dict[str, Callable[[Any], Any]] = {
    "name": definitions.check_name,
    "subject": definitions.check_subject,
    "recipient": definitions.check_recipient,
    "timezone": definitions.check_zone,
    "overlap": definitions.check_overlap,
    "catch_up": definitions.check_catch_up,
    "catch_up_window_seconds": definitions.check_window,
    "jitter_seconds": definitions.check_jitter,
}


class _Moved(dict[str, Any]):
    """The schedule that a `send_at` asks for."""


def _moved(job: Job, send_at: datetime, now: datetime) -> "_Moved":
    if job.kind != Kind.ONCE:
        word = "this job recurs or waits for a person; change its schedule instead"
        raise Invalid(f"send_at: {word}", reason=Reason.INVALID_SCHEDULE, fields={"send_at": [word]})
    if send_at < now - SEND_AT_GRACE:
        word = "lies more than 5 minutes in the past; choose a time to come, or run it now"
        raise Invalid(f"send_at: {word}", reason=Reason.IN_THE_PAST, fields={"send_at": [word]})
    return _Moved(type="once", at=send_at)


def _together(wrong: Sequence[Invalid]) -> Invalid:
    """One error out of several; its reason is the first that has one."""
    texts = {name: said for error in wrong for name, said in error.fields.items()}
    reason = next((error.reason for error in wrong if error.reason), None)
    suggestions = [word for error in wrong for word in error.suggestions]
    return Invalid(
        "; ".join(error.detail for error in wrong), reason=reason, fields=texts, suggestions=suggestions
    )


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
    if new.enabled != old.enabled:
        job.status = JobStatus.SCHEDULED if new.enabled else JobStatus.PAUSED
        job.status_reason = None if new.enabled else Reason.PAUSED
        job.status_note = None
    if new.closed != old.closed:
        standings.close_or_open(actor, job, new, now)
    if not new.enabled or new.closed:
        job.status_note = new.note
    job.revision += 1
    job.changed_at = now


def _reschedule(job: Job, new: Definition, now: datetime) -> None:
    schedule = parse(new.schedule)
    job.schedule, job.kind = dict(new.schedule), schedule.kind
    job.next_run_at = first_slot(schedule, zone(new.timezone), now)
    if job.status in ENDED and job.next_run_at is not None:
        job.status, job.status_reason, job.status_note = JobStatus.SCHEDULED, None, None
        job.closed_by = None


def _shortened(text: str | None) -> str | None:
    return text[:LONGEST_REASON] if text else None


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
        reason=_shortened(reason),
    )


def _tag(changes: Sequence[FieldChange]) -> Tag:
    """A pause with its note is a pause; anything more is a change."""
    switch = next((change for change in changes if change.name == "enabled"), None)
    if switch is None or {change.name for change in changes} - {"enabled", "note"}:
        return Tag.JOB_CHANGED
    return Tag.JOB_RESUMED if switch.new else Tag.JOB_PAUSED
