"""The schedule editor's form: a draft is read to what a service takes, and fields mirror the cron."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from console.core.errors import Invalid
from console.core.plain import plain
from console.core.reasons import Reason
from console.core.schedule import parse
from console.services import definitions
from console.services.changes import Change
from console.services.definitions import Definition
from console.web.drafts import Draft, draft_of
from console.web.schedule_shape import CLOCK, invalid, seconds, shape

ON_THE_CLOCK = ("daily", "weekly", "monthly")
SIDE = ("type", "time", "weekday", "day")
# What services name, by the name of the form's field.
NAMES = {
    "hour": "time",
    "minute": "time",
    "every_seconds": "every",
    "catch_up_window_seconds": "window",
    "jitter_seconds": "jitter",
}
POLICIES = ("overlap", "catch_up", "window", "jitter")
ORDER = ("type", "every", "unit", "weekday", "day", "time", "at", "timezone", "cron", *POLICIES)


# Fields and cron, each the mirror of the other -----------------------------------------------------


def agreed(draft: Draft) -> Draft:
    """The same, marked as one whose fields and cron say the same."""
    return replace(draft, shown=" = ".join(_sides(draft)))


def _sides(draft: Draft) -> tuple[str, str]:
    """What the fields say, and what the cron says."""
    return f"{draft.type} {_expression(draft)}".strip(), " ".join(draft.cron.split())


def _expression(draft: Draft) -> str:
    """The cron that the fields stand for; of those that can't be read, what they hold."""
    if draft.type not in ON_THE_CLOCK:
        return ""
    try:
        return parse(shape(draft)).expression
    except Invalid:
        return f"? {draft.time} {draft.weekday} {draft.day}"


def mirror(draft: Draft, typed: str | None) -> Draft:
    """The draft whose fields and cron say the same; raises `Invalid` when the typed side can't be read.

    `typed` names the field that is typed in just now, None when that isn't known.
    """
    if draft.type == "cron" and typed != "cron":
        begun = f"{_clock_or_nine(draft)} * * *" if typed == "type" else ""
        return agreed(replace(draft, cron=draft.cron or begun))
    if _is_cron_typed(draft, typed):
        found = plain(parse({"type": "cron", "cron": draft.cron}))
        return agreed(replace(draft.with_times(found, ZoneInfo("UTC")), cron=draft.cron))
    if draft.type in ON_THE_CLOCK:
        return agreed(replace(draft, cron=parse(shape(draft)).expression))
    return agreed(draft)


def _is_cron_typed(draft: Draft, typed: str | None) -> bool:
    """Whether the cron is what counts; raises `Invalid` when both sides were changed and differ."""
    if typed == "cron" or typed in SIDE:
        return typed == "cron"
    said, cron = _sides(draft)
    old_said, _, old_cron = draft.shown.partition(" = ")
    if not draft.shown or cron == old_cron:
        return False
    if said != old_said:
        raise invalid("cron", "this and the fields say different things; change one of them back")
    return True


def _clock_or_nine(draft: Draft) -> str:
    """Minute and hour for a cron that begins empty."""
    found = CLOCK.fullmatch(draft.time)
    return f"{int(found[2])} {int(found[1])}" if found else "0 9"


# All of it at once ---------------------------------------------------------------------------------


@dataclass
class Faults:
    """What is wrong with a draft, by the form's fields; `detail` is what belongs to none of them."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    detail: list[str] = field(default_factory=list)
    reason: Reason | None = None

    def add(self, error: Invalid) -> None:
        """Takes a refusal up under the names of the form."""
        named = {NAMES.get(name, name): texts for name, texts in error.fields.items()}
        known = {name: texts for name, texts in named.items() if name in ORDER}
        for name, texts in known.items():
            self.fields[name] = list(dict.fromkeys([*self.fields.get(name, ()), *texts]))
        if not known:
            self.detail.append(error.detail)
        self.reason = self.reason or error.reason

    @property
    def first(self) -> str | None:
        """The first wrong field from the top."""
        return next((name for name in ORDER if name in self.fields), None)

    def __bool__(self) -> bool:
        return bool(self.fields or self.detail)


@dataclass(frozen=True)
class Examined:
    """A draft that was read: what it wants as a definition has it, as far as that can be read."""

    draft: Draft
    wanted: Mapping[str, Any]
    faults: Faults


def examine(draft: Draft, base: Definition, now: datetime, typed: str | None = None) -> Examined:
    """Reads a draft; where its timing is still that of `base`, so is its schedule, whatever its shape."""
    faults = Faults()
    readers = _others(draft)
    try:
        draft = mirror(draft, typed)
    except Invalid as error:
        faults.add(error)
    else:
        readers = {"schedule": lambda: _schedule(draft, base, now), **readers}
    return Examined(draft, _read(readers, faults), faults)


def _schedule(draft: Draft, base: Definition, now: datetime) -> Mapping[str, Any]:
    is_old = draft.timing == draft_of(base, now).timing
    return base.schedule if is_old else parse(shape(draft)).as_json()


def _others(draft: Draft) -> dict[str, Callable[[], Any]]:
    return {
        "timezone": lambda: definitions.check_zone(draft.timezone),
        "enabled": lambda: draft.enabled,
        "overlap": lambda: definitions.check_overlap(draft.overlap),
        "catch_up": lambda: definitions.check_catch_up(draft.catch_up),
        "catch_up_window_seconds": lambda: definitions.check_window(
            seconds(draft.window, draft.window_unit, "window")
        ),
        "jitter_seconds": lambda: definitions.check_jitter(
            seconds(draft.jitter, draft.jitter_unit, "jitter")
        ),
    }


def _read(readers: Mapping[str, Callable[[], Any]], faults: Faults) -> dict[str, Any]:
    found = {}
    for name, reader in readers.items():
        try:
            found[name] = reader()
        except Invalid as error:
            faults.add(error)
    return found


def change(seen: Examined, base: Definition | None) -> Change:
    """The edit: what differs from `base`, or all of it without one."""
    wanted = {name: held for name, held in seen.wanted.items() if base is None or held != getattr(base, name)}
    is_new = base is None or seen.draft.note != (base.note or "")
    note = seen.draft.note if is_new and not seen.draft.enabled else None
    return Change(**wanted, note=note or None)
