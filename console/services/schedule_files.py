"""Schedules as code: one YAML file that is written out, compared, and put in force as a whole."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, any_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, TEXT

from console.core.actor import Actor
from console.core.cautions import Caution, too_often
from console.core.errors import Refused
from console.core.permissions import Permission
from console.core.reasons import Reason
from console.core.schedule import parse
from console.core.states import Kind
from console.core.strict_yaml import Inline, dump
from console.db import chains as links
from console.db.jobs import Job
from console.db.session import db, reading, transaction
from console.queue import Ticket
from console.services import edit_writing, job_creation, pushing, schedule_entries, schedule_links, wakeups
from console.services.changes import Change
from console.services.definitions import Definition
from console.services.job_creation import NewJob
from console.services.orgs import zone
from console.services.schedule_entries import LARGEST, MOST_ENTRIES, VERSION, Entry
from console.services.schedule_links import LinkChange, Side
from console.services.schedule_steps import FIXED, PlannedChange, Step, chained, create, shown, update

HEADER = """\
# Schedules of Callboard. Compare:   python -m console schedule plan FILE
#                        Put in force: python -m console schedule import FILE
# Arguments stand here as they are: keep secrets out of them.
"""
IMPORTED = "imported from a file"


@dataclass(frozen=True)
class Plan:
    """What a file changes, by key; `not_in_file` counts the schedules that it does not name, which stay."""

    changes: Sequence[PlannedChange]
    unchanged: int
    not_in_file: int
    as_of: datetime

    @property
    def mark(self) -> str:
        """Changes whenever what is to be changed does: who has seen a plan can ask for just that."""
        return _mark(self.changes)


class PlanMoved(Refused):
    """Somebody edited one of these jobs while the file was compared; nothing was changed. Try again."""

    reason = Reason.STALE_REVISION


def _mark(changes: Iterable[PlannedChange]) -> str:
    held = [
        [item.name, item.action, dict(item.before) if item.before else None, dict(item.after)]
        for item in changes
    ]
    return sha256(json.dumps(held, sort_keys=True, default=str).encode()).hexdigest()[:20]


def export(actor: Actor, *, now: datetime) -> str:
    """All schedules of the actor's org as YAML, by key, and the same text until one of them changes.

    Jobs that ran once and are over are left out, for no console could take them. Raises `Refused`
    for more than one file may hold.
    """
    with reading():
        query = select(Job).where(*_of(actor), _is_to_come(now)).order_by(Job.key)
        rows = db.session.scalars(query.limit(MOST_ENTRIES + 1)).all()
        links = schedule_links.standing(actor, now)
        entries = [_written(row, links.get(row.id, ())) for row in rows]
    text = HEADER + dump({"version": VERSION, "schedules": entries})
    if len(entries) > MOST_ENTRIES or len(text.encode()) > LARGEST:
        raise Refused(
            f"One file holds at most {MOST_ENTRIES:,} schedules and {LARGEST // 1024**2} MiB, "
            "and these are more. Read them page by page through the API instead."
        )
    return text


def _of(actor: Actor) -> tuple[ColumnElement[bool], ...]:
    return Job.org_id == actor.org_id, Job.deleted_at.is_(None)


def _is_to_come(now: datetime) -> ColumnElement[bool]:
    """Whether a job may come due again, or waits for a person; one that ran once and is over may not."""
    return or_(Job.kind != Kind.ONCE, Job.next_run_at >= now)


def _written(job: Job, links: Iterable[Side]) -> dict[str, Any]:
    """An entry with every field, so that the file alone says what holds."""
    fields = {"key": job.key, **shown(Definition.of(job))}
    fields["schedule"] = Inline(parse(job.schedule).as_json())
    fields |= {name: getattr(job, name) for name in FIXED if getattr(job, name)}
    return fields | {"then": Inline(schedule_links.shape(links))}


def plan(actor: Actor, text: str, *, now: datetime) -> Plan:
    """What `apply` would do, without locks or writes.

    Raises `Invalid` with everything that is wrong, each by its place, such as `schedules[2].cron`.
    """
    with reading():
        work = _compare(actor, text, now)
    return work.plan(now)


def apply(
    actor: Actor, text: str, *, expected: str | None = None, reason: str | None = None, now: datetime
) -> Plan:
    """Puts a file in force in one transaction, and answers what was done.

    What the file leaves out of a job stays as it is, and so do jobs that it does not name. A file
    that holds already changes nothing. `expected` is the mark of the plan that the caller has seen.
    Raises `Forbidden`, `Invalid` as `plan`, or `PlanMoved`, and then nothing was changed.
    """
    actor.require(Permission.EDIT_JOBS)
    with reading():  # so that only rows that change are locked, and due slots of the others don't wait
        foreseen = _compare(actor, text, now)
    tickets: list[Ticket] = []
    with transaction():
        if foreseen.links:
            links.lock_links(actor.org_id)  # before any job, as whoever edits a chain on a page
        work = _compare(actor, text, now, locked=foreseen.touched)
        _check_foreseen(work, foreseen, expected)
        for row, change in work.updates:
            _, due = edit_writing.write_row(actor, row, change, reason=reason or IMPORTED, now=now)
            tickets += due
        made = job_creation.insert_all(actor, work.creates, reason=reason or IMPORTED, now=now)
        _link(actor, work, made, reason or IMPORTED, now)
        if work.updates:
            wakeups.notify()
    pushing.push_tickets(tickets, now=now)
    return work.plan(now)


def _check_foreseen(work: "_Work", foreseen: "_Work", expected: str | None) -> None:
    is_locked = work.touched <= foreseen.touched and bool(work.links) <= bool(foreseen.links)
    is_expected = expected is None or _mark(step.planned for step in work.steps) == expected
    if not (is_locked and is_expected):
        raise PlanMoved()


def _link(actor: Actor, work: "_Work", made: Iterable[Job], reason: str, now: datetime) -> None:
    ids = {row.key: row.id for row in (*work.rows.values(), *made)}
    schedule_links.write(actor, work.links, ids, reason=reason, now=now)


# What a file comes to ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Work:
    """What is to be done, by key, and the jobs that are there and have to do with it."""

    steps: Sequence[Step]
    links: Sequence[LinkChange]
    rows: Mapping[str, Job]
    unchanged: int
    not_in_file: int

    @property
    def updates(self) -> list[tuple[Job, Change]]:
        """In the order of ids, as in bulk edits, so that none of them can wait for another."""
        found = [(step.row, step.change) for step in self.steps if step.row is not None]
        return sorted(found, key=lambda item: item[0].id)

    @property
    def creates(self) -> list[NewJob]:
        """In the order of keys, for the same reason."""
        return [step.new for step in self.steps if step.new is not None]

    @property
    def touched(self) -> set[str]:
        """The jobs that are there to be locked: those that change, and both ends of links that do."""
        linked = {key for change in self.links for key in change.keys}
        return {row.key for row, _ in self.updates} | (linked & set(self.rows))

    def plan(self, now: datetime) -> Plan:
        """With its cautions, which take time to find that no locked row should wait for."""
        changes = [replace(step.planned, cautions=_cautions(step.outcome, now)) for step in self.steps]
        return Plan(changes, self.unchanged, self.not_in_file, now)


def _compare(actor: Actor, text: str, now: datetime, *, locked: Collection[str] = ()) -> _Work:
    entries, mistakes = schedule_entries.read(text)
    rows = _rows(actor, locked, lock=True) if locked else {}
    named = schedule_links.named(entries)
    rows |= _rows(actor, [key for key in named if key not in rows])
    steps: dict[str, Step] = {}
    for entry in entries:
        row = rows.get(entry.key)
        step = create(actor, entry, mistakes, now) if row is None else update(row, entry, mistakes, now)
        steps |= {entry.key: step} if step else {}
    changes = schedule_links.compare(actor, entries, rows, mistakes, now)
    mistakes.check()
    steps |= {change.key: chained(steps.get(change.key), change) for change in changes}
    found = [steps[key] for key in sorted(steps)]
    unchanged = len(entries) - len(found)
    return _Work(found, changes, rows, unchanged, _not_in_file(actor, entries, now))


def _rows(actor: Actor, keys: Collection[str], *, lock: bool = False) -> dict[str, Job]:
    query = select(Job).where(*_of(actor), _is_one_of(keys)).order_by(Job.id)
    query = query.execution_options(populate_existing=True)  # a row that was read before it is locked is old
    found = db.session.scalars(query.with_for_update() if lock else query).all()
    return {row.key: row for row in found}


def _is_one_of(keys: Collection[str]) -> ColumnElement[bool]:
    return Job.key == any_(literal(list(keys), ARRAY(TEXT)))


def _not_in_file(actor: Actor, entries: Sequence[Entry], now: datetime) -> int:
    named = _is_one_of([entry.key for entry in entries])
    query = select(func.count()).select_from(Job).where(*_of(actor), _is_to_come(now), ~named)
    return db.session.scalar(query) or 0


def _cautions(new: Definition | None, now: datetime) -> list[Caution]:
    """What gives pause; a time of the day comes once a day, which needs no search."""
    if new is None or not new.enabled or new.schedule["type"] not in ("cron", "interval"):
        return []
    found = too_often(parse(new.schedule), zone(new.timezone), now)
    return [found] if found else []
