"""How many requests wait for a second person: beside the navigation, and kept fresh by the heartbeat."""

from flask import g

from console.services import approvals
from console.services.approval_views import Waiting
from console.web.identity import actor, moment


def waiting_approvals() -> Waiting:
    """The numbers at the request's instant."""
    if "waiting_approvals" not in g:
        g.waiting_approvals = approvals.waiting(actor(), now=moment())
    found: Waiting = g.waiting_approvals
    return found
