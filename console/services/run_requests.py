"""What is asked for when somebody, or another run, wants a run of a job."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from console.core.states import Hold, Trigger


@dataclass(frozen=True)
class Approved:
    """A second person's word: which request it settled, and who gave it."""

    approval_id: UUID
    by: str


@dataclass(frozen=True)
class Place:
    """The place of a run in a sequence; the first one waits for none."""

    sequence_id: UUID
    after_run_id: UUID | None


@dataclass(frozen=True)
class Request:
    """What was asked: the idempotency `key` (None: each call is its own), and arguments for this run.

    `start_at` is when it is to start, None at once. `cause_id` is the run that this one retries or
    follows. `note` is the reason that was given for it.
    """

    trigger: Trigger
    key: str | None = None
    args: Mapping[str, Any] | None = None
    dry_run: bool = False
    override: bool = False
    start_at: datetime | None = None
    cause_id: UUID | None = None
    place: Place | None = None
    approved: Approved | None = None
    note: str | None = None

    @property
    def hold(self) -> Hold | None:
        """What keeps its run from starting at once."""
        if self.place is not None and self.place.after_run_id is not None:
            return Hold.SEQUENCE
        return Hold.LATER if self.start_at is not None else None
