"""The trail: each entry is added to the transaction of what it describes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from console.core.actor import Actor
from console.core.tags import Tag
from console.db.operations import AuditEntry
from console.db.session import db


@dataclass(frozen=True)
class Subject:
    """What an entry is about."""

    kind: str
    id: UUID | str


def add(
    actor: Actor,
    tag: Tag,
    subject: Subject,
    *,
    now: datetime,
    old: Mapping[str, Any] | None = None,
    new: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    """Adds an entry to the open transaction; secrets have no place in `old` and `new`."""
    db.session.add(
        AuditEntry(
            org_id=actor.org_id,
            at=now,
            tag=tag,
            actor_kind=actor.kind,
            actor_id=actor.id,
            actor_name=actor.name,
            address=actor.address,
            object_kind=subject.kind,
            object_id=str(subject.id),
            old=dict(old) if old is not None else None,
            new=dict(new) if new is not None else None,
            reason=reason,
            request_id=actor.request_id,
        )
    )
