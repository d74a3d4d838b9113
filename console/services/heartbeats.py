"""Heartbeats: the proof of life that each process gives, and how old one may be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, or_, update
from sqlalchemy.dialects.postgresql import insert

from console.core.hops import THRESHOLDS, Thresholds
from console.core.states import Beating
from console.db.operations import Heartbeat
from console.db.session import db, transaction

LISTED_FOR = timedelta(hours=24)
CRON_LISTED_FOR = timedelta(days=30)
_thresholds: Thresholds = THRESHOLDS


def configure(seconds: Mapping[Beating, tuple[int, int]]) -> None:
    """Sets the ages in seconds at which a kind of heartbeat turns yellow and red; others keep theirs."""
    global _thresholds
    given = {
        kind: (timedelta(seconds=yellow), timedelta(seconds=red)) for kind, (yellow, red) in seconds.items()
    }
    _thresholds = {**THRESHOLDS, **given}


def on_time(kind: Beating) -> timedelta:
    """How old the last beat of this kind may be while its light is green."""
    return _thresholds[kind][0]


def thresholds() -> Thresholds:
    """The ages at which the last beat of each kind turns its light yellow, and red."""
    return _thresholds


@dataclass(frozen=True)
class Beat:
    """What a process says of itself with each heartbeat; `pid` is its process id on `host`."""

    kind: Beating
    name: str
    host: str
    pid: int
    started_at: datetime
    queues: Sequence[str] = ()
    tasks: Sequence[str] = ()
    run_id: UUID | None = None
    details: dict[str, object] = field(default_factory=dict)


def beat(beat: Beat, *, now: datetime) -> None:
    """Records a proof of life; raises `Unavailable`."""
    values = {
        "host": beat.host,
        "pid": beat.pid,
        "started_at": beat.started_at,
        "beat_at": now,
        "stopped_at": None,
        "queues": list(beat.queues),
        "tasks": list(beat.tasks),
        "run_id": beat.run_id,
        "details": beat.details,
    }
    statement = insert(Heartbeat).values(kind=beat.kind, name=beat.name, **values)
    with transaction():
        db.session.execute(statement.on_conflict_do_update(index_elements=["kind", "name"], set_=values))


def stopped(kind: Beating, name: str, *, now: datetime) -> None:
    """Records that a process ended in good order, and forgets those not seen for a day."""
    with transaction():
        mine = update(Heartbeat).where(Heartbeat.kind == kind, Heartbeat.name == name)
        db.session.execute(mine.values(stopped_at=now, run_id=None))
        db.session.execute(delete(Heartbeat).where(~is_recent(now)))


def is_recent(now: datetime) -> ColumnElement[bool]:
    """Heard within the last day; a cron within 30, for it may tick as seldom as once a day."""
    is_cron = Heartbeat.kind == Beating.EXTERNAL_CRON
    return or_(Heartbeat.beat_at > now - LISTED_FOR, and_(is_cron, Heartbeat.beat_at > now - CRON_LISTED_FOR))
