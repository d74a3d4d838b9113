"""Alerts: where they go, what they wait for, and what was sent."""

from uuid import UUID

from console.api.auth import caller
from console.api.blueprint import api
from console.api.naming import job_of
from console.api.schemas.alert_deliveries import DeliveriesOut, DeliveryOut, DeliveryQuery
from console.api.schemas.alerts import (
    AlertRuleChangeIn,
    AlertRuleIn,
    AlertRuleOut,
    AlertRulesOut,
    ChannelChangeIn,
    ChannelIn,
    ChannelOut,
    ChannelsOut,
    NewChannelOut,
    rule_given,
)
from console.api.spec import BODY_PROBLEMS, call
from console.core.alerts import ChannelKind
from console.core.clock import utc_now
from console.services import alert_channels, alert_history, alert_rules, alert_sending
from console.services.alert_fields import RuleGiven
from console.services.alert_history import DeliveryFilter
from console.services.alert_ways import new_secret


@api.get("/alerts/channels")
@api.output(ChannelsOut)
@call("Alerts")
def list_alert_channels() -> ChannelsOut:
    """All channels by name, without their secrets."""
    return ChannelsOut.all(alert_channels.listing(caller()))


@api.post("/alerts/channels")
@api.input(ChannelIn, location="json", arg_name="body")
@api.output(NewChannelOut, status_code=201)
@call("Alerts", *BODY_PROBLEMS, 403, 409, 422)
def create_alert_channel(body: ChannelIn) -> NewChannelOut:
    """Makes a channel; the role admin may."""
    is_unsigned = body.kind is ChannelKind.WEBHOOK and body.secret is None
    made = new_secret() if is_unsigned else None
    given = body.model_copy(update={"secret": made}).given if made else body.given
    return NewChannelOut.made(alert_channels.create(caller(), given, now=utc_now()), made)


@api.get("/alerts/channels/<uuid:channel_id>")
@api.output(ChannelOut)
@call("Alerts", 404)
def read_alert_channel(channel_id: UUID) -> ChannelOut:
    """One channel, without its secrets."""
    return ChannelOut.of(alert_channels.get(caller(), channel_id))


@api.patch("/alerts/channels/<uuid:channel_id>")
@api.input(ChannelChangeIn, location="json", arg_name="body")
@api.output(ChannelOut)
@call("Alerts", *BODY_PROBLEMS, 403, 404, 409, 422)
def change_alert_channel(channel_id: UUID, body: ChannelChangeIn) -> ChannelOut:
    """Changes a channel, whose kind stays; the role admin may."""
    return ChannelOut.of(alert_channels.change(caller(), channel_id, body.given, now=utc_now()))


@api.delete("/alerts/channels/<uuid:channel_id>")
@call("Alerts", 403, 404, 409, also={204: {"description": "The channel is gone; its history stays."}})
def delete_alert_channel(channel_id: UUID) -> tuple[str, int]:
    """Deletes a channel that no rule needs; the role admin may."""
    alert_channels.delete(caller(), channel_id, now=utc_now())
    return "", 204


@api.post("/alerts/channels/<uuid:channel_id>/test")
@api.output(DeliveryOut)
@call("Alerts", 403, 404)
def test_alert_channel(channel_id: UUID) -> DeliveryOut:
    """Sends a test through the channel and waits for what is answered; the role admin may."""
    return DeliveryOut.of(alert_sending.test(caller(), channel_id, now=utc_now()))


@api.get("/alerts/rules")
@api.output(AlertRulesOut)
@call("Alerts")
def list_alert_rules() -> AlertRulesOut:
    """All rules by name."""
    return AlertRulesOut.all(alert_rules.listing(caller()))


@api.post("/alerts/rules")
@api.input(AlertRuleIn, location="json", arg_name="body")
@api.output(AlertRuleOut, status_code=201)
@call("Alerts", *BODY_PROBLEMS, 403, 404, 409, 422)
def create_alert_rule(body: AlertRuleIn) -> AlertRuleOut:
    """Makes a rule, which looks at what happens from now on; the role admin may."""
    return AlertRuleOut.of(alert_rules.create(caller(), _given(body), now=utc_now()))


@api.get("/alerts/rules/<uuid:rule_id>")
@api.output(AlertRuleOut)
@call("Alerts", 404)
def read_alert_rule(rule_id: UUID) -> AlertRuleOut:
    """One rule."""
    return AlertRuleOut.of(alert_rules.get(caller(), rule_id))


@api.patch("/alerts/rules/<uuid:rule_id>")
@api.input(AlertRuleChangeIn, location="json", arg_name="body")
@api.output(AlertRuleOut)
@call("Alerts", *BODY_PROBLEMS, 403, 404, 422)
def change_alert_rule(rule_id: UUID, body: AlertRuleChangeIn) -> AlertRuleOut:
    """Changes a rule; the role admin may."""
    return AlertRuleOut.of(alert_rules.change(caller(), rule_id, _given(body), now=utc_now()))


@api.delete("/alerts/rules/<uuid:rule_id>")
@call("Alerts", 403, 404, also={204: {"description": "The rule is gone; what it sent stays in the history."}})
def delete_alert_rule(rule_id: UUID) -> tuple[str, int]:
    """Deletes a rule with what it has found and not said; the role admin may."""
    alert_rules.delete(caller(), rule_id, now=utc_now())
    return "", 204


@api.get("/alerts/deliveries")
@api.input(DeliveryQuery, location="query", arg_name="query")
@api.output(DeliveriesOut)
@call("Alerts", 422)
def list_alert_deliveries(query: DeliveryQuery) -> DeliveriesOut:
    """What was sent, to whom and when, newest first; tests too."""
    wanted = DeliveryFilter(query.state, query.rule, query.channel)
    found = alert_history.page(caller(), wanted, cursor=query.cursor, limit=query.limit, now=utc_now())
    return DeliveriesOut.of(found)


def _given(body: AlertRuleIn | AlertRuleChangeIn) -> RuleGiven:
    job_id = job_of(caller(), body.job, now=utc_now()) if body.job else None
    return rule_given(body, job_id)
