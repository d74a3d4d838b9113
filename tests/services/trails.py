"""Trails to tamper with: six entries with something in each column, sealed in three groups."""

from dataclasses import replace
from typing import Any

from console.core.actor import Actor
from console.core.clock import utc_now
from console.core.tags import Tag
from console.db.session import transaction
from console.services import audit, sealing, verifying
from console.services.recomputing import FirstBad
from tests.factories import NOON, OrgOf, one, rows

SIX = 6


def write(org: OrgOf, actor: Actor | None = None, **given: Any) -> None:
    """One entry with something in each column."""
    subject = audit.Subject("job", "sweep")
    new = {"name": "Sweep the stage", "deep": [1, None, {"per": 1e22}, 0.1, True]}
    values = {"old": {"name": None}, "new": new, "reason": "because", **given}
    with transaction():
        audit.add(actor or actor_of(org), Tag.JOB_CHANGED, subject, now=NOON, **values)


def actor_of(org: OrgOf) -> Actor:
    return replace(org.admin, id=org.id, address="10.0.0.7", request_id="0123456789abcdef")


def numbers(org: OrgOf) -> list[int]:
    found = rows("SELECT number FROM audit_entries WHERE org_id = :org ORDER BY number", org=org.id)
    return [row.number for row in found]


def six_sealed(org: OrgOf) -> list[int]:
    """The numbers of six entries, sealed in three groups."""
    for _ in range(SIX // 2):
        write(org)
        write(org)
        sealing.seal(utc_now())
    assert one("SELECT count(*) FROM audit_chain") == SIX
    assert one("SELECT count(*) FROM audit_heads") == SIX // 2
    return numbers(org)


def first_bad(org: OrgOf) -> FirstBad:
    found = verifying.verify(org.admin, now=utc_now())
    assert not found.ok
    assert found.first_bad is not None
    return found.first_bad
