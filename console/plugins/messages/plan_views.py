"""The words of the planner: seats, what stands for them, and the steps that it answers."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from console.core.reasons import Reason
from console.core.states import JobStatus, MessageType

BY_PLANNER = (Reason.HAS_LOAD_IN_TIME, Reason.IN_THE_PAST)
"""The reasons with which the planner closes a job; without one a person closed it."""


class SeatRole(StrEnum):
    """As what somebody gets a message."""

    CONTACT = "contact"
    CREW = "crew"


@dataclass(frozen=True)
class Seat:
    """One message that an event wants; `recipient` is None while nobody is known to whom it could go."""

    message_type: MessageType
    role: SeatRole
    recipient: str | None

    @property
    def address(self) -> str:
        return address_of(self.recipient)


@dataclass(frozen=True)
class Wording:
    """What a job is called and about, and in which zone its time is shown; all three follow the event."""

    name: str
    subject: str
    timezone: str


@dataclass(frozen=True)
class Standing:
    """A planned job as it stands; `at` is None when a person made it recur or wait for a hand.

    `is_waiting` says that it would go out by itself or is paused, `is_closed` that it is over without a
    run, `is_final` that it was sent, may have been sent, or is on its way.
    """

    id: UUID
    at: datetime | None
    status: JobStatus
    reason: str | None
    is_waiting: bool
    is_closed: bool
    is_final: bool
    is_deleted: bool
    recipient: str | None
    wording: Wording

    @property
    def is_closed_by_planner(self) -> bool:
        return self.is_closed and self.reason in BY_PLANNER

    @property
    def is_closed_by_hand(self) -> bool:
        return self.is_closed and self.reason not in BY_PLANNER


@dataclass(frozen=True)
class Place:
    """A row of `message_plans`: what the planner last wanted there, and the job, None when it is purged.

    `written` is the wording that it gave last.
    """

    id: UUID
    message_type: MessageType
    role: SeatRole
    address: str
    planned_at: datetime
    resumes_paused: bool
    is_withdrawn: bool
    written: Wording
    job: Standing | None

    @property
    def is_gone(self) -> bool:
        """Whether a person deleted its job."""
        return not self.is_withdrawn and (self.job is None or self.job.is_deleted)

    @property
    def is_moved(self) -> bool:
        """Whether a person gave it its time."""
        return self.job is not None and self.job.at != self.planned_at

    @property
    def is_readdressed(self) -> bool:
        """Whether a person gave it another recipient."""
        return self.job is not None and address_of(self.job.recipient) != self.address


class Does(StrEnum):
    """What a step does to a job."""

    CREATE = "create"
    MOVE = "move"
    CLOSE = "close"
    OPEN = "open"
    WITHDRAW = "withdraw"
    FOLLOW = "follow"


@dataclass(frozen=True)
class Step:
    """One thing to do to the job of a place, or of a new one when `place` is None.

    `seat`, `planned_at` and `written` are what the row in `message_plans` says afterwards. `at` is the
    time of a job that is created, moved or opened, and of one that is closed the time that has passed.
    `is_paused` says of one that is closed that it was paused, and of one that is opened that it is to
    be so again. `revives` says that the job was withdrawn and comes back, `readdresses` that it gets
    the seat's recipient; `wording` is what it is to have, None when that stays.
    """

    does: Does
    place: Place | None
    seat: Seat | None = None
    planned_at: datetime | None = None
    written: Wording | None = None
    at: datetime | None = None
    closed: Reason | None = None
    is_paused: bool = False
    revives: bool = False
    readdresses: bool = False
    wording: Wording | None = None


def address_of(recipient: str | None) -> str:
    """The address by which a seat is known, empty for nobody."""
    return (recipient or "").strip().lower()
