"""The definition to which an edit of a job leads, checked; all wrong fields are named at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from console.core.errors import Invalid
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.schedule import parse
from console.core.states import JobStatus, Kind
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db
from console.services import definitions, standings
from console.services.changes import Change, shortened
from console.services.definitions import Definition

SEND_AT_GRACE = timedelta(minutes=5)
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


def foresee(job: Job, change: Change, *, now: datetime) -> Definition:
    """As `outcome`; raises also the `Invalid` and `Refused` that come of the job's runs."""
    old, new = Definition.of(job), outcome(job, change, now=now)
    _check_unused(job, old, new, "send_at" if "send_at" in change.wanted else "at")
    standings.check_free(job, old, new)
    return new


def outcome(job: Job, change: Change, *, now: datetime) -> Definition:
    """The definition to which the edit would lead; writes nothing. Raises `Invalid`."""
    old, wanted = Definition.of(job), _wanted(job, change, now)
    new = Definition(**{**vars(old), **_checked(job, old, wanted, now)})
    if new.schedule != old.schedule and "closed" not in wanted:
        new = replace(new, closed=None)
    new = replace(new, note=_note(old, new, change))
    standings.check(job, old, new, now)
    _check_args_given(job, new)
    return new


def _wanted(job: Job, change: Change, now: datetime) -> dict[str, Any]:
    """The fields of a definition that the edit sets; `send_at` and `status` are ways to say others."""
    wanted = change.wanted
    if "send_at" in wanted:
        if "schedule" in wanted:
            word = "give either this or schedule, not both"
            raise Invalid(f"send_at: {word}", fields={"send_at": [word]})
        wanted["schedule"] = _moved(job, wanted.pop("send_at"), now)
    if "status" in wanted:
        status = JobStatus(wanted.pop("status"))
        wanted |= standings.as_fields(job, status, change.note, now, is_moved=_is_moved(job, wanted))
    return wanted


def _checked(job: Job, old: Definition, wanted: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    wrong: list[Invalid] = []
    for name, value in wanted.items():
        try:
            checked[name] = _check(job, old, name, value, now)
        except Invalid as error:
            wrong.append(error)
    if wrong:
        raise _together(wrong)
    return checked


def _is_moved(job: Job, wanted: Mapping[str, Any]) -> bool:
    """Whether the edit brings another schedule; what is wrong with one that can't be read is said later."""
    if "schedule" not in wanted:
        return False
    try:
        return parse(wanted["schedule"]).as_json() != job.schedule
    except Invalid:
        return True


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


def _moved(job: Job, send_at: datetime, now: datetime) -> _Moved:
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


def _note(old: Definition, new: Definition, change: Change) -> str | None:
    """A new note, or the old one for as long as what it explains stands."""
    if new.enabled and not new.closed:
        return None
    is_same = new.enabled == old.enabled and new.closed == old.closed
    return shortened(change.note) or (old.note if is_same else None)


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
