"""Queues that are paused: each for one org, until somebody resumes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from console.db import bulk
from console.db.columns import Instant, OrgId
from console.db.people import Org
from console.db.runs import Run
from console.db.session import Record, db

WITHHELD = text(
    """
    SELECT runs.id FROM runs JOIN queue_pauses USING (org_id, queue)
    WHERE runs.id = ANY(CAST(:ids AS uuid[]))
    """
)


class QueuePause(Record):
    """A queue out of which no run of this org starts; the row is gone when it is resumed."""

    __tablename__ = "queue_pauses"
    org_id: Mapped[OrgId] = mapped_column(primary_key=True)
    queue: Mapped[str] = mapped_column(primary_key=True)
    paused_at: Mapped[Instant]
    paused_by: Mapped[str]
    note: Mapped[str | None]


@dataclass(frozen=True)
class PauseRow:
    """Since when a queue is paused, by whom and why; `timezone` is the org's."""

    paused_at: datetime
    paused_by: str
    note: str | None
    timezone: str


def paused(org_id: UUID | None = None) -> Mapping[tuple[UUID, str], PauseRow]:
    """The pauses of one org, or of all, by org and queue; there are few."""
    query = select(QueuePause, Org.timezone).join(Org, Org.id == QueuePause.org_id)
    if org_id is not None:
        query = query.where(QueuePause.org_id == org_id)
    return {
        (row.org_id, row.queue): PauseRow(row.paused_at, row.paused_by, row.note, timezone)
        for row, timezone in db.session.execute(query)
    }


def is_paused() -> ColumnElement[bool]:
    """Of a run in a query: that its queue is paused for its org."""
    return exists().where(QueuePause.org_id == Run.org_id, QueuePause.queue == Run.queue)


def names() -> frozenset[str]:
    """The queues that are paused for any org."""
    return frozenset(db.session.scalars(select(QueuePause.queue).distinct()))


def withheld(run_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of the runs whose queue is paused for their org."""
    return frozenset(db.session.scalars(WITHHELD, {"ids": bulk.uuid_array(run_ids)}))


def pause(org_id: UUID, queue: str, *, by: str, note: str | None, now: datetime) -> bool:
    """Pauses a queue; False when it was paused before."""
    values = {"org_id": org_id, "queue": queue, "paused_at": now, "paused_by": by, "note": note}
    statement = insert(QueuePause).values(values).on_conflict_do_nothing()
    return db.session.scalar(statement.returning(QueuePause.queue)) is not None


def resume(org_id: UUID, queue: str) -> PauseRow | None:
    """Takes a pause back, and answers it; None when there was none."""
    gone = delete(QueuePause).where(QueuePause.org_id == org_id, QueuePause.queue == queue)
    row = db.session.execute(gone.returning(QueuePause.paused_at, QueuePause.paused_by, QueuePause.note))
    found = row.first()
    return PauseRow(found.paused_at, found.paused_by, found.note, "UTC") if found else None
