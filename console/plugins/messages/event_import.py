"""Events out of a CSV file: compared with what is there, shown, and put in force as a whole.

1. A row that names an `id` is about that event. Any other is about the event of the same name that starts
   at the same instant, or else on the same day where it takes place; one with another venue is another event.
2. A row about no event makes one. What a row leaves out of an event stays as it is.
3. Who has seen a plan asks for just that by its mark: if it has moved meanwhile, nothing is imported.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, select

from console.core.actor import Actor
from console.core.errors import Invalid, Refused
from console.core.permissions import Permission
from console.core.reasons import Reason
from console.db.session import db, reading, transaction
from console.plugins.messages import event_rows, event_shape, events, planner
from console.plugins.messages.event_rows import Faults, Row
from console.plugins.messages.event_shape import EventChange, Facts
from console.plugins.messages.models import Event
from console.plugins.messages.planner import Planned
from console.services import pushing

IMPORTED = "imported from a file"
DAY = timedelta(days=1)


class Action(StrEnum):
    """What a row does."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class PlannedRow:
    """What one row does; `before` and `after` hold the fields that change, all of them for a new event."""

    line: int
    action: Action
    event_id: UUID | None
    name: str
    timezone: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """What a file does, row by row; `planned` is what became of the messages, None before it is applied."""

    rows: Sequence[PlannedRow]
    as_of: datetime
    planned: Planned | None = None

    @property
    def mark(self) -> str:
        """Changes whenever what is to be done does."""
        held = [[row.action, str(row.event_id), row.before, row.after] for row in self.rows]
        return sha256(json.dumps(held, sort_keys=True, default=str).encode()).hexdigest()[:20]

    def count(self, action: Action) -> int:
        return sum(row.action is action for row in self.rows)


class PlanMoved(Refused):
    """Somebody changed events since you looked; nothing was imported. Look again."""

    reason = Reason.STALE_REVISION


def plan(actor: Actor, text: str, *, now: datetime) -> Plan:
    """What `apply` would do, without writing; raises `BadFile` with everything wrong, by line and column."""
    with reading():
        return Plan([step.planned for step in _compare(actor, text)], now)


def apply(
    actor: Actor, text: str, *, expected: str | None = None, reason: str | None = None, now: datetime
) -> Plan:
    """Imports a file in one transaction, its messages with it; `expected` is the mark that was seen.

    Raises `Forbidden`, `BadFile` as `plan`, or `PlanMoved`, and then nothing was changed.
    """
    actor.require(Permission.EDIT_EVENTS)
    with transaction():
        events.hold(actor.org_id)
        steps = _compare(actor, text)
        done = Plan([step.planned for step in steps], now)
        if expected is not None and done.mark != expected:
            raise PlanMoved()
        written = _write(actor, steps, reason or IMPORTED, now)
        planned = planner.plan_events(actor, written, now=now)
    pushing.push_tickets(planned.tickets, now=now)
    return Plan(done.rows, now, planned)


def _write(actor: Actor, steps: Sequence["_Step"], reason: str, now: datetime) -> list[Event]:
    """The events that were changed or made, in the order of their ids."""
    new = [step.facts for step in steps if step.event is None]
    written = list(events.insert_all(actor, new, reason=reason, now=now))
    for step in steps:
        if step.event is not None and step.planned.action is Action.UPDATE:
            events.write(actor, step.event, step.facts, reason=reason, now=now)
            written.append(step.event)
    return sorted(written, key=lambda row: row.id)


# What a file comes to ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Step:
    """One row: what it does, the event that it is about (None for a new one), and the facts afterwards."""

    planned: PlannedRow
    event: Event | None
    facts: Facts


@dataclass(frozen=True)
class _Read:
    """A row whose cells have been read; `place` is where its local times are meant."""

    row: Row
    place: ZoneInfo
    given: Mapping[str, Any]


def _compare(actor: Actor, text: str) -> list[_Step]:
    faults = Faults()
    rows = event_rows.read(text, faults)
    named = _by_id(actor, [row.id for row in rows if row.id])
    found = [item for item in (_read(actor, row, named, faults) for row in rows) if item]
    matched = _matched(found, named, _alike(actor, found), faults)
    steps = [_step(actor, item, matched.get(item.row.number), faults) for item in found]
    faults.check()
    return [step for step in steps if step]


def _read(actor: Actor, row: Row, named: Mapping[UUID, Event], faults: Faults) -> _Read | None:
    event = named.get(row.id) if row.id else None
    if row.id and event is None:
        faults.add(row.number, "id", "no event has this id; leave it empty for a new one")
        return None
    try:
        place = row.place(event.timezone if event else actor.zone)
    except Invalid as error:
        faults.add(row.number, "timezone", "; ".join(error.fields["timezone"]))
        return None
    return _Read(row, place, event_rows.values(row, place, faults))


def _by_id(actor: Actor, ids: Collection[UUID]) -> dict[UUID, Event]:
    return {row.id: row for row in _events(actor, Event.id.in_(ids))} if ids else {}


def _alike(actor: Actor, found: Sequence[_Read]) -> dict[str, list[Event]]:
    """The events that rows without an id may be about, by name: those within a day of any of the starts."""
    named = [item.given for item in found if not item.row.id and _is_named(item)]
    if not named:
        return {}
    starts = [given["starts_at"] for given in named]
    names = {given["name"].lower() for given in named}
    near = (Event.starts_at >= min(starts) - DAY) & (Event.starts_at <= max(starts) + DAY)
    alike: dict[str, list[Event]] = {}
    for row in _events(actor, func.lower(Event.name).in_(names) & near):
        alike.setdefault(row.name.lower(), []).append(row)
    return alike


def _events(actor: Actor, condition: ColumnElement[bool]) -> Sequence[Event]:
    query = select(Event).where(Event.org_id == actor.org_id, Event.deleted_at.is_(None), condition)
    return db.session.scalars(query.order_by(Event.id)).all()


def _is_named(item: _Read) -> bool:
    return bool(item.given.get("name")) and bool(item.given.get("starts_at"))


# Which event a row is about -----------------------------------------------------------------------


@dataclass
class _Matches:
    """The event of each row by its line; no two rows are about one."""

    faults: Faults
    by_line: dict[int, Event] = field(default_factory=dict)
    taken: dict[UUID, int] = field(default_factory=dict)
    unclear: set[int] = field(default_factory=set)

    def is_open(self, item: _Read) -> bool:
        """Whether it is still to be found out what the row is about."""
        is_settled = item.row.number in self.by_line or item.row.number in self.unclear
        return _is_named(item) and not item.row.id and not is_settled

    def take(self, item: _Read, event: Event) -> None:
        line = item.row.number
        if event.id in self.taken:
            self.faults.add(line, "id", f"line {self.taken[event.id]} is about this event already")
        self.taken.setdefault(event.id, line)
        self.by_line[line] = event

    def look(self, item: _Read, alike: Sequence[Event], is_same: Callable[[_Read, Event], bool]) -> None:
        """Takes the only event that is the same; of several the row must say which."""
        found = [row for row in alike if row.id not in self.taken and is_same(item, row)]
        if len(found) > 1:
            text = f"{len(found)} events of this name are on this day; say which by its id"
            self.faults.add(item.row.number, "name", text)
            self.unclear.add(item.row.number)
        elif found:
            self.take(item, found[0])


def _matched(
    found: Sequence[_Read],
    named: Mapping[UUID, Event],
    alike: Mapping[str, Sequence[Event]],
    faults: Faults,
) -> dict[int, Event]:
    """The event of each row by its line; those named by id first, then equal starts, then equal days."""
    matches = _Matches(faults)
    for item in found:
        if item.row.id:
            matches.take(item, named[item.row.id])
    _check_twins(found, faults)
    for is_same in (_has_same_start, _has_same_day):
        for item in found:
            if matches.is_open(item):
                matches.look(item, alike.get(item.given["name"].lower(), ()), is_same)
    return matches.by_line


def _check_twins(found: Sequence[_Read], faults: Faults) -> None:
    """Two rows that say the same name, start and venue are a mistake, not two events."""
    seen: dict[tuple[str, datetime, str], int] = {}
    for item in found:
        if item.row.id or not _is_named(item):
            continue
        given = item.given
        key = (given["name"].lower(), given["starts_at"], given.get("venue", "").lower())
        first = seen.setdefault(key, item.row.number)
        if first != item.row.number:
            faults.add(item.row.number, "", f"says the same event as line {first}")


def _has_same_start(item: _Read, row: Event) -> bool:
    return row.starts_at == item.given["starts_at"] and _has_same_venue(item, row)


def _has_same_day(item: _Read, row: Event) -> bool:
    there = row.starts_at.astimezone(ZoneInfo(row.timezone)).date()
    here = item.given["starts_at"].astimezone(item.place).date()
    return here == there and _has_same_venue(item, row)


def _has_same_venue(item: _Read, row: Event) -> bool:
    """Whether no two different ones are named."""
    return len({venue.lower() for venue in (item.given.get("venue", ""), row.venue) if venue}) < 2


# What becomes of it -------------------------------------------------------------------------------


def _step(actor: Actor, item: _Read, event: Event | None, faults: Faults) -> _Step | None:
    """What the row does; None when it is wrong."""
    try:
        facts = _facts(actor, item, event)
    except Invalid as error:
        unread = item.row.cells.keys() - item.given.keys()
        for name, texts in error.fields.items():
            if name not in unread:
                faults.add(item.row.number, name, "; ".join(texts))
        return None
    before = None if event is None else events.facts_of(event)
    old, new = event_shape.differences(before, facts) if before else (None, facts.as_json())
    action = Action.CREATE if event is None else Action.UPDATE if new else Action.UNCHANGED
    event_id = event.id if event else None
    planned = PlannedRow(item.row.number, action, event_id, facts.name, facts.timezone, old, new)
    return _Step(planned, event, facts)


def _facts(actor: Actor, item: _Read, event: Event | None) -> Facts:
    """The facts afterwards; raises `Invalid`."""
    if event is not None:
        return event_shape.checked_edit(events.facts_of(event), EventChange(**item.given))
    return event_shape.checked_fields(item.given, actor.zone)
