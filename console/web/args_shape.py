"""What kind of field each argument of a task wants, as the JSON schema of its `params` tells it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

from pydantic.errors import PydanticInvalidForJsonSchema

from console.core.task import Params

LONG_TEXT = 300
"""Texts that may be longer than this are typed into an area."""


class Kind(StrEnum):
    """The fields that a generated form knows; `JSON` takes whatever the others can't say."""

    TEXT = "text"
    AREA = "area"
    WHOLE = "whole"
    NUMBER = "number"
    YES_NO = "yes_no"
    CHOICE = "choice"
    DATE = "date"
    MOMENT = "moment"
    TIME = "time"
    LINES = "lines"
    JSON = "json"


@dataclass(frozen=True)
class Argument:
    """One argument: its name as the task reads it, and what may be typed into its field.

    `choices` are the values that a `CHOICE` offers, `item` is the kind of each line of `LINES`;
    `bounds` are HTML's own names for them. `default` is JSON; there is none when it `is_required`.
    """

    name: str
    label: str
    kind: Kind
    is_required: bool
    is_nullable: bool
    description: str = ""
    default: Any = None
    choices: Sequence[Any] = ()
    item: Kind = Kind.TEXT
    bounds: Mapping[str, str] = field(default_factory=dict)


@lru_cache(maxsize=256)
def arguments_of(params: type[Params]) -> tuple[Argument, ...]:
    """The arguments of a task, in the order in which it declares them."""
    try:
        schema = params.model_json_schema()
    except PydanticInvalidForJsonSchema:  # a type that JSON schema has no word for
        fields = params.model_fields.items()
        return tuple(
            Argument(name, label_of(name), Kind.JSON, info.is_required(), False) for name, info in fields
        )
    required = set(schema.get("required", ()))
    known = schema.get("$defs", {})
    return tuple(
        _argument(name, given, name in required, known) for name, given in schema["properties"].items()
    )


def label_of(name: str) -> str:
    """`keep_days` → `Keep days`."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def word_of(value: Any) -> str:
    """A value of JSON as it stands in a field or a choice."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _argument(name: str, given: Mapping[str, Any], is_required: bool, known: Mapping[str, Any]) -> Argument:
    inner, is_nullable = _without_null(_resolved(given, known), known)
    kind = _kind(inner, known)
    title = given.get("title")
    is_own = title and title != name.title().replace("_", " ")  # the other is pydantic's, made of the name
    items = _resolved(inner.get("items", {}), known)
    return Argument(
        name=name,
        label=str(title) if is_own else label_of(name),
        kind=kind,
        is_required=is_required,
        is_nullable=is_nullable,
        description=str(given.get("description", "")),
        default=given.get("default"),
        choices=tuple(inner["enum"] if "enum" in inner else [inner["const"]]) if kind is Kind.CHOICE else (),
        item=_kind(items, known) if kind is Kind.LINES else Kind.TEXT,
        bounds=_bounds(kind, inner),
    )


def _resolved(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that a reference means."""
    while "$ref" in schema:
        schema = known.get(str(schema["$ref"]).rpartition("/")[2], {})
    return schema


def _without_null(schema: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """What an optional argument is when it is given, and whether it may be nothing."""
    options = [_resolved(option, known) for option in schema.get("anyOf", ())]
    others = [option for option in options if option.get("type") != "null"]
    if not options:
        return schema, False
    types = {option.get("type") for option in others}
    if types == {"number", "string"}:  # a decimal number
        return next(option for option in others if option["type"] == "number"), len(others) < len(options)
    return (others[0] if len(others) == 1 else {}), len(others) < len(options)


FORMATS = {"date": Kind.DATE, "date-time": Kind.MOMENT, "time": Kind.TIME}
TYPES = {"integer": Kind.WHOLE, "number": Kind.NUMBER, "boolean": Kind.YES_NO}


def _kind(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Kind:
    if "enum" in schema or "const" in schema:
        return Kind.CHOICE
    if schema.get("type") == "array" and "prefixItems" not in schema:
        item = _kind(_resolved(schema.get("items", {}), known), known)
        return Kind.LINES if item in (Kind.TEXT, Kind.AREA, Kind.WHOLE, Kind.NUMBER) else Kind.JSON
    if schema.get("type") == "string":
        is_long = schema.get("maxLength", 0) > LONG_TEXT or schema.get("format") == "textarea"
        return FORMATS.get(schema.get("format", ""), Kind.AREA if is_long else Kind.TEXT)
    return TYPES.get(schema.get("type", ""), Kind.JSON)


def _bounds(kind: Kind, schema: Mapping[str, Any]) -> dict[str, str]:
    """What a browser can hold the typed value to; the task's own check has the last word."""
    found: dict[str, Any] = {}
    if kind in (Kind.WHOLE, Kind.NUMBER):
        found = {"min": schema.get("minimum"), "max": schema.get("maximum")}
        found["step"] = schema.get("multipleOf", 1 if kind is Kind.WHOLE else "any")
        if kind is Kind.WHOLE and "exclusiveMinimum" in schema:
            found["min"] = schema["exclusiveMinimum"] + 1
        if kind is Kind.WHOLE and "exclusiveMaximum" in schema:
            found["max"] = schema["exclusiveMaximum"] - 1
    elif kind in (Kind.TEXT, Kind.AREA):
        found = {"maxlength": schema.get("maxLength"), "minlength": schema.get("minLength")}
    return {
        name: f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in found.items()
        if value is not None
    }
