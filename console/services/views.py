"""What services answer: frozen, complete, and read at one instant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from console.core.hops import Clock, Hop, Silence
from console.core.reasons import Reason
from console.core.states import Beating, Hold, JobStatus, Kind, Light, MessageType, RunState, Trigger


@dataclass(frozen=True)
class LastRun:
    """The newest run of a job that has ended."""

    id: UUID
    state: RunState
    finished_at: datetime | None
    reason_code: Reason | None
    note: str | None


@dataclass(frozen=True)
class ActiveRun:
    """The newest run of a job that has not ended, with what the badge needs.

    One with `held_by` is queued and kept back; `waits_for` says for what, and `start_after` until when.
    """

    id: UUID
    state: RunState
    requested_at: datetime
    started_at: datetime | None
    attempt: int
    max_attempts: int
    retry_at: datetime | None
    worker: str | None
    progress: Mapping[str, Any] | None
    hops: Sequence[Hop]
    silence: Silence | None
    held_by: Hold | None = None
    start_after: datetime | None = None
    waits_for: str | None = None
    stop_requested_at: datetime | None = None
    executed_by: str | None = None


@dataclass(frozen=True)
class JobView:
    """A row of the job table. `button_reason` says why its button is disabled, None when it is not.

    `closed_by` is who marked it as sent or skipped, None when a run did; `closed` has the shape of
    `definitions.closing`. `choices` are the statuses that a person may give it now. It `needs_approval`
    because an admin says so, or because its task `is_critical`.
    """

    id: UUID
    key: str
    name: str
    task: str
    task_title: str
    kind: Kind
    category: str
    subject: str
    recipient: str | None
    args: Mapping[str, Any]
    status: JobStatus
    status_reason: Reason | None
    status_note: str | None
    message_type: MessageType | None
    subject_id: UUID | None
    closed_by: str | None
    closed: Mapping[str, Any] | None
    choices: Sequence[JobStatus]
    schedule: Mapping[str, Any]
    schedule_text: str
    timezone: str
    overlap: str
    catch_up: str
    catch_up_window_seconds: int | None
    jitter_seconds: int | None
    next_run_at: datetime | None
    revision: int
    applied_revision: int
    is_registered: bool
    needs_approval: bool
    is_critical: bool
    takes_dry_run: bool
    verb: str
    done_word: str
    description: str
    last_run: LastRun | None
    active_run: ActiveRun | None
    button_reason: Reason | None
    button_text: str | None
    version: str
    as_of: datetime


@dataclass(frozen=True)
class JobFilter:
    """What the table shows; None means all. `q` searches name, key, task, subject and recipient.

    `subject_id` is the id of what the jobs are about, `recipient` a whole address, and `tasks_only`
    leaves out messages. `with_settled` lets in messages that need not go out because what they ask
    for is known; so does the status skipped. `scheduled_only` leaves out what never comes due:
    manual jobs, and those that are over.
    """

    q: str | None = None
    status: JobStatus | None = None
    kind: Kind | None = None
    category: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    message_type: MessageType | None = None
    tasks_only: bool = False
    subject_id: UUID | None = None
    recipient: str | None = None
    with_settled: bool = False
    scheduled_only: bool = False


@dataclass(frozen=True)
class JobPage:
    """One page of jobs, nearest first; `version` changes whenever anything on it does."""

    jobs: Sequence[JobView]
    next_cursor: str | None
    version: str
    as_of: datetime
    total: int
    total_is_capped: bool

    @property
    def is_active(self) -> bool:
        return any(job.active_run for job in self.jobs)


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
    `approved_by` are as in the table. One whose end was unknown and was settled by a
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


@dataclass(frozen=True)
class Component:
    """One process that sends heartbeats."""

    kind: Beating
    name: str
    host: str
    pid: int
    light: Light
    started_at: datetime
    last_seen: datetime
    age: timedelta
    stopped_at: datetime | None
    queues: Sequence[str]
    tasks: Sequence[str]
    run_id: UUID | None
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Pulse:
    """The heartbeat pills: the scheduler's light and the number of live workers, and whether Redis answers.

    `last_seen` and `age` are the scheduler's. `cron` and `ticked_at` are those of the external cron, None
    when none ticked within 30 days; `clock` says which of the two turns due slots into runs just now.
    `watcher` is the light of what seals the trail and sends alerts.
    """

    status: Light
    last_seen: datetime | None
    age: timedelta | None
    scheduler: Light
    live_workers: int
    redis_is_up: bool
    components: Sequence[Component]
    as_of: datetime
    clock: Clock
    cron: Light | None
    ticked_at: datetime | None
    watcher: Light = Light.GREEN

    @property
    def is_cron_alone(self) -> bool:
        """Whether an external cron ticks, and no scheduler was heard that did not end in good order."""
        schedulers = (item for item in self.components if item.kind is Beating.SCHEDULER)
        return self.clock is Clock.EXTERNAL_CRON and all(item.stopped_at for item in schedulers)


@dataclass(frozen=True)
class TaskStatus:
    """One line of the status API: a task that has a job or ever ran."""

    schedule_name: str
    task_path: str
    name: str
    category: str
    status: str
    is_registered: bool
    next_run_at: datetime | None
    last_run_at: datetime | None
    last_run_relative: str
    last_run_state: str


@dataclass(frozen=True)
class Mail:
    """A mail in the outbox; `html_text` is its HTML part as source, None without one and in lists."""

    id: UUID
    run_id: UUID | None
    received_at: datetime
    sender: str
    recipients: Sequence[str]
    subject: str
    text: str
    html_text: str | None = None


@dataclass(frozen=True)
class MailPage:
    mails: Sequence[Mail]
    next_cursor: str | None
    as_of: datetime
