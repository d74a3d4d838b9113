"""How long after its slot a run starts, when not all that is due at one instant should start at once."""

from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID


def start_of(job_id: UUID, slot: datetime, jitter: timedelta | None) -> datetime:
    """When the slot's run may start: up to `jitter` after the slot, in whole milliseconds.

    It hangs on nothing but job and slot, so that every scheduler comes to the same instant.
    """
    if not jitter:
        return slot
    drawn = sha256(job_id.bytes + str(slot.timestamp()).encode()).digest()
    share = int.from_bytes(drawn[:8]) / 2**64
    return slot + timedelta(milliseconds=round(share * jitter.total_seconds() * 1000))
