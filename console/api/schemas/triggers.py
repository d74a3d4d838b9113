"""Triggers: what asks for a run, and how a task that was run by its name answers."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from console.api.schemas.common import Arguments, Body, In, Instant, Moved, Out
from console.api.schemas.runs import ChangeOut, RunOut, changes_of, seconds_of
from console.core.names import key_of
from console.core.states import RunState
from console.services.run_views import RunView

FAILURES = {RunState.FAILED, RunState.STOPPED, RunState.SKIPPED, RunState.MISSED, RunState.UNKNOWN}


Reasoned = Annotated[
    str, Field(max_length=500, description="Why; for the audit trail, and for a second person who decides.")
]


class TriggerHeaders(In):
    """`Idempotency-Key`: two calls with one key make one run and get the same answer."""

    idempotency_key: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    prefer: str | None = Field(
        None, description="`wait=N`: wait up to N (at most 30) seconds for the outcome."
    )


class SendNowIn(Body):
    """How to run it. `args` replace the job's own; `override` sends again what was sent before."""

    dry_run: bool = False
    args: Arguments | None = None
    override: bool = False
    start_at: Moved | None = Field(
        None, description="When to start it, at most 366 days ahead; at once when it is left out."
    )
    note: Reasoned | None = None


class ManualTriggerIn(Body):
    """The task to run, in any spelling of its name."""

    task_name: Annotated[str, Field(min_length=1, max_length=300)]
    dry_run: bool = False
    args: Arguments | None = None
    note: Reasoned | None = None


class TriggeredOut(Out):
    """What became of it. `success` is false once the run has ended in any way but success."""

    success: bool
    task_name: str
    task_display_name: str
    task_id: UUID
    status: RunState
    execution_time: Instant = Field(description="When it started, or was asked for while it waits.")
    duration_seconds: float | None
    result: Any
    dry_run: bool
    changes: list[ChangeOut] = Field(description="What it changed, or in a dry run would have changed.")
    executed_by: str
    run_id: UUID

    @classmethod
    def of(cls, run: RunView) -> "TriggeredOut":
        return cls(
            success=run.state not in FAILURES,
            task_name=key_of(run.task),
            task_display_name=run.task_title,
            task_id=run.id,
            status=run.state,
            execution_time=run.started_at or run.requested_at,
            duration_seconds=seconds_of(run),
            result=run.result,
            dry_run=run.dry_run,
            changes=changes_of(run),
            executed_by=run.executed_by,
            run_id=run.id,
        )


__all__ = ["ManualTriggerIn", "RunOut", "SendNowIn", "TriggerHeaders", "TriggeredOut"]
