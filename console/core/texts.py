"""Makes text and data that tasks hand over fit for Postgres and for a page."""

import json
import re
from collections.abc import Mapping
from typing import Any

REPLACEMENT = "\ufffd"
LARGEST_RESULT = 1024 * 1024
LONGEST_PATH = 1000
OWN_PATH = re.compile(r"/(?!/)[^\x00-\x20\x7f\\]*")


class NotJson(ValueError):
    """The task returned something that JSON can't hold."""


def storable(text: str, limit: int) -> str:
    """The text without NUL and lone surrogates, cut at `limit` characters."""
    clean = text.replace("\x00", REPLACEMENT).encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def own_path(text: str | None) -> str | None:
    """A path on the console itself, such as `/jobs/1`; None for whatever a browser takes elsewhere."""
    return text if text and len(text) <= LONGEST_PATH and OWN_PATH.fullmatch(text) else None


def as_json(value: object) -> Any:
    """The value as JSON holds it; raises `NotJson`, also for NaN, for cycles and for non-text keys."""
    try:
        encoded = json.dumps(_clean(value), allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJson(f"The result can't be stored as JSON: {error}") from error
    if len(encoded) > LARGEST_RESULT:
        raise NotJson(f"The result can't be stored as JSON: it is larger than {LARGEST_RESULT // 1024} KiB")
    return json.loads(encoded)


def _clean(value: object) -> object:
    """The same with every text made fit for Postgres; raises TypeError for a key that is no text."""
    if isinstance(value, str):
        return storable(value, LARGEST_RESULT + 1)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a key is no text")
        return {storable(key, 1000): _clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    return value
