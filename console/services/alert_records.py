"""What holds for alert channels and alert rules alike: found in their org, of one name each, not too many."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from console.core.actor import Actor
from console.core.errors import NotFound, Refused
from console.core.tags import Tag
from console.db.alerts import AlertChannel, AlertRule
from console.db.session import db
from console.services import audit
from console.services.alert_ways import invalid

Row = TypeVar("Row", AlertChannel, AlertRule)


@dataclass(frozen=True)
class Records(Generic[Row]):
    """The rows of one kind: what one of them is called, what the trail calls it, and how many an org has.

    Every function works inside the caller's transaction.
    """

    model: type[Row]
    noun: str
    subject: str
    most: int

    def get(self, actor: Actor, row_id: UUID, *, lock: bool = False) -> Row:
        """The row of this id in the actor's org; raises `NotFound`."""
        query = select(self.model).where(self.model.id == row_id, self.model.org_id == actor.org_id)
        row = db.session.scalar(query.with_for_update() if lock else query)
        if row is None:
            raise NotFound(f"There is no such {self.noun}.")
        return row

    def check_room(self, actor: Actor) -> None:
        """Raises `Refused` when the org has as many as there can be."""
        held = select(func.count()).select_from(self.model).where(self.model.org_id == actor.org_id)
        if (db.session.scalar(held) or 0) >= self.most:
            raise Refused(f"There are {self.most} {self.noun}s, and there can't be more. Delete one first.")

    def flush(self) -> None:
        """Raises `Invalid` when the name is taken."""
        try:
            db.session.flush()
        except IntegrityError as error:
            raise invalid("name", f"another {self.noun} has this name") from error

    def tell(
        self,
        actor: Actor,
        tag: Tag,
        row: Row,
        now: datetime,
        old: Mapping[str, Any] | None = None,
        new: Mapping[str, Any] | None = None,
    ) -> None:
        """Puts on the trail what was done to the row."""
        audit.add(actor, tag, audit.Subject(self.subject, row.id), now=now, old=old, new=new)
