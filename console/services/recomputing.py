"""Goes along the chain of an org and recomputes it, some entries at a time; names the first that is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text

from console.core import trail
from console.core.trail import GENESIS, Flaw, Head, Place, Ring, Verdict
from console.db.session import db, reading
from console.db.trail import AuditHead
from console.services import sealing

BATCH = 2000
CHAIN = text(
    f"""
    SELECT c.position, c.number, c.hash, e.number AS found, {sealing.SAID}
    FROM audit_chain c LEFT JOIN audit_entries e ON e.number = c.number AND e.org_id = c.org_id
    WHERE c.org_id = :org AND c.position > :after ORDER BY c.position LIMIT :batch
    """  # noqa: S608
)


@dataclass(frozen=True)
class FirstBad:
    """The first entry that is not as it was sealed, as far as its number and its place are known."""

    problem: Flaw
    sentence: str
    number: int | None
    position: int | None


class Walk:
    """Goes along one chain, from its beginning or from where an earlier walk came to.

    Its life: 1 it reads the oldest head, which says up to where no MAC is needed, and the newest; 2 it takes
    the places in batches, each with its entry and the heads that stand there; 3 it stops at the first flaw,
    when it has seen as many as it was to, or at the end, which must be where the newest head says.
    `aim` is where the newest head stands; `is_over` once the end was reached.
    """

    def __init__(self, org_id: UUID, ring: Ring, since: Place | None = None) -> None:
        self.org_id = org_id
        self.position = since.position if since else 0
        self.aim = 0
        self.is_over = False
        self._ring = ring
        self._hash = since.hash if since else GENESIS
        self._signed_until = since.signed_until if since else 0
        self._legacy_until = since.legacy_until if since else None
        self._heads: dict[int, AuditHead] = {}

    @property
    def place(self) -> Place:
        """Where it stands, for another walk to go on from."""
        return Place(self.position, self._hash, self._signed_until, self._legacy_until or 0)

    def through(self, at_most: int) -> FirstBad | None:
        """The first flaw among so many entries, rounded up to whole batches."""
        newest = self._begin()
        stop = self.position + at_most
        while self.position < stop:
            rows = self._batch()
            if not rows:
                self.is_over = True
                return self._end(newest)
            for row in rows:
                bad = self._step(row)
                if bad is not None:
                    return bad
        return None

    def _begin(self) -> AuditHead | None:
        query = select(AuditHead).where(AuditHead.org_id == self.org_id).limit(1)
        with reading():
            first = db.session.scalar(query.order_by(AuditHead.position))
            newest = db.session.scalar(query.order_by(AuditHead.position.desc()))
            if self._legacy_until is None:
                self._legacy_until = first.legacy_until if first else 0
            self.aim = newest.position if newest else 0
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
            return Verdict.NOT_NEEDED if row.position <= (self._legacy_until or 0) else Verdict.BAD
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
            return cut_off(self.position, _head(newest))
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


def cut_off(position: int, head: Head, where: str = "") -> FirstBad:
    """The trail ends before a head that was signed."""
    missing = head.position - position
    sentence = (
        f"The end is cut off{where}: {missing} sealed {'entry is' if missing == 1 else 'entries are'} gone, "
        f"the last of them entry {head.number}."
    )
    return FirstBad(Flaw.TRUNCATED, sentence, head.number if missing == 1 else None, position + 1)
