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

    @property
    def word(self) -> str:
        """The verdict for people: of this moment "not due" would read as a no, and it means a clear way."""
        return "Clear" if self.is_present and self.verdict is Verdict.NOT_DUE else self.verdict.label

    def has_said(self, item: Evidence) -> bool:
        """Whether the summary says this piece already, so that nobody needs to read it twice."""
        return _bare(item.text) in _bare(self.summary)

    @property
    def advice(self) -> str | None:
        """What to do about what the summary names; None for another minute, when nothing can be done."""
        if not self.is_present:
            return None
        named = (item.reason_code for item in self.evidence if item.reason_code and self.has_said(item))
        return next((reason.advice for reason in named), None)


def _bare(text: str) -> str:
    """The words alone: in the middle of a sentence they begin small and end without a full stop."""
    return text.strip().rstrip(".").casefold()


def minute_of(at: datetime) -> datetime:
    """The begin of the minute that holds an instant."""
    return at.replace(second=0, microsecond=0)


def most_notable(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of a minute with several runs."""
    found = set(verdicts)
    return next((verdict for verdict in NOTABLE if verdict in found), Verdict.NOT_DUE)


@dataclass(frozen=True)
class Clocks:
    """The clocks of a job's own zone, and those of its org, which the tables show."""

    job: ZoneInfo
    org: ZoneInfo

    @property
    def are_one(self) -> bool:
        return self.job.key == self.org.key

    def agree(self, at: datetime) -> bool:
        """Whether both show the same at an instant."""
        return at.astimezone(self.job).utcoffset() == at.astimezone(self.org).utcoffset()


def when(at: datetime, clocks: Clocks) -> str:
    """`Wed 2 Jan 2030 09:15`, with seconds when there are any.

    Where job and org don't have the same time it is said twice, each with its zone, the job's first:
    `Wed 2 Jan 2030 09:15 Asia/Tokyo (01:15 Europe/Berlin)`.
    """
    if clocks.agree(at):
        return _wall(at, clocks.job)
    theirs = _wall(at, clocks.org)
    is_same_day = at.astimezone(clocks.job).date() == at.astimezone(clocks.org).date()
    theirs = theirs.rpartition(" ")[2] if is_same_day else theirs
    return f"{_wall(at, clocks.job)} {clocks.job.key} ({theirs} {clocks.org.key})"


def when_named(at: datetime, clocks: Clocks) -> str:
    """As `when`, and with the zone also where one is enough: `Wed 2 Jan 2030 09:15 (UTC)`."""
    said = when(at, clocks)
    return f"{said} ({clocks.job.key})" if clocks.agree(at) else said


def _wall(at: datetime, place: ZoneInfo) -> str:
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


def schedule_text(schedule: Schedule, clocks: Clocks) -> str:
    """`daily at 09:15 (Europe/Berlin)`, `once on Wed 2 Jan 2030 09:15 (UTC)`, `every 1 h`, `only by hand`."""
    if schedule.at is not None:
        return f"once on {when_named(schedule.at, clocks)}"
    said = describe(schedule)
    if schedule.kind is not Kind.CRON:
        return said
    is_own = regular(schedule.expression) is None
    return f"{said}{f' ({schedule.expression})' if is_own else ''} ({clocks.job.key})"
