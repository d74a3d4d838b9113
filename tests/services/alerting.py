"""What the tests of alerts share: channels, rules, and runs that really ended."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from console.core.alerts import AlertOn, AlertScope, ChannelKind
from console.core.reasons import Reason
from console.core.states import RunState
from console.services import addresses, alert_channels, alert_rules, alert_sending, alerts, execution
from console.services.alert_channels import ChannelView
from console.services.alert_fields import RuleGiven
from console.services.alert_rules import RuleView
from console.services.alert_ways import ChannelGiven
from console.services.outcomes import Outcome
from console.services.run_views import RunView
from console.services.views import JobView
from tests import factories
from tests.factories import NOON, OrgOf, rows
from tests.receiver import Receiver

SECRET = "a secret that signs webhooks"
MINUTE = timedelta(minutes=1)


def mail_channel(of: OrgOf, name: str = "Ops", to: str = "ops@northside.example") -> ChannelView:
    given = ChannelGiven(name=name, kind=ChannelKind.MAIL, recipients=[to])
    return alert_channels.create(of.admin, given, now=NOON)


def webhook(of: OrgOf, receiver: Receiver, name: str = "Hook") -> ChannelView:
    given = ChannelGiven(name=name, kind=ChannelKind.WEBHOOK, url=receiver.url, secret=SECRET)
    return alert_channels.create(of.admin, given, now=NOON)


def rule(
    of: OrgOf, on: AlertOn, *channels: ChannelView, now: datetime = NOON, throttle: int = 15, **fields: Any
) -> RuleView:
    """A rule over all jobs unless `scope` says otherwise."""
    given = RuleGiven(
        name=fields.pop("name", f"{on.label} to {channels[0].name}"),
        event=on,
        scope=fields.pop("scope", AlertScope.ALL),
        channels=[channel.id for channel in channels],
        throttle_minutes=throttle,
        **fields,
    )
    return alert_rules.create(of.admin, given, now=now)


def ended(of: OrgOf, job: JobView, state: RunState, *, at: datetime, **fields: Any) -> RunView:
    """A run of the job that a worker claimed and ended at this instant."""
    run = factories.run(of, job, now=at, **fields)
    claimed = execution.claim(run.id, worker="worker-1", offered=[job.task], now=at)
    assert claimed is not None
    outcomes = {
        RunState.SUCCEEDED: Outcome(RunState.SUCCEEDED, result={"summary": "done"}),
        RunState.UNKNOWN: Outcome(RunState.UNKNOWN, Reason.OUTCOME_UNKNOWN, "The worker died in the middle."),
        RunState.FAILED: Outcome(
            RunState.FAILED,
            Reason.EXCEPTION,
            "ValueError: no such stage",
            error={"type": "ValueError", "message": "no such stage", "traceback": "…"},
            may_retry=False,
        ),
    }
    assert execution.finish(claimed, outcomes[state], now=at) is state
    return run


def look_and_send(now: datetime) -> tuple[int, int]:
    """A round of the watcher: what it found and made ready, and how many messages it sent."""
    return alerts.look(now), alert_sending.send(now)


def subjects() -> list[str]:
    """Those of all messages that were made, in their order."""
    return [row[0] for row in rows("SELECT subject FROM alert_deliveries ORDER BY created_at, id")]


def delivery() -> Any:
    """The only message, as the database holds it."""
    (row,) = rows("SELECT * FROM alert_deliveries")
    return row


@contextmanager
def private_addresses(allowed: bool = True) -> Iterator[None]:
    """As with CONSOLE_ALLOW_PRIVATE_WEBHOOKS=1."""
    before = addresses.may_be_private()
    addresses.configure(may_be_private=allowed)
    try:
        yield
    finally:
        addresses.configure(may_be_private=before)
