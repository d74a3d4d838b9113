"""What an edit of a job wants, field by field."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import Enum
from typing import Any

from console.core.states import JobStatus

LONGEST_REASON = 500


class Unset(Enum):
    """The mark of a field that an edit leaves as it is."""

    UNSET = "unset"


UNSET = Unset.UNSET


@dataclass(frozen=True)
class Change:
    """What an edit wants; what is left `UNSET` stays as it is.

    `schedule` has the contract's shape: its type and that type's fields. `send_at` moves a job that
    runs once. `status` is one of those that make sense from where the job stands (`standings`); to
    set `sent` by hand takes a `note`. `closed` has the shape of `definitions.closing`. `note` says
    why a job is paused or closed.
    """

    name: str | Unset = UNSET
    subject: str | Unset = UNSET
    recipient: str | Unset | None = UNSET
    args: Mapping[str, Any] | Unset = UNSET
    schedule: Mapping[str, Any] | Unset = UNSET
    timezone: str | Unset = UNSET
    enabled: bool | Unset = UNSET
    overlap: str | Unset = UNSET
    catch_up: str | Unset = UNSET
    catch_up_window_seconds: int | Unset | None = UNSET
    jitter_seconds: int | Unset | None = UNSET
    send_at: datetime | Unset = UNSET
    status: JobStatus | Unset = UNSET
    closed: Mapping[str, Any] | Unset | None = UNSET
    note: str | None = None

    @property
    def wanted(self) -> dict[str, Any]:
        """The fields that it sets."""
        given = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "note"}
        return {name: value for name, value in given.items() if value is not UNSET}

    @property
    def meant(self) -> dict[str, Any]:
        """As `wanted`, with the note that belongs to a new status."""
        has_note = self.note and not {"status", "enabled", "closed"}.isdisjoint(self.wanted)
        return self.wanted | {"note": self.note} if has_note else self.wanted


def shortened(text: str | None) -> str | None:
    """As much of a reason or note as is kept; None for an empty one."""
    return text[:LONGEST_REASON] if text else None
