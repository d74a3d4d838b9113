"""What a page's address asks for, checked; the page's links are made of the same thing."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any, Self, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from console.core.alerts import DeliveryState
from console.core.errors import Invalid
from console.core.states import JobStatus, Kind, MessageType, RunState, Trigger
from console.services.alert_history import DeliveryFilter
from console.services.views import JobFilter, RunFilter

PAGE = 50
RUNS_OF_JOB = 20
LONGEST = 200
LONGEST_ADDRESS = 254
DAY = re.compile(r"^\d{4}-\d{2}-\d{2}$", re.ASCII)
E = TypeVar("E", bound=StrEnum)


class Query:
    """The base of each page's query: its fields are the parameters of the address."""

    def but(self, **changes: Any) -> Self:
        """The same query with other values; a changed filter begins at the first page."""
        return replace(self, **{"cursor": None, **changes})  # type: ignore[type-var]

    @property
    def params(self) -> dict[str, str]:
        """What stands in the address."""
        given = asdict(self).items()  # type: ignore[call-overload]
        return {name.rstrip("_"): "1" if value is True else str(value) for name, value in given if value}

    @classmethod
    def _check_names(cls, args: Mapping[str, str], also: tuple[str, ...]) -> None:
        names = [item.name.rstrip("_") for item in fields(cls)]  # type: ignore[arg-type]
        check_names(args, *names, *also)

    @property
    def is_filtered(self) -> bool:
        return any(name != "cursor" for name in self.params)


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
            _text(args, "q"),
            _one_of(args, "status", JobStatus),
            _one_of(args, "kind", Kind),
            _text(args, "category"),
            _day(args, "from"),
            _day(args, "to"),
            _one_of(args, "type", JobType),
            _id(args, "event"),
            _text(args, "recipient", longest=LONGEST_ADDRESS),
            _flag(args, "settled"),
            _text(args, "cursor", longest=1000),
        )

    def filter(self, zone: ZoneInfo) -> JobFilter:
        """The filter; both days are meant as the zone has them, and both belong to it."""
        return JobFilter(
            self.q,
            self.status,
            self.kind,
            self.category,
            _begin(self.from_, zone),
            _end(self.to, zone),
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
            _text(args, "q"),
            _one_of(args, "status", JobStatus),
            _one_of(args, "kind", Kind),
            _text(args, "category"),
            _text(args, "cursor", longest=1000),
        )

    @property
    def filter(self) -> JobFilter:
        is_scheduled = self.kind in (None, Kind.ONCE)
        return JobFilter(self.q, self.status, self.kind, self.category, scheduled_only=is_scheduled)


class ApprovalTab(StrEnum):
    """The tabs of the page of approvals beside the one that it opens with."""

    DECIDED = "decided"


@dataclass(frozen=True)
class ApprovalQuery(Query):
    """What the page of approvals shows: what is pending, unless it is asked for what is decided."""

    tab: ApprovalTab | None = None
    cursor: str | None = None

    @classmethod
    def read(cls, args: Mapping[str, str], *also: str) -> "ApprovalQuery":
        """Raises `Invalid` that names the parameter; those in `also` are let pass."""
        cls._check_names(args, also)
        return cls(_one_of(args, "tab", ApprovalTab), _text(args, "cursor", longest=1000))

    @property
    def is_decided(self) -> bool:
        return self.tab is ApprovalTab.DECIDED


class DryRuns(StrEnum):
    """Whether dry runs are among what is shown: they alone, or none of them."""

    ONLY = "only"
    NONE = "none"


class Days(StrEnum):
    """How many days up to today the figures are made of."""

    WEEK = "7"
    FORTNIGHT = "14"
    MONTH = "30"
    QUARTER = "90"


@dataclass(frozen=True)
class RunQuery(Query):
    """What the list of runs shows, and over how many `days` the figures are that stand above it.

    `task` is a path, present or former.
    """

    q: str | None = None
    state: RunState | None = None
    trigger: Trigger | None = None
    job: UUID | None = None
    task: str | None = None
    category: str | None = None
    from_: date | None = None
    to: date | None = None
    dry: DryRuns | None = None
    days: Days | None = None
    cursor: str | None = None

    @classmethod
    def read(cls, args: Mapping[str, str], *also: str) -> "RunQuery":
        """Raises `Invalid` that names the parameter; those in `also` are let pass."""
        cls._check_names(args, also)
        return cls(
            _text(args, "q"),
            _one_of(args, "state", RunState),
            _one_of(args, "trigger", Trigger),
            _id(args, "job"),
            _text(args, "task"),
            _text(args, "category"),
            _day(args, "from"),
            _day(args, "to"),
            _one_of(args, "dry", DryRuns),
            _one_of(args, "days", Days),
            _text(args, "cursor", longest=1000),
        )

    def filter(self, zone: ZoneInfo) -> RunFilter:
        """The filter; both days are meant as the zone has them, and both belong to it."""
        return RunFilter(
            job_id=self.job,
            state=self.state,
            trigger=self.trigger,
            since=_begin(self.from_, zone),
            until=_end(self.to, zone),
            task=self.task,
            category=self.category,
            q=self.q,
            dry_run=self.dry is DryRuns.ONLY if self.dry else None,
        )


def check_names(args: Mapping[str, str], *known: str) -> None:
    """Raises `Invalid` that names the first parameter that is not known here."""
    for name in args:
        if name not in known:
            raise _wrong(
                name[:LONGEST].replace("\x00", ""), f"is not known here; known are {', '.join(known)}"
            )


def cursor_of(args: Mapping[str, str], *also: str) -> str | None:
    """The cursor of a list without filters; raises `Invalid`, also for names that are not in `also`."""
    check_names(args, "cursor", *also)
    return _text(args, "cursor", longest=1000)


def job_id_of(args: Mapping[str, str]) -> UUID:
    """Raises `Invalid` that names `job`."""
    try:
        return UUID(args.get("job", ""))
    except ValueError:
        raise _wrong("job", "is no id") from None


def _text(args: Mapping[str, str], name: str, longest: int = LONGEST) -> str | None:
    value = args.get(name, "").strip()
    if len(value) > longest:
        raise _wrong(name, f"may have {longest} characters")
    if "\x00" in value:
        raise _wrong(name, "holds a character that can't be searched for")
    return value or None


def _one_of(args: Mapping[str, str], name: str, values: type[E]) -> E | None:
    value = args.get(name, "").strip()
    if not value:
        return None
    try:
        return values(value)
    except ValueError:
        raise _wrong(name, f"must be one of {', '.join(values)}") from None


def _day(args: Mapping[str, str], name: str) -> date | None:
    value = args.get(name, "").strip()
    if not value:
        return None
    if not DAY.match(value):
        raise _wrong(name, "must be a day like 2026-11-28")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise _wrong(name, "there is no such day") from None


def _begin(day: date | None, zone: ZoneInfo) -> datetime | None:
    return datetime.combine(day, time.min, zone) if day else None


def _end(day: date | None, zone: ZoneInfo) -> datetime | None:
    """The last instant of the day, also of one that has an hour twice."""
    return datetime.combine(day, time.max, zone).replace(fold=1) if day else None


def _id(args: Mapping[str, str], name: str) -> UUID | None:
    value = args.get(name, "").strip()
    try:
        return UUID(value) if value else None
    except ValueError:
        raise _wrong(name, "is no id") from None


def _flag(args: Mapping[str, str], name: str) -> bool:
    value = args.get(name, "").strip()
    if value not in ("", "1"):
        raise _wrong(name, "must be 1, or left out")
    return value == "1"


def _wrong(name: str, text: str) -> Invalid:
    return Invalid(f"{name}: {text}", fields={name: [text]})


@dataclass(frozen=True)
class AlertQuery(Query):
    """What the history of alerts shows."""

    state: DeliveryState | None = None
    rule: UUID | None = None
    channel: UUID | None = None
    cursor: str | None = None

    @classmethod
    def read(cls, args: Mapping[str, str], *also: str) -> "AlertQuery":
        """Raises `Invalid` that names the parameter; those in `also` are let pass."""
        cls._check_names(args, also)
        state = _one_of(args, "state", DeliveryState)
        return cls(state, _id(args, "rule"), _id(args, "channel"), _text(args, "cursor", longest=1000))

    @property
    def filter(self) -> DeliveryFilter:
        return DeliveryFilter(self.state, self.rule, self.channel)
