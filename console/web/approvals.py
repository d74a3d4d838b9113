"""Requests for a second person: the list, one request, and the two decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid, Refused
from console.core.reasons import Reason
from console.services import approvals, approving
from console.services.approval_views import ApprovalPage, ApprovalView, said
from console.services.approvals import ApprovalRequested
from console.web import parameters
from console.web.answers import is_known, nothing_new, page
from console.web.asking import CHANGED, asked
from console.web.errors import problem_of
from console.web.identity import actor, moment, wants_fragment
from console.web.queries import PAGE, Query
from console.web.waiting import approves_alone, waiting_approvals

NOTE_READ = 2 * approvals.LONGEST_NOTE
TABS = "is not known here; take tab=pending for what waits, tab=decided for all else"
SAID_WHOLE = (Reason.APPROVAL_REQUIRED, Reason.STALE_REVISION, Reason.PAUSED)
"""The refusals that say what to do; the advice of their reasons is for whoever asks, edits or waits."""
bp = Blueprint("approvals", __name__)
bp.app_errorhandler(ApprovalRequested)(asked)
bp.app_context_processor(lambda: {"waiting_approvals": waiting_approvals, "approves_alone": approves_alone})


class ApprovalTab(StrEnum):
    """The tabs of the page of approvals; it opens with the first."""

    PENDING = "pending"
    DECIDED = "decided"


@dataclass(frozen=True)
class ApprovalQuery(Query):
    """What the page of approvals shows: what is pending, unless it is asked for what is decided."""

    tab: ApprovalTab | None = None
    cursor: str | None = None

    @classmethod
    def read(cls, args: Mapping[str, str], *also: str) -> "ApprovalQuery":
        """Raises `Invalid` that names the parameter; those in `also` are let pass."""
        if "state" in args:  # the API's word for it
            raise Invalid(f"state: {TABS}", fields={"state": [TABS]})
        cls._check_names(args, also)
        return cls(parameters.one_of(args, "tab", ApprovalTab), parameters.cursor(args))

    @property
    def is_decided(self) -> bool:
        return self.tab is ApprovalTab.DECIDED


@bp.get("/approvals")
def index() -> ResponseReturnValue:
    return page("approvals/index.html", **_table(ApprovalQuery.read(request.args)))


@bp.get("/fragments/approvals/table")
def table() -> ResponseReturnValue:
    context = _table(ApprovalQuery.read(request.args, "version"))
    return nothing_new() if is_known(context["version"]) else page("approvals/_table.html", **context)


def _table(query: ApprovalQuery) -> dict[str, Any]:
    states = approvals.DECIDED if query.is_decided else approvals.PENDING
    found = approvals.page(actor(), states, cursor=query.cursor, limit=PAGE, now=moment())
    return {"page": found, "query": query, "version": _version(found)}


def _version(found: ApprovalPage) -> str:
    around = [found.next_cursor or "", waiting_approvals().shown, str(approves_alone())]
    parts = [*(item.version for item in found.approvals), *around]
    return sha256(" ".join(parts).encode()).hexdigest()[:20]


@bp.get("/fragments/approvals/waiting")
def waiting() -> ResponseReturnValue:
    """The number beside the navigation's link."""
    return page("approvals/_waiting.html")


@bp.get("/approvals/<uuid:approval_id>")
def show(approval_id: UUID) -> ResponseReturnValue:
    return page("approvals/show.html", approval=approvals.get(actor(), approval_id, now=moment()))


@bp.get("/fragments/approvals/<uuid:approval_id>")
def approval(approval_id: UUID) -> ResponseReturnValue:
    found = approvals.get(actor(), approval_id, now=moment())
    return nothing_new() if is_known(found.version) else page("approvals/_approval.html", approval=found)


@bp.get("/approvals/<uuid:approval_id>/approve")
def confirm_approve(approval_id: UUID) -> ResponseReturnValue:
    return page("approvals/approve.html", **_dialog(approval_id))


@bp.get("/fragments/approvals/<uuid:approval_id>/approve")
def confirm_approve_fragment(approval_id: UUID) -> ResponseReturnValue:
    return page("approvals/_approve.html", **_dialog(approval_id))


@bp.get("/approvals/<uuid:approval_id>/reject")
def confirm_reject(approval_id: UUID) -> ResponseReturnValue:
    return page("approvals/reject.html", **_dialog(approval_id))


@bp.get("/fragments/approvals/<uuid:approval_id>/reject")
def confirm_reject_fragment(approval_id: UUID) -> ResponseReturnValue:
    return page("approvals/_reject.html", **_dialog(approval_id))


def _dialog(approval_id: UUID) -> dict[str, Any]:
    """What the decision is about: what would run as things stand now, and what is against it."""
    found = approvals.get(actor(), approval_id, now=moment())
    shown, against = approving.foresee(actor(), approval_id, now=moment())
    return {
        "approval": found,
        "shown": shown,
        "against": against if found.is_pending else _over(found),
        "note": request.form.get("note", "")[:NOTE_READ],
        "problem": None,
        "faults": {},
    }


def _over(found: ApprovalView) -> str:
    return said(found, actor().zone)


@bp.post("/approvals/<uuid:approval_id>/approve")
def approve(approval_id: UUID) -> ResponseReturnValue:
    try:
        note, seen = request.form.get("note"), request.form.get("seen") or None
        done = approving.approve(actor(), approval_id, note=note, seen=seen, now=moment())
    except (Refused, Invalid) as refusal:
        return _again("approve", approval_id, refusal)
    return _decided(done, "approved; its run is on its way.")


@bp.post("/approvals/<uuid:approval_id>/reject")
def reject(approval_id: UUID) -> ResponseReturnValue:
    try:
        done = approving.reject(actor(), approval_id, note=request.form.get("note"), now=moment())
    except (Refused, Invalid) as refusal:
        return _again("reject", approval_id, refusal)
    return _decided(done, "withdrawn." if done.is_own else "rejected. Nothing was started.")


def _again(name: str, approval_id: UUID, refusal: Refused | Invalid) -> ResponseReturnValue:
    """The same dialog with what is against it, and with the note as it was typed."""
    problem, dialog = problem_of(refusal), _dialog(approval_id)
    if refusal.reason in SAID_WHOLE or not dialog["approval"].is_pending:  # what is over can't be tried again
        problem = replace(problem, advice="")
    context = dialog | {"problem": problem, "faults": refusal.fields}
    whole = "_" if wants_fragment() else ""
    return page(f"approvals/{whole}{name}.html", refusal.status, **context)


def _decided(done: ApprovalView, words: str) -> ResponseReturnValue:
    """A notice; the table and the request read themselves again."""
    if not wants_fragment():
        flash(f"{done.job_name}: {words}")
        return redirect(url_for("approvals.show", approval_id=done.id), 303)
    answer = page("approvals/_decided.html", approval=done, words=words)
    answer.headers["HX-Retarget"] = "#notices"
    answer.headers["HX-Reswap"] = "innerHTML"
    answer.headers["HX-Trigger-After-Settle"] = CHANGED
    return answer
