"""How the trails of all orgs stand, without recomputing them: for the doctor."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select

from console.db.people import Org
from console.db.session import db, reading
from console.db.trail import AuditEntry, AuditHead
from console.services import verifying

SEALED_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True)
class TrailState:
    """How many orgs there are, since when entries wait for their seal, and which trails were found broken.

    `broken` has the sentence of the last verification by the name of the org.
    """

    orgs: int
    sealed_at: datetime | None
    waiting_since: datetime | None
    broken: Mapping[str, str]

    def is_late(self, now: datetime) -> bool:
        """Whether nobody has sealed for a minute although there is something to seal."""
        return self.waiting_since is not None and now - self.waiting_since > SEALED_WITHIN


def state() -> TrailState:
    """The state of all trails."""
    with reading():
        orgs = db.session.execute(select(Org.id, Org.name).order_by(Org.name)).all()
        waiting = [at for org_id, _ in orgs if (at := _waiting_since(org_id)) is not None]
        found = {name: past for org_id, name in orgs if (past := verifying.last_of(org_id)) and not past.ok}
        return TrailState(
            orgs=len(orgs),
            sealed_at=db.session.scalar(select(func.max(AuditHead.at))),
            waiting_since=min(waiting, default=None),
            broken={name: past.sentence or "broken" for name, past in found.items()},
        )


def _waiting_since(org_id: UUID) -> datetime | None:
    sealed = select(func.max(AuditHead.number)).where(AuditHead.org_id == org_id).scalar_subquery()
    ahead = AuditEntry.number > func.coalesce(sealed, 0)
    return db.session.scalar(select(func.min(AuditEntry.at)).where(AuditEntry.org_id == org_id, ahead))
