"""Keeps what must be used again, and must not be read in the database, encrypted under SECRET_KEY.

What was encrypted under one of CONSOLE_FORMER_KEYS can still be opened.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from console.core.errors import ConsoleError

PURPOSE = b"callboard: secrets of alert channels\n"
"""Makes this key another one than that of the cookies, which comes from the same setting."""
_box: list[MultiFernet] = []


class Unreadable(ConsoleError):
    """What is kept here was encrypted under another SECRET_KEY: enter it anew, or name the old one."""

    status = 409
    is_final = True


def configure(secret_key: str, former: Sequence[str] = ()) -> None:
    """Sets the key, and those under which something may have been locked before."""
    _box[:] = [MultiFernet([_derived(key) for key in (secret_key, *former)])]


def _derived(key: str) -> Fernet:
    return Fernet(urlsafe_b64encode(sha256(PURPOSE + key.encode()).digest()))


def locked(values: Mapping[str, str]) -> str:
    """The values as one encrypted text, which tells when anybody else has changed it."""
    return _box[0].encrypt(json.dumps(dict(values)).encode()).decode()


def opened(text: str) -> dict[str, str]:
    """What `locked` was given; raises `Unreadable`."""
    try:
        values: dict[str, str] = json.loads(_box[0].decrypt(text.encode()))
    except (InvalidToken, ValueError) as error:
        raise Unreadable() from error
    return values
