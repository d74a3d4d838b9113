"""What stands in the schedule editor, kept as it was typed."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from console.core.cron import Mistake, mistake
from console.core.errors import Invalid
from console.core.plain import UNITS, Plain, plain
from console.core.schedule import MANUAL, parse
from console.core.states import JobStatus
from console.core.texts import storable
from console.services.definitions import Definition
from console.services.views import JobView

TYPES = {
    "every": "Every …",
    "daily": "Daily at …",
    "weekly": "Weekly on …",
    "monthly": "Monthly on …",
    "once": "Once at …",
    "cron": "By a cron expression",
    "manual": "Only by hand",
}
LONGEST = 500


@dataclass(frozen=True)
class Draft:
    """The form's fields as text, right or wrong.

    `fold` says which of two equal local times is meant, 0 for the first. `shown` is what fields and
    cron said when they last agreed: whichever side differs from it is the one that was typed in.
    """

    type: str = "manual"
    every: str = "1"
    unit: str = "hours"
    time: str = "09:00"
    weekday: str = "0"
    day: str = "1"
    at: str = ""
    fold: str = "0"
    timezone: str = "UTC"
    cron: str = ""
    enabled: bool = True
    note: str = ""
    overlap: str = "skip"
    catch_up: str = "latest"
    window: str = ""
    window_unit: str = "minutes"
    jitter: str = ""
    jitter_unit: str = "seconds"
    reason: str = ""
    shown: str = ""

    @property
    def timing(self) -> tuple[str, ...]:
        """The fields that the type reads: two drafts with the same ones mean the same schedule."""
        read = {
            "every": (self.every, self.unit),
            "daily": (self.time,),
            "weekly": (self.weekday, self.time),
            "monthly": (self.day, self.time),
            "once": (self.at, self.fold, self.timezone),
            "cron": (" ".join(self.cron.split()),),
        }
        return self.type, *read.get(self.type, ())

    @property
    def mistake(self) -> Mistake | None:
        """Where the cron is wrong."""
        return mistake(self.cron)

    @property
    def texts(self) -> Mapping[str, str]:
        """What a form sends of it: a box that is not ticked is not sent."""
        sent = {name: getattr(self, name) for name in TEXTS}
        return sent | {"enabled": "1"} if self.enabled else sent

    def with_times(self, found: Plain, place: ZoneInfo) -> "Draft":
        """The same with these times, as one would have typed them."""
        return replace(self, **_typed(found, place))


TEXTS = tuple(item.name for item in fields(Draft) if item.name != "enabled")


def read(form: Mapping[str, str]) -> Draft:
    """The draft that a form holds."""
    given: dict[str, Any] = {name: storable(form[name].strip(), LONGEST) for name in TEXTS if name in form}
    return Draft(**given, enabled="enabled" in form)


def draft_of(definition: Definition, now: datetime) -> Draft:
    """The draft that shows a definition, with likely values in what it doesn't use."""
    place = ZoneInfo(definition.timezone)
    tomorrow = (now.astimezone(place) + timedelta(days=1)).replace(hour=9, minute=0)
    window, window_unit = _span(definition.catch_up_window_seconds, "minutes")
    jitter, jitter_unit = _span(definition.jitter_seconds, "seconds")
    made = Draft(
        at=f"{tomorrow:%Y-%m-%dT%H:%M}",
        timezone=definition.timezone,
        enabled=definition.enabled,
        note=definition.note or "",
        overlap=definition.overlap,
        catch_up=definition.catch_up,
        window=window,
        window_unit=window_unit,
        jitter=jitter,
        jitter_unit=jitter_unit,
    )
    try:
        schedule = parse(definition.schedule)
    except Invalid:
        schedule = MANUAL
    return made.with_times(plain(schedule), place)


def definition_of(job: JobView) -> Definition:
    """The job's newest definition."""
    names = [item.name for item in fields(Definition) if item.name not in ("enabled", "note")]
    is_on = job.status is not JobStatus.PAUSED
    held = {name: getattr(job, name) for name in names}
    has_note = job.closed is not None or not is_on
    return Definition(**held, enabled=is_on, note=job.status_note if has_note else None)


def _typed(found: Plain, place: ZoneInfo) -> dict[str, Any]:
    values: dict[str, object] = {
        "type": found.type,
        "every": found.every,
        "unit": found.unit,
        "weekday": found.weekday,
        "day": found.day,
        "cron": found.cron,
    }
    if found.hour is not None:
        values["time"] = f"{found.hour:02}:{found.minute:02}"
    if found.at is not None:
        local = found.at.astimezone(place)
        values |= {"at": _local(local), "fold": local.fold}
    return {name: str(value) for name, value in values.items() if value is not None}


def _local(local: datetime) -> str:
    """As a field for date and time holds it, as fine as it has to be."""
    text = f"{local:%Y-%m-%dT%H:%M}"
    if local.second or local.microsecond:
        text += f":{local:%S}"
    return f"{text}.{local.microsecond // 1000:03}" if local.microsecond else text


def _span(seconds: int | None, usual: str) -> tuple[str, str]:
    """Number and unit."""
    if not seconds:
        return "", usual
    unit = next(name for name, size in UNITS.items() if seconds % size == 0)
    return str(seconds // UNITS[unit]), unit
