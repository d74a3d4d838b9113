"""Seals the trail: gives each entry its place in the chain of its org, in groups, beside those who write.

Writers wait for nobody. Whoever seals holds an advisory lock of the org, takes what has no place yet in the
order of its numbers, and signs the new end. An entry whose transaction took long comes later in the chain
than its number says: the chain has the order of sealing, and is whole all the same.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, insert, select, text

from console.core import trail
from console.core.trail import GENESIS, Head
from console.db.people import Org
from console.db.session import db, reading, transaction
from console.db.trail import AuditEntry, AuditHead, AuditLink
from console.services import audit, kept_heads

BATCH = 1000
LEAST = -(2**63)
"""Numbers begin at 1; whoever puts an entry in may choose another one."""
LATE = timedelta(minutes=2)
"""A transaction that writes an entry has ended within this time, or its entry is found when one verifies."""
SAID = """
    CAST(e.uid AS text), CAST(e.org_id AS text),
    CAST(trunc(extract(epoch FROM e.at) * 1000000) AS text) AS at, e.tag, e.actor_kind,
    CAST(e.actor_id AS text), e.actor_name, e.address, e.object_kind, e.object_id,
    CAST(e.old AS text), CAST(e.new AS text), e.reason, e.request_id, e.mac
"""
"""An entry as text, which no value that somebody may have put there keeps from being read."""
UNSEALED = text(
    f"""
    SELECT e.number, {SAID} FROM audit_entries e
    WHERE e.org_id = :org AND e.number > :after AND NOT EXISTS (
        SELECT FROM audit_chain c WHERE c.org_id = e.org_id AND c.number = e.number)
    ORDER BY e.number LIMIT :batch
    """  # noqa: S608
)
LOCK = "hashtextextended('callboard audit ' || CAST(:org AS text), 0)"
TRY_LOCK = text(f"SELECT pg_try_advisory_xact_lock({LOCK})")
WAIT_FOR_LOCK = text(f"SELECT pg_advisory_xact_lock({LOCK})")
CHAIN = text(
    """
    INSERT INTO audit_chain (org_id, position, number, hash)
    SELECT :org, * FROM unnest(
        CAST(:positions AS bigint[]), CAST(:numbers AS bigint[]), CAST(:hashes AS bytea[]))
    """
)
log = logging.getLogger(__name__)  # a command that verifies has nothing else on its standard output


@dataclass(frozen=True)
class _End:
    """Where the chain goes on: after this position, hash and time of the last head."""

    position: int
    hash: bytes
    legacy_until: int


def seal(now: datetime) -> int:
    """Seals what has been written in every org; answers how many entries. A step of the watcher."""
    with reading():
        orgs = list(db.session.scalars(select(Org.id).order_by(Org.id)))
    return sum(_seal_org(org_id, now, is_thorough=False) for org_id in orgs)


def seal_all(org_id: UUID, *, now: datetime) -> int:
    """As `seal` for one org, and looks for entries that came late, however late; waits for its turn."""
    return _seal_org(org_id, now, is_thorough=True)


def _seal_org(org_id: UUID, now: datetime, *, is_thorough: bool) -> int:
    total, after = 0, LEAST if is_thorough else None
    while True:
        count, head = _seal_group(org_id, now, after, waits=is_thorough)
        if head is not None:
            _keep(head)
            after = head.number  # what was passed over is sealed; what comes late, by the next pass
        total += count
        if count < BATCH:
            return total


def _seal_group(org_id: UUID, now: datetime, after: int | None, *, waits: bool) -> tuple[int, Head | None]:
    """One transaction: a group of entries, their places, and the signed head after them.

    Entries with a number up to `after` are passed over; without one, those that have long been sealed.
    """
    with transaction():
        if not _is_my_turn(org_id, waits=waits):
            return 0, None
        after = _long_sealed(org_id) if after is None else after
        rows = db.session.execute(UNSEALED, {"org": org_id, "after": after, "batch": BATCH}).all()
        if not rows:
            return 0, None
        return len(rows), _chain(org_id, rows, now)


def _is_my_turn(org_id: UUID, *, waits: bool) -> bool:
    if waits:
        db.session.execute(WAIT_FOR_LOCK, {"org": org_id})
        return True
    return bool(db.session.scalar(TRY_LOCK, {"org": org_id}))


def _long_sealed(org_id: UUID) -> int:
    """A number up to which all is sealed: whoever wrote before that head's time has long committed."""
    newest = select(func.max(AuditHead.at)).where(AuditHead.org_id == org_id).scalar_subquery()
    old = select(func.max(AuditHead.number)).where(AuditHead.org_id == org_id, AuditHead.at < newest - LATE)
    return db.session.scalar(old) or 0


def _chain(org_id: UUID, rows: Sequence[Row[Any]], now: datetime) -> Head:
    end = _end(org_id)
    hashes = []
    hash_ = end.hash
    for row in rows:
        hash_ = trail.link(hash_, row.number, said(row), row.mac)
        hashes.append(hash_)
    last = end.position + len(rows)
    positions = list(range(end.position + 1, last + 1))
    values = {"positions": positions, "numbers": [row.number for row in rows], "hashes": hashes}
    db.session.execute(CHAIN, {"org": org_id, **values})
    head = Head(org_id, last, rows[-1].number, hash_, now, end.legacy_until)
    _sign(head)
    return head


def said(row: Row[Any]) -> bytes:
    """What an entry, read as `SAID`, says."""
    values = [getattr(row, name) for name in trail.FIELDS]
    for place in (trail.FIELDS.index("old"), trail.FIELDS.index("new")):
        values[place] = trail.parsed(values[place])
    return trail.canonical(values)


def _end(org_id: UUID) -> _End:
    """The end of the chain, or what its newest head says it was when more than that is left of neither."""
    links = select(AuditLink.position, AuditLink.hash).where(AuditLink.org_id == org_id)
    link = db.session.execute(links.order_by(AuditLink.position.desc()).limit(1)).first()
    heads = select(AuditHead).where(AuditHead.org_id == org_id)
    head = db.session.scalar(heads.order_by(AuditHead.position.desc()).limit(1))
    if head is None:
        return _End(link.position if link else 0, link.hash if link else GENESIS, _legacy(org_id))
    if link is None or link.position < head.position:
        return _End(head.position, head.hash, head.legacy_until)
    return _End(link.position, link.hash, head.legacy_until)


def _legacy(org_id: UUID) -> int:
    """How many entries without a MAC stand before the first one that has it."""
    own = AuditEntry.org_id == org_id
    first = select(func.min(AuditEntry.number)).where(own, AuditEntry.mac.is_not(None)).scalar_subquery()
    is_before = func.coalesce(AuditEntry.number < first, True)
    count = select(func.count()).where(own, AuditEntry.mac.is_(None), is_before)
    return db.session.scalar(count) or 0


def _sign(head: Head) -> None:
    values = {
        "org_id": head.org_id,
        "position": head.position,
        "number": head.number,
        "hash": head.hash,
        "at": head.at,
        "legacy_until": head.legacy_until,
        "signature": audit.means().ring.present.sign(head),
    }
    db.session.execute(insert(AuditHead).values(values))


def _keep(head: Head) -> None:
    """The head goes to two more places, once it is committed: its file, and the log."""
    signature = audit.means().ring.present.sign(head)
    kept = kept_heads.Kept(head, signature)
    kept_heads.keep(audit.means().folder, kept, _is_in_table)
    said = kept_heads.as_json(kept)
    log.info("the audit trail is sealed", extra={"action": "audit.head", **said})


def _is_in_table(kept: kept_heads.Kept) -> bool:
    head = kept.head
    query = select(AuditHead.position).where(
        AuditHead.org_id == head.org_id, AuditHead.position == head.position, AuditHead.hash == head.hash
    )
    with reading():
        return db.session.scalar(query) is not None
