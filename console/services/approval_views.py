"""What a request for a second person shows: frozen, and read at one instant."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from console.core.reasons import Reason, Refusal
from console.core.states import ApprovalState, Trigger
from console.core.task import Preview
from console.services.approvers import ALONE
from console.services.definitions import FieldChange

WITHDRAWN = "withdrawn by the requester"
"""The note of whoever takes a request back and says no more."""
BY_ITSELF = frozenset(
    "schedule enabled overlap catch_up catch_up_window_seconds jitter_seconds closed note".split()
)
"""The fields that say when a job runs by itself, or whether it does: a click runs the same all the while.

The zone is none of them, for a report is of the days of its job's zone.
"""
Changes = Sequence[FieldChange] | None
"""In what a job differs from the revision that was asked for; None when that can't be known."""


def is_of_run(changes: Sequence[FieldChange]) -> bool:
    """Whether any of these changes what a click on the job runs, or as what it is shown."""
    return any(change.name not in BY_ITSELF for change in changes)


@dataclass(frozen=True)
class Shown:
    """What a run would do, as far as that can be known before it.

    `recipient` is whom it is for, `message` what would go out (None when the task sends none or it can't
    be made), `rules` what the task's own rules, which a click passes over, have against it.
    """

    recipient: str | None = None
    message: Preview | None = None
    rules: Refusal | None = None

    @property
    def mark(self) -> str:
        """Which message it is: another one where whoever is told of it would read something else."""
        return sha256(repr(self.message).encode()).hexdigest()[:16]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> "Shown":
        """Out of what `as_json` made."""
        message, rules = kept.get("message"), kept.get("rules")
        return cls(
            kept.get("recipient"),
            Preview(**message) if message else None,
            Refusal(Reason(rules["reason"]), rules["detail"]) if rules else None,
        )


@dataclass(frozen=True)
class ApprovalView:
    """One request, as the actor sees it who reads it.

    `requester` and `decider` are names. `reason` was given with the request, `note` with the decision.
    `revision` is the job's when it was asked for, `present_revision` the one it has now, None when the job
    is deleted. `is_own` says that the reader asked for it; `why_not` why the reader may not decide on it,
    in half a sentence, None when they may. One whose time is over reads `expired`, recorded or not. It
    `is_withdrawn` when whoever asked rejected it, and `is_stuck` when nobody but they could decide on it.
    `changes` are those of the job since, `timezone` is the one that it has now.
    """

    id: UUID
    state: ApprovalState
    job_id: UUID
    job_name: str
    job_key: str
    task: str
    task_title: str
    verb: str
    description: str
    revision: int
    present_revision: int | None
    trigger: Trigger
    args: Mapping[str, Any]
    override: bool
    start_at: datetime | None
    cause_id: UUID | None
    requester: str
    reason: str | None
    shown: Shown
    requested_at: datetime
    expires_at: datetime
    decider: str | None
    decided_at: datetime | None
    note: str | None
    run_id: UUID | None
    is_own: bool
    is_withdrawn: bool
    is_stuck: bool
    why_not: str | None
    as_of: datetime
    changes: Changes = ()
    timezone: str = "UTC"

    @property
    def word(self) -> str:
        """What became of it: its state, but for one that was taken back."""
        return "withdrawn" if self.is_withdrawn else self.state.value

    @property
    def said(self) -> str | None:
        """The decision's note, unless its word says as much."""
        return None if self.note == WITHDRAWN else self.note

    @property
    def is_pending(self) -> bool:
        return self.state is ApprovalState.PENDING

    @property
    def is_edited(self) -> bool:
        """Whether the job has another revision by now, or is deleted."""
        return self.present_revision != self.revision

    @property
    def is_stale(self) -> bool:
        """Whether the job was deleted or edited since so that what was asked for is not what would run."""
        if self.present_revision is None or self.changes is None:
            return True
        return is_of_run(self.changes)

    @property
    def version(self) -> str:
        """Changes whenever anything of it does, but for its age."""
        said = (
            self.id,
            self.state,
            self.present_revision,
            self.job_name,
            self.run_id,
            self.is_stuck,
            self.why_not,
            self.note,
        )
        return sha256(repr(said).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class ApprovalPage:
    """One page of requests: pending ones by what expires first, any others newest first."""

    approvals: Sequence[ApprovalView]
    next_cursor: str | None
    as_of: datetime


@dataclass(frozen=True)
class Waiting:
    """How many requests are pending in the org, and how many of them the reader may decide on."""

    pending: int = 0
    to_decide: int = 0

    @property
    def shown(self) -> str:
        """What changes when either number does."""
        return f"{self.pending}.{self.to_decide}"


def said(approval: ApprovalView, zone: str) -> str:
    """What has become of a request so far, for whoever asked; times are on the clock of `zone`."""
    if approval.state is ApprovalState.PENDING:
        who = "you have asked" if approval.is_own else f"{approval.requester} has asked"
        asked = f"A second person must approve this run: {who} for it, until {at(approval.expires_at, zone)}."
        return f"{asked} {ALONE}" if approval.is_stuck else asked
    if approval.state is ApprovalState.EXPIRED:
        return f"The request for this run expired at {at(approval.expires_at, zone)}; ask again."
    note = f" “{approval.said}”" if approval.said else ""
    when = f" at {at(approval.decided_at, zone)}" if approval.decided_at else ""
    return f"The request for this run was {approval.word} by {approval.decider}{when}.{note}"


def at(instant: datetime, zone: str) -> str:
    """`24 Nov 14:02 (Europe/Berlin)`."""
    local = instant.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %H:%M} ({zone})"
