"""Requests for a second person: what was asked, by whom, and what became of it."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from console.api.schemas.common import LIMIT, Body, Cursor, In, Instant, Limit, Out
from console.core.reasons import Reason
from console.core.states import ApprovalState, Trigger
from console.services.approval_views import ApprovalPage, ApprovalView
from console.services.approvals import LONGEST_NOTE, ApprovalRequested

Note = Annotated[str, Field(max_length=LONGEST_NOTE)]


class ApprovalQuery(In):
    """Which requests: those of one state, or all."""

    state: ApprovalState | None = None
    limit: Limit = LIMIT
    cursor: Cursor | None = None


class DecisionIn(Body):
    """A decision's reason; a rejection of somebody else's request needs one."""

    note: Note | None = None


class GuardIn(Body):
    """Whether each click on the job needs a second person, and why."""

    needs_approval: bool
    note: Note | None = None


class ForeseenOut(Out):
    """What the run would do, as it was shown when it was asked for."""

    recipient: str | None
    subject: str | None
    text: str | None
    rules: Reason | None = Field(
        description="What the task's rules, which a click passes over, have against it."
    )


class ApprovalOut(Out):
    """One request. `reason` was given with it, `note` with the decision; the run has both names."""

    id: UUID
    state: ApprovalState
    job_id: UUID
    job_name: str
    task: str
    revision: int
    trigger: Trigger
    args: dict[str, Any]
    override: bool
    start_at: Instant | None
    cause_id: UUID | None
    preflight: ForeseenOut
    requested_by: str
    requested_at: Instant
    reason: str | None
    expires_at: Instant
    decided_by: str | None
    decided_at: Instant | None
    note: str | None
    run_id: UUID | None
    why_not: str | None = Field(description="Why you may not decide on it; null when you may.")

    @classmethod
    def of(cls, found: ApprovalView) -> "ApprovalOut":
        shown, message = found.shown, found.shown.message
        return cls(
            id=found.id,
            state=found.state,
            job_id=found.job_id,
            job_name=found.job_name,
            task=found.task,
            revision=found.revision,
            trigger=found.trigger,
            args=dict(found.args),
            override=found.override,
            start_at=found.start_at,
            cause_id=found.cause_id,
            preflight=ForeseenOut(
                recipient=message.recipient if message else shown.recipient,
                subject=message.subject if message else None,
                text=message.text if message else None,
                rules=shown.rules.reason if shown.rules else None,
            ),
            requested_by=found.requester,
            requested_at=found.requested_at,
            reason=found.reason,
            expires_at=found.expires_at,
            decided_by=found.decider,
            decided_at=found.decided_at,
            note=found.note,
            run_id=found.run_id,
            why_not=found.why_not if found.is_pending else None,
        )


class ApprovalsOut(Out):
    """A page of requests: pending ones by what expires first, any others newest first."""

    approvals: list[ApprovalOut]
    next_cursor: str | None
    as_of: Instant

    @classmethod
    def of(cls, found: ApprovalPage) -> "ApprovalsOut":
        shown = [ApprovalOut.of(item) for item in found.approvals]
        return cls(approvals=shown, next_cursor=found.next_cursor, as_of=found.as_of)


class AskedOut(Out):
    """A request, as whoever made it is told of it."""

    id: UUID
    state: ApprovalState
    expires_at: Instant


class ApprovalAskedOut(Out):
    """Nothing was started: a second person must approve it, and is asked to."""

    approval: AskedOut
    reason_code: Reason
    text: str = Field(description="The same in words; also whether there is anybody who could approve it.")

    @classmethod
    def of(cls, error: ApprovalRequested) -> "ApprovalAskedOut":
        asked = error.approval
        request = AskedOut(id=asked.id, state=asked.state, expires_at=asked.expires_at)
        return cls(approval=request, reason_code=Reason.APPROVAL_REQUIRED, text=error.detail)
