"""Lists of events, each with what stands of its messages."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on

from console.core.actor import Actor
from console.core.states import JobStatus, MessageType
from console.db.jobs import Job
from console.db.session import db, reading
from console.plugins.messages.event_views import view_of
from console.plugins.messages.models import Event
from console.plugins.messages.views import EventView
from console.services import paging

COUNTED_UP_TO = 10_000
TO_COME = (JobStatus.SCHEDULED, JobStatus.RETRYING)
COUNTED = ("planned", "paused", "blocked", "sent", "failed")


@dataclass(frozen=True)
class EventFilter:
    """`q` searches name and venue; `since` and `until` are instants of the start, both ends included.

    Nearest first, or the latest first when `is_backwards`.
    """

    q: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    is_backwards: bool = False


@dataclass(frozen=True)
class NextMessage:
    """The message of an event that goes out next by itself."""

    job_id: UUID
    message_type: MessageType
    at: datetime


@dataclass(frozen=True)
class EventLine:
    """An event and how many of its messages are in each status; `planned` are those still to go out."""

    event: EventView
    planned: int = 0
    paused: int = 0
    blocked: int = 0
    sent: int = 0
    failed: int = 0
    next: NextMessage | None = None


@dataclass(frozen=True)
class EventPage:
    """One page; `version` changes whenever anything on it does."""

    events: Sequence[EventLine]
    next_cursor: str | None
    version: str
    as_of: datetime


def page(actor: Actor, wanted: EventFilter, *, cursor: str | None, limit: int, now: datetime) -> EventPage:
    """One page by start, then name; raises `Invalid` that names `cursor` or `limit`."""
    query = _page(actor, wanted, cursor, limit)
    with reading():
        rows = db.session.scalars(query).all()
        lines = _lines(actor, rows[:limit])
    last = rows[limit - 1] if len(rows) > limit else None
    following = paging.encode(last.starts_at, last.name, last.id) if last else None
    return EventPage(lines, following, sha256(repr(lines).encode()).hexdigest()[:16], now)


def line(actor: Actor, event: EventView) -> EventLine:
    """One event with what stands of its messages."""
    with reading():
        return _with_messages(actor, [EventLine(event)])[0]


def counts(actor: Actor, wanted: EventFilter, now: datetime) -> tuple[int, int]:
    """How many events that match are to come, and how many have begun; counting stops at 10,000."""
    with reading():
        upcoming = _count(actor, replace(wanted, since=now, until=None))
        return upcoming, _count(actor, replace(wanted, since=None, until=now))


def _count(actor: Actor, wanted: EventFilter) -> int:
    capped = select(Event.id).where(*_held(actor, wanted)).limit(COUNTED_UP_TO).subquery()
    return db.session.scalar(select(func.count()).select_from(capped)) or 0


def _page(actor: Actor, wanted: EventFilter, cursor: str | None, limit: int) -> Select[Event]:
    """One row more than the page has, which tells whether another one follows."""
    query = select(Event).where(*_held(actor, wanted)).limit(paging.check_limit(limit) + 1)
    key = tuple_(Event.starts_at, Event.name, Event.id)
    after = tuple_(*paging.decode(cursor, "dsu")) if cursor else None
    if wanted.is_backwards:
        query = query.order_by(Event.starts_at.desc(), Event.name.desc(), Event.id.desc())
        return query if after is None else query.where(key < after)
    query = query.order_by(Event.starts_at, Event.name, Event.id)
    return query if after is None else query.where(key > after)


def _held(actor: Actor, wanted: EventFilter) -> list[ColumnElement[bool]]:
    held = [Event.org_id == actor.org_id, Event.deleted_at.is_(None)]
    if wanted.q:
        held.append(Event.search.contains(wanted.q.strip().lower(), autoescape=True))
    if wanted.since:
        held.append(Event.starts_at >= wanted.since)
    if wanted.until:
        held.append(Event.starts_at <= wanted.until)
    return held


def _lines(actor: Actor, rows: Sequence[Event]) -> list[EventLine]:
    return _with_messages(actor, [EventLine(view_of(row)) for row in rows])


def _with_messages(actor: Actor, lines: Sequence[EventLine]) -> list[EventLine]:
    """The same with what stands of their messages: two queries for all of them."""
    ids = [line.event.id for line in lines]
    if not ids:
        return []
    mine = (
        Job.org_id == actor.org_id,
        Job.deleted_at.is_(None),
        Job.subject_id.in_(ids),
        Job.message_type.is_not(None),
    )
    numbers = _numbers(mine)
    nearest = {item.subject_id: item for item in db.session.execute(_nearest(mine))}
    return [_counted(line, numbers.get(line.event.id, {}), nearest.get(line.event.id)) for line in lines]


def _counted(line: EventLine, numbers: Mapping[str, int], nearest: Any) -> EventLine:
    found = {name: numbers.get(name, 0) for name in COUNTED}
    upcoming = None
    if nearest:
        upcoming = NextMessage(nearest.id, MessageType(nearest.message_type), nearest.next_run_at)
    return EventLine(line.event, next=upcoming, **found)


def _numbers(mine: Sequence[ColumnElement[bool]]) -> Mapping[UUID | None, Counter[str]]:
    """How many messages of each event are in each status; those still to go out count as planned."""
    query = select(Job.subject_id, Job.status, func.count()).where(*mine)
    found: defaultdict[UUID | None, Counter[str]] = defaultdict(Counter)
    for event_id, status, number in db.session.execute(query.group_by(Job.subject_id, Job.status)):
        found[event_id]["planned" if status in TO_COME else status] += number
    return found


def _nearest(mine: Sequence[ColumnElement[bool]]) -> Select[Any, Any, Any, Any]:
    columns = select(Job.subject_id, Job.id, Job.message_type, Job.next_run_at)
    columns = columns.ext(distinct_on(Job.subject_id))
    to_come = (Job.status.in_(TO_COME), Job.next_run_at.is_not(None))
    return columns.where(*mine, *to_come).order_by(Job.subject_id, Job.sort_at, Job.name, Job.id)
