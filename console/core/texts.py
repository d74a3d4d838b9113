"""Makes text and data that tasks hand over fit for Postgres and for a page."""

import json
from collections.abc import Mapping
from typing import Any

REPLACEMENT = "\ufffd"


class NotJson(ValueError):
    """The task returned something that JSON can't hold."""


def storable(text: str, limit: int) -> str:
    """The text without NUL and lone surrogates, cut at `limit` characters."""
    clean = text.replace("\x00", REPLACEMENT).encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def as_json(value: object) -> Any:
    """The value as JSON holds it; raises `NotJson`, also for NaN, for cycles and for non-text keys."""
    try:
        encoded = json.dumps(_with_text_keys(value), allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJson(f"The result can't be stored as JSON: {error}") from error
    clean = encoded.replace("\\u0000", REPLACEMENT).encode("utf-8", "replace")
    return json.loads(clean)


def _with_text_keys(value: object) -> object:
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a key is no text")
        return dict(value)
    return value
