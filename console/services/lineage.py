"""Where a run comes from and what was made of it: the run that it retries, and those that retry it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select

from console.core.actor import Actor
from console.core.states import RunState, Trigger
from console.db.runs import Run
from console.db.session import db, reading
from console.services.run_views import RunView

MOST = 20


@dataclass(frozen=True)
class Relative:
    """A run as another one's page names it."""

    id: UUID
    state: RunState
    requested_at: datetime
    requested_by: str


@dataclass(frozen=True)
class Lineage:
    """The run that this one retries, None when it retries none, and up to 20 that retry it, newest first."""

    cause: Relative | None
    retries: Sequence[Relative]


def of(actor: Actor, run: RunView) -> Lineage:
    """The relatives of a run, as far as they are in the actor's org."""
    is_cause = Run.id == run.cause_id if run.trigger is Trigger.RETRY else None
    is_retry = (Run.cause_id == run.id) & (Run.trigger == Trigger.RETRY)
    wanted = or_(is_cause, is_retry) if is_cause is not None else is_retry
    query = select(Run.id, Run.state, Run.requested_at, Run.requested_by)
    query = query.where(Run.org_id == actor.org_id, wanted).order_by(Run.requested_at.desc(), Run.id.desc())
    with reading():
        rows = db.session.execute(query.limit(MOST + 1)).all()
    found = [Relative(row.id, RunState(row.state), row.requested_at, row.requested_by) for row in rows]
    cause = next((item for item in found if item.id == run.cause_id), None)
    return Lineage(cause, [item for item in found if item.id != run.cause_id][:MOST])
