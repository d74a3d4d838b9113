"""What reports are made of: frozen, and read at one instant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar
from uuid import UUID

from console.core.reasons import Reason
from console.core.states import JobStatus, Kind, RunState
from console.services.process_views import Component

Item = TypeVar("Item")
EXECUTED = (RunState.SUCCEEDED, RunState.FAILED, RunState.STOPPED, RunState.UNKNOWN)
"""The states of runs that were executed to an end, whatever came of it."""


@dataclass(frozen=True)
class Period:
    """From `since` until just before `until`."""

    since: datetime
    until: datetime


@dataclass(frozen=True)
class Capped(Generic[Item]):
    """The first of many; `total` counts all of them, or up to a limit when `is_capped`."""

    items: Sequence[Item] = ()
    total: int = 0
    is_capped: bool = False


@dataclass(frozen=True)
class ReportFrame:
    """What frames a report: the org, its active admins, the job's zone, and when it was asked for.

    `asked_at` is the slot of a scheduled run, so that the periods of two reports that follow each
    other neither overlap nor leave a gap.
    """

    org_name: str
    org_since: datetime
    timezone: str
    asked_at: datetime


@dataclass(frozen=True)
class RunTotals:
    """How many runs ended how; `late` began more than a minute after their slot, or still wait."""

    states: Mapping[RunState, int]
    late: int = 0
    retried: int = 0

    @property
    def runs(self) -> int:
        return sum(self.states.values())

    @property
    def executed(self) -> int:
        return sum(self.states.get(state, 0) for state in EXECUTED)

    @property
    def success_share(self) -> float | None:
        """Succeeded runs among those that were executed to an end, 0 to 1; None when there is none."""
        return self.states.get(RunState.SUCCEEDED, 0) / self.executed if self.executed else None


@dataclass(frozen=True)
class RunGroup:
    """Runs of one job that ended alike; `last_*` describe the newest of them."""

    job_id: UUID
    job_name: str
    state: RunState
    reason_code: Reason | None
    count: int
    last_run_id: UUID
    last_at: datetime
    last_sentence: str | None


@dataclass(frozen=True)
class LateRun:
    run_id: UUID
    job_name: str
    state: RunState
    slot: datetime
    lateness: timedelta


@dataclass(frozen=True)
class LongRun:
    run_id: UUID
    job_name: str
    state: RunState
    started_at: datetime
    duration: timedelta


@dataclass(frozen=True)
class ComingJob:
    """A job that comes due: its first slots to come, and how many more there are before the horizon.

    With `is_capped` there are at least so many more.
    """

    job_id: UUID
    name: str
    schedule_text: str
    slots: Sequence[datetime]
    more: int
    is_capped: bool


@dataclass(frozen=True)
class JobLine:
    """A job as lists of reports show it; `is_new` says that its newest revision is its first."""

    id: UUID
    name: str
    task: str
    kind: Kind
    status: JobStatus
    status_reason: Reason | None
    status_note: str | None
    next_run_at: datetime | None
    revision: int
    applied_revision: int
    last_run_note: str | None
    created_at: datetime


@dataclass(frozen=True)
class MorningFigures:
    totals: RunTotals
    failures: Capped[RunGroup]
    late: Sequence[LateRun]
    not_run: Capped[RunGroup]
    longest: Sequence[LongRun]
    overdue: Capped[JobLine]
    coming: Capped[ComingJob]
    at_rest: Capped[JobLine]


@dataclass(frozen=True)
class JobFigures:
    """The runs of one job in a period; `troubled` of them failed or took more than one attempt."""

    job_id: UUID
    name: str
    runs: int
    executed: int
    succeeded: int
    failed: int
    troubled: int
    late: int
    worst_lateness: timedelta | None
    mean_duration: timedelta | None
    longest_duration: timedelta | None


@dataclass(frozen=True)
class DayFigures:
    """One calendar day of the zone, or the part of it that lies in the period."""

    period: Period
    totals: RunTotals


@dataclass(frozen=True)
class PersonChanges:
    """What one person did: how many jobs they made, how often they changed one, and how many jobs in all."""

    person: str
    created: int
    changed: int
    jobs: int


@dataclass(frozen=True)
class WeekFigures:
    """A period against the one before it; `before_by_job` holds the jobs of the lists, where they ran."""

    totals: RunTotals
    before: RunTotals
    days: Sequence[DayFigures]
    jobs: Capped[JobFigures]
    before_by_job: Mapping[UUID, JobFigures]
    flakiest: Sequence[JobFigures]
    slowest: Sequence[JobFigures]
    latest: Sequence[JobFigures]
    changes: Capped[PersonChanges]


@dataclass(frozen=True)
class QueueUse:
    """A queue of known tasks, whether jobs need it, and whether a live worker serves it."""

    name: str
    is_needed: bool
    is_served: bool


@dataclass(frozen=True)
class Inventory:
    """Jobs, tasks and processes side by side. A job is unknown when neither this process nor a live worker
    knows its task, and unoffered when no live worker offers it.
    """

    components: Sequence[Component]
    queues: Sequence[QueueUse]
    tasks_without_job: Sequence[str]
    unknown: Capped[JobLine]
    unoffered: Capped[JobLine]
    blocked: Capped[JobLine]
    failed: Capped[JobLine]
    unapplied: Capped[JobLine]
    unplanned: Capped[JobLine]
    overdue: Capped[JobLine]
    never_run: Capped[JobLine]
