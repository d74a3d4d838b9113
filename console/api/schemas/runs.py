"""Runs: the filter of the list, a run, and its log."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from console.api.schemas.common import LIMIT, Body, Cursor, In, Instant, Limit, Moment, Out, Text
from console.core.reasons import Reason
from console.core.states import RunState, Trigger
from console.services.resolving import LONGEST_NOTE
from console.services.run_views import LogLine, RunPage, RunView

LARGEST_ID = 2**63 - 1


class RunQuery(In):
    """Which runs: all that match every given filter."""

    job: Text | None = Field(None, description="A job: its id, or its key in any spelling.")
    state: RunState | None = None
    trigger: Trigger | None = None
    since: Moment | None = Field(None, alias="from", description="Requested at this instant or later.")
    until: Moment | None = Field(None, alias="to", description="Requested at this instant or before.")
    limit: Limit = LIMIT
    cursor: Cursor | None = None


class LogQuery(In):
    """Which lines of the log."""

    after: Annotated[int, Field(ge=0, le=LARGEST_ID)] = Field(
        0, description="Only lines after the one with this id; 0 for the newest 500."
    )


class ErrorOut(Out):
    type: str
    message: str
    traceback: str


class ProgressOut(Out):
    """How far the work is, in the task's own unit; `total` is null when it is not known."""

    done: float
    total: float | None
    note: str | None


class ChangeOut(Out):
    """One thing that the run changed, or would change in a dry run."""

    subject: str
    before: str | None
    after: str | None
    url: str | None


class DecisionOut(Out):
    """What a policy made of a slot: to run it late, after another run, or some seconds later."""

    reason_code: Reason | None = Field(description="Null when nothing was amiss, as with jitter.")
    text: str


class ResolutionOut(Out):
    """Who said what became of a run whose end was unknown, and when."""

    at: Instant
    by: str
    note: str | None


class ResolveIn(Body):
    """What a person has found out about the run: it took effect, or it did not. `note` says how."""

    outcome: Literal["succeeded", "failed"]
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] | None = None


class HopOut(Out):
    """One step of the run's way: when it was reached, and the seconds since the step before."""

    name: str
    at: Instant | None
    seconds: float | None
    is_slow: bool | None = Field(
        description="Whether it took far longer than in the job's runs before; null in lists."
    )


class RunOut(Out):
    """The record of one execution, or of one decision not to execute."""

    id: UUID
    job_id: UUID
    task: str
    trigger: Trigger
    state: RunState
    reason_code: Reason | None
    reason: str | None
    slot: Instant | None = Field(
        description="The instant at which it was due; null when somebody asked for it."
    )
    requested_at: Instant
    queued_at: Instant | None
    started_at: Instant | None
    finished_at: Instant | None
    duration_seconds: float | None
    attempt: int
    dry_run: bool
    args: dict[str, Any]
    result: Any
    error: ErrorOut | None
    progress: ProgressOut | None
    changes: list[ChangeOut]
    executed_by: str
    revision: int
    decision: DecisionOut | None = Field(
        description="Why a due run did not simply start on time; it stays whatever becomes of the run."
    )
    resolved: ResolutionOut | None = Field(
        description="A person's word on a run that was unknown; null for every other."
    )
    cause_id: UUID | None = Field(description="The run that this one retries or follows.")
    sequence_id: UUID | None = Field(description="The sequence that it is part of.")
    start_at: Instant | None = Field(description="When it is held until, or was, if it was asked for later.")
    stop_requested_at: Instant | None
    approval_id: UUID | None = Field(description="The request for a second person that made it.")
    approved_by: str | None
    hops: list[HopOut]

    @classmethod
    def of(cls, run: RunView) -> "RunOut":
        return cls(
            id=run.id,
            job_id=run.job_id,
            task=run.task,
            trigger=run.trigger,
            state=run.state,
            reason_code=run.reason_code,
            reason=run.reason,
            slot=run.slot,
            requested_at=run.requested_at,
            queued_at=run.queued_at,
            started_at=run.started_at,
            finished_at=run.finished_at,
            duration_seconds=seconds_of(run),
            attempt=run.attempt,
            dry_run=run.dry_run,
            args=dict(run.args),
            result=run.result,
            error=_error(run),
            progress=_progress(run),
            changes=changes_of(run),
            executed_by=run.executed_by,
            revision=run.revision,
            decision=_decision(run),
            resolved=_resolution(run),
            cause_id=run.cause_id,
            sequence_id=run.sequence_id,
            start_at=run.start_after,
            stop_requested_at=run.stop_requested_at,
            approval_id=run.approval_id,
            approved_by=run.approved_by,
            hops=_hops(run),
        )


def seconds_of(run: RunView) -> float | None:
    """How long it took, or has taken until now, in seconds."""
    return run.duration.total_seconds() if run.duration is not None else None


def _hops(run: RunView) -> list[HopOut]:
    return [HopOut(name=hop.name, at=hop.at, seconds=hop.seconds, is_slow=hop.is_slow) for hop in run.hops]


def _decision(run: RunView) -> DecisionOut | None:
    return DecisionOut(reason_code=run.decision_code, text=run.decision) if run.decision else None


def _resolution(run: RunView) -> ResolutionOut | None:
    said = run.resolved
    return ResolutionOut(at=said.at, by=said.by, note=said.note) if said else None


def _error(run: RunView) -> ErrorOut | None:
    if not run.error:
        return None
    return ErrorOut(**{name: str(run.error.get(name) or "") for name in ErrorOut.model_fields})


def _progress(run: RunView) -> ProgressOut | None:
    if not run.progress:
        return None
    found = run.progress
    return ProgressOut(done=found.get("done") or 0, total=found.get("total"), note=found.get("note"))


def changes_of(run: RunView) -> list[ChangeOut]:
    """What the run changed, or a dry run would have changed."""
    return [ChangeOut(**{name: item.get(name) for name in ChangeOut.model_fields}) for item in run.changes]


class RunsOut(Out):
    """One page of runs, newest first."""

    runs: list[RunOut]
    next_cursor: str | None
    as_of: Instant

    @classmethod
    def of(cls, page: RunPage) -> "RunsOut":
        runs = [RunOut.of(run) for run in page.runs]
        return cls(runs=runs, next_cursor=page.next_cursor, as_of=page.as_of)


class LogLineOut(Out):
    id: int
    at: Instant
    attempt: int
    message: str


class LogOut(Out):
    """Lines that the task wrote, in order; ask again with `after=next_after` for what comes next."""

    lines: list[LogLineOut]
    next_after: int

    @classmethod
    def of(cls, lines: Sequence[LogLine], after: int) -> "LogOut":
        shown = [
            LogLineOut(id=line.id, at=line.at, attempt=line.attempt, message=line.message) for line in lines
        ]
        return cls(lines=shown, next_after=shown[-1].id if shown else after)
