"""Keyset cursors: where the page before ended."""

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from uuid import UUID

from console.core.errors import Invalid

LARGEST_PAGE = 200


def check_limit(limit: int) -> int:
    """The limit itself; raises `Invalid` unless it is 1 to 200."""
    if not 1 <= limit <= LARGEST_PAGE:
        text = f"must be from 1 to {LARGEST_PAGE}"
        raise Invalid(f"limit: {text}", fields={"limit": [text]})
    return limit


def encode(*parts: datetime | str | UUID | int) -> str:
    """A cursor out of the last row's sort key."""
    texts = [part.isoformat() if isinstance(part, datetime) else str(part) for part in parts]
    return urlsafe_b64encode(json.dumps(texts).encode()).decode().rstrip("=")


def decode(cursor: str, shape: str) -> list[datetime | str | UUID]:
    """The sort key of a cursor; `shape` has one letter for each part: d instant, s text, u id,
    n whole number, as text.

    Raises `Invalid` that names `cursor`.
    """
    try:
        texts = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return [_part(letter, text) for letter, text in zip(shape, texts, strict=True)]
    except (ValueError, TypeError, AttributeError, binascii.Error, UnicodeError) as error:
        text = "is none that this list has handed out"
        raise Invalid(f"cursor: {text}", fields={"cursor": [text]}) from error


def _number(text: str) -> int:
    number = int(text)
    if abs(number) >= 2**63:
        raise ValueError("no bigint")
    return number


def _part(letter: str, text: str) -> datetime | str | UUID:
    if letter == "d":
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise ValueError(text)
        return instant
    if "\x00" in text:
        raise ValueError(text)
    if letter == "n":
        return str(_number(text))
    return UUID(text) if letter == "u" else str(text)
