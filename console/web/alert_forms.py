"""The forms of alert channels and rules: what was typed stays, and each mistake stands beside its field."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from console.core.alerts import AlertOn, AlertScope, ChannelKind
from console.core.errors import ConsoleError, Invalid, NotFound, Refused
from console.core.permissions import Permission
from console.core.texts import storable
from console.services import addresses, alert_channels, alert_rules, chats, job_names, jobs
from console.services.alert_channels import ChannelView
from console.services.alert_fields import USUAL_IN_A_ROW, USUAL_LATE, USUAL_THROTTLE, RuleGiven
from console.services.alert_rules import RuleView
from console.services.alert_ways import ChannelGiven, invalid, new_secret
from console.services.views import JobFilter
from console.web.answers import page
from console.web.identity import actor, moment
from console.web.parameters import check_names

LONGEST = 2000
OFFERED_JOBS = 100
SCOPES = {
    AlertScope.ALL: "All jobs",
    AlertScope.CATEGORY: "The jobs of a category",
    AlertScope.JOB: "One job",
}
CHANNEL_FIELDS = ("name", "kind", "recipients", "url", "secret")
RULE_FIELDS = ("name", "event", "scope", "job", "category", "count", "minutes", "throttle_minutes", "enabled")
bp = Blueprint("alert_forms", __name__, url_prefix="/settings/alerts")
Errors = Mapping[str, Sequence[str]]


# Channels -------------------------------------------------------------------------------------------


@bp.get("/channels/new")
def new_channel() -> ResponseReturnValue:
    check_names(request.args, "kind")
    kind = _kind(request.args.get("kind", "mail"))
    return _channel_page({"kind": kind.value, "secret": new_secret()})


@bp.post("/channels")
def create_channel() -> ResponseReturnValue:
    actor().require(Permission.EDIT_ALERTS)
    typed = _typed(CHANNEL_FIELDS)
    try:
        made = alert_channels.create(actor(), _channel_given(typed), now=moment())
    except (Invalid, Refused) as error:
        return _channel_page(typed, error=error)
    flash(f"Channel {made.name} is made. Press Test to see whether it arrives.")
    return redirect(url_for("alerts.index"), 303)


@bp.get("/channels/<uuid:channel_id>")
def channel(channel_id: UUID) -> ResponseReturnValue:
    found = alert_channels.get(actor(), channel_id)
    recipients = found.target if found.kind is ChannelKind.MAIL else ""
    return _channel_page({"name": found.name, "kind": found.kind.value, "recipients": recipients}, found)


@bp.post("/channels/<uuid:channel_id>")
def save_channel(channel_id: UUID) -> ResponseReturnValue:
    actor().require(Permission.EDIT_ALERTS)
    found = alert_channels.get(actor(), channel_id)
    typed = {**_typed(CHANNEL_FIELDS), "kind": found.kind.value}
    try:
        alert_channels.change(actor(), channel_id, _channel_given(typed), now=moment())
    except (Invalid, Refused) as error:
        return _channel_page(typed, found, error=error)
    flash("Saved; it holds from the next message on.")
    return redirect(url_for("alerts.index"), 303)


def _kind(text: str) -> ChannelKind:
    try:
        return ChannelKind(text)
    except ValueError:
        raise invalid("kind", "choose one of the list") from None


def _channel_given(typed: Mapping[str, str]) -> ChannelGiven:
    """Only the fields of its kind count: the others may stand in the form, hidden."""
    kind = _kind(typed.get("kind", ""))
    if kind is ChannelKind.MAIL:
        recipients = [
            text for text in typed.get("recipients", "").replace(";", ",").split(",") if text.strip()
        ]
        return ChannelGiven(typed.get("name", ""), kind, recipients)
    secret = typed.get("secret") if kind is ChannelKind.WEBHOOK else None
    return ChannelGiven(typed.get("name", ""), kind, url=typed.get("url") or None, secret=secret or None)


def _channel_page(
    typed: Mapping[str, str], found: ChannelView | None = None, error: ConsoleError | None = None
) -> ResponseReturnValue:
    return page(
        "alerts/channel.html",
        error.status if error else 200,
        typed=typed,
        channel=found,
        kinds=list(ChannelKind),
        schemes=chats.offered(),
        may_be_private=addresses.may_be_private(),
        refusal=error,
        errors=error.fields if error else {},
    )


# Rules ----------------------------------------------------------------------------------------------


@bp.get("/rules/new")
def new_rule() -> ResponseReturnValue:
    check_names(request.args, "job")
    typed = {
        "event": AlertOn.FAILED.value,
        "scope": AlertScope.ALL.value,
        "count": str(USUAL_IN_A_ROW),
        "minutes": str(USUAL_LATE),
        "throttle_minutes": str(USUAL_THROTTLE),
        "enabled": "1",
    }
    if request.args.get("job"):
        wanted = job_names.find(actor(), request.args["job"], now=moment())
        typed |= {"scope": AlertScope.JOB.value, "job": wanted.key, "name": f"Failures of {wanted.name}"[:80]}
    known = [item.id for item in alert_channels.listing(actor())]
    return _rule_page(typed, known if len(known) == 1 else [])


@bp.post("/rules")
def create_rule() -> ResponseReturnValue:
    actor().require(Permission.EDIT_ALERTS)
    typed, chosen = _typed(RULE_FIELDS), _chosen(request.form)
    try:
        made = alert_rules.create(actor(), _rule_given(typed, chosen), now=moment())
    except (Invalid, Refused, NotFound) as error:
        return _rule_page(typed, chosen, error=error)
    flash(f"Rule {made.name} is made; it looks at what happens from now on.")
    return redirect(url_for("alerts.index"), 303)


@bp.get("/rules/<uuid:rule_id>")
def rule(rule_id: UUID) -> ResponseReturnValue:
    found = alert_rules.get(actor(), rule_id)
    typed = {
        "name": found.name,
        "event": found.event.value,
        "scope": found.scope.value,
        "job": found.job_key or "",
        "category": found.category or "",
        "count": str(found.count or USUAL_IN_A_ROW),
        "minutes": str(found.minutes or USUAL_LATE),
        "throttle_minutes": str(found.throttle_minutes),
        **({"enabled": "1"} if found.enabled else {}),
    }
    return _rule_page(typed, [channel_id for channel_id, _ in found.channels], found)


@bp.post("/rules/<uuid:rule_id>")
def save_rule(rule_id: UUID) -> ResponseReturnValue:
    actor().require(Permission.EDIT_ALERTS)
    found = alert_rules.get(actor(), rule_id)
    typed, chosen = _typed(RULE_FIELDS), _chosen(request.form)
    try:
        alert_rules.change(actor(), rule_id, _rule_given(typed, chosen), now=moment())
    except (Invalid, Refused, NotFound) as error:
        return _rule_page(typed, chosen, found, error=error)
    flash("Saved; it holds from now on.")
    return redirect(url_for("alerts.index"), 303)


def _rule_given(typed: Mapping[str, str], chosen: Sequence[UUID]) -> RuleGiven:
    event = _one_of(AlertOn, "event", typed)
    scope = _one_of(AlertScope, "scope", typed) if event.is_of_jobs else AlertScope.ALL
    return RuleGiven(
        name=typed.get("name", ""),
        event=event,
        scope=scope,
        job_id=_job(typed.get("job", "")) if scope is AlertScope.JOB else None,
        category=typed.get("category"),
        count=_number("count", typed) if event is AlertOn.FAILED_IN_A_ROW else None,
        minutes=_number("minutes", typed) if event is AlertOn.LATE else None,
        throttle_minutes=_number("throttle_minutes", typed),
        channels=chosen,
        enabled="enabled" in typed,
    )


def _one_of(values: Any, name: str, typed: Mapping[str, str]) -> Any:
    try:
        return values(typed.get(name, ""))
    except ValueError:
        raise invalid(name, "choose one of the list") from None


def _number(name: str, typed: Mapping[str, str]) -> int:
    text = typed.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise invalid(name, "must be a whole number")
    return int(text)


def _job(text: str) -> UUID:
    if not text:
        raise invalid("job", "name the job")
    try:
        return job_names.find(actor(), text, now=moment()).id
    except NotFound as error:
        raise Invalid(error.detail, fields={"job": [error.detail]}, suggestions=error.suggestions) from None


def _chosen(form: MultiDict[str, str]) -> list[UUID]:
    """The channels that were ticked; what is no id is none."""
    found = []
    for text in form.getlist("channels"):
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def _typed(names: Sequence[str]) -> dict[str, str]:
    return {name: storable(request.form[name].strip(), LONGEST) for name in names if name in request.form}


def _rule_page(
    typed: Mapping[str, str],
    chosen: Sequence[UUID],
    found: RuleView | None = None,
    error: ConsoleError | None = None,
) -> ResponseReturnValue:
    errors = {
        "job" if name == "job_id" else name: texts for name, texts in (error.fields if error else {}).items()
    }
    offered = jobs.page(actor(), JobFilter(), cursor=None, limit=OFFERED_JOBS, now=moment()).jobs
    return page(
        "alerts/rule.html",
        error.status if error else 200,
        typed=typed,
        chosen=set(chosen),
        rule=found,
        channels=alert_channels.listing(actor()),
        events=[(event.value, event.label) for event in AlertOn],
        scopes=[(scope.value, label) for scope, label in SCOPES.items()],
        categories=[(name, name) for name in jobs.categories(actor())],
        jobs=[(job.key, job.name) for job in offered],
        refusal=error,
        errors=errors,
    )
