"""How the audit trail proves itself: the one way to write an entry down as bytes, and its three seals.

An entry has a MAC, made when it is written: nobody without the key can write or change one. It has a
place in the chain of its org: its hash holds that of the entry before, so that none can be taken out,
put in or moved. The end of the chain is a head, signed and kept apart, so that none can be cut off.
All keys are derived from SECRET_KEY.
"""

import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID

from console.core.masking import masked
from console.core.texts import storable

FIELDS = (
    "uid",
    "org_id",
    "at",
    "tag",
    "actor_kind",
    "actor_id",
    "actor_name",
    "address",
    "object_kind",
    "object_id",
    "old",
    "new",
    "reason",
    "request_id",
)
"""What an entry says, in the order in which it is written down; its number is added when it is sealed."""
GENESIS = bytes(32)
"""What stands before the first entry of a chain."""
KEY_ID_BYTES = 4
LONGEST_TEXT = 100_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(at: datetime) -> str:
    """An instant as whole microseconds since 1970, which is how an entry's time is written down."""
    return str((at - EPOCH) // timedelta(microseconds=1))


def plain(value: Any) -> Any:
    """A value as jsonb gives it back, with secrets masked, so that what is read equals what was written."""
    return _stable(masked("", value))


def _stable(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return _stable(value.value)
    if isinstance(value, str):
        return storable(value, LONGEST_TEXT)
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, Mapping):
        return {storable(str(key), 1000): _stable(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [_stable(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _number(value: int | float) -> int | float | str:
    """Postgres writes 1e22 with all its digits, so that it comes back as a whole number."""
    if isinstance(value, int):
        return value
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    return int(Decimal(repr(value))) if value.is_integer() else value


def canonical(values: Sequence[Any]) -> bytes:
    """The fields of an entry as bytes, in the order of `FIELDS`; each mapping in the order of its keys.

    `old` and `new` are None, or a list of the one value, so that null and nothing are two things.
    """
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()


def parsed(text: str | None) -> list[Any] | None:
    """A jsonb column, read as text, as `canonical` takes it; what can't be read stays as it is."""
    if text is None:
        return None
    try:
        return [json.loads(text, parse_float=_fraction)]
    except (ValueError, RecursionError):
        return ["unreadable", text]


def _fraction(digits: str) -> float | dict[str, str]:
    """A number that a program wrote; else its digits, in a way that jsonb can't hold and no entry says."""
    value = float(digits)
    return value if Decimal(repr(value)) == Decimal(digits) else {"\0": digits}


def link(before: bytes, number: int, said: bytes, mac: bytes | None) -> bytes:
    """The hash of an entry in its chain: 32 bytes, out of the one before and all that the entry is."""
    head = b"%d:%d:" % (number, len(mac or b""))
    return sha256(before + head + (mac or b"") + said).digest()


@dataclass(frozen=True)
class Head:
    """The end of a chain at some time: how long it was, its last entry and hash.

    Up to the place `legacy_until` no entry needs a MAC: those were written before there were any.
    """

    org_id: UUID
    position: int
    number: int
    hash: bytes
    at: datetime
    legacy_until: int

    def said(self) -> bytes:
        """What is signed."""
        values = (str(self.org_id), self.position, self.number, self.hash.hex(), microseconds(self.at))
        return canonical(("head", *values, self.legacy_until))


@dataclass(frozen=True)
class Place:
    """Where a walk along a chain stands: after so many entries, with the hash that it computed for the last.

    A signed head was found at `signed_until`; up to `legacy_until` no entry needs a MAC, as in `Head`.
    """

    position: int
    hash: bytes
    signed_until: int
    legacy_until: int


@dataclass(frozen=True)
class Checkpoint:
    """How far a verification has come: all that it takes to go on from there in another request.

    `by` is whoever verifies. It is good only with its MAC, for whoever could write one would choose which
    entries nobody looks at.
    """

    org_id: UUID
    by: str
    begun_at: datetime
    place: Place

    def said(self) -> bytes:
        """What its MAC is of."""
        place = self.place
        values = (str(self.org_id), self.by, microseconds(self.begun_at), place.position, place.hash.hex())
        return canonical(("checkpoint", *values, place.signed_until, place.legacy_until))


@dataclass(frozen=True)
class Keys:
    """What comes out of one SECRET_KEY; `id` names it in MACs and signatures and gives nothing away."""

    mac_key: bytes = field(repr=False)
    head_key: bytes = field(repr=False)
    checkpoint_key: bytes = field(repr=False)
    id: bytes

    @classmethod
    def of(cls, secret: str) -> "Keys":
        root = _derived(secret.encode(), b"callboard audit")
        entry, head, checkpoint = (_derived(root, name) for name in (b"entry", b"head", b"checkpoint"))
        return cls(entry, head, checkpoint, _derived(root, b"id")[:KEY_ID_BYTES])

    def mac(self, said: bytes) -> bytes:
        """The MAC of an entry: the key's id, and 32 bytes."""
        return self.id + hmac.digest(self.mac_key, said, "sha256")

    def sign(self, head: Head) -> bytes:
        """As `mac`, of a head."""
        return self.id + hmac.digest(self.head_key, head.said(), "sha256")

    def stamp(self, checkpoint: Checkpoint) -> bytes:
        """As `mac`, of a checkpoint."""
        return self.id + hmac.digest(self.checkpoint_key, checkpoint.said(), "sha256")


def _derived(key: bytes, purpose: bytes) -> bytes:
    return hmac.digest(key, purpose, "sha256")


class Flaw(StrEnum):
    """What may be wrong with a trail."""

    EDITED = "edited"
    DELETED = "deleted"
    INSERTED = "inserted"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    SIGNATURE = "signature"
    KEY = "key"


class Verdict(Enum):
    """What a MAC or a signature says."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN_KEY = "unknown key"
    NOT_NEEDED = "not needed"


@dataclass(frozen=True)
class Ring:
    """The present keys, and those of former values of SECRET_KEY, which only check."""

    present: Keys
    former: tuple[Keys, ...] = ()

    @classmethod
    def of(cls, secret: str, former: Sequence[str] = ()) -> "Ring":
        return cls(Keys.of(secret), tuple(Keys.of(one) for one in former))

    def check_mac(self, said: bytes, mac: bytes) -> Verdict:
        keys = self._named(mac)
        return _verdict(keys.mac(said) if keys else None, mac)

    def check_head(self, head: Head, signature: bytes) -> Verdict:
        keys = self._named(signature)
        return _verdict(keys.sign(head) if keys else None, signature)

    def _named(self, seal: bytes) -> Keys | None:
        name = seal[:KEY_ID_BYTES]
        return next((keys for keys in (self.present, *self.former) if keys.id == name), None)


def _verdict(expected: bytes | None, found: bytes) -> Verdict:
    if expected is None:
        return Verdict.UNKNOWN_KEY
    return Verdict.GOOD if hmac.compare_digest(expected, found) else Verdict.BAD
