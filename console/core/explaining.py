"""Why a job ran or did not, as an answer: a verdict, one sentence, and the evidence that it rests on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from console.core.cron import regular
from console.core.reasons import Reason
from console.core.schedule import Schedule, describe
from console.core.states import Kind

MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)
NO_RECORD = "Unknown, no record"
NAMES = ("Redis",)


class Verdict(StrEnum):
    """What became, or becomes, of a job in one minute; `label` says it on a page."""

    RAN = "ran"
    SKIPPED = "skipped"
    LATE = "late"
    MISSED = "missed"
    NOT_DUE = "not_due"
    WAITING = "waiting"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"

    @property
    def label(self) -> str:
        return self.value.replace("_", " ").capitalize()


NOTABLE = (
    Verdict.UNKNOWN,
    Verdict.WAITING,
    Verdict.MISSED,
    Verdict.SKIPPED,
    Verdict.LATE,
    Verdict.RAN,
)
"""Of several runs in one minute, the verdict that the minute has: the first of these."""


@dataclass(frozen=True)
class Link:
    """A page: Flask's name for it, and what its address takes."""

    endpoint: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """One fact: a sentence, where it is recorded, since or at when, and the page that shows or mends it.

    `reason_code` is there when the fact is a reason of the list.
    """

    text: str
    source: str
    reason_code: Reason | None = None
    at: datetime | None = None
    link: Link | None = None


@dataclass(frozen=True)
class Explanation:
    """The answer for the minute that holds `at`, or with `is_present` for this very moment.

    `evidence` is in the order of its weight; the first piece decided the verdict.
    """

    job_id: UUID
    at: datetime
    verdict: Verdict
    summary: str
    evidence: Sequence[Evidence]
    as_of: datetime
    is_present: bool = False


def minute_of(at: datetime) -> datetime:
    """The begin of the minute that holds an instant."""
    return at.replace(second=0, microsecond=0)


def most_notable(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of a minute with several runs."""
    found = set(verdicts)
    return next((verdict for verdict in NOTABLE if verdict in found), Verdict.NOT_DUE)


def when(at: datetime, place: ZoneInfo) -> str:
    """`Wed 2 Jan 2030 09:15`, on the clocks of a zone; with seconds when there are any."""
    local = at.astimezone(place)
    clock = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    return f"{local:%a} {local.day} {local:%b %Y} {clock}"


def sentence(text: str) -> str:
    """The text with a capital letter in front and a full stop behind."""
    return ended(f"{text[:1].upper()}{text[1:]}")


def ended(text: str) -> str:
    """The text with a full stop behind; it may begin with somebody's name."""
    shown = text.strip()
    return shown + ("" if shown.endswith((".", "?", "!", "…", ".”")) else ".")


def lower(text: str) -> str:
    """The text as it goes on in the middle of a sentence; a name keeps its letters."""
    first = text.partition(" ")[0]
    is_name = first in NAMES or "@" in first or not first[1:].islower()
    return text if is_name and len(first) > 1 else f"{text[:1].lower()}{text[1:]}"


def schedule_text(schedule: Schedule, place: ZoneInfo) -> str:
    """`daily at 09:15 (Europe/Berlin)`, `once on Wed 2 Jan 2030 09:15`, `every 1 h`, `only by hand`."""
    if schedule.at is not None:
        return f"once on {when(schedule.at, place)} ({place.key})"
    said = describe(schedule)
    if schedule.kind is not Kind.CRON:
        return said
    is_own = regular(schedule.expression) is None
    return f"{said}{f' ({schedule.expression})' if is_own else ''} ({place.key})"
