"""What services answer of runs: frozen, complete, and read at one instant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from console.core.hops import Hop, Silence
from console.core.reasons import Reason
from console.core.states import Hold, RunState, Trigger


@dataclass(frozen=True)
class LogLine:
    id: int
    at: datetime
    attempt: int
    message: str


@dataclass(frozen=True)
class Resolution:
    """A person's word on a run whose end was unknown."""

    at: datetime
    by: str
    note: str | None


@dataclass(frozen=True)
class SentMessage:
    """A message as a run sent it; `message_id` is None for a dry run, which sent nothing.

    `template_version` is 0 for a built-in template, and None for a message with words of its own.
    """

    recipient: str
    subject: str
    text: str
    html: str | None
    message_id: str | None
    template_version: int | None

    @classmethod
    def read(cls, result: Any) -> "SentMessage | None":
        """Out of a run's result, under `message`; None when it holds none."""
        held = result.get("message") if isinstance(result, Mapping) else None
        if not isinstance(held, Mapping):
            return None
        if not all(isinstance(held.get(name), str) for name in ("recipient", "subject", "text")):
            return None
        values: dict[str, Any] = {item.name: held.get(item.name) for item in fields(cls)}
        return cls(**values)


@dataclass(frozen=True)
class RunView:
    """A run with everything its page shows. `duration` is from start to finish, or to now while it runs.

    `lateness` is from the slot to the start, without jitter. `decision` is what a policy made of the
    slot, such as to run it late, which holds whatever `reason` says of the outcome; its code is None
    when it is no trouble. `held_by`, `start_after` and `waits_for` are as in `ActiveRun`. A run that
    goes on after its stop was asked for has `stop_text`. `cause_id`, `after_run_id`, `sequence_id` and
    `approved_by` are as in the table, `timezone` is its job's. One whose end was unknown and was settled by a
    person has `resolved`.
    """

    id: UUID
    job_id: UUID
    job_name: str
    job_key: str
    task: str
    task_title: str
    done_word: str
    queue: str
    trigger: Trigger
    state: RunState
    reason_code: Reason | None
    reason: str | None
    slot: datetime | None
    requested_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    seen_at: datetime | None
    retry_at: datetime | None
    duration: timedelta | None
    lateness: timedelta | None
    attempt: int
    max_attempts: int
    dry_run: bool
    args: Mapping[str, Any]
    result: Any
    error: Mapping[str, Any] | None
    progress: Mapping[str, Any] | None
    changes: Sequence[Mapping[str, Any]]
    executed_by: str
    revision: int
    worker: str | None
    decision_code: Reason | None
    decision: str | None
    held_by: Hold | None
    start_after: datetime | None
    waits_for: str | None
    stop_requested_at: datetime | None
    stop_text: str | None
    resolved: Resolution | None
    cause_id: UUID | None
    after_run_id: UUID | None
    sequence_id: UUID | None
    approval_id: UUID | None
    approved_by: str | None
    timezone: str
    hops: Sequence[Hop]
    silence: Silence | None
    version: str
    as_of: datetime

    @property
    def sent(self) -> SentMessage | None:
        """The message that it sent, or in a dry run would have sent; None when it is about something else."""
        return SentMessage.read(self.result)


@dataclass(frozen=True)
class RunFilter:
    """Which runs are meant; None means all.

    `task` is a path, present or former, and means the task under all of them. `q` searches the jobs'
    names, keys, tasks, subjects and recipients. `dry_run` is True for dry runs alone, False for none.
    """

    job_id: UUID | None = None
    state: RunState | None = None
    trigger: Trigger | None = None
    since: datetime | None = None
    until: datetime | None = None
    task: str | None = None
    category: str | None = None
    q: str | None = None
    dry_run: bool | None = None


@dataclass(frozen=True)
class RunPage:
    """One page of runs, newest first."""

    runs: Sequence[RunView]
    next_cursor: str | None
    as_of: datetime
