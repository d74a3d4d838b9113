"""The settings of messages in the API: what may be sent, and what is answered."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from console.api.schemas.common import Body, Instant, Out, Text
from console.api.schemas.problem import Problem
from console.api.schemas.schedules import LARGEST_REVISION
from console.core.states import MessageType
from console.plugins.messages.calls.event_shapes import LaterChange, MessagesOut
from console.plugins.messages.settings import FURTHEST, Kept, SettingsChange, TypeChange
from console.plugins.messages.stale import StaleSettings
from console.plugins.messages.templates import Template
from console.plugins.messages.templating import Words
from console.plugins.messages.views import Preferences, TypePreference, WeekendRule
from console.services.changes import UNSET

SWITCH = "False: a message that comes due is skipped, and the plan stays."
RULE = "What becomes of a message whose day is a Saturday or a Sunday."
LEAD = "Days after the event's day, below 0 before it: INIT, REMINDER never above 0, FOLLOW_UP never below."
Known = Annotated[int, Field(ge=0, le=LARGEST_REVISION)]


class TemplateIn(Body):
    """A template; what is left out stays as it is."""

    subject: Annotated[str, Field(max_length=200)] | None = None
    text: Annotated[str, Field(max_length=20_000)] | None = None
    html: Annotated[str, Field(max_length=60_000)] | None = Field(None, description="Empty for none.")
    version: Known | None = Field(None, description="The version that you saw; a stale one is refused.")

    def words(self, held: Template) -> Words:
        """The template that it asks for, with what it leaves out as it is held."""
        given = {name: getattr(self, name) for name in ("subject", "text", "html")}
        return Words(**{name: getattr(held, name) if new is None else new for name, new in given.items()})


class MessageTypeIn(Body):
    """When one type goes out, and its words; what is left out stays as it is."""

    enabled: bool | None = Field(None, description=SWITCH)
    lead_days: Annotated[int, Field(ge=-FURTHEST, le=FURTHEST)] | None = Field(None, description=LEAD)
    send_time: Text | None = Field(None, examples=["10:00"], description="On the clocks of the event's zone.")
    template: TemplateIn | None = None
    revision: Known | None = Field(None, description="The revision that you saw; a stale one is refused.")

    def as_change(self, held: Template) -> TypeChange:
        """What the service takes."""
        given = {name: getattr(self, name) for name in ("enabled", "lead_days", "send_time")}
        wanted = {name: value for name, value in given.items() if value is not None}
        if self.template is None:
            return TypeChange(**wanted)
        return TypeChange(**wanted, words=self.template.words(held), version=self.template.version)


class MessageSettingsIn(Body):
    """The global switch and the weekend rule; what is left out stays as it is."""

    enabled: bool | None = Field(None, description=SWITCH)
    weekend_rule: Annotated[WeekendRule, Field(strict=False)] | None = Field(None, description=RULE)
    revision: Known | None = Field(None, description="The revision that you saw; a stale one is refused.")

    def as_change(self) -> SettingsChange:
        """What the service takes."""
        return SettingsChange(
            UNSET if self.enabled is None else self.enabled,
            UNSET if self.weekend_rule is None else self.weekend_rule,
        )


# What is answered ---------------------------------------------------------------------------------


class TemplateOut(Out):
    """The template in force; version 0 is the built-in one."""

    version: int
    subject: str
    text: str
    html: str

    @classmethod
    def of(cls, template: Template) -> "TemplateOut":
        return cls(version=template.version, subject=template.subject, text=template.text, html=template.html)


class MessageTypeOut(Out):
    """When one type goes out, and its words; revision 0 means that the defaults hold."""

    message_type: MessageType
    enabled: bool
    lead_days: int
    send_time: str = Field(examples=["10:00"])
    template: TemplateOut
    revision: int

    @classmethod
    def of(cls, held: TypePreference, template: Template) -> "MessageTypeOut":
        return cls(
            message_type=held.message_type,
            enabled=held.enabled,
            lead_days=held.lead_days,
            send_time=f"{held.send_time:%H:%M}",
            template=TemplateOut.of(template),
            revision=held.revision,
        )


class MessageTypeSavedOut(MessageTypeOut):
    """The same after a save, and what became of the planned messages."""

    messages: MessagesOut

    @classmethod
    def of_kept(cls, kept: Kept, message_type: MessageType) -> "MessageTypeSavedOut":
        shown = MessageTypeOut.of(kept.preferences.types[message_type], kept.templates[message_type])
        return cls(**dict(shown), messages=MessagesOut.of(kept.planned))


class MessageSettingsOut(Out):
    """The global switch and the weekend rule; revision 0 means that the defaults hold."""

    enabled: bool
    weekend_rule: WeekendRule
    revision: int

    @classmethod
    def of(cls, held: Preferences) -> "MessageSettingsOut":
        return cls(enabled=held.enabled, weekend_rule=held.weekend_rule, revision=held.revision)


class MessageSettingsSavedOut(MessageSettingsOut):
    """The same after a save, and what became of the planned messages."""

    messages: MessagesOut

    @classmethod
    def of_kept(cls, kept: Kept) -> "MessageSettingsSavedOut":
        return cls(**dict(MessageSettingsOut.of(kept.preferences)), messages=MessagesOut.of(kept.planned))


class StaleSettingsProblem(Problem):
    """Somebody saved these settings after the revision that you saw; nothing was changed."""

    current: dict[str, Any] = Field(
        description="The switches and times as they are now, with their revision."
    )
    yours: dict[str, Any] = Field(description="What you sent.")
    changes: list[LaterChange] = Field(description="What was saved meanwhile.")
    saved_by: str | None
    saved_at: Instant | None

    @classmethod
    def of(cls, error: StaleSettings, yours: Mapping[str, Any]) -> "StaleSettingsProblem":
        return cls(
            type=f"/api/v1/docs#{error.reason}",
            title=error.reason.text,
            status=error.status,
            detail=error.detail,
            reason_code=error.reason,
            current=_current(error.current),
            yours=dict(yours),
            changes=LaterChange.list_of(error.later.old, error.later.new),
            saved_by=error.later.saved_by,
            saved_at=error.later.saved_at,
        )


def _current(held: Preferences | TypePreference) -> dict[str, Any]:
    found: dict[str, Any] = {"enabled": held.enabled, "revision": held.revision}
    if isinstance(held, Preferences):
        return found | {"weekend_rule": held.weekend_rule.value}
    return found | {"lead_days": held.lead_days, "send_time": f"{held.send_time:%H:%M}"}
