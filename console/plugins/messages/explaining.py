"""What is planned for an event and why, in sentences; pure, as the plan itself is."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from console.core.states import JobStatus, MessageType
from console.plugins.messages.naming import local
from console.plugins.messages.plan import seats
from console.plugins.messages.plan_views import Place
from console.plugins.messages.timing import Timing, timing
from console.plugins.messages.views import PLANNED, EventView, Preferences


@dataclass(frozen=True)
class Explained:
    """What is planned of one type: the plan first, then what stands otherwise, and by whose hand."""

    message_type: MessageType
    sentences: tuple[str, ...]


def explain(
    event: EventView, preferences: Preferences, places: Sequence[Place], *, now: datetime
) -> list[Explained]:
    """For each type that is planned by itself, in their order."""
    return [Explained(kind, tuple(_sentences(event, preferences, kind, places, now))) for kind in PLANNED]


def _sentences(
    event: EventView, preferences: Preferences, kind: MessageType, places: Sequence[Place], now: datetime
) -> Iterator[str]:
    mine = [place for place in places if place.message_type is kind]
    if kind is MessageType.INIT and event.load_in_at:
        known = local(event.load_in_at, event.timezone)
        yield f"Not planned: the load-in time is known, {known}, so there is nothing to ask for."
    else:
        found = timing(event, preferences.types[kind], preferences.weekend_rule)
        yield _planned(event, found, preferences.types[kind].lead_days, now)
        yield from _shifted(found)
        yield from _recipients(event, kind)
        yield from _switches(preferences, kind)
    yield from _otherwise(event, mine)


def _planned(event: EventView, found: Timing, lead_days: int, now: datetime) -> str:
    at = local(found.at, event.timezone)
    if found.at > now:
        return f"Planned for {at} ({_lead(lead_days)})."
    if event.starts_at > now:
        return f"Its time, {at} ({_lead(lead_days)}), has passed; it can still be sent by hand."
    return f"Its time was {at} ({_lead(lead_days)})."


def _lead(days: int) -> str:
    if days == 0:
        return "on the day of the event"
    return f"{abs(days)} day{'s' if abs(days) > 1 else ''} {'before' if days < 0 else 'after'} the event"


def _shifted(found: Timing) -> Iterator[str]:
    if found.shifts:
        yield f"Its day would be {_day(found.day)}; {', then '.join(found.shifts)}."


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"


def _recipients(event: EventView, kind: MessageType) -> Iterator[str]:
    wanted = [seat.recipient for seat in seats(event) if seat.message_type is kind]
    known = [address for address in wanted if address]
    if known:
        yield f"Goes to {known[0] if len(known) == 1 else f'{len(known)} recipients'}."
    if None in wanted:
        yield "The contact has no mail address: the message to the contact is blocked until there is one."


def _switches(preferences: Preferences, kind: MessageType) -> Iterator[str]:
    if not preferences.enabled:
        yield "Automatic sending is off: it is skipped unless it is on again by then."
    elif not preferences.types[kind].enabled:
        yield "Automatic sending of this type is off: it is skipped unless it is on again by then."


def _otherwise(event: EventView, places: Sequence[Place]) -> Iterator[str]:
    """What is not as planned: how many, or when if it is about a time."""
    counts = Counter(word for word in (_word(place) for place in places) if word)
    yield from (f"{count} {word}." for word, count in counts.items())
    for place in places:
        job = place.job
        if job and job.at and job.is_waiting and place.is_moved and not job.is_deleted:
            yield f"Moved by hand to {local(job.at, event.timezone)}: {job.recipient or 'nobody yet'}."


def _word(place: Place) -> str | None:
    job = place.job
    if place.is_gone:
        return "deleted by hand, and not planned anew"
    if job is None or job.is_deleted:
        return None
    if job.status in (JobStatus.SENT, JobStatus.FAILED, JobStatus.RETRYING):
        return job.status.value
    if job.status is JobStatus.PAUSED:
        return "paused by hand"
    return "skipped by hand" if job.is_closed_by_hand else None
