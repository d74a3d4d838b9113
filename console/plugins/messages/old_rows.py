"""What a row of a file changes of the message job that it names."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from console.core.errors import Invalid, Refused
from console.core.states import JobStatus
from console.db.jobs import Job
from console.plugins.messages import event_rows
from console.plugins.messages.event_rows import Faults
from console.plugins.messages.message_rows import Row
from console.services import edit_validation, job_files, job_names
from console.services.changes import Change
from console.services.job_files import JobLine
from console.services.orgs import zone

CHANGEABLE = ("send_at", "status", "recipient")
SETTABLE = (JobStatus.SCHEDULED, JobStatus.PAUSED)
FIXED = (
    "name",
    "message_type",
    "event",
    "event_id",
    "subject",
    "timezone",
    "message_subject",
    "message_text",
)


@dataclass(frozen=True)
class Wish:
    """What a row asks for; `fixed` are columns that say something else than the job and can't be changed."""

    change: Change
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    fixed: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return bool(self.after or self.fixed)


def job_of(row: Row, found: Mapping[UUID | str, Job], faults: Faults) -> Job | None:
    """The job that the row names; None when there is none, which `faults` then says."""
    by_id = found.get(row.id) if row.id else None
    by_key = found.get(job_names.spelled(row.key)) if row.key else None
    if row.id and by_id is None:
        faults.add(row.number, "id", "no job has this id; leave id and key empty for a new message")
    elif row.key and by_key is None:
        faults.add(row.number, "key", "no job has this key; leave id and key empty for a new message")
    elif by_id and by_key and by_id.id != by_key.id:
        faults.add(row.number, "key", "is that of another job than the id")
    else:
        return by_id or by_key
    return None


def wish_of(row: Row, job: Job, line: JobLine, faults: Faults) -> Wish | None:
    """What the row asks for; None when a cell can't be read, which `faults` then says."""
    try:
        at = _moment(row, job)
    except ValueError as error:
        faults.add(row.number, "send_at", str(error))
        return None
    held = {item.name: getattr(line, item.name) or "" for item in fields(line)}
    wanted: dict[str, Any] = {}
    if at is not None and at != job_files.send_at(job):
        wanted["send_at"] = at
    if row.cells.get("status") and row.cells["status"].lower() != job.status:
        wanted["status"] = row.cells["status"].lower()
    if "recipient" in row.cells and row.cells["recipient"].lower() != (job.recipient or "").lower():
        wanted["recipient"] = row.cells["recipient"] or None
    fixed = tuple(name for name in FIXED if _says_else(row, name, str(held[name])))
    before = {name: held[name] or None for name in wanted}
    after = {name: _shown(value, job) for name, value in wanted.items()}
    return Wish(_change(wanted), before, after, fixed)


def _change(wanted: Mapping[str, Any]) -> Change:
    """The edit; of a status that can't be set nothing is said here."""
    status = wanted.get("status")
    is_known = status is None or status in SETTABLE
    return Change(**wanted) if is_known else Change()


def _moment(row: Row, job: Job) -> datetime | None:
    text = row.cells.get("send_at", "")
    return event_rows.moment(text, zone(job.timezone)).astimezone(UTC) if text else None


def _says_else(row: Row, name: str, held: str) -> bool:
    """Whether a cell says something else than the job; an event goes by its id if that is there."""
    given = row.cells.get(name, "")
    if name == "event" and row.cells.get("event_id"):
        return False
    return bool(given) and given != held.replace("\r\n", "\n").strip()


def _shown(value: Any, job: Job) -> Any:
    return value.astimezone(zone(job.timezone)).isoformat() if isinstance(value, datetime) else value


def is_possible(row: Row, job: Job, wish: Wish, faults: Faults, now: datetime) -> bool:
    """Whether the edit can be made; `faults` says why not."""
    for name in wish.fixed:
        faults.add(row.number, name, "says something else than the job; a file does not change this")
    if job.message_type is None and wish.after:
        faults.add(row.number, "", "is no message; change it on its own page, or import schedules")
    status = wish.after.get("status")
    if status is not None and status not in SETTABLE:
        faults.add(row.number, "status", "only scheduled and paused can be set by a file")
        return False
    if wish.fixed or (job.message_type is None and wish.after):
        return False
    try:
        edit_validation.foresee(job, wish.change, now=now)
    except Invalid as error:
        for name, texts in error.fields.items():
            column = {"enabled": "status", "schedule": "send_at", "at": "send_at"}.get(name, name)
            faults.add(row.number, column if column in CHANGEABLE else "", "; ".join(texts))
        return False
    except Refused as error:
        faults.add(row.number, "", error.detail)
        return False
    return True
