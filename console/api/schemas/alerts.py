"""Alerts: channels and rules."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from pydantic import Field

from console.api.schemas.common import Address, Body, Instant, Out, Text
from console.core.alerts import AlertOn, AlertScope, ChannelKind
from console.services import alert_fields as bounds
from console.services.addresses import LONGEST_URL
from console.services.alert_channels import ChannelView
from console.services.alert_fields import RuleGiven
from console.services.alert_rules import RuleView
from console.services.alert_ways import (
    LONGEST_NAME,
    LONGEST_SECRET,
    MOST_RECIPIENTS,
    SHORTEST_SECRET,
    ChannelGiven,
)

ChannelName = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST_URL,
        description="Of a webhook, in the public internet, or apprise's; it is never answered.",
    ),
]
Secret = Annotated[
    str,
    Field(
        min_length=SHORTEST_SECRET,
        max_length=LONGEST_SECRET,
        description="Signs a webhook's messages; it is never answered. One is made when it is left out.",
    ),
]
Recipients = Annotated[list[Address], Field(min_length=1, max_length=MOST_RECIPIENTS, description="Of mail.")]
Count = Annotated[
    int,
    Field(
        ge=bounds.FEWEST_IN_A_ROW,
        le=bounds.MOST_IN_A_ROW,
        description="How many failures in a row; of `failed_in_a_row`.",
    ),
]
Minutes = Annotated[
    int,
    Field(
        ge=bounds.SHORTEST_LATE, le=bounds.LONGEST_LATE, description="From how many on it is late; of `late`."
    ),
]
Throttle = Annotated[
    int,
    Field(
        ge=0,
        le=bounds.LONGEST_THROTTLE,
        description="What is found within so many minutes after a message goes out as one.",
    ),
]
Channels = Annotated[
    list[Annotated[UUID, Field(strict=False)]],
    Field(min_length=1, max_length=20, description="Ids of channels."),
]


class ChannelIn(Body):
    """A channel to make: `recipients` for mail, `url` for the others, `secret` for a webhook."""

    name: ChannelName
    kind: Annotated[ChannelKind, Field(strict=False)]
    recipients: Recipients | None = None
    url: Url | None = None
    secret: Secret | None = None

    @property
    def given(self) -> ChannelGiven:
        return ChannelGiven(self.name, self.kind, self.recipients, self.url, self.secret)


class ChannelChangeIn(Body):
    """What is to change; what is left out stays."""

    name: ChannelName | None = None
    recipients: Recipients | None = None
    url: Url | None = None
    secret: Secret | None = None

    @property
    def given(self) -> ChannelGiven:
        return ChannelGiven(self.name, None, self.recipients, self.url, self.secret)


class ChannelOut(Out):
    """A channel; `target` is what may be shown of where it leads."""

    id: UUID
    name: str
    kind: ChannelKind
    target: str
    rules: list[str]
    created_at: Instant

    @classmethod
    def of(cls, found: ChannelView) -> "ChannelOut":
        return cls(
            id=found.id,
            name=found.name,
            kind=found.kind,
            target=found.target,
            rules=list(found.rules),
            created_at=found.created_at,
        )


class NewChannelOut(ChannelOut):
    """`secret` is there when one was made for the webhook, and never again."""

    secret: str | None

    @classmethod
    def made(cls, found: ChannelView, secret: str | None) -> "NewChannelOut":
        return cls(**ChannelOut.of(found).model_dump(), secret=secret)


class ChannelsOut(Out):
    channels: list[ChannelOut]

    @classmethod
    def all(cls, found: Sequence[ChannelView]) -> "ChannelsOut":
        return cls(channels=[ChannelOut.of(item) for item in found])


class AlertRuleIn(Body):
    """A rule to make; `job` (an id, or a key in any spelling) and `category` belong to their scopes."""

    name: ChannelName
    event: Annotated[AlertOn, Field(strict=False)]
    scope: Annotated[AlertScope, Field(strict=False)] = AlertScope.ALL
    job: Text | None = None
    category: Text | None = None
    count: Count | None = None
    minutes: Minutes | None = None
    throttle_minutes: Throttle = bounds.USUAL_THROTTLE
    channels: Annotated[Channels, Field(strict=False)]
    enabled: bool = True


class AlertRuleChangeIn(Body):
    """What is to change; what is left out stays."""

    name: ChannelName | None = None
    event: Annotated[AlertOn, Field(strict=False)] | None = None
    scope: Annotated[AlertScope, Field(strict=False)] | None = None
    job: Text | None = None
    category: Text | None = None
    count: Count | None = None
    minutes: Minutes | None = None
    throttle_minutes: Throttle | None = None
    channels: Annotated[Channels, Field(strict=False)] | None = None
    enabled: bool | None = None


def rule_given(body: AlertRuleIn | AlertRuleChangeIn, job_id: UUID | None) -> RuleGiven:
    """What services take."""
    return RuleGiven(
        name=body.name,
        event=body.event,
        scope=body.scope,
        job_id=job_id,
        category=body.category,
        count=body.count,
        minutes=body.minutes,
        throttle_minutes=body.throttle_minutes,
        channels=body.channels,
        enabled=body.enabled,
    )


class RuleChannelOut(Out):
    id: UUID
    name: str


class AlertRuleOut(Out):
    """A rule; `waiting` is how much it has found and not said yet, which it says at `waiting_until`."""

    id: UUID
    name: str
    event: AlertOn
    scope: AlertScope
    job_id: UUID | None
    category: str | None
    count: int | None
    minutes: int | None
    throttle_minutes: int
    channels: list[RuleChannelOut]
    enabled: bool
    created_at: Instant
    sent_at: Instant | None
    waiting: int
    waiting_until: Instant | None

    @classmethod
    def of(cls, rule: RuleView) -> "AlertRuleOut":
        return cls(
            id=rule.id,
            name=rule.name,
            event=rule.event,
            scope=rule.scope,
            job_id=rule.job_id,
            category=rule.category,
            count=rule.count,
            minutes=rule.minutes,
            throttle_minutes=rule.throttle_minutes,
            channels=[RuleChannelOut(id=channel_id, name=name) for channel_id, name in rule.channels],
            enabled=rule.enabled,
            created_at=rule.created_at,
            sent_at=rule.sent_at,
            waiting=rule.waiting.count,
            waiting_until=rule.waiting.until,
        )


class AlertRulesOut(Out):
    rules: list[AlertRuleOut]

    @classmethod
    def all(cls, rules: Sequence[RuleView]) -> "AlertRulesOut":
        return cls(rules=[AlertRuleOut.of(rule) for rule in rules])
