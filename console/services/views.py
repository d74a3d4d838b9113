"""What services answer of jobs: frozen, complete, and read at one instant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from console.core.hops import Hop, Silence
from console.core.reasons import Reason
from console.core.states import Hold, JobStatus, Kind, MessageType, RunState


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
    `timezone` is its job's.
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
    timezone: str = "UTC"


@dataclass(frozen=True)
class PendingRequest:
    """The request that a job waits with for a second person; of `number` such ones, what expires first."""

    id: UUID
    requester: str
    requested_at: datetime
    expires_at: datetime
    number: int = 1


@dataclass(frozen=True)
class JobView:
    """A row of the job table. `button_reason` says why its button is disabled, None when it is not.

    `closed_by` is who marked it as sent or skipped, None when a run did; `closed` has the shape of
    `definitions.closing`. `choices` are the statuses that a person may give it now. It `needs_approval`
    because an admin says so, or because its task `is_critical`; `pending` is a request that waits.
    `queue` is the one that its task's runs wait in, None when the console doesn't know the task.
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
    pending: PendingRequest | None = None
    queue: str | None = None


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
