"""What a page's address asks for, checked; the page's links are made of the same thing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self, TypeVar
from uuid import UUID

from console.core.errors import Invalid
from console.core.states import JobStatus, Kind, RunState, Trigger
from console.services.views import JobFilter, RunFilter

PAGE = 50
RUNS_OF_JOB = 20
LONGEST = 200
E = TypeVar("E", bound=StrEnum)


class Query:
    """The base of each page's query: its fields are the parameters of the address."""

    def but(self, **changes: Any) -> Self:
        """The same query with other values; a changed filter begins at the first page."""
        return replace(self, **{"cursor": None, **changes})  # type: ignore[type-var]

    @property
    def params(self) -> dict[str, str]:
        """What stands in the address."""
        return {name: str(value) for name, value in asdict(self).items() if value}  # type: ignore[call-overload]

    @property
    def is_filtered(self) -> bool:
        return any(name != "cursor" for name in self.params)


@dataclass(frozen=True)
class JobQuery(Query):
    """What the job table shows."""

    q: str | None = None
    status: JobStatus | None = None
    kind: Kind | None = None
    category: str | None = None
    cursor: str | None = None

    @classmethod
    def read(cls, args: Mapping[str, str]) -> "JobQuery":
        """Raises `Invalid` that names the parameter."""
        return cls(
            _text(args, "q"),
            _one_of(args, "status", JobStatus),
            _one_of(args, "kind", Kind),
            _text(args, "category"),
            _text(args, "cursor", longest=1000),
        )

    @property
    def filter(self) -> JobFilter:
        return JobFilter(self.q, self.status, self.kind, self.category)


@dataclass(frozen=True)
class RunQuery(Query):
    """What the list of runs shows."""

    state: RunState | None = None
    trigger: Trigger | None = None
    cursor: str | None = None

    @classmethod
    def read(cls, args: Mapping[str, str]) -> "RunQuery":
        """Raises `Invalid` that names the parameter."""
        state = _one_of(args, "state", RunState)
        return cls(state, _one_of(args, "trigger", Trigger), _text(args, "cursor", longest=1000))

    @property
    def filter(self) -> RunFilter:
        return RunFilter(state=self.state, trigger=self.trigger)


def cursor_of(args: Mapping[str, str]) -> str | None:
    """The cursor of a list without filters; raises `Invalid`."""
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


def _wrong(name: str, text: str) -> Invalid:
    return Invalid(f"{name}: {text}", fields={name: [text]})
