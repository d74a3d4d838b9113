"""Two people change one thing: the second save is refused, and says who changed what meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, select

from console.core.actor import Actor
from console.core.errors import Invalid, Refused
from console.core.reasons import Reason
from console.core.tags import Tag
from console.db.session import db
from console.db.trail import AuditEntry
from console.plugins.messages.views import EventView, Preferences, TypePreference
from console.services.audit import Subject


@dataclass(frozen=True)
class Later:
    """What was saved after revision `seen`: by whom at last, and the fields with their old and new values.

    `saved_by` and `saved_at` are None when the trail does not reach back so far.
    """

    seen: int
    revision: int
    saved_by: str | None
    saved_at: datetime | None
    old: Mapping[str, Any]
    new: Mapping[str, Any]


class Stale(Refused):
    """Somebody changed this since you read it; nothing was changed."""

    reason = Reason.STALE_REVISION

    def __init__(self, what: str, later: Later, current: EventView | Preferences | TypePreference) -> None:
        self.later, self.current = later, current
        fields = f" ({', '.join(later.new)})" if later.new else ""
        seen = f"r{later.seen}, which you saw" if later.seen else "you had looked"
        super().__init__(
            f"{later.saved_by or 'Somebody'} saved r{later.revision} of {what} after {seen}{fields}. "
            "Nothing was changed."
        )


class StaleEvent(Stale):
    """Somebody changed the event since you read it; nothing was changed."""

    current: EventView


class StaleSettings(Stale):
    """Somebody changed these settings since you read them; nothing was changed."""

    current: Preferences | TypePreference


def check_known(seen: int, newest: int) -> None:
    """Raises `Invalid` for a revision that there never was."""
    if not 0 <= seen <= newest:
        word = f"there is no such revision; the newest is {newest}"
        raise Invalid(f"revision: {word}", fields={"revision": [word]})


def later(actor: Actor, tag: Tag, subject: Subject, *, seen: int, newest: int) -> Later:
    """What the trail knows of the saves after `seen`, inside the caller's transaction."""
    number = AuditEntry.new["revision"].astext.cast(Integer)
    held = (AuditEntry.org_id == actor.org_id, AuditEntry.object_id == str(subject.id), AuditEntry.tag == tag)
    entries = db.session.scalars(select(AuditEntry).where(*held, number > seen).order_by(AuditEntry.number))
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    last = None
    for last in entries:
        old = {**_values(last.old), **old}
        new |= _values(last.new)
    kept = [name for name in new if name in old and old[name] != new[name]]
    return Later(
        seen,
        newest,
        last.actor_name if last else None,
        last.at if last else None,
        {name: old[name] for name in kept},
        {name: new[name] for name in kept},
    )


def _values(held: Any) -> dict[str, Any]:
    return {name: value for name, value in (held or {}).items() if name != "revision"}


def event_subject(event_id: UUID) -> Subject:
    return Subject("event", event_id)
