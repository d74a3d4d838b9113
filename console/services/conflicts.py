"""Two people edit one job: the second save is refused, with all that is needed to settle it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from console.core.actor import Actor
from console.core.errors import Invalid, Refused
from console.core.reasons import Reason
from console.core.schedule import parse
from console.core.states import JobStatus
from console.db.jobs import Job, JobRevision
from console.db.session import db
from console.services import jobs, standings
from console.services.definitions import NAMES, Definition
from console.services.views import JobView


@dataclass(frozen=True)
class ConflictField:
    """One field in its three versions; `clashes` when both sides changed it, and not to the same."""

    name: str
    base: Any
    theirs: Any
    mine: Any
    clashes: bool


@dataclass(frozen=True)
class Conflict:
    """The common ancestor is revision `seen`; `theirs` was saved by `saved_by` at `saved_at`."""

    seen: int
    current: JobView
    yours: Mapping[str, Any]
    fields: Sequence[ConflictField]
    saved_by: str
    saved_from: str
    saved_at: datetime
    reason: str | None


class StaleRevision(Refused):
    """Somebody changed the job since you read it; nothing was changed."""

    reason = Reason.STALE_REVISION

    def __init__(self, conflict: Conflict) -> None:
        self.conflict = conflict
        super().__init__(
            f"{conflict.saved_by} saved r{conflict.current.revision} after r{conflict.seen}, which you saw. "
            "Nothing was changed."
        )


def stale(
    actor: Actor, job: Job, current: Definition, wanted: Mapping[str, Any], *, seen: int, now: datetime
) -> Refused | Invalid:
    """The refusal of an edit that was made on revision `seen`; inside the caller's transaction."""
    is_known = 1 <= seen <= job.revision
    base, newest = _revision(job.id, seen) if is_known else None, _revision(job.id, job.revision)
    if base is None or newest is None:
        word = f"there is no such revision; the newest is {job.revision}"
        return Invalid(f"revision: {word}", fields={"revision": [word]})
    mine = _readable(wanted)
    return StaleRevision(
        Conflict(
            seen=seen,
            current=jobs.view_of(job, now),
            yours=mine,
            fields=_fields(Definition.read(base.definition), current, mine),
            saved_by=newest.actor,
            saved_from=newest.origin,
            saved_at=newest.created_at,
            reason=newest.reason,
        )
    )


def _revision(job_id: UUID, number: int) -> JobRevision | None:
    query = select(JobRevision).where(JobRevision.job_id == job_id, JobRevision.revision == number)
    return db.session.scalar(query)


def _readable(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What was wanted, in the form in which definitions are kept; what can't be read stays as it came."""
    mine = dict(wanted)
    if "send_at" in mine:
        mine["schedule"] = {"type": "once", "at": mine.pop("send_at")}
    if "status" in mine:
        mine |= standings.fields_of(JobStatus(mine.pop("status")))
    if isinstance(mine.get("schedule"), Mapping):
        try:
            mine["schedule"] = parse(mine["schedule"]).as_json()
        except Invalid:
            mine["schedule"] = {
                name: value.isoformat() if isinstance(value, datetime) else value
                for name, value in mine["schedule"].items()
            }
    return mine


def _fields(base: Definition, theirs: Definition, mine: Mapping[str, Any]) -> list[ConflictField]:
    """The fields that either side changed, in the order of the definition."""
    found = []
    for name in NAMES:
        old, their = getattr(base, name), getattr(theirs, name)
        my = mine.get(name, old)
        if their != old or my != old:
            clashes = their != old and my not in (old, their)
            found.append(ConflictField(name, old, their, my, clashes))
    return found
