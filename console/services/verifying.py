"""Verifies a trail: recomputes everything from the entries, and names the first that is not as it was.

A long trail takes minutes, and no request should: so it is recomputed in slices. Whoever can wait takes all
of them in one turn (`verify`, `along`); a page takes one with each request, and carries a signed checkpoint
from one to the next (`begin`, `go_on`). Both recompute every entry, whatever was verified before.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from console.core.actor import Actor
from console.core.errors import Refused
from console.core.permissions import Permission
from console.core.states import ActorKind
from console.core.tags import Tag
from console.core.trail import Flaw, Head, Place, Verdict
from console.db.session import db, reading, transaction
from console.db.trail import AuditEntry, AuditHead
from console.db.turns import turn
from console.services import audit, checkpoints, kept_heads, sealing
from console.services.kept_heads import Kept
from console.services.recomputing import FirstBad, Walk, cut_off

SLICE = 20_000
"""Entries that are recomputed in one go: a second or two."""
ASKING = (ActorKind.PERSON, ActorKind.TOKEN, ActorKind.CLI)
BUSY = "This trail is being verified just now. Wait for the result, then reload the page."
TWICE = text(
    """
    SELECT max(number) FROM audit_entries WHERE org_id = :org AND uid IS NOT NULL
    GROUP BY uid HAVING count(*) > 1 ORDER BY max(number) LIMIT 1
    """
)
AT_POSITION = text("SELECT hash FROM audit_chain WHERE org_id = :org AND position = :position")


@dataclass(frozen=True)
class Verification:
    """What was found; `entries` is how many were recomputed, up to the first bad one."""

    ok: bool
    entries: int
    first_bad: FirstBad | None


@dataclass(frozen=True)
class Underway:
    """A verification that has come as far as `place`, of `total` entries that were sealed by then."""

    place: Place
    total: int


@dataclass(frozen=True)
class Step:
    """A verification between two requests: how many of how many entries are recomputed, and its checkpoint.

    `waits` says that another verification has its turn just now, so that nothing was done this time.
    """

    done: int
    total: int
    checkpoint: str
    waits: bool = False


@dataclass(frozen=True)
class PastVerification:
    """A verification that is itself on the trail: when, by whom, what it found, and which entry is bad."""

    at: datetime
    by: str
    ok: bool
    entries: int
    sentence: str | None
    number: int | None
    problem: Flaw | None = None


def _quietly(done: int, total: int) -> None:
    """For whoever does not want to hear how far it has come."""


def verify(actor: Actor, *, now: datetime, tell: Callable[[int, int], None] = _quietly) -> Verification:
    """Seals what is not sealed yet, recomputes the whole trail of the actor's org, and says so on the trail.

    One at a time, for it takes long and everybody may ask: a task waits, and all others are `Refused` while
    another one is on its way. `tell` hears after each slice how many of how many entries are done. Raises
    `Forbidden`.
    """
    for found in along(actor, now=now):
        if isinstance(found, Verification):
            return found
        tell(found.place.position, found.total)
    raise RuntimeError("a verification ended without a result")


def along(actor: Actor, *, now: datetime) -> Iterator[Underway | Verification]:
    """As `verify`, told after each slice: how far it has come, and at last what it found."""
    actor.require(Permission.READ_AUDIT)
    with _turn(actor):
        sealing.seal_all(actor.org_id, now=now)
        found = _slice(actor.org_id, None)
        while isinstance(found, Underway):
            yield found
            found = _slice(actor.org_id, found.place)
    _record(actor, found, now)
    yield found


def begin(actor: Actor, *, now: datetime) -> Step | Verification:
    """As `verify`, but only the first slice: a trail that is no longer than that is done."""
    actor.require(Permission.READ_AUDIT)
    with _turn(actor):
        sealing.seal_all(actor.org_id, now=now)
        found = _slice(actor.org_id, None)
    return _stepped(actor, found, begun_at=now, now=now)


def go_on(actor: Actor, checkpoint: str, *, now: datetime) -> Step | Verification:
    """The next slice of what this actor began within the last hour; raises `Forbidden` and `Refused`.

    While others have their turn it answers where it stands, and is to be asked again.
    """
    actor.require(Permission.READ_AUDIT)
    since = checkpoints.read(actor, checkpoint, now=now)
    try:
        with _turn(actor):
            found = _slice(actor.org_id, since.place)
    except Refused:
        return Step(since.place.position, max(_sealed(actor.org_id), 1), checkpoint, waits=True)
    return _stepped(actor, found, begun_at=since.begun_at, now=now)


@contextmanager
def _turn(actor: Actor) -> Iterator[None]:
    with turn(f"verify {actor.org_id}", waits=actor.kind not in ASKING) as is_mine:
        if not is_mine:
            raise Refused(BUSY)
        yield


def _stepped(
    actor: Actor, found: Underway | Verification, *, begun_at: datetime, now: datetime
) -> Step | Verification:
    if isinstance(found, Underway):
        checkpoint = checkpoints.begin(actor, found.place, begun_at)
        return Step(found.place.position, found.total, checkpoints.written(checkpoint))
    _record(actor, found, now, begun_at)
    return found


def _record(actor: Actor, found: Verification, now: datetime, begun_at: datetime | None = None) -> None:
    """Puts what was found on the trail; with when it began, if that was in another request."""
    new: dict[str, Any] = {"ok": found.ok, "entries": found.entries}
    if begun_at not in (None, now):
        new["begun_at"] = begun_at
    if found.first_bad:
        bad = found.first_bad
        new["first_bad"] = {"problem": bad.problem, "number": bad.number, "sentence": bad.sentence}
    with transaction():
        audit.add(actor, Tag.AUDIT_VERIFIED, audit.Subject("audit", actor.org_id), now=now, new=new)


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
    return PastVerification(
        at=entry.at,
        by=entry.actor_name,
        ok=bool(said.get("ok")),
        entries=int(said.get("entries") or 0),
        sentence=bad.get("sentence"),
        number=bad.get("number"),
        problem=Flaw(bad["problem"]) if bad.get("problem") in set(Flaw) else None,
    )


def examine(org_id: UUID) -> Verification:
    """Recomputes the sealed trail of an org, in slices: entries, places, heads, and the heads kept apart."""
    found = _slice(org_id, None)
    while isinstance(found, Underway):
        found = _slice(org_id, found.place)
    return found


def _slice(org_id: UUID, since: Place | None) -> Underway | Verification:
    """The next entries; at the end, how it stands beside all heads that were kept before the slice began."""
    kept = _kept(org_id)  # read first: what is sealed from now on would seem to be missing
    walk = Walk(org_id, audit.means().ring, since)
    bad = walk.through(SLICE)
    if bad is None and not walk.is_over:
        return Underway(walk.place, max(walk.aim, walk.position))
    bad = bad or _against(kept, walk) or walk.unsigned() or _written_twice(org_id)
    return Verification(bad is None, walk.position, bad)


def _sealed(org_id: UUID) -> int:
    """How many entries have a signed head after them."""
    with reading():
        return db.session.scalar(select(func.max(AuditHead.position)).where(AuditHead.org_id == org_id)) or 0


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


def _against(kept: Sequence[Kept] | FirstBad, walk: Walk) -> FirstBad | None:
    """Each of them must be part of the chain."""
    if isinstance(kept, FirstBad):
        return kept
    return next((bad for one in kept if (bad := _against_one(one, walk))), None)


def _against_one(one: Kept, walk: Walk) -> FirstBad | None:
    head = one.head
    name = kept_heads.path(audit.means().folder, head.org_id).name
    if audit.means().ring.check_head(head, one.signature) is Verdict.BAD:
        sentence = f"The signature of the head in the file {name} is wrong: the file was changed."
        return FirstBad(Flaw.SIGNATURE, sentence, head.number, head.position)
    if head.position > walk.position:
        return cut_off(walk.position, head, f", as the head in the file {name} shows")
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
