"""Passwords are hashed with Argon2id, random secrets of 256 bits with SHA-256."""

import secrets
from functools import cache
from hashlib import sha256

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

_hasher = PasswordHasher()


def new_secret(prefix: str = "") -> str:
    """256 random bits as URL-safe text."""
    return prefix + secrets.token_urlsafe(32)


def new_password() -> str:
    return secrets.token_urlsafe(12)


def digest(secret: str) -> bytes:
    """What is kept of a random secret."""
    return sha256(secret.encode()).digest()


def hash_password(password: str) -> str:
    return _hasher.hash(password)


@cache
def _decoy() -> str:
    """A hash that nothing matches; made at the first need, for it takes its time."""
    return _hasher.hash(secrets.token_urlsafe(16))


def verify_password(hashed: str | None, password: str) -> bool:
    """Takes the same time whether or not there is such a user."""
    try:
        return _hasher.verify(hashed or _decoy(), password) and hashed is not None
    except (Argon2Error, InvalidHashError):
        return False
