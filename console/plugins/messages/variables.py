"""The variables that a template may use, all of them text, and what they are for one message."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from console.plugins.messages.views import EventView

UNKNOWN = "not known yet"
YES = "yes"


@dataclass(frozen=True)
class Variable:
    """A name that a template may use; `example` is its value where there is no event to take it from."""

    name: str
    text: str
    example: str


VARIABLES = (
    Variable("event_name", "The event's name", "Hamlet"),
    Variable("venue", "Where it takes place", "Main Stage"),
    Variable("event_date", "Its day", "Saturday 28 November 2026"),
    Variable("event_time", "When it begins, on the clocks of its zone", "19:30"),
    Variable("timezone", "Its zone", "Europe/London"),
    Variable("load_in_date", f"The day of the load-in, or “{UNKNOWN}”", "Saturday 28 November 2026"),
    Variable("load_in_time", f"The time of the load-in, or “{UNKNOWN}”", "14:00"),
    Variable("load_in_known", f"“{YES}” when the load-in time is known, else empty", YES),
    Variable("contact_name", "The contact's name; may be empty", "Ana Marsh"),
    Variable("contact_email", "The contact's mail address; may be empty", "ana@northside.example"),
    Variable("recipient", "The mail address that this message goes to", "ana@northside.example"),
    Variable(
        "recipient_name", "The contact's name if the message goes to the contact, else empty", "Ana Marsh"
    ),
    Variable("event_known", f"“{YES}” when the message is about an event, else empty", YES),
    Variable("org_name", "Your org's name", "Northside Theatre"),
)
EXAMPLES: Mapping[str, str] = {variable.name: variable.example for variable in VARIABLES}


def values_of(event: EventView | None, *, recipient: str, org_name: str) -> Mapping[str, str]:
    """Every variable for one message; without an event, those that tell of one are empty."""
    known = _of_event(event) if event else dict.fromkeys(EXAMPLES, "")
    values = known | {
        "recipient": recipient,
        "recipient_name": event.contact_name if event and _is_contact(event, recipient) else "",
        "event_known": YES if event else "",
        "org_name": org_name,
    }
    # Each is one line, whatever an import brought along.
    return {name: " ".join(text.split()) for name, text in values.items()}


def _of_event(event: EventView) -> dict[str, str]:
    zone = ZoneInfo(event.timezone)
    starts, load_in = event.starts_at.astimezone(zone), event.load_in_at
    return {
        "event_name": event.name,
        "venue": event.venue,
        "event_date": _day(starts),
        "event_time": f"{starts:%H:%M}",
        "timezone": event.timezone,
        "load_in_date": _day(load_in.astimezone(zone)) if load_in else UNKNOWN,
        "load_in_time": f"{load_in.astimezone(zone):%H:%M}" if load_in else UNKNOWN,
        "load_in_known": YES if load_in else "",
        "contact_name": event.contact_name,
        "contact_email": event.contact_email or "",
    }


def _is_contact(event: EventView, recipient: str) -> bool:
    return bool(recipient) and (event.contact_email or "").casefold() == recipient.casefold()


def _day(local: datetime) -> str:
    return f"{local:%A} {local.day} {local:%B %Y}"
