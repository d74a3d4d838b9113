"""What a message job is called, and the line that says what it is about."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from console.core.explaining import Clocks, when
from console.core.states import MessageType
from console.plugins.messages.views import EventView

LONGEST_NAME = 200
LONGEST_KEY = 120
BETWEEN = " · "


def job_name(event: EventView, message_type: MessageType) -> str:
    """“Hamlet · Reminder”: the event comes first, since the table sorts by name what is due at one time."""
    label = f"{BETWEEN}{message_type.label}"
    return f"{event.name.strip()[: LONGEST_NAME - len(label)].rstrip()}{label}"


def subject_of(event: EventView) -> str:
    """“Main Stage, Sat 28 Nov 2026 19:30”, in the event's own zone."""
    return ", ".join(part for part in (event.venue.strip(), local(event.starts_at, event.timezone)) if part)


def local(at: datetime, timezone: str) -> str:
    """“Sat 28 Nov 2026 19:30” as the clocks there show it."""
    wall = at.astimezone(ZoneInfo(timezone))
    return f"{wall:%a} {wall.day} {wall:%b %Y %H:%M}"


def local_and_home(at: datetime, timezone: str, home: str) -> str:
    """As `local`, and on the clocks of the org's zone `home` too, each named, where those show another time.

    For sentences that are read far from the event's page, where times are the org's.
    """
    return when(at, Clocks(ZoneInfo(timezone), ZoneInfo(home)))


def key_of(event: EventView, message_type: MessageType, mark: str) -> str:
    """`hamlet_reminder_4f2a91`: readable, and one of its kind by its `mark` of letters and digits.

    It holds no address, for a job may be given another one.
    """
    tail = f"_{message_type.lower()}_{mark}"
    slug = re.sub(r"[^a-z0-9]+", "_", event.name.lower()).strip("_")[: LONGEST_KEY - len(tail)]
    return f"{slug.rstrip('_') or 'event'}{tail}"
