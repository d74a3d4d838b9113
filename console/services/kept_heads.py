"""The newest head of each trail, kept in a file apart from the database.

Whoever cuts off entries, their places in the chain and its heads in Postgres can't reach this file, and
can't sign another. A head that is no longer in the table is never overwritten: it stays as evidence.
"""

import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from console.core.trail import Head

log = logging.getLogger(__name__)


class Unreadable(Exception):
    """The file is there and holds no heads."""


@dataclass(frozen=True)
class Kept:
    """A head with its signature."""

    head: Head
    signature: bytes


def path(folder: Path, org_id: UUID) -> Path:
    """Where the heads of an org are kept."""
    return folder / f"{org_id}.json"


def read(folder: Path, org_id: UUID) -> list[Kept]:
    """What is kept, the newest last: one head, or more after one was missed; none without a file.

    Raises `Unreadable`.
    """
    try:
        text = path(folder, org_id).read_text()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unreadable(error.strerror or "can't be read") from error
    try:
        return [_of(item) for item in json.loads(text)["heads"]]
    except (ValueError, TypeError, KeyError) as error:
        raise Unreadable("is no file of heads") from error


def keep(folder: Path, newest: Kept, is_known: Callable[[Kept], bool]) -> None:
    """Puts the head in the place of the one before, unless that is newer; those that nobody knows stay.

    A folder that can't be written is logged and changes nothing else.
    """
    try:
        with _alone(folder, newest.head.org_id):
            before = read(folder, newest.head.org_id)
            strange = [kept for kept in before if not is_known(kept)]
            known = [kept for kept in before if kept not in strange]
            latest = max([newest, *known], key=lambda kept: kept.head.position)
            _write(path(folder, newest.head.org_id), [*strange, latest])
    except (OSError, Unreadable) as error:
        said = {"action": "audit.head", "error": str(error)}
        log.warning("the head of the audit trail is not kept in its file", extra=said)


@contextmanager
def _alone(folder: Path, org_id: UUID) -> Iterator[None]:
    """One process at a time reads and writes the file of an org."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(folder / f"{org_id}.lock", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(place: Path, heads: list[Kept]) -> None:
    """The whole file or nothing of it."""
    draft = place.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"heads": [as_json(kept) for kept in heads]}, file, indent=1)
    draft.replace(place)


def as_json(kept: Kept) -> dict[str, Any]:
    """A head as it stands in its file and in the log."""
    head = kept.head
    return {
        "org_id": str(head.org_id),
        "position": head.position,
        "number": head.number,
        "hash": head.hash.hex(),
        "at": head.at.isoformat(),
        "legacy_until": head.legacy_until,
        "signature": kept.signature.hex(),
    }


def _of(item: dict[str, Any]) -> Kept:
    head = Head(
        UUID(item["org_id"]),
        int(item["position"]),
        int(item["number"]),
        bytes.fromhex(item["hash"]),
        datetime.fromisoformat(item["at"]),
        int(item["legacy_until"]),
    )
    return Kept(head, bytes.fromhex(item["signature"]))
