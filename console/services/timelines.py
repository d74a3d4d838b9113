"""What comes up: the slots of the next hours by hour, and the minutes in which several jobs are due."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from zoneinfo import ZoneInfo

from sqlalchemy import select

from console.core.actor import Actor
from console.core.schedule import next_slot, parse
from console.core.states import JobStatus, Kind
from console.core.timeline import hits
from console.db.jobs import Job
from console.db.session import db, reading
from console.services.orgs import zone

MOST_JOBS = 5000
MOST_MINUTES = 400_000
CROWDED_FROM = 2
CROWDED_NAMED = 10
JOBS_NAMED = 5
HOUR = timedelta(hours=1)
Hits = Mapping[datetime, int]


@dataclass(frozen=True)
class Minute:
    """One minute in UTC: how many slots and jobs it has.

    Only those that `Timeline.crowded` lists carry the names of their first five jobs.
    """

    at: datetime
    slots: int
    count: int
    jobs: Sequence[str]


@dataclass(frozen=True)
class Hour:
    """One hour of the actor's zone that begins at `start`, and all of its crowded minutes."""

    start: datetime
    slots: int
    crowded: Sequence[Minute]


@dataclass(frozen=True)
class Timeline:
    """The hours in their order, of which the first and the last are seldom whole.

    `crowded` lists the ten minutes with most jobs, of the `crowded_count` that have two or more.

    `is_capped` says that there were too many jobs to look at all of them: `jobs` were looked at.
    """

    hours: Sequence[Hour]
    crowded: Sequence[Minute]
    crowded_count: int
    total: int
    jobs: int
    is_capped: bool
    as_of: datetime


def timeline(actor: Actor, *, now: datetime, hours: int = 24) -> Timeline:
    """The slots of the next `hours` hours by the hours of the clock; those of paused jobs are no runs."""
    start = _begin_of_hour(now, ZoneInfo(actor.zone))
    end = now + hours * HOUR
    rows, is_capped = _jobs(actor, end)
    slots: Counter[datetime] = Counter()
    crowd: Counter[datetime] = Counter()
    looked: list[tuple[str, Hits]] = []
    work = 0
    for name, found in _hits(rows, now, end):
        work += len(found)
        if work > MOST_MINUTES:
            is_capped = True
            break
        slots.update(found)
        crowd.update(found.keys())
        looked.append((name, found))
    crowded = [
        Minute(at, slots[at], count, ()) for at, count in sorted(crowd.items()) if count >= CROWDED_FROM
    ]
    starts = [start + index * HOUR for index in range(ceil((end - start) / HOUR))]
    return Timeline(
        hours=[_hour(begin, slots, crowded) for begin in starts],
        crowded=_most_crowded(crowded, looked),
        crowded_count=len(crowded),
        total=slots.total(),
        jobs=len(looked),
        is_capped=is_capped,
        as_of=now,
    )


def _begin_of_hour(now: datetime, place: ZoneInfo) -> datetime:
    """In UTC; zones that are half an hour off have their own hours."""
    local = now.astimezone(place)
    return now - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


@dataclass(frozen=True)
class _Row:
    name: str
    schedule: Mapping[str, object]
    timezone: str
    first: datetime


def _jobs(actor: Actor, end: datetime) -> tuple[list[_Row], bool]:
    query = select(Job.name, Job.schedule, Job.timezone, Job.next_run_at).where(
        Job.org_id == actor.org_id,
        Job.deleted_at.is_(None),
        Job.sort_at < end,
        Job.status.not_in((JobStatus.PAUSED, JobStatus.BLOCKED)),
    )
    with reading():
        rows = db.session.execute(query.order_by(Job.sort_at, Job.name, Job.id).limit(MOST_JOBS + 1)).all()
    found = [_Row(name, shape, place, first) for name, shape, place, first in rows[:MOST_JOBS] if first]
    return found, len(rows) > MOST_JOBS


def _hits(rows: Sequence[_Row], now: datetime, end: datetime) -> Iterator[tuple[str, Hits]]:
    for row in rows:
        schedule, place = parse(row.schedule), zone(row.timezone)
        first = row.first
        if schedule.kind is Kind.CRON and first <= now:  # what is late already has no part in what comes up
            first = next_slot(schedule, place, now) or end
        yield row.name, hits(schedule, place, first, now, end)


def _most_crowded(crowded: Sequence[Minute], looked: Sequence[tuple[str, Hits]]) -> list[Minute]:
    most = sorted(crowded, key=lambda minute: (-minute.count, minute.at))[:CROWDED_NAMED]
    return [replace(minute, jobs=_names(minute.at, looked)) for minute in most]


def _names(at: datetime, looked: Sequence[tuple[str, Hits]]) -> list[str]:
    return [name for name, found in looked if at in found][:JOBS_NAMED]


def _hour(start: datetime, slots: Counter[datetime], crowded: Sequence[Minute]) -> Hour:
    end = start + HOUR
    count = sum(number for at, number in slots.items() if start <= at < end)
    return Hour(start, count, [minute for minute in crowded if start <= minute.at < end])
