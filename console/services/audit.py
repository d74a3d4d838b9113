"""The trail: each entry is added to the transaction of what it describes, with a MAC of its own."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from console.core import trail
from console.core.actor import Actor
from console.core.masking import masked_text
from console.core.tags import Tag
from console.core.texts import storable
from console.core.trail import Ring
from console.db.session import db

LONGEST_NAME = 300
# A text, for nearly every transaction writes one: through the table's class it costs twice as much.
INSERT = text(
    f"""
    INSERT INTO audit_entries ({", ".join(trail.FIELDS)}, mac)
    VALUES ({", ".join(f":{name}" for name in trail.FIELDS)}, :mac)
    """  # noqa: S608
)


@dataclass(frozen=True)
class Subject:
    """What an entry is about."""

    kind: str
    id: UUID | str


@dataclass(frozen=True)
class Means:
    """What sealing takes: the keys, and the folder in which the newest heads are kept apart."""

    ring: Ring
    folder: Path


_means: list[Means] = []


def configure(secret_key: str, former_keys: Sequence[str], home: Path) -> None:
    """Sets the keys, made of SECRET_KEY and its former values, and the folder, below CONSOLE_HOME."""
    _means[:] = [Means(Ring.of(secret_key, former_keys), home / "audit" / "heads")]


def means() -> Means:
    """The keys and the folder; raises RuntimeError before `configure`."""
    if not _means:
        raise RuntimeError("the audit trail has no keys yet")
    return _means[0]


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
    """Adds an entry to the open transaction. What is called like a secret is masked, at any depth."""
    old_value, new_value = (trail.plain(value) if value is not None else None for value in (old, new))
    values: dict[str, Any] = {
        "uid": uuid4(),
        "org_id": actor.org_id,
        "at": now,
        "tag": tag.value,
        "actor_kind": actor.kind.value,
        "actor_id": actor.id,
        "actor_name": storable(actor.name, LONGEST_NAME),
        "address": _text(actor.address),
        "object_kind": subject.kind,
        "object_id": storable(str(subject.id), LONGEST_NAME),
        "old": [old_value] if old_value is not None else None,
        "new": [new_value] if new_value is not None else None,
        "reason": _text(reason),
        "request_id": _text(actor.request_id),
    }
    mac = means().ring.present.mac(_said(values))
    written = {name: json.dumps(values[name][0]) if values[name] else None for name in ("old", "new")}
    db.session.execute(INSERT, {**values, **written, "mac": mac})


def _text(value: str | None) -> str | None:
    return storable(masked_text(value), trail.LONGEST_TEXT) if value is not None else None


def _said(values: Mapping[str, Any]) -> bytes:
    """An entry as it will be read and verified."""
    texts = {
        **values,
        "at": trail.microseconds(values["at"]),
        **{name: str(values[name]) for name in ("uid", "org_id", "actor_id") if values[name]},
    }
    return trail.canonical([texts[name] for name in trail.FIELDS])
