"""Requests for a second person: the list, one of them, the two decisions, and which jobs need one."""

from http import HTTPStatus
from uuid import UUID

from flask import Response, current_app, json

from console.api.auth import caller
from console.api.blueprint import PREFIX, api
from console.api.schemas.approvals import (
    ApprovalAskedOut,
    ApprovalOut,
    ApprovalQuery,
    ApprovalsOut,
    DecisionIn,
    GuardIn,
)
from console.api.schemas.jobs import JobOut
from console.api.spec import BODY_PROBLEMS, call
from console.core.clock import utc_now
from console.core.states import ApprovalState
from console.services import approvals, approving, guarding
from console.services.approvals import ApprovalRequested


@api.get("/approvals")
@api.input(ApprovalQuery, location="query", arg_name="query")
@api.output(ApprovalsOut)
@call("Approvals", 422)
def list_approvals(query: ApprovalQuery) -> ApprovalsOut:
    """Requests for a second person: with `state=pending` by what expires first, else newest first."""
    states = [query.state] if query.state else list(ApprovalState)
    found = approvals.page(caller(), states, cursor=query.cursor, limit=query.limit, now=utc_now())
    return ApprovalsOut.of(found)


@api.get("/approvals/<uuid:approval_id>")
@api.output(ApprovalOut)
@call("Approvals", 404)
def read_approval(approval_id: UUID) -> ApprovalOut:
    """One request."""
    return ApprovalOut.of(approvals.get(caller(), approval_id, now=utc_now()))


@api.post("/approvals/<uuid:approval_id>/approve")
@api.input(DecisionIn, location="json", arg_name="body")
@api.output(ApprovalOut)
@call("Approvals", *BODY_PROBLEMS, 403, 404, 409, 422)
def approve_request(approval_id: UUID, body: DecisionIn) -> ApprovalOut:
    """Approves a request, which makes its run; the role admin may, and never whoever asked."""
    return ApprovalOut.of(approving.approve(caller(), approval_id, note=body.note, now=utc_now()))


@api.post("/approvals/<uuid:approval_id>/reject")
@api.input(DecisionIn, location="json", arg_name="body")
@api.output(ApprovalOut)
@call("Approvals", *BODY_PROBLEMS, 403, 404, 409, 422)
def reject_request(approval_id: UUID, body: DecisionIn) -> ApprovalOut:
    """Rejects a request with a `note`; the role admin may, and whoever asked may withdraw it."""
    return ApprovalOut.of(approving.reject(caller(), approval_id, note=body.note, now=utc_now()))


@api.post("/scheduler/jobs/<uuid:job_id>/guard")
@api.input(GuardIn, location="json", arg_name="body")
@api.output(JobOut)
@call("Approvals", *BODY_PROBLEMS, 403, 404, 422)
def guard_job(job_id: UUID, body: GuardIn) -> JobOut:
    """Says whether each click on the job needs a second person; the role admin may."""
    return JobOut.of(guarding.set_guard(caller(), job_id, body.needs_approval, note=body.note, now=utc_now()))


def of_request(error: ApprovalRequested) -> Response:
    """202 with the request that was made, wherever a run was asked for."""
    body = ApprovalAskedOut.of(error).model_dump(mode="json")
    answer = current_app.response_class(json.dumps(body), HTTPStatus.ACCEPTED, mimetype="application/json")
    answer.headers["Location"] = f"{PREFIX}/approvals/{error.approval.id}"
    return answer


api.register_error_handler(ApprovalRequested, of_request)
