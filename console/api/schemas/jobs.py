"""Jobs: the filter of the table, a new one, a change, and the row."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from console.api.schemas.common import (
    LIMIT,
    Address,
    Arguments,
    Body,
    Cursor,
    In,
    Instant,
    Limit,
    Moment,
    Moved,
    Out,
    Text,
)
from console.api.schemas.schedules import (
    REASON,
    FieldChangeOut,
    ScheduleIn,
    SchedulePatch,
    Seen,
    WarningOut,
    Why,
)
from console.core.cautions import Caution
from console.core.errors import Invalid
from console.core.reasons import Reason
from console.core.states import JobStatus, Kind, MessageType, RunState
from console.services.changes import Change
from console.services.edits import Edited
from console.services.job_creation import NewJob
from console.services.job_files import Format
from console.services.views import JobPage, JobView, LastRun

CHANGED = ("send_at", "status", "schedule", "timezone", "args", "name", "subject", "recipient")

About = Annotated[str, Field(max_length=500)]


class JobChoice(In):
    """Which jobs: all that match every given filter."""

    status: JobStatus | None = None
    kind: Kind | None = None
    category: Text | None = None
    q: Text | None = Field(None, description="Searches name, key, task, subject and recipient.")
    since: Moment | None = Field(None, alias="from", description="Next run at this instant or later.")
    until: Moment | None = Field(None, alias="to", description="Next run at this instant or before.")
    message_type: MessageType | None = None
    event: UUID | None = Field(None, description="The id of the event that messages are about.")
    recipient: Address | None = Field(None, description="A whole mail address.")
    settled: bool = Field(
        False, description="Also messages that need not go out because what they ask for is known."
    )


class JobQuery(JobChoice):
    """A page of them."""

    limit: Limit = LIMIT
    cursor: Cursor | None = None


class ExportQuery(JobChoice):
    """All of them, as a file."""

    format: Format = Format.CSV


class JobIn(Body):
    """A new job. Without a schedule it is manual: it runs when somebody asks for it."""

    task: Annotated[str, Field(min_length=1, max_length=300, description="The task, in any spelling.")]
    name: Text | None = Field(None, description="What people call it; the task's title when left out.")
    key: Text | None = Field(None, description="What programs call it; unique in the org.")
    args: Arguments = Field(default_factory=dict)
    schedule: ScheduleIn = ScheduleIn(type="manual")
    timezone: Text | None = Field(None, description="An IANA zone; the org's when left out.")
    subject: About = Field("", description="What the job is about.")
    recipient: Address | None = Field(None, description="The mail address that a message goes to.")

    def as_new(self) -> NewJob:
        """What the service takes."""
        return NewJob(
            task=self.task,
            name=self.name,
            key=self.key,
            args=self.args,
            schedule=self.schedule.shape,
            timezone=self.timezone or self.schedule.timezone,
            subject=self.subject,
            recipient=self.recipient,
            overlap=self.schedule.overlap,
            catch_up=self.schedule.catch_up,
            catch_up_window_seconds=self.schedule.catch_up_window_seconds,
            jitter_seconds=self.schedule.jitter_seconds,
            paused=not self.schedule.enabled,
        )


class JobPatch(Body):
    """A change of a job: what is left out stays as it is, and at least one field has to be there.

    `revision`, `note` and `reason` alone are no change.
    """

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": [name]} for name in CHANGED], "minProperties": 1}
    )

    send_at: Moved | None = Field(None, description="When a job that runs once shall run.")
    status: Annotated[JobStatus, Field(strict=False)] | None = Field(
        None,
        description="`paused` takes it out of its schedule, `scheduled` puts it back or opens it again. One "
        "that runs once can also be marked as `sent`, which needs a `note`, or `skipped`.",
    )
    schedule: SchedulePatch | None = None
    timezone: Text | None = Field(None, description="The same as in `schedule`.")
    args: Arguments | None = Field(None, description="Replace the job's own.")
    name: Text | None = Field(None, description="What people call it.")
    subject: About | None = Field(None, description="What the job is about.")
    recipient: Address | None = Field(
        None, description="The mail address that a message goes to; an empty one takes it away."
    )
    note: Why | None = Field(None, description="Why it has this status; its row shows it.")
    reason: Why | None = Field(None, description=REASON)
    revision: Seen | None = Field(None, description="The revision that you saw; a stale one is refused.")

    @model_validator(mode="after")
    def _changes_something(self) -> "JobPatch":
        if all(getattr(self, name) is None for name in CHANGED):
            text = f"must have at least one of {', '.join(CHANGED)}"
            raise Invalid(f"body: {text}. Nothing was changed.", fields={"body": [text]})
        return self

    def as_change(self) -> Change:
        """What the service takes; raises `Invalid` when two fields contradict each other."""
        given = {name: getattr(self, name) for name in CHANGED if name not in ("schedule", "timezone")}
        wanted = {name: value for name, value in given.items() if value is not None}
        nested = self.schedule.wanted if self.schedule else {}
        if self.timezone is not None and nested.setdefault("timezone", self.timezone) != self.timezone:
            raise _contradiction("timezone", "timezone")
        if self.status and nested.pop("enabled", is_on := self.status is not JobStatus.PAUSED) != is_on:
            raise _contradiction("status", "enabled")
        return Change(**wanted, **nested, note=self.note)


def _contradiction(field: str, nested: str) -> Invalid:
    text = f"says something else than schedule.{nested}"
    return Invalid(f"{field}: {text}. Nothing was changed.", fields={field: [text]})


class LastRunOut(Out):
    """The newest run of a job that has ended."""

    id: UUID
    state: RunState
    finished_at: Instant | None
    reason_code: Reason | None

    @classmethod
    def of(cls, run: LastRun) -> "LastRunOut":
        return cls(id=run.id, state=run.state, finished_at=run.finished_at, reason_code=run.reason_code)


class JobOut(Out):
    """A job: a task with arguments and a schedule, and how its newest run ended."""

    id: UUID
    key: str
    name: str
    task: str
    kind: Kind
    category: str
    subject: str
    recipient: str | None = Field(description="To whom a message goes.")
    message_type: MessageType | None = Field(description="Of a message.")
    subject_id: UUID | None = Field(description="The id of what a message is about, such as an event.")
    status: JobStatus
    status_reason: Reason | None
    status_note: str | None = Field(description="Why it was paused, or closed by hand.")
    closed_by: str | None = Field(description="Who marked it as sent or skipped; null when a run did.")
    schedule: dict[str, Any] = Field(
        description="Its type and fields, timezone, enabled, overlap, catch_up, catch_up_window_seconds "
        "and jitter_seconds."
    )
    timezone: str
    next_run_at: Instant | None
    revision: int
    applied_revision: int = Field(description="The revision that the scheduler acts on.")
    is_registered: bool = Field(description="Whether a live worker offers the task.")
    needs_approval: bool
    last_run: LastRunOut | None
    as_of: Instant

    @classmethod
    def of(cls, job: JobView) -> "JobOut":
        return cls(
            id=job.id,
            key=job.key,
            name=job.name,
            task=job.task,
            kind=job.kind,
            category=job.category,
            subject=job.subject,
            recipient=job.recipient,
            message_type=job.message_type,
            subject_id=job.subject_id,
            status=job.status,
            status_reason=job.status_reason,
            status_note=job.status_note,
            closed_by=job.closed_by,
            schedule=_schedule(job),
            timezone=job.timezone,
            next_run_at=job.next_run_at,
            revision=job.revision,
            applied_revision=job.applied_revision,
            is_registered=job.is_registered,
            needs_approval=job.needs_approval,
            last_run=LastRunOut.of(job.last_run) if job.last_run else None,
            as_of=job.as_of,
        )


def _schedule(job: JobView) -> dict[str, Any]:
    """As it may be sent back."""
    return {
        **job.schedule,
        "timezone": job.timezone,
        "enabled": job.status is not JobStatus.PAUSED,
        "overlap": job.overlap,
        "catch_up": job.catch_up,
        "catch_up_window_seconds": job.catch_up_window_seconds,
        "jitter_seconds": job.jitter_seconds,
    }


class JobCreatedOut(JobOut):
    """A new job, with what gives pause about it."""

    warnings: list[WarningOut]

    @classmethod
    def of_new(cls, job: JobView, cautions: Sequence[Caution]) -> "JobCreatedOut":
        warnings = [WarningOut.of(caution) for caution in cautions]
        return cls(**dict(JobOut.of(job)), warnings=warnings)


class JobChangedOut(JobCreatedOut):
    """A job after an edit: what was changed, and when it would have run next before."""

    changes: list[FieldChangeOut] = Field(
        description="Empty when the job was so already: no revision was made."
    )
    next_run_before: Instant | None

    @classmethod
    def of_edit(cls, edited: Edited) -> "JobChangedOut":
        return cls(
            **dict(JobCreatedOut.of_new(edited.job, edited.cautions)),
            changes=[FieldChangeOut.of(change) for change in edited.changes],
            next_run_before=edited.next_before,
        )


class JobsOut(Out):
    """One page of the job table, nearest next run first, then by name."""

    jobs: list[JobOut]
    next_cursor: str | None
    as_of: Instant

    @classmethod
    def of(cls, page: JobPage) -> "JobsOut":
        jobs = [JobOut.of(job) for job in page.jobs]
        return cls(jobs=jobs, next_cursor=page.next_cursor, as_of=page.as_of)


class SchedulesOut(Out):
    """One page of schedules, as the job table has them."""

    schedules: list[JobOut]
    next_cursor: str | None
    as_of: Instant

    @classmethod
    def of(cls, page: JobPage) -> "SchedulesOut":
        jobs = [JobOut.of(job) for job in page.jobs]
        return cls(schedules=jobs, next_cursor=page.next_cursor, as_of=page.as_of)
