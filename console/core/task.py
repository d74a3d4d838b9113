"""A task as its author declares it, and what its function is handed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from console.core.reasons import Refusal
from console.core.states import MessageType, Priority


class Params(BaseModel):
    """Base of a task's arguments: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoParams(Params):
    """The task takes no arguments."""


@dataclass(frozen=True)
class Backoff:
    """Up to `max` attempts after the first; attempt n is followed by 15 + 2^n seconds plus up to 10 %."""

    max: int = 3
    base_seconds: float = 15.0

    def delay(self, attempt: int, random: Random) -> timedelta:
        """How long to wait after attempt number `attempt` (1, 2, …) has failed."""
        seconds = self.base_seconds + 2.0**attempt
        return timedelta(seconds=seconds * (1 + random.random() / 10))


@dataclass(frozen=True)
class Result:
    """What a task hands back: one sentence for the page, and data that JSON can hold."""

    summary: str = ""
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One thing that a run changed, or would change in a dry run."""

    subject: str
    before: str | None
    after: str | None
    url: str | None = None


class Recorder(Protocol):
    """Where a running task's words go; they are visible while it runs."""

    def progress(self, done: int, total: int | None, note: str | None) -> None: ...
    def log(self, message: str) -> None: ...
    def changed(self, change: Change) -> None: ...
    def flush(self) -> None: ...


@dataclass(frozen=True)
class Check:
    """What `requires`, `rules` and `preview` may look at.

    `recipient` is the mail address of whom the run is for, `job_id` the job that is asked about;
    it is None for one that is not made yet.
    """

    org_id: str
    args: Mapping[str, Any]
    recipient: str | None
    now: datetime
    job_id: str | None = None


@dataclass(frozen=True)
class Preview:
    """A message as it would go out; `html` is None when it has none."""

    recipient: str
    subject: str
    text: str
    html: str | None = None


@dataclass(frozen=True)
class About:
    """What a job is about, as its arguments say: the id of the thing, and the type of the message."""

    message_type: MessageType | None = None
    subject_id: UUID | None = None


@dataclass(frozen=True)
class Run:
    """What a task's function is handed: the run it serves, its arguments, and its voice.

    `now` is the instant at which the attempt started, aware, in UTC. `recipient` is the mail
    address of the person who asked for the run, None when nobody did.
    """

    id: str
    org_id: str
    job_id: str
    attempt: int
    now: datetime
    dry_run: bool
    args: Any
    recipient: str | None
    recorder: Recorder

    def progress(self, done: int, total: int | None = None, note: str | None = None) -> None:
        """Says how far the work is, in the task's own unit."""
        self.recorder.progress(done, total, note)

    def log(self, message: str) -> None:
        """Adds a line to the run's log; raises `LogLimitExceeded` beyond 512 KiB in one run."""
        self.recorder.log(message)

    def changed(
        self, subject: str, before: str | None = None, after: str | None = None, url: str | None = None
    ) -> None:
        """Records one thing that the run changed, or would change in a dry run."""
        self.recorder.changed(Change(subject, before, after, url))


TaskFunction = Callable[[Run], Result | Mapping[str, object] | None]
TaskCheck = Callable[[Check], Refusal | None]
TaskPreview = Callable[[Check], Preview]
TaskAbout = Callable[[Mapping[str, Any]], About]


class LogLimitExceeded(Exception):
    """The run wrote more log than the console keeps (512 KiB)."""


@dataclass(frozen=True)
class Task:
    """A registered function with its declaration; see `registry.task` for each field."""

    path: str
    key: str
    title: str
    category: str
    description: str
    queue: str
    priority: Priority
    timeout: int
    retries: Backoff | None
    idempotent: bool
    dry_run: bool
    critical: bool
    sends: bool
    params: type[Params]
    requires: TaskCheck | None
    rules: TaskCheck | None
    aliases: tuple[str, ...]
    function: TaskFunction
    preview: TaskPreview | None = None
    about: TaskAbout | None = None

    @property
    def verb(self) -> str:
        """The label of its button."""
        return "Send now" if self.sends else "Run now"

    @property
    def done(self) -> str:
        """The word for its success."""
        return "sent" if self.sends else "done"
