"""Settings, Alerts: rules, channels, the button that tests one, and what was sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.alerts import DeliveryState
from console.core.errors import Refused
from console.services import alert_channels, alert_history, alert_rules, alert_sending, jobs
from console.services.alert_history import DeliveryFilter, DeliveryView
from console.services.views import JobView
from console.web import parameters
from console.web.answers import is_known, nothing_new, page
from console.web.errors import problem_of
from console.web.identity import actor, moment, wants_fragment
from console.web.parameters import check_names, job_id_of
from console.web.queries import PAGE, Query

RECENT = 5
bp = Blueprint("alerts", __name__)


@dataclass(frozen=True)
class AlertQuery(Query):
    """What the history of alerts shows."""

    state: DeliveryState | None = None
    rule: UUID | None = None
    channel: UUID | None = None
    cursor: str | None = None

    @classmethod
    def read(cls, args: Mapping[str, str], *also: str) -> "AlertQuery":
        """Raises `Invalid` that names the parameter; those in `also` are let pass."""
        cls._check_names(args, also)
        state = parameters.one_of(args, "state", DeliveryState)
        return cls(
            state, parameters.id_of(args, "rule"), parameters.id_of(args, "channel"), parameters.cursor(args)
        )

    @property
    def filter(self) -> DeliveryFilter:
        return DeliveryFilter(self.state, self.rule, self.channel)


@bp.get("/settings/alerts")
def index() -> ResponseReturnValue:
    check_names(request.args, "job")
    return _index(
        job=jobs.get(actor(), job_id_of(request.args), now=moment()) if "job" in request.args else None
    )


def _index(status: int = 200, job: JobView | None = None, **also: Any) -> ResponseReturnValue:
    """All rules, or those that watch one job."""
    context = {
        "rules": alert_rules.listing(actor(), job_id=job.id if job else None),
        "job": job,
        "channels": alert_channels.listing(actor()),
        **_recent(),
        "problem": None,
    }
    return page("alerts/index.html", status, **{**context, **also})


def _recent() -> dict[str, Any]:
    found = alert_history.page(actor(), DeliveryFilter(), cursor=None, limit=RECENT, now=moment())
    said = "".join(f"{item.id} {item.state} {item.attempts} {item.answer};" for item in found.deliveries)
    return {"recent": found, "version": sha256(said.encode()).hexdigest()[:20]}


@bp.get("/fragments/alerts/recent")
def recent() -> ResponseReturnValue:
    """The newest messages, for those on their way and for a test that has just been sent."""
    context = _recent()
    return nothing_new() if is_known(context["version"]) else page("alerts/_recent.html", **context)


@bp.get("/settings/alerts/history")
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


@bp.get("/settings/alerts/history/<uuid:delivery_id>")
def message(delivery_id: UUID) -> ResponseReturnValue:
    return page("alerts/message.html", item=alert_history.get(actor(), delivery_id))


@dataclass(frozen=True)
class Tested:
    """What became of a test, in words."""

    channel_id: UUID
    is_sent: bool
    text: str


@bp.post("/settings/alerts/channels/<uuid:channel_id>/test")
def test(channel_id: UUID) -> ResponseReturnValue:
    """Sends a test; the answer stands beside the button, or above the page."""
    tested = _tested(channel_id, alert_sending.test(actor(), channel_id, now=moment()))
    if wants_fragment():
        answer = page("alerts/_tested.html", tested=tested)
        answer.headers["HX-Trigger-After-Settle"] = "alerts-changed"
        return answer
    flash(tested.text)
    return redirect(url_for("alerts.index"), 303)


def _tested(channel_id: UUID, done: DeliveryView) -> Tested:
    is_sent = done.state is DeliveryState.SENT
    text = f"Test sent: {done.answer}." if is_sent else f"The test did not arrive: {done.answer}"
    return Tested(channel_id, is_sent, text)


@bp.post("/settings/alerts/channels/<uuid:channel_id>/deletion")
def delete_channel(channel_id: UUID) -> ResponseReturnValue:
    try:
        alert_channels.delete(actor(), channel_id, now=moment())
    except Refused as refusal:
        return _index(refusal.status, problem=problem_of(refusal))
    flash("The channel is deleted; what it sent stays in the history.")
    return redirect(url_for("alerts.index"), 303)


@bp.post("/settings/alerts/rules/<uuid:rule_id>/deletion")
def delete_rule(rule_id: UUID) -> ResponseReturnValue:
    alert_rules.delete(actor(), rule_id, now=moment())
    flash("The rule is deleted; what it sent stays in the history.")
    return redirect(url_for("alerts.index"), 303)
