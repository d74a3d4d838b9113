"""What the addresses of the job table and of the page of schedules ask for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from console.core.states import JobStatus, Kind, MessageType
from console.services.views import JobFilter
from console.web import parameters
from console.web.queries import Query

LONGEST_ADDRESS = 254


class JobType(StrEnum):
    """A tab of the job table: the messages of one type, or whatever is no message."""

    INIT = "INIT"
    REMINDER = "REMINDER"
    FOLLOW_UP = "FOLLOW_UP"
    FREE = "FREE"
    TASKS = "TASKS"

    @property
    def message_type(self) -> MessageType | None:
        """None for tasks."""
        return None if self is JobType.TASKS else MessageType(self.value)

    @property
    def label(self) -> str:
        return self.message_type.label if self.message_type else "Tasks"


@dataclass(frozen=True)
class JobQuery(Query):
    """What the job table shows.

    `event` is the id of what messages are about, `recipient` a whole address; `settled` shows messages
    too that need not go out because what they ask for is known.
    """

    q: str | None = None
    status: JobStatus | None = None
    kind: Kind | None = None
    category: str | None = None
    from_: date | None = None
    to: date | None = None
    type: JobType | None = None
    event: UUID | None = None
    recipient: str | None = None
    settled: bool = False
    cursor: str | None = None

    @classmethod
    def read(cls, args: Mapping[str, str], *also: str) -> "JobQuery":
        """Raises `Invalid` that names the parameter; those in `also` are let pass."""
        cls._check_names(args, also)
        return cls(
            parameters.text(args, "q"),
            parameters.one_of(args, "status", JobStatus),
            parameters.one_of(args, "kind", Kind),
            parameters.text(args, "category"),
            parameters.day(args, "from"),
            parameters.day(args, "to"),
            parameters.one_of(args, "type", JobType),
            parameters.id_of(args, "event"),
            parameters.text(args, "recipient", longest=LONGEST_ADDRESS),
            parameters.flag(args, "settled"),
            parameters.cursor(args),
        )

    def filter(self, zone: ZoneInfo) -> JobFilter:
        """The filter; both days are meant as the zone has them, and both belong to it."""
        return JobFilter(
            self.q,
            self.status,
            self.kind,
            self.category,
            parameters.begin(self.from_, zone),
            parameters.end(self.to, zone),
            message_type=self.type.message_type if self.type else None,
            tasks_only=self.type is JobType.TASKS,
            subject_id=self.event,
            recipient=self.recipient,
            with_settled=self.settled,
        )


@dataclass(frozen=True)
class ScheduleQuery(Query):
    """What the page of schedules shows; without a kind, whatever has something to come."""

    q: str | None = None
    status: JobStatus | None = None
    kind: Kind | None = None
    category: str | None = None
    cursor: str | None = None

    @classmethod
    def read(cls, args: Mapping[str, str], *also: str) -> "ScheduleQuery":
        """Raises `Invalid` that names the parameter; those in `also` are let pass."""
        cls._check_names(args, also)
        return cls(
            parameters.text(args, "q"),
            parameters.one_of(args, "status", JobStatus),
            parameters.one_of(args, "kind", Kind),
            parameters.text(args, "category"),
            parameters.cursor(args),
        )

    @property
    def filter(self) -> JobFilter:
        is_scheduled = self.kind in (None, Kind.ONCE)
        return JobFilter(self.q, self.status, self.kind, self.category, scheduled_only=is_scheduled)
