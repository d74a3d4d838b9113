"""JSON as the standard has it, and as Postgres can hold it."""

import json
import math
import re
from typing import Any, NoReturn

from console.core.errors import Invalid

SURROGATE = re.compile("[\ud800-\udfff]")
DEEPEST = 50


def parse(text: str | bytes) -> Any:
    """The value of a JSON text; raises ValueError for anything that RFC 8259 does not know, and for twins."""
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_twins)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return names


def check_storable(values: object) -> None:
    """Raises `Invalid` that names the field for what Postgres can't hold.

    That is NUL, lone surrogates, numbers that are not finite, and more than 50 levels of nesting.
    """
    if not isinstance(values, dict):
        return
    for name, value in values.items():
        if not _is_storable(name, 0) or not _is_storable(value, 0):
            shown = name.encode(errors="replace").decode().replace("\0", "?")
            text = "holds what can't be stored: NUL, half a character, no number, or too many levels"
            raise Invalid(f"{shown}: {text}", fields={shown: [text]})


def _is_storable(value: object, depth: int) -> bool:
    if depth > DEEPEST:
        return False
    if isinstance(value, str):
        return "\0" not in value and not SURROGATE.search(value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        value = [*value, *value.values()]
    return all(_is_storable(item, depth + 1) for item in value) if isinstance(value, list) else True
