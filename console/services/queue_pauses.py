"""Queues of an org: what waits in them and who serves them, and pausing and resuming them.

A paused queue starts nothing of its org: no ticket of it is pushed, and a claim finds nothing. What runs
goes on, and what is asked for meanwhile waits in Postgres.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from console.core.actor import Actor
from console.core.errors import Invalid, NotFound, Refused
from console.core.names import suggest
from console.core.permissions import Permission
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.tags import Tag
from console.core.texts import storable
from console.db import pauses
from console.db.pauses import PauseRow
from console.db.session import db, reading, transaction
from console.services import audit, pushing, workers
from console.services.workers import Fleet

LONGEST_NOTE = 500
COUNTS = text(
    """
    SELECT queue, count(*) FILTER (WHERE state = 'queued') AS waiting,
        count(*) FILTER (WHERE state = 'running') AS running
    FROM runs WHERE org_id = :org_id AND state IN ('queued', 'running') AND held_by IS NULL GROUP BY queue
    """
)


@dataclass(frozen=True)
class Pause:
    """Since when a queue is paused, by whom, and the reason that was given."""

    at: datetime
    by: str
    note: str | None


@dataclass(frozen=True)
class QueueView:
    """A queue as one org sees it: how many of its runs wait and run, and how many live workers serve it."""

    name: str
    waiting: int
    running: int
    workers: int
    pause: Pause | None
    as_of: datetime


def listing(actor: Actor, *, now: datetime) -> list[QueueView]:
    """Every queue that a known task uses, a live worker serves, or a run of the org waits in, by name."""
    actor.require(Permission.READ)
    with reading():
        return _queues(actor, now)


def _queues(actor: Actor, now: datetime) -> list[QueueView]:
    seen = workers.fleet(now)
    paused = {queue: row for (_, queue), row in pauses.paused(actor.org_id).items()}
    counts = {row.queue: row for row in db.session.execute(COUNTS, {"org_id": actor.org_id})}
    served = {queue for worker in seen.live_workers for queue in worker.queues}
    names = sorted({*registry.queues(), *served, *paused, *counts})
    return [_view(name, counts, paused, seen, now) for name in names]


def _view(
    name: str, counts: Mapping[str, Any], paused: Mapping[str, PauseRow], seen: Fleet, now: datetime
) -> QueueView:
    found, row = counts.get(name), paused.get(name)
    return QueueView(
        name=name,
        waiting=found.waiting if found else 0,
        running=found.running if found else 0,
        workers=sum(name in worker.queues for worker in seen.live_workers),
        pause=Pause(row.paused_at, row.paused_by, row.note) if row else None,
        as_of=now,
    )


def get(actor: Actor, name: str, *, now: datetime) -> QueueView:
    """The queue of this name; raises `NotFound` with suggestions."""
    return _find(name, listing(actor, now=now))


def _find(name: str, known: list[QueueView]) -> QueueView:
    found = next((queue for queue in known if queue.name == name), None)
    if found is not None:
        return found
    near = suggest(name, [queue.name for queue in known])
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    raise NotFound(f"No queue is called “{name[:100]}”.{hint}", suggestions=near)


def pause(actor: Actor, name: str, note: str | None, *, now: datetime) -> QueueView:
    """Lets nothing more of the org start out of the queue; what runs goes on, and what waits is kept.

    Raises `Forbidden`, `NotFound`, `Invalid` that names `note`, and `Refused` when it is paused already,
    with who paused it.
    """
    actor.require(Permission.PAUSE_QUEUES)
    given = checked_note(note)
    with transaction():
        before = _find(name, _queues(actor, now))
        if not pauses.pause(actor.org_id, name, by=actor.name, note=given, now=now):
            raise _paused_before(actor, before, now)
        new = {"waiting": before.waiting, "running": before.running}
        audit.add(actor, Tag.QUEUE_PAUSED, audit.Subject("queue", name), now=now, new=new, reason=given)
        return _find(name, _queues(actor, now))


def _paused_before(actor: Actor, queue: QueueView, now: datetime) -> Refused:
    said = workers.fleet(now).pause_of(actor.org_id, queue.name) or f"queue {queue.name} is paused"
    return Refused(f"{said[:1].upper()}{said[1:]}. Nothing was changed.", reason=Reason.QUEUE_PAUSED)


def resume(actor: Actor, name: str, *, now: datetime) -> QueueView:
    """Lets the queue's runs start again, and pushes those that waited.

    Raises `Forbidden`, `NotFound`, and `Refused` when it is not paused.
    """
    actor.require(Permission.PAUSE_QUEUES)
    with transaction():
        _find(name, _queues(actor, now))
        before = pauses.resume(actor.org_id, name)
        if before is None:
            raise Refused(f"Queue {name} is not paused. Nothing was changed.")
        old = {"paused_at": before.paused_at.isoformat(), "paused_by": before.paused_by, "note": before.note}
        audit.add(actor, Tag.QUEUE_RESUMED, audit.Subject("queue", name), now=now, old=old)
    pushing.push_resumed(actor.org_id, name, now=now)
    return get(actor, name, now=now)


def checked_note(note: str | None) -> str | None:
    """The reason that was given, as it is kept; raises `Invalid` that names `note`."""
    given = (note or "").strip()
    if len(given) > LONGEST_NOTE:
        word = f"at most {LONGEST_NOTE} characters; there are {len(given)}"
        raise Invalid(f"The note may have {word}. Nothing was changed.", fields={"note": [word]})
    return storable(given, LONGEST_NOTE) or None
