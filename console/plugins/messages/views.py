"""What the services of this plugin answer: frozen, complete, and read at one instant."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum
from uuid import UUID

from console.core.states import MessageType

PLANNED = (MessageType.INIT, MessageType.REMINDER, MessageType.FOLLOW_UP)
"""The types that are planned by themselves; a free message is written by a person."""


class WeekendRule(StrEnum):
    """What becomes of a message whose day is a Saturday or a Sunday."""

    NONE = "none"
    PREVIOUS_FRIDAY = "previous_friday"
    NEXT_MONDAY = "next_monday"


@dataclass(frozen=True)
class EventView:
    """An event; `load_in_at` is None while unknown, `crew` are mail addresses, `timezone` an IANA name."""

    id: UUID
    name: str
    venue: str
    starts_at: datetime
    load_in_at: datetime | None
    timezone: str
    contact_name: str
    contact_email: str | None
    crew: tuple[str, ...]
    revision: int
    changed_at: datetime


@dataclass(frozen=True)
class TypePreference:
    """When one type goes out: `lead_days` before (negative) or after the event's day, at `send_time`."""

    message_type: MessageType
    enabled: bool
    lead_days: int
    send_time: time
    revision: int = 0


@dataclass(frozen=True)
class Preferences:
    """An org's switches and times; revision 0 means that the defaults hold."""

    enabled: bool
    weekend_rule: WeekendRule
    types: Mapping[MessageType, TypePreference]
    revision: int = 0
