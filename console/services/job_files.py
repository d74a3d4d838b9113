"""The job table as a file: what a filter shows, row by row, as CSV or JSON."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, tuple_

from console.core import delimited
from console.core.actor import Actor
from console.core.registry import registry
from console.core.schedule import parse
from console.core.states import Kind, MessageType
from console.db.jobs import Job
from console.db.session import db, reading
from console.services import job_filters
from console.services.orgs import zone
from console.services.views import JobFilter

MOST = 100_000
AT_ONCE = 1_000


class Format(StrEnum):
    """How a file is written."""

    CSV = "csv"
    JSON = "json"

    @property
    def mimetype(self) -> str:
        return "text/csv" if self is Format.CSV else "application/json"


@dataclass(frozen=True)
class JobLine:
    """A row of the file; instants are ISO 8601 with the offset of the job's zone.

    `event` and `event_id` are what the job is about; `send_at` is when it runs next, or was to run if it
    runs once. `message_subject` and `message_text` are a free message's own words.
    """

    key: str
    id: str
    name: str
    message_type: str | None
    event: str | None
    event_id: str | None
    recipient: str | None
    subject: str
    send_at: str | None
    timezone: str
    status: str
    revision: int
    last_run_state: str | None
    last_run_at: str | None
    message_subject: str | None
    message_text: str | None


COLUMNS = tuple(item.name for item in fields(JobLine))


@dataclass(frozen=True)
class Export:
    """What is to be written; with `is_cut` more jobs match than the 100,000 nearest ones of the file.

    It is read as it is written, in pages: each is true at its own instant.
    """

    actor: Actor
    wanted: JobFilter
    is_cut: bool
    as_of: datetime

    def name(self, kind: Format) -> str:
        """The name of the file, which says when it is cut."""
        cut = f"first-{MOST}-" if self.is_cut else ""
        return f"jobs-{cut}{self.as_of:%Y-%m-%d}.{kind}"

    def pages(self) -> Iterator[Sequence[JobLine]]:
        """Nearest first, then by name; each page of 1,000 in a transaction of its own."""
        after: tuple[Any, ...] | None = None
        for _ in range(MOST // AT_ONCE):
            with reading():
                rows = _page(self.actor, self.wanted, after)
                found = lines(self.actor, rows)
                after = (rows[-1].sort_at, rows[-1].name, rows[-1].id) if rows else None
            yield found
            if len(found) < AT_ONCE:
                return

    def text(self, kind: Format) -> Iterator[str]:
        """The file, page by page."""
        return _csv(self) if kind is Format.CSV else _json(self)


def export(actor: Actor, wanted: JobFilter, *, now: datetime) -> Export:
    """What a file of all jobs that match holds; raises nothing of its own."""
    capped = job_filters.filtered(select(Job.id), actor, wanted).limit(MOST + 1).subquery()
    with reading():
        found = db.session.scalar(select(func.count()).select_from(capped)) or 0
    return Export(actor, wanted, found > MOST, now)


def lines(actor: Actor, rows: Sequence[Job]) -> list[JobLine]:
    """These rows as the file has them, inside the caller's transaction."""
    named = _named(actor, {row.subject_id for row in rows if row.subject_id})
    return [line_of(row, named) for row in rows]


def _page(actor: Actor, wanted: JobFilter, after: tuple[Any, ...] | None) -> Sequence[Job]:
    query = job_filters.filtered(select(Job), actor, wanted).order_by(Job.sort_at, Job.name, Job.id)
    if after:
        query = query.where(tuple_(Job.sort_at, Job.name, Job.id) > tuple_(*after))
    return db.session.scalars(query.limit(AT_ONCE)).all()


def _named(actor: Actor, ids: Collection[UUID]) -> Mapping[UUID, str]:
    return registry.subjects.named(actor, ids) if registry.subjects and ids else {}


def line_of(job: Job, named: Mapping[UUID, str]) -> JobLine:
    """The row of one job; `named` are the names of what jobs are about."""
    place = zone(job.timezone)
    is_free = job.message_type == MessageType.FREE
    return JobLine(
        key=job.key,
        id=str(job.id),
        name=job.name,
        message_type=job.message_type,
        event=named.get(job.subject_id) if job.subject_id else None,
        event_id=str(job.subject_id) if job.subject_id else None,
        recipient=job.recipient,
        subject=job.subject,
        send_at=_local(send_at(job), place),
        timezone=job.timezone,
        status=job.status,
        revision=job.revision,
        last_run_state=job.last_run_state,
        last_run_at=_local(job.last_run_at, place),
        message_subject=job.args.get("subject") if is_free else None,
        message_text=job.args.get("text") if is_free else None,
    )


def send_at(job: Job) -> datetime | None:
    """When it runs next; of one that runs once also when it was to, though that is over."""
    return parse(job.schedule).at if job.kind == Kind.ONCE else job.next_run_at


def _local(at: datetime | None, place: ZoneInfo) -> str | None:
    return at.astimezone(place).isoformat() if at else None


def _csv(file: Export) -> Iterator[str]:
    yield delimited.written(COLUMNS)
    for page in file.pages():
        yield "".join(delimited.written(asdict(line).values()) for line in page)


def _json(file: Export) -> Iterator[str]:
    head = {"as_of": file.as_of.isoformat(), "is_cut": file.is_cut}
    yield json.dumps(head)[:-1] + ', "jobs": ['
    before = "\n"
    for page in file.pages():
        if page:
            yield before + ",\n".join(json.dumps(asdict(line), ensure_ascii=False) for line in page)
            before = ",\n"
    yield "\n]}\n"
