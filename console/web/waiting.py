"""How many requests wait for a second person, and whether there is one, as every page may say it."""

from flask import g

from console.services import approvals, approvers
from console.services.approval_views import Waiting
from console.web.identity import actor, moment


def waiting_approvals() -> Waiting:
    """The numbers at the request's instant."""
    if "waiting_approvals" not in g:
        g.waiting_approvals = approvals.waiting(actor(), now=moment())
    found: Waiting = g.waiting_approvals
    return found


def approves_alone() -> bool:
    """Whether nobody but the reader could approve what the reader asks for."""
    if "approves_alone" not in g:
        g.approves_alone = approvers.is_alone(actor())
    found: bool = g.approves_alone
    return found
