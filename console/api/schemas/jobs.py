"""Jobs: the filter of the table, a new one, and the row."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, WithJsonSchema

from console.api.schemas.common import LIMIT, Arguments, Body, Cursor, In, Instant, Limit, Moment, Out, Text
from console.core.reasons import Reason
from console.core.states import CatchUp, JobStatus, Kind, Overlap, RunState
from console.services.jobs import NewJob
from console.services.views import JobPage, JobView, LastRun

SHAPE = {"type", "cron", "every_seconds", "hour", "minute", "weekday", "at"}
WINDOW = 366 * 86400
OVERLAP = "What a due slot does while an earlier run is still active."
CATCH_UP = "What happens to slots that came while nothing could act."
At = Annotated[str, Field(max_length=100), WithJsonSchema({"type": "string", "format": "date-time"})]


class JobQuery(In):
    """Which jobs: all that match every given filter."""

    status: JobStatus | None = None
    kind: Kind | None = None
    category: Text | None = None
    q: Text | None = Field(None, description="Searches name, key, task, subject and recipient.")
    since: Moment | None = Field(None, alias="from", description="Next run at this instant or later.")
    until: Moment | None = Field(None, alias="to", description="Next run at this instant or before.")
    limit: Limit = LIMIT
    cursor: Cursor | None = None


class ScheduleIn(Body):
    """When the job is due; each type asks for its own fields."""

    type: Literal["cron", "interval", "daily", "weekly", "once", "manual"]
    cron: Text | None = Field(None, examples=["15 9 * * 1-5"], description="Five fields; for `cron`.")
    every_seconds: int | None = Field(None, description="For `interval`.")
    hour: int | None = Field(None, description="0 to 23; for `daily` and `weekly`.")
    minute: int | None = Field(None, description="0 to 59; for `daily` and `weekly`.")
    weekday: int | None = Field(None, description="Monday is 0; for `weekly`.")
    at: At | None = Field(None, description="An ISO 8601 instant with its offset; for `once`.")
    timezone: Text | None = Field(None, examples=["Europe/Berlin"])
    enabled: bool = Field(True, description="False makes a job that is paused.")
    overlap: Text = Field(Overlap.SKIP, json_schema_extra={"enum": list(Overlap)}, description=OVERLAP)
    catch_up: Text = Field(CatchUp.LATEST, json_schema_extra={"enum": list(CatchUp)}, description=CATCH_UP)
    catch_up_window_seconds: Annotated[int, Field(ge=1, le=WINDOW)] | None = None


class JobIn(Body):
    """A new job. Without a schedule it is manual: it runs when somebody asks for it."""

    task: Annotated[str, Field(min_length=1, max_length=300, description="The task, in any spelling.")]
    name: Text | None = Field(None, description="What people call it; the task's title when left out.")
    key: Text | None = Field(None, description="What programs call it; unique in the org.")
    args: Arguments = Field(default_factory=dict)
    schedule: ScheduleIn = ScheduleIn(type="manual")
    timezone: Text | None = Field(None, description="An IANA zone; the org's when left out.")
    subject: Annotated[str, Field(max_length=500)] = Field("", description="What the job is about.")

    def as_new(self) -> NewJob:
        """What the service takes."""
        return NewJob(
            task=self.task,
            name=self.name,
            key=self.key,
            args=self.args,
            schedule=self.schedule.model_dump(exclude_unset=True, include=SHAPE),
            timezone=self.timezone or self.schedule.timezone,
            subject=self.subject,
            overlap=self.schedule.overlap,
            catch_up=self.schedule.catch_up,
            catch_up_window_seconds=self.schedule.catch_up_window_seconds,
            paused=not self.schedule.enabled,
        )


class JobPatch(Body):
    """A change of a job: `paused` takes it out of its schedule, `scheduled` puts it back."""

    status: Literal["paused", "scheduled"]
    note: Annotated[str, Field(max_length=500)] | None = Field(
        None, description="Why; kept in the audit trail."
    )


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
    status: JobStatus
    status_reason: Reason | None
    schedule: dict[str, Any] = Field(
        description="Its type and fields, timezone, enabled, overlap, catch_up and catch_up_window_seconds."
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
            status=job.status,
            status_reason=job.status_reason,
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
    }


class JobsOut(Out):
    """One page of the job table, nearest next run first, then by name."""

    jobs: list[JobOut]
    next_cursor: str | None
    as_of: Instant

    @classmethod
    def of(cls, page: JobPage) -> "JobsOut":
        jobs = [JobOut.of(job) for job in page.jobs]
        return cls(jobs=jobs, next_cursor=page.next_cursor, as_of=page.as_of)
