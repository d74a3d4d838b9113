"""What stands in the form of an event, kept as it was typed, and read to what the service takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from console.core import local_time
from console.core.errors import Invalid
from console.core.local_time import Twice
from console.core.texts import storable
from console.plugins.messages.event_rows import ADDRESS_ENDS
from console.plugins.messages.event_shape import NAMES, checked_fields
from console.plugins.messages.views import EventView
from console.services.orgs import zone

LONGEST = 500
LONGEST_CREW = 30_000
INSTANTS = ("starts_at", "load_in_at")
ORDER = ("name", "venue", *INSTANTS, "timezone", "contact_name", "contact_email", "crew")


@dataclass(frozen=True)
class EventDraft:
    """The form's fields as text, right or wrong.

    `…_fold` says which of two equal local times is meant, 0 for the first; empty when it was not asked for.
    """

    name: str = ""
    venue: str = ""
    starts_at: str = ""
    starts_at_fold: str = ""
    load_in_at: str = ""
    load_in_at_fold: str = ""
    timezone: str = "UTC"
    contact_name: str = ""
    contact_email: str = ""
    crew: str = ""

    def text(self, name: str) -> tuple[str, ...]:
        """All that the form says of one field: a local time means nothing without its zone."""
        if name in INSTANTS:
            return getattr(self, name), getattr(self, f"{name}_fold") or "0", self.timezone
        return (getattr(self, name),)


TEXTS = tuple(item.name for item in fields(EventDraft))


@dataclass
class Read:
    """A draft that was read: what each field says, and what is wrong with the others."""

    draft: EventDraft
    given: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)

    def add(self, error: Invalid) -> None:
        """Takes a refusal up, under the names of the form."""
        for name, texts in (error.fields or {"name": [error.detail]}).items():
            self.faults.setdefault(name if name in ORDER else "name", []).extend(texts)

    @property
    def first(self) -> str | None:
        """The first wrong field from the top."""
        return next((name for name in ORDER if name in self.faults), None)

    @property
    def twice(self) -> Mapping[str, Twice]:
        """The local times that come twice, with what to ask."""
        try:
            place = zone(self.draft.timezone)
        except Invalid:
            return {}
        asked = {name: local_time.twice_of(getattr(self.draft, name), place) for name in INSTANTS}
        return {name: found for name, found in asked.items() if found}


def typed(form: Mapping[str, str]) -> EventDraft:
    """The draft that a form holds."""
    longest = {"crew": LONGEST_CREW}
    held = {name: storable(form[name].strip(), longest.get(name, LONGEST)) for name in TEXTS if name in form}
    return EventDraft(**held)


def draft_of(event: EventView) -> EventDraft:
    """The draft that shows an event."""
    place = ZoneInfo(event.timezone)
    return EventDraft(
        name=event.name,
        venue=event.venue,
        starts_at=_local(event.starts_at, place),
        starts_at_fold=str(event.starts_at.astimezone(place).fold),
        load_in_at=_local(event.load_in_at, place) if event.load_in_at else "",
        load_in_at_fold=str(event.load_in_at.astimezone(place).fold) if event.load_in_at else "",
        timezone=event.timezone,
        contact_name=event.contact_name,
        contact_email=event.contact_email or "",
        crew="\n".join(event.crew),
    )


def _local(at: datetime, place: ZoneInfo) -> str:
    """As a field of date and time holds it; seconds only where there are some."""
    shown = at.astimezone(place)
    return f"{shown:%Y-%m-%dT%H:%M:%S}" if shown.second else f"{shown:%Y-%m-%dT%H:%M}"


def read(draft: EventDraft, base: EventView | None = None) -> Read:
    """Reads a draft: of an event that is there only the fields that differ from it, of a new one all."""
    found = Read(draft)
    shown = draft_of(base) if base else None
    place = _place(found)
    for name in NAMES:
        is_same = shown is not None and draft.text(name) == shown.text(name)
        if is_same or (place is None and name in INSTANTS):
            continue
        try:
            found.given[name] = _value(draft, name, place or ZoneInfo("UTC"))
        except ValueError as error:
            found.faults[name] = [str(error)]
    if found.faults:
        _check_rest(found, base)
    return found


def _place(found: Read) -> ZoneInfo | None:
    try:
        return zone(found.draft.timezone)
    except Invalid as error:
        found.add(error)
        return None


def _check_rest(found: Read, base: EventView | None) -> None:
    """Names what is wrong with the fields that could be read, beside those that could not."""
    held = {name: getattr(base, name) for name in NAMES} if base else {}
    try:
        checked_fields(held | found.given, "UTC")
    except Invalid as error:
        unread = INSTANTS if "timezone" in found.faults else ()
        named = {name: texts for name, texts in error.fields.items() if name not in (*found.faults, *unread)}
        found.faults |= {name: list(texts) for name, texts in named.items()}


def _value(draft: EventDraft, name: str, place: ZoneInfo) -> Any:
    text: str = getattr(draft, name)
    if name == "crew":
        return text.translate(ADDRESS_ENDS).split()
    if name == "contact_email":
        return text or None
    if name not in INSTANTS:
        return text
    if name == "load_in_at" and not text:
        return None
    return _instant(draft, name, place)


def _instant(draft: EventDraft, name: str, place: ZoneInfo) -> datetime:
    text, fold = getattr(draft, name), getattr(draft, f"{name}_fold")
    at = local_time.instant_of(text, place, int(fold == "1"))
    if not fold and local_time.twice_of(text, place):
        raise ValueError("comes twice on this day, for the clocks go back; choose which one is meant")
    return at


def merged(draft: EventDraft, base: EventView, current: EventView) -> EventDraft:
    """The draft over what is saved now: a field that it left as it was in `base` takes the newest value."""
    old, new = draft_of(base), draft_of(current)
    untouched = [name for name in ORDER if draft.text(name) == old.text(name)]
    if "timezone" not in untouched:
        untouched = [name for name in untouched if name not in INSTANTS]
    taken = {name: getattr(new, name) for name in untouched}
    taken |= {f"{name}_fold": getattr(new, f"{name}_fold") for name in untouched if name in INSTANTS}
    return replace(draft, **taken)
