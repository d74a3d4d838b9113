"""Settings, Alerts: rules, channels, the button that tests one, and what was sent."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.alerts import DeliveryState
from console.core.errors import Refused
from console.services import alert_channels, alert_history, alert_rules, alert_sending, jobs
from console.services.alert_history import DeliveryFilter, DeliveryView
from console.services.views import JobView
from console.web.answers import page
from console.web.errors import problem_of
from console.web.identity import actor, moment, wants_fragment
from console.web.queries import PAGE, AlertQuery, check_names, job_id_of

RECENT = 5
bp = Blueprint("alerts", __name__, url_prefix="/settings/alerts")


@bp.get("")
def index() -> ResponseReturnValue:
    check_names(request.args, "job")
    return _index(
        job=jobs.get(actor(), job_id_of(request.args), now=moment()) if "job" in request.args else None
    )


def _index(status: int = 200, job: JobView | None = None, **also: Any) -> ResponseReturnValue:
    """All rules, or those that watch one job."""
    recent = alert_history.page(actor(), DeliveryFilter(), cursor=None, limit=RECENT, now=moment())
    context = {
        "rules": alert_rules.listing(actor(), job_id=job.id if job else None),
        "job": job,
        "channels": alert_channels.listing(actor()),
        "recent": recent,
        "problem": None,
    }
    return page("alerts/index.html", status, **{**context, **also})


@bp.get("/history")
def history() -> ResponseReturnValue:
    query = AlertQuery.read(request.args)
    found = alert_history.page(actor(), query.filter, cursor=query.cursor, limit=PAGE, now=moment())
    return page(
        "alerts/history.html",
        page=found,
        query=query,
        states=list(DeliveryState),
        rules=alert_rules.listing(actor()),
        channels=alert_channels.listing(actor()),
    )


@bp.get("/history/<uuid:delivery_id>")
def message(delivery_id: UUID) -> ResponseReturnValue:
    return page("alerts/message.html", item=alert_history.get(actor(), delivery_id))


@dataclass(frozen=True)
class Tested:
    """What became of a test, in words."""

    channel_id: UUID
    is_sent: bool
    text: str


@bp.post("/channels/<uuid:channel_id>/test")
def test(channel_id: UUID) -> ResponseReturnValue:
    """Sends a test; the answer stands beside the button, or above the page."""
    tested = _tested(channel_id, alert_sending.test(actor(), channel_id, now=moment()))
    if wants_fragment():
        return page("alerts/_tested.html", tested=tested)
    flash(tested.text)
    return redirect(url_for("alerts.index"), 303)


def _tested(channel_id: UUID, done: DeliveryView) -> Tested:
    is_sent = done.state is DeliveryState.SENT
    text = f"Test sent: {done.answer}." if is_sent else f"The test did not arrive: {done.answer}"
    return Tested(channel_id, is_sent, text)


@bp.post("/channels/<uuid:channel_id>/deletion")
def delete_channel(channel_id: UUID) -> ResponseReturnValue:
    try:
        alert_channels.delete(actor(), channel_id, now=moment())
    except Refused as refusal:
        return _index(refusal.status, problem=problem_of(refusal))
    flash("The channel is deleted; what it sent stays in the history.")
    return redirect(url_for("alerts.index"), 303)


@bp.post("/rules/<uuid:rule_id>/deletion")
def delete_rule(rule_id: UUID) -> ResponseReturnValue:
    alert_rules.delete(actor(), rule_id, now=moment())
    flash("The rule is deleted; what it sent stays in the history.")
    return redirect(url_for("alerts.index"), 303)
