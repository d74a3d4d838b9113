"""A click that needs a second person: what the page answers once their word is asked for."""

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue

from console.services.approvals import ApprovalRequested
from console.web.answers import page
from console.web.identity import wants_fragment

CHANGED = "jobs-changed, approvals-changed"


def asked(error: ApprovalRequested) -> ResponseReturnValue:
    """A notice with the way to the request; without JavaScript the request's own page."""
    if not wants_fragment():
        flash(error.detail)
        return redirect(url_for("approvals.show", approval_id=error.approval.id), 303)
    answer = page("approvals/_asked.html", 202, asked=error)
    answer.headers["HX-Retarget"] = "#notices"
    answer.headers["HX-Reswap"] = "innerHTML"
    answer.headers["HX-Trigger-After-Settle"] = CHANGED
    return answer
