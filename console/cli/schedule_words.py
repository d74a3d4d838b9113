"""How the commands about schedules put things: instants, values, changes, and what is in force."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from console.core.chain import said
from console.core.states import ActorKind, JobStatus

if TYPE_CHECKING:
    from console.services.views import JobView

ORIGINS = {
    ActorKind.PERSON.value: "page",
    ActorKind.TOKEN.value: "API",
    ActorKind.CLI.value: "shell",
}


def origin_text(kind: str) -> str:
    """Where a kind of actor works."""
    return ORIGINS.get(kind, kind)


def instant_text(instant: datetime | None, zone: str) -> str | None:
    """`2030-01-02 09:15:00 CET`; None for none."""
    return f"{instant.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S %Z}" if instant else None


def is_paused(job: "JobView") -> bool:
    return job.status is JobStatus.PAUSED


def revision_text(job: "JobView") -> str:
    """`r3, in force`, or what the scheduler still acts on."""
    if job.applied_revision == job.revision:
        return f"r{job.revision}, in force"
    return f"saved r{job.revision}, {applied_text(job)}"


def applied_text(job: "JobView") -> str:
    return (
        f"scheduler on r{job.applied_revision}" if job.applied_revision else "the scheduler has not seen it"
    )


def change_text(name: str, before: Any, after: Any) -> str:
    """`daily at 07:00 → daily at 09:15`."""
    old, new = value_text(name, before), value_text(name, after)
    if old == new:  # two schedules that read alike
        old, new = json.dumps(before), json.dumps(after)
    return f"{old} → {new}"


def value_text(name: str, value: Any) -> str:
    """A field's value for people."""
    if name == "schedule" and isinstance(value, Mapping):
        return schedule_text(value)
    if name == "enabled":
        return "on" if value else "paused"
    if name == "then" and isinstance(value, Mapping):
        return said(value)
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def schedule_text(shape: Mapping[str, Any]) -> str:
    """A schedule in words; that of a job that runs once with its instant."""
    from console.core.schedule import describe, parse

    schedule = parse(shape)
    if schedule.at is not None:
        return f"once at {schedule.at:%Y-%m-%d %H:%M:%S} UTC"
    words = describe(schedule)
    return f"{words} ({schedule.cron})" if schedule.cron else words
