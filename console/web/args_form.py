"""The form that is generated from a task's `params`: its fields as they are shown, and what was typed there.

A field that says what the task takes anyway is left out of the arguments, so that a form which nobody
touched hands back what it was filled with.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError
from werkzeug.datastructures import MultiDict

from console.core.errors import Invalid
from console.core.task import Task
from console.services import definitions
from console.web.args_shape import Argument, Kind, arguments_of, word_of
from console.web.args_typed import LONGEST_TYPED, PREFIX, UTC
from console.web.args_typed import read as read

MARK = "args"
"""The hidden field by which a form says that it holds arguments: of ticks that are off nothing is sent."""
Errors = Mapping[str, Sequence[str]]
_datetimes = TypeAdapter(datetime)


@dataclass(frozen=True)
class Option:
    """One value of a choice; what is sent, and the word for it."""

    value: str
    word: str
    is_chosen: bool


@dataclass(frozen=True)
class ArgsField:
    """One field of the form: its HTML `name` and `id`, what stands in it, and what is wrong with it.

    `value` is the text in it; of `YES_NO` `is_on` says whether it is ticked.
    """

    name: str
    id: str
    label: str
    kind: Kind
    value: str
    description: str = ""
    is_required: bool = False
    is_on: bool = False
    options: Sequence[Option] = ()
    bounds: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[str] = ()
    has_focus: bool = False


@dataclass(frozen=True)
class ArgsForm:
    """All fields; `errors` belong to none of them. `zone` is the one whose clocks are meant.

    `is_open` says that the form must be seen, since it can't be used as it stands.
    """

    fields: Sequence[ArgsField]
    errors: Sequence[str]
    zone: str
    is_open: bool

    def __bool__(self) -> bool:
        return bool(self.fields)


def is_given(form: Mapping[str, Any], prefix: str = PREFIX) -> bool:
    """Whether a posted form holds arguments at all."""
    return MARK in form or any(name.startswith(prefix) for name in form)


def is_touched(
    task: Task | None, args: Mapping[str, Any], form: "MultiDict[str, str]", *, zone: ZoneInfo = UTC
) -> bool:
    """Whether a posted form says anything else than what a form of these arguments is filled with."""
    return is_given(form) and any(_is_other(one, form) for one in form_of(task, args, zone=zone).fields)


def _is_other(one: ArgsField, form: Mapping[str, str]) -> bool:
    typed = form.get(one.name, "").replace("\r\n", "\n")
    if one.kind is Kind.YES_NO:
        return (typed == "1") is not one.is_on
    return typed != one.value.replace("\r\n", "\n")


def form_of(
    task: Task | None,
    args: Mapping[str, Any],
    errors: Errors | None = None,
    *,
    typed: "MultiDict[str, str] | None" = None,
    prefix: str = PREFIX,
    zone: ZoneInfo = UTC,
    place: str = "args",
) -> ArgsForm:
    """The form of a task, filled with `args`, or with what was `typed` into it.

    `errors` are those of an `Invalid`, by `args.NAME`. Of a task that is not known here the form is one
    field of JSON. `place` begins the ids, which must be its own where a page has two such forms.
    """
    said = _by_argument(errors or {})
    known = arguments_of(task.params) if task else (UNKNOWN,)
    focus = next((item.name for item in known if said.get(item.name)), None)
    fields = [
        _field(item, dict(args), said.get(item.name, ()), _Place(prefix, place, zone, typed, focus))
        for item in known
    ]
    is_open = bool(said) or any(one.is_required and not one.value for one in fields)
    return ArgsForm(fields, said.get("", ()), str(zone), is_open or not _fits(task, args))


UNKNOWN = Argument("", "Arguments", Kind.JSON, False, False, "JSON, as the task reads it.")


def _fits(task: Task | None, args: Mapping[str, Any]) -> bool:
    try:
        return task is None or bool(definitions.check_args(task, args) or True)
    except Invalid:
        return False


def _by_argument(errors: Errors) -> dict[str, list[str]]:
    """What is said of each argument, also of a part of it; under "" what is said of all together."""
    found: dict[str, list[str]] = {}
    for path, texts in errors.items():
        first, _, rest = path.partition(".")
        if first != "args":
            continue
        name, _, part = rest.partition(".")
        where = f"line {int(part) + 1}: " if part.isdigit() else f"{part}: " if part else ""
        found.setdefault(name, []).extend(f"{where}{text}" for text in texts)
    return found


@dataclass(frozen=True)
class _Place:
    """Where a field stands, and what was typed there."""

    prefix: str
    ids: str
    zone: ZoneInfo
    typed: "MultiDict[str, str] | None"
    focus: str | None


def _field(item: Argument, args: Mapping[str, Any], errors: Sequence[str], place: _Place) -> ArgsField:
    name = f"{place.prefix}{item.name}"
    held = args if item is UNKNOWN else args.get(item.name, item.default)
    value = _shown(item, held, place.zone)
    is_on = held is True
    if place.typed is not None and is_given(place.typed, place.prefix):
        value = place.typed.get(name, "")[:LONGEST_TYPED]
        is_on = value == "1"
    is_tick = item.kind is Kind.YES_NO and not item.is_nullable
    return ArgsField(
        name=name,
        id=f"{place.ids}-{item.name or 'json'}",
        label=item.label,
        kind=item.kind if is_tick or item.kind is not Kind.YES_NO else Kind.CHOICE,
        value=value,
        description=item.description,
        is_required=item.is_required and not item.is_nullable and item.kind not in (Kind.YES_NO, Kind.LINES),
        is_on=is_on,
        options=() if is_tick else _options(item, value),
        bounds=item.bounds,
        errors=tuple(errors),
        has_focus=place.focus is not None and place.focus == item.name,
    )


def _options(item: Argument, value: str) -> list[Option]:
    """The values of a choice; one for nothing where nothing may be said, or nothing is said yet."""
    if item.kind is Kind.YES_NO:
        words = {"1": "yes", "0": "no"}
    elif item.kind is Kind.CHOICE:
        words = {word_of(choice): word_of(choice) for choice in item.choices}
    else:
        return []
    nothing = {"": "not said" if item.is_nullable else "choose"}
    words = (nothing if item.is_nullable or not value else {}) | words
    words |= {} if value in words else {value: value}  # one that is offered no more is not lost in silence
    return [Option(sent, word, sent == value) for sent, word in words.items()]


def _shown(item: Argument, held: Any, zone: ZoneInfo) -> str:
    """What stands in a field for a value of JSON."""
    if held is None:
        return ""
    if item.kind is Kind.JSON:
        return json.dumps(held, indent=2, ensure_ascii=False, default=str)
    if item.kind is Kind.LINES and isinstance(held, (list, tuple)):
        return "\n".join(map(word_of, held))
    if item.kind is Kind.MOMENT:
        return _wall(held, zone)
    if isinstance(held, bool) and item.kind is Kind.YES_NO:
        return "1" if held else "0"
    return word_of(held)


def _wall(held: Any, zone: ZoneInfo) -> str:
    """What the zone's clocks show at an instant, to the second where it has one."""
    try:
        at = _datetimes.validate_python(held)
    except ValidationError:
        return str(held)
    at = (at if at.tzinfo is None else at.astimezone(zone)).replace(tzinfo=None)
    return at.isoformat(timespec="auto" if at.second or at.microsecond else "minutes")
