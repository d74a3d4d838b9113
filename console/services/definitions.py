"""What a job is by its owner's will, apart from what has become of it: the part that revisions keep."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from console.core.actor import Actor
from console.core.errors import Invalid
from console.core.reasons import Reason
from console.core.schedule import Schedule, parse
from console.core.states import CatchUp, JobStatus, Overlap
from console.core.task import Task
from console.db.jobs import Job, JobRevision
from console.db.session import db
from console.services.orgs import zone

ADDRESS = re.compile(r"^[^@\s<>,;:\"()\[\]\\]+@[^@\s<>,;:\"()\[\]\\]+$")
LONGEST_WINDOW = 366 * 86400
LONGEST_JITTER = 3600


@dataclass(frozen=True)
class Definition:
    """A job as one revision defines it; `schedule` has the contract's shape, windows are in seconds.

    `closed` is there when it is over without a run: its `status` (sent or skipped), and a `reason_code`
    if the console closed it rather than a person. `note` says why it is paused or closed.
    """

    name: str
    task: str
    subject: str
    recipient: str | None
    args: Mapping[str, Any]
    schedule: Mapping[str, Any]
    timezone: str
    enabled: bool
    overlap: str
    catch_up: str
    catch_up_window_seconds: int | None
    jitter_seconds: int | None
    closed: Mapping[str, Any] | None = None
    note: str | None = None

    @classmethod
    def of(cls, job: Job) -> "Definition":
        return cls(
            name=job.name,
            task=job.task,
            subject=job.subject,
            recipient=job.recipient,
            args=job.args,
            schedule=job.schedule,
            timezone=job.timezone,
            enabled=job.status != JobStatus.PAUSED,
            overlap=job.overlap,
            catch_up=job.catch_up,
            catch_up_window_seconds=job.catch_up_window_seconds,
            jitter_seconds=job.jitter_seconds,
            closed=closing(JobStatus(job.status), job.status_reason) if job.closed_by else None,
            note=job.status_note if job.closed_by or job.status == JobStatus.PAUSED else None,
        )

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "Definition":
        """Out of `job_revisions`; a field that was not known yet when it was written has no value."""
        return cls(**{field.name: stored.get(field.name) for field in fields(cls)})  # type: ignore[arg-type]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def closing(status: JobStatus, reason_code: str | None = None) -> dict[str, Any]:
    """How a definition says that its job is over without a run."""
    return {"status": status.value, "reason_code": reason_code}


NAMES = tuple(field.name for field in fields(Definition))


@dataclass(frozen=True)
class FieldChange:
    """One field of a definition that differs, as JSON holds it."""

    name: str
    old: Any
    new: Any


def differences(old: Definition, new: Definition) -> list[FieldChange]:
    """The fields in which two definitions differ, in the order of the definition."""
    pairs = [(name, getattr(old, name), getattr(new, name)) for name in NAMES]
    return [FieldChange(name, before, after) for name, before, after in pairs if not is_same(before, after)]


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same to JSON, where 1, 1.0 and true are three things."""
    return bool(one == other) and json.dumps(one, sort_keys=True, default=str) == json.dumps(
        other, sort_keys=True, default=str
    )


def record(
    actor: Actor, job: Job, changes: Sequence[FieldChange], *, reason: str | None, now: datetime
) -> None:
    """Adds the job's present revision to the caller's transaction."""
    db.session.add(
        JobRevision(
            job_id=job.id,
            revision=job.revision,
            org_id=job.org_id,
            definition=Definition.of(job).as_json(),
            changes={change.name: {"old": change.old, "new": change.new} for change in changes},
            actor=actor.name,
            origin=actor.kind,
            reason=reason,
            created_at=now,
        )
    )


# What each field may hold -------------------------------------------------------------------------


def check_name(name: str) -> str:
    """The name without blanks around it; raises `Invalid`."""
    if not name.strip() or len(name) > 200:
        raise Invalid("name: 1 to 200 characters", fields={"name": ["1 to 200 characters"]})
    return name.strip()


def check_subject(subject: str) -> str:
    """Raises `Invalid` beyond 500 characters."""
    if len(subject) > 500:
        raise Invalid("subject: up to 500 characters", fields={"subject": ["up to 500 characters"]})
    return subject.strip()


def check_recipient(address: str | None) -> str | None:
    """A mail address, or None for nobody; raises `Invalid`."""
    address = (address or "").strip()
    if address and (len(address) > 254 or not ADDRESS.match(address)):
        word = "is not a mail address; write it like ana@example.com"
        raise Invalid(f"recipient: {word}", fields={"recipient": [word]})
    return address or None


def check_args(task: Task, args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as the task's `params` read them; raises `Invalid` that names each field."""
    try:
        return task.params.model_validate(dict(args)).model_dump(mode="json", exclude_unset=True)
    except ValidationError as error:
        wrong: dict[str, list[str]] = {}
        for item in error.errors():
            wrong.setdefault(".".join(("args", *map(str, item["loc"]))), []).append(item["msg"])
        said = "; ".join(f"{name}: {', '.join(texts)}" for name, texts in wrong.items())
        raise Invalid(said, fields=wrong) from error


def check_schedule(shape: Mapping[str, Any], now: datetime) -> Schedule:
    """The schedule of a shape; raises `Invalid` that names the field, also for an instant that is past."""
    schedule = parse(shape)
    if schedule.at is not None and schedule.at < now:
        raise in_the_past("at")
    return schedule


def in_the_past(field: str) -> Invalid:
    """The refusal of an instant that is over."""
    word = "lies in the past; choose an instant to come"
    return Invalid(f"{field}: {word}", reason=Reason.IN_THE_PAST, fields={field: [word]})


def check_zone(name: str) -> str:
    """The name of a known zone; raises `Invalid`."""
    zone(name)
    return name


def check_overlap(value: str) -> str:
    return _one_of("overlap", Overlap, value)


def check_catch_up(value: str) -> str:
    return _one_of("catch_up", CatchUp, value)


def check_window(seconds: int | None) -> int | None:
    """Raises `Invalid` unless it is None or 1 second to 366 days."""
    return _seconds("catch_up_window_seconds", seconds, LONGEST_WINDOW)


def check_jitter(seconds: int | None) -> int | None:
    """None for none, also when it is 0; raises `Invalid` beyond an hour."""
    return _seconds("jitter_seconds", seconds or None, LONGEST_JITTER)


def _seconds(name: str, value: int | None, longest: int) -> int | None:
    if value is not None and not 1 <= value <= longest:
        word = f"must be a whole number of seconds from 1 to {longest}"
        raise Invalid(f"{name}: {word}", reason=Reason.INVALID_SCHEDULE, fields={name: [word]})
    return value


def _one_of(name: str, values: type[Overlap] | type[CatchUp], value: str) -> str:
    if value not in list(values):
        word = f"must be one of {', '.join(values)}"
        raise Invalid(f"{name}: {word}", reason=Reason.INVALID_SCHEDULE, fields={name: [word]})
    return value
