"""What an event's fields and their values are called on a page."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from console.web import words

FIELDS = {
    "name": "Name",
    "venue": "Venue",
    "starts_at": "Start",
    "load_in_at": "Load-in",
    "timezone": "Zone",
    "contact_name": "Contact",
    "contact_email": "Contact's mail",
    "crew": "Crew",
}
NOTHING = {"load_in_at": "not known yet"}


def in_words(name: str, held: Any, zone_name: str) -> str:
    """A field's value as JSON holds it, in words; instants as the clocks of the zone show them."""
    if not held:
        return NOTHING.get(name, words.NOTHING)
    if name in ("starts_at", "load_in_at"):
        return words.local(datetime.fromisoformat(held), zone_name)
    if isinstance(held, Sequence) and not isinstance(held, str):
        return ", ".join(held)
    return str(held)
