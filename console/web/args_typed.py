"""What was typed into a generated form, as the arguments that the task takes."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from werkzeug.datastructures import MultiDict

from console.core.errors import Invalid
from console.core.local_time import instant_of
from console.core.task import Task
from console.services import definitions
from console.web.args_shape import Argument, Kind, arguments_of, word_of

PREFIX = "args."
LONGEST_TYPED = 100_000
UTC = ZoneInfo("UTC")


def read(
    task: Task | None, form: "MultiDict[str, str]", prefix: str = PREFIX, *, zone: ZoneInfo = UTC
) -> dict[str, Any]:
    """The arguments that a posted form holds, checked by the task; local times are `zone`'s.

    Raises `Invalid` that names each field as `args.NAME`.
    """
    if task is None:
        return _object(form.get(prefix, ""))
    args: dict[str, Any] = {}
    wrong: dict[str, list[str]] = {}
    for item in arguments_of(task.params):
        try:
            found = _typed(item, form.get(f"{prefix}{item.name}", "")[:LONGEST_TYPED], zone)
        except ValueError as error:
            wrong[f"args.{item.name}"] = [str(error)]
            continue
        if found is not _LEFT_OUT and (item.is_required or not definitions.is_same(found, item.default)):
            args[item.name] = found
    return _checked(task, args, wrong)


def _checked(task: Task, args: dict[str, Any], wrong: dict[str, list[str]]) -> dict[str, Any]:
    """What the task makes of them; all that is wrong is said at once."""
    try:
        checked = definitions.check_args(task, args)
    except Invalid as error:
        wrong = {name: list(texts) for name, texts in error.fields.items()} | wrong
    if wrong:
        said = "; ".join(f"{name}: {', '.join(texts)}" for name, texts in wrong.items())
        raise Invalid(said, fields=wrong)
    return checked


class _LeftOut:
    """The argument is not given."""


_LEFT_OUT = _LeftOut()


def _typed(item: Argument, text: str, zone: ZoneInfo) -> Any:
    """The value of JSON that was typed; raises ValueError that says what is wrong with it."""
    if item.kind is Kind.YES_NO and not item.is_nullable:
        return text == "1"
    if item.kind is Kind.LINES:
        return [_number(item.item, line.strip()) for line in text.splitlines() if line.strip()]
    if item.kind in (Kind.TEXT, Kind.AREA):
        text = text.replace("\r\n", "\n")
    else:
        text = text.strip()
    return _READERS[item.kind](item, text, zone) if text else _nothing(item)


def _nothing(item: Argument) -> Any:
    """An empty field takes away what the task would take by itself, where there can be nothing."""
    if item.is_nullable:
        return None
    is_text = item.kind in (Kind.TEXT, Kind.AREA)
    return "" if is_text and not item.is_required else _LEFT_OUT


def _choice(item: Argument, text: str, _: ZoneInfo) -> Any:
    """One of the offered; what is none of them is for the task to refuse."""
    if item.kind is Kind.YES_NO:
        return {"1": True, "0": False}.get(text, text)
    return next((choice for choice in item.choices if word_of(choice) == text), text)


def _moment(_: Argument, text: str, zone: ZoneInfo) -> str:
    """An instant with its offset; one that was typed with an offset is meant so."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("choose a date and a time") from None
    return text if at.tzinfo is not None else instant_of(text, zone).isoformat()


def _json(_: Argument, text: str, __: ZoneInfo) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"this is no JSON: {error}") from None


def _plain(item: Argument, text: str, _: ZoneInfo) -> Any:
    is_decimal = isinstance(item.default, str)  # JSON holds those as text
    return text if is_decimal else _number(item.kind, text)


def _number(kind: Kind, text: str) -> Any:
    """The number, or the text as it is, for the task to refuse in its own words."""
    try:
        if kind is Kind.WHOLE:
            return int(text)
        return float(text) if kind is Kind.NUMBER else text
    except ValueError:
        return text


_READERS = {
    Kind.TEXT: _plain,
    Kind.AREA: _plain,
    Kind.WHOLE: _plain,
    Kind.NUMBER: _plain,
    Kind.DATE: _plain,
    Kind.TIME: _plain,
    Kind.YES_NO: _choice,
    Kind.CHOICE: _choice,
    Kind.MOMENT: _moment,
    Kind.JSON: _json,
}


def _object(text: str) -> dict[str, Any]:
    """The arguments of a task that is not known here."""
    try:
        found = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise Invalid(
            f"args: this is no JSON: {error}", fields={"args": [f"this is no JSON: {error}"]}
        ) from None
    if not isinstance(found, dict):
        raise Invalid("args: must be an object", fields={"args": ["must be an object"]})
    return found
