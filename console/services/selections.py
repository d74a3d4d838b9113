"""What an edit of many jobs is about to change: read before it is confirmed, and again before it is done."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from console.core.actor import Actor
from console.db.jobs import Job
from console.db.session import db, reading
from console.services import job_filters
from console.services.bulk_edits import MOST_SELECTED
from console.services.views import JobFilter

NAMED = 5


@dataclass(frozen=True)
class Selection:
    """Some jobs: how many, the names of the first five, and a mark that each edit of one of them changes.

    The mark also changes when another job joins them or one leaves. Counting stops at 1,001; `ids` are
    those that were counted, nearest first.
    """

    count: int
    names: Sequence[str]
    mark: str
    ids: Sequence[UUID] = ()

    @property
    def is_too_large(self) -> bool:
        return self.count > MOST_SELECTED


def selected(actor: Actor, ids: Sequence[UUID]) -> Selection:
    """Those of the actor's jobs that have one of these ids."""
    return _selection(job_filters.alive(actor).where(Job.id.in_(ids)))


def matching(actor: Actor, wanted: JobFilter) -> Selection:
    """Those of the actor's jobs that match."""
    return _selection(job_filters.filtered(select(Job), actor, wanted))


def _selection(query: Select[Any]) -> Selection:
    nearest = query.order_by(Job.sort_at, Job.name, Job.id).limit(MOST_SELECTED + 1)
    with reading():
        rows = db.session.execute(nearest.with_only_columns(Job.id, Job.name, Job.revision)).all()
    # In an order of its own: that a job moves up in the list changes nothing about it.
    edits = sorted(f"{row.id} {row.revision}" for row in rows)
    mark = sha256("\n".join(edits).encode()).hexdigest()[:20]
    return Selection(len(rows), [row.name for row in rows[:NAMED]], mark, [row.id for row in rows])
