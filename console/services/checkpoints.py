"""Checkpoints of a verification, as whoever verifies carries them from one request to the next."""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from console.core.actor import Actor
from console.core.errors import Refused
from console.core.trail import Checkpoint, Place
from console.services import audit

LASTS = timedelta(hours=1)
"""An entry that was changed after it was passed is found by the next verification: so none lasts long."""
LONGEST = 2000


def begin(actor: Actor, place: Place, begun_at: datetime) -> Checkpoint:
    """The checkpoint of the actor's verification that began at this instant and stands at this place."""
    return Checkpoint(actor.org_id, _by(actor), begun_at, place)


def written(checkpoint: Checkpoint) -> str:
    """The checkpoint with its MAC, as text that only this console could have made."""
    place = checkpoint.place
    values = {
        "org": str(checkpoint.org_id),
        "by": checkpoint.by,
        "begun_at": checkpoint.begun_at.isoformat(),
        "place": [place.position, place.hash.hex(), place.signed_until, place.legacy_until],
        "mac": audit.means().ring.present.stamp(checkpoint).hex(),
    }
    return urlsafe_b64encode(json.dumps(values).encode()).decode()


def read(actor: Actor, text: str, *, now: datetime) -> Checkpoint:
    """What `written` gave to this very actor within the last hour; raises `Refused`."""
    try:
        values = json.loads(urlsafe_b64decode(text[:LONGEST]))
        found, mac = _of(values), bytes.fromhex(values["mac"])
        expected = audit.means().ring.present.stamp(found)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise _worthless() from error  # whoever writes one by hand may write anything
    if not hmac.compare_digest(expected, mac) or (found.org_id, found.by) != (actor.org_id, _by(actor)):
        raise _worthless()
    if not found.begun_at <= now <= found.begun_at + LASTS:
        raise Refused(
            "This verification began more than an hour ago, and what it has passed may have been changed "
            "since. Nothing was recorded. Begin again, or let the daily task verify the trail."
        )
    return found


def _of(values: dict[str, Any]) -> Checkpoint:
    position, hash_, signed_until, legacy_until = values["place"]
    place = Place(int(position), bytes.fromhex(hash_), int(signed_until), int(legacy_until))
    return Checkpoint(
        UUID(values["org"]), str(values["by"]), datetime.fromisoformat(values["begun_at"]), place
    )


def _by(actor: Actor) -> str:
    return f"{actor.kind.value} {actor.id or actor.name}"


def _worthless() -> Refused:
    return Refused(
        "This verification can't go on: what the page remembers of it is not what this console gave it. "
        "Nothing was recorded. Begin again."
    )
