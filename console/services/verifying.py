"""Verifies a trail: recomputes everything from the entries, and names the first that is not as it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text

from console.core import trail
from console.core.actor import Actor
from console.core.errors import Refused
from console.core.permissions import Permission
from console.core.states import ActorKind
from console.core.tags import Tag
from console.core.trail import GENESIS, Flaw, Head, Ring, Verdict
from console.db.session import db, reading, transaction
from console.db.trail import AuditEntry, AuditHead
from console.db.turns import turn
from console.services import audit, kept_heads, sealing
from console.services.kept_heads import Kept

BATCH = 2000
ASKING = (ActorKind.PERSON, ActorKind.TOKEN, ActorKind.CLI)
CHAIN = text(
    f"""
    SELECT c.position, c.number, c.hash, e.number AS found, {sealing.SAID}
    FROM audit_chain c LEFT JOIN audit_entries e ON e.number = c.number AND e.org_id = c.org_id
    WHERE c.org_id = :org AND c.position > :after ORDER BY c.position LIMIT :batch
    """  # noqa: S608
)
TWICE = text(
    """
    SELECT max(number) FROM audit_entries WHERE org_id = :org AND uid IS NOT NULL
    GROUP BY uid HAVING count(*) > 1 ORDER BY max(number) LIMIT 1
    """
)
AT_POSITION = text("SELECT hash FROM audit_chain WHERE org_id = :org AND position = :position")


@dataclass(frozen=True)
class FirstBad:
    """The first entry that is not as it was sealed, as far as its number and its place are known."""

    problem: Flaw
    sentence: str
    number: int | None
    position: int | None


@dataclass(frozen=True)
class Verification:
    """What was found; `entries` is how many were recomputed, up to the first bad one."""

    ok: bool
    entries: int
    first_bad: FirstBad | None


@dataclass(frozen=True)
class PastVerification:
    """A verification that is itself on the trail: when, by whom, what it found, and which entry is bad."""

    at: datetime
    by: str
    ok: bool
    entries: int
    sentence: str | None
    number: int | None


def verify(actor: Actor, *, now: datetime) -> Verification:
    """Seals what is not sealed yet, recomputes the whole trail of the actor's org, and says so on the trail.

    One at a time, for it takes long and everybody may ask: a task waits, and all others are `Refused` while
    another one is on its way. Raises `Forbidden`.
    """
    actor.require(Permission.READ_AUDIT)
    with turn(f"verify {actor.org_id}", waits=actor.kind not in ASKING) as is_mine:
        if not is_mine:
            raise Refused("This trail is being verified just now. Wait for the result, then reload the page.")
        sealing.seal_all(actor.org_id, now=now)
        found = examine(actor.org_id)
    new: dict[str, Any] = {"ok": found.ok, "entries": found.entries}
    if found.first_bad:
        bad = found.first_bad
        new["first_bad"] = {"problem": bad.problem, "number": bad.number, "sentence": bad.sentence}
    with transaction():
        audit.add(actor, Tag.AUDIT_VERIFIED, audit.Subject("audit", actor.org_id), now=now, new=new)
    return found


def last(actor: Actor) -> PastVerification | None:
    """The newest verification of the actor's org; None before the first. Raises `Forbidden`."""
    actor.require(Permission.READ_AUDIT)
    with reading():
        return last_of(actor.org_id)


def last_of(org_id: UUID) -> PastVerification | None:
    """As `last`, inside the caller's transaction and without asking for the role."""
    mine = (AuditEntry.org_id == org_id, AuditEntry.tag == Tag.AUDIT_VERIFIED.value)
    entry = db.session.scalar(select(AuditEntry).where(*mine).order_by(AuditEntry.number.desc()).limit(1))
    if entry is None:
        return None
    said = entry.new if isinstance(entry.new, dict) else {}
    bad = said.get("first_bad") or {}
    ok, entries = bool(said.get("ok")), int(said.get("entries") or 0)
    return PastVerification(entry.at, entry.actor_name, ok, entries, bad.get("sentence"), bad.get("number"))


def examine(org_id: UUID) -> Verification:
    """Recomputes the sealed trail of an org, in batches: entries, places, heads, and the heads kept apart."""
    kept = _kept(org_id)  # read first: what is sealed from now on would seem to be missing
    walk = _Walk(org_id, audit.means().ring)
    bad = walk.through() or _against(kept, walk) or walk.unsigned() or _written_twice(org_id)
    return Verification(bad is None, walk.position, bad)


class _Walk:
    """Goes along one chain from its beginning.

    Its life: 1 it reads the oldest head, which says up to where no MAC is needed, and the newest; 2 it takes
    the places in batches, each with its entry and the heads that stand there; 3 it stops at the first flaw,
    or at the end, which must be where the newest head says.
    """

    def __init__(self, org_id: UUID, ring: Ring) -> None:
        self.org_id = org_id
        self.position = 0
        self._ring = ring
        self._hash = GENESIS
        self._legacy_until = 0
        self._signed_until = 0
        self._heads: dict[int, AuditHead] = {}

    def through(self) -> FirstBad | None:
        newest = self._begin()
        while rows := self._batch():
            for row in rows:
                bad = self._step(row)
                if bad is not None:
                    return bad
        return self._end(newest)

    def _begin(self) -> AuditHead | None:
        query = select(AuditHead).where(AuditHead.org_id == self.org_id).limit(1)
        with reading():
            first = db.session.scalar(query.order_by(AuditHead.position))
            newest = db.session.scalar(query.order_by(AuditHead.position.desc()))
            self._legacy_until = first.legacy_until if first else 0
            db.session.expunge_all()
        return newest

    def _batch(self) -> Sequence[Row[Any]]:
        """Places first, then heads: in between, there can only be more heads than places, never fewer."""
        values = {"org": self.org_id, "after": self.position, "batch": BATCH}
        with reading():
            rows = db.session.execute(CHAIN, values).all()
            if rows:
                here = AuditHead.position.between(self.position + 1, rows[-1].position)
                heads = db.session.scalars(select(AuditHead).where(AuditHead.org_id == self.org_id, here))
                self._heads = {head.position: head for head in heads}
                db.session.expunge_all()
        return rows

    def _step(self, row: Row[Any]) -> FirstBad | None:
        position = self.position + 1
        if row.position != position:
            return FirstBad(Flaw.DELETED, f"Place {position} of the chain is gone.", None, position)
        if row.found is None:
            sentence = f"Entry {row.number} was sealed, and is gone."
            return FirstBad(Flaw.DELETED, sentence, row.number, position)
        said = sealing.said(row)
        hash_ = trail.link(self._hash, row.number, said, row.mac)
        verdict = self._verdict(row, said)
        flaw = _flaw(verdict, is_sealed_so=hash_ == row.hash)
        if flaw is not None:
            return FirstBad(flaw, SENTENCES[flaw].format(number=row.number), row.number, position)
        self.position, self._hash = position, hash_
        head = self._heads.get(position)
        return self._check_head(head) if head else None

    def _verdict(self, row: Row[Any], said: bytes) -> Verdict:
        if row.mac is None:
            return Verdict.NOT_NEEDED if row.position <= self._legacy_until else Verdict.BAD
        return self._ring.check_mac(said, row.mac)

    def _check_head(self, head: AuditHead) -> FirstBad | None:
        verdict = self._ring.check_head(_head(head), head.signature)
        if verdict is Verdict.UNKNOWN_KEY:
            return FirstBad(
                Flaw.KEY, SENTENCES[Flaw.KEY].format(number=head.number), head.number, head.position
            )
        is_same = head.hash == self._hash and head.legacy_until == self._legacy_until
        if verdict is Verdict.BAD or not is_same:
            sentence = (
                f"The signed head after entry {head.number} does not fit: it was changed, or entries up to "
                "it were taken out or replaced and their chain was computed anew."
            )
            return FirstBad(Flaw.SIGNATURE, sentence, head.number, head.position)
        self._signed_until = self.position
        return None

    def _end(self, newest: AuditHead | None) -> FirstBad | None:
        if newest is not None and newest.position > self.position:
            return _cut_off(self.position, _head(newest))
        return None

    def unsigned(self) -> FirstBad | None:
        """What is wrong when the last head does not stand at the end."""
        if self.position > self._signed_until:
            sentence = f"No signed head stands after place {self._signed_until}: it was taken away."
            return FirstBad(Flaw.SIGNATURE, sentence, None, self._signed_until + 1)
        return None


SENTENCES = {
    Flaw.EDITED: "Entry {number} was changed after it was sealed.",
    Flaw.REORDERED: "Entry {number} is not the one that was sealed in this place: entries were exchanged, or "
    "its place was changed.",
    Flaw.INSERTED: "Entry {number} was not written by this console: it was put in, or changed before it was "
    "sealed.",
    Flaw.KEY: "Entry {number} was sealed with another SECRET_KEY, so that nothing can be said about it: "
    "name that key in CONSOLE_FORMER_KEYS and verify again.",
}


def _flaw(verdict: Verdict, *, is_sealed_so: bool) -> Flaw | None:
    """What is wrong with an entry, by its MAC and by whether its hash is the one that was sealed."""
    if not is_sealed_so:
        return Flaw.REORDERED if verdict is Verdict.GOOD else Flaw.EDITED
    if verdict in (Verdict.GOOD, Verdict.NOT_NEEDED):
        return None
    return Flaw.INSERTED if verdict is Verdict.BAD else Flaw.KEY


def _head(row: AuditHead) -> Head:
    return Head(row.org_id, row.position, row.number, row.hash, row.at, row.legacy_until)


def _cut_off(position: int, head: Head, where: str = "") -> FirstBad:
    """The trail ends before a head that was signed."""
    missing = head.position - position
    sentence = (
        f"The end is cut off{where}: {missing} sealed {'entry is' if missing == 1 else 'entries are'} gone, "
        f"the last of them entry {head.number}."
    )
    return FirstBad(Flaw.TRUNCATED, sentence, head.number if missing == 1 else None, position + 1)


def _written_twice(org_id: UUID) -> FirstBad | None:
    """A copy of an entry with its MAC, which the table's own constraint refuses as long as it is there."""
    with reading():
        number = db.session.scalar(TWICE, {"org": org_id})
    if number is None:
        return None
    return FirstBad(Flaw.INSERTED, f"Entry {number} is a copy of another one that was put in.", number, None)


def _kept(org_id: UUID) -> Sequence[Kept] | FirstBad:
    """The heads that are kept apart from the database; what is wrong when they can't be read."""
    try:
        return kept_heads.read(audit.means().folder, org_id)
    except kept_heads.Unreadable as error:
        sentence = f"The file of heads of this org {error}: compare with a copy of it, or with the log."
        return FirstBad(Flaw.SIGNATURE, sentence, None, None)


def _against(kept: Sequence[Kept] | FirstBad, walk: _Walk) -> FirstBad | None:
    """Each of them must be part of the chain."""
    if isinstance(kept, FirstBad):
        return kept
    return next((bad for one in kept if (bad := _against_one(one, walk))), None)


def _against_one(one: Kept, walk: _Walk) -> FirstBad | None:
    head = one.head
    name = kept_heads.path(audit.means().folder, head.org_id).name
    if audit.means().ring.check_head(head, one.signature) is Verdict.BAD:
        sentence = f"The signature of the head in the file {name} is wrong: the file was changed."
        return FirstBad(Flaw.SIGNATURE, sentence, head.number, head.position)
    if head.position > walk.position:
        return _cut_off(walk.position, head, f", as the head in the file {name} shows")
    if _holds(head):
        return None
    sentence = (
        f"Entries up to place {head.position}, the last of them entry {head.number}, were taken away and "
        f"others sealed in their place: the head in the file {name} is of another chain."
    )
    return FirstBad(Flaw.TRUNCATED, sentence, head.number, head.position)


def _holds(head: Head) -> bool:
    with reading():
        found = db.session.scalar(AT_POSITION, {"org": head.org_id, "position": head.position})
    return found is not None and bytes(found) == head.hash
