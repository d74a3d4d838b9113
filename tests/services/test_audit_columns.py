"""Every column that Postgres knows of the trail's tables is tampered with, and each change is found."""

# ruff: noqa: S608

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import pytest
from apiflask import APIFlask
from sqlalchemy import CursorResult, text

from console.core.clock import utc_now
from console.core.tags import Tag
from console.core.trail import Flaw
from console.db.session import db, transaction
from console.db.trail import AuditEntry
from console.services import audit, kept_heads, sealing, verifying
from console.services.recomputing import FirstBad
from console.services.verifying import Verification
from tests import factories
from tests.factories import NOON, OrgOf, one, past_the_triggers, rows
from tests.services.trails import SIX, actor_of, first_bad, numbers, six_sealed, write

PLACES = pytest.mark.parametrize("place", [0, 2, SIX - 1], ids=["first", "middle", "last"])
OTHERWISE = {
    "bigint": "{column} + 1000000",
    "boolean": "NOT {column}",
    "character varying": "coalesce({column}, '') || ' '",
    "bytea": "set_byte({column}, 8, 255 - get_byte({column}, 8))",
    "jsonb": "jsonb_build_array({column})",
    "text": "coalesce({column}, '') || ' '",
    "timestamp with time zone": "{column} + interval '1 microsecond'",
    "uuid": "uuidv7()",
}
"""The smallest change of a value, by its type."""
COLUMNS_OF = text(
    "SELECT column_name AS name, data_type AS type, is_identity = 'YES' AS is_identity,"
    " is_nullable = 'YES' AS is_nullable FROM information_schema.columns WHERE table_name = :table"
)


def changes(table: str) -> Iterator[tuple[str, str]]:
    """Each column that Postgres knows of the table, with each thing that may be done to its value.

    A column that somebody adds is tampered with too, and one of a new type fails here.
    """
    for column in rows(COLUMNS_OF.text, table=table):
        if column.is_identity:  # to which Postgres lets nobody write a value, but take the next one
            yield column.name, "DEFAULT"
            continue
        yield column.name, OTHERWISE[column.type].format(column=column.name)
        if column.is_nullable:
            yield column.name, "NULL"


class Undone(Exception):
    """Takes back what was tampered with."""


def after(org: OrgOf, statement: str, **values: Any) -> Verification:
    """What a verification finds after this, of which nothing is left then."""
    found = []
    with suppress(Undone), transaction():
        db.session.execute(text("SET LOCAL session_replication_role = replica"))
        done = cast("CursorResult[Any]", db.session.execute(text(statement), values))
        assert done.rowcount == 1, statement
        found.append(verifying.examine(org.id))
        raise Undone
    return found[0]


@pytest.fixture
def sealed(org: OrgOf) -> list[int]:
    return six_sealed(org)


@PLACES
def test_a_change_of_any_column_of_an_entry_is_found(org: OrgOf, sealed: list[int], place: int) -> None:
    """Of each one that the table has, and of the whole of it: nothing that an entry says is left out."""
    number = sealed[place]
    seen = set()
    for column, value in changes("audit_entries"):
        found = after(
            org, f"UPDATE audit_entries SET {column} = {value} WHERE number = :number", number=number
        )
        bad = found.first_bad
        assert bad is not None, f"{column} = {value}"
        assert (bad.number, bad.position, found.entries) == (number, place + 1, place), column
        assert bad.problem is (Flaw.DELETED if column in ("number", "org_id") else Flaw.EDITED), column
        assert str(number) in bad.sentence
        seen.add(column)
    assert seen == set(AuditEntry.__table__.columns.keys())
    assert verifying.verify(org.admin, now=utc_now()).ok, "and nothing of it was left behind"


def test_a_value_where_there_was_none_is_found(org: OrgOf) -> None:
    write(org, actor=replace(actor_of(org), id=None, address=None, request_id=None), old=None, reason=None)
    with transaction():
        audit.add(org.admin, Tag.JOB_CHANGED, audit.Subject("job", "sweep"), now=NOON)
    assert verifying.verify(org.admin, now=NOON).ok
    bare = numbers(org)[1]
    empty = {"actor_id": "uuidv7()", "old": "'null'", "new": "'{}'"}
    for column in ("actor_id", "address", "old", "new", "reason", "request_id"):
        change = (
            f"UPDATE audit_entries SET {column} = {empty.get(column, chr(39) * 2)} WHERE number = :number"
        )
        bad = after(org, f"{change} AND {column} IS NULL", number=bare).first_bad
        assert bad is not None and (bad.problem, bad.number) == (Flaw.EDITED, bare), column


@PLACES
def test_a_change_of_any_column_of_a_place_is_found(org: OrgOf, sealed: list[int], place: int) -> None:
    for column, value in changes("audit_chain"):
        change = f"UPDATE audit_chain SET {column} = {value} WHERE position = :position"
        bad = after(org, change, position=place + 1).first_bad
        assert bad is not None, column
        assert bad.position == place + 1, column


@pytest.mark.parametrize("position", [2, SIX], ids=["first", "last"])
def test_a_change_of_any_column_of_a_head_is_found(org: OrgOf, sealed: list[int], position: int) -> None:
    for column, value in changes("audit_heads"):
        change = f"UPDATE audit_heads SET {column} = {value} WHERE position = :position"
        bad = after(org, change, position=position).first_bad
        if column == "org_id" and position < SIX:
            assert bad is None, "what a head in the middle proves, the next one proves too"
            continue
        assert bad is not None, column
        assert bad.problem is (Flaw.TRUNCATED if column == "position" else Flaw.SIGNATURE), column
    for change, problem in (
        ("UPDATE audit_heads SET signature = sha256('')", Flaw.KEY),
        ("DELETE FROM audit_heads", Flaw.SIGNATURE),
    ):
        bad = after(org, f"{change} WHERE position = :position", position=position).first_bad
        if change.startswith("DELETE") and position < SIX:
            assert bad is None
        else:
            assert bad is not None and bad.problem is problem


def test_a_change_of_any_column_before_the_seal_is_found(app: APIFlask) -> None:
    """The chain says nothing of the tail yet; its entries' own MACs do."""
    for column, value in changes("audit_entries"):
        org = factories.org()
        write(org)
        sealing.seal(utc_now())
        write(org)
        last = numbers(org)[-1]
        past_the_triggers(f"UPDATE audit_entries SET {column} = {value} WHERE number = :number", number=last)
        found = verifying.verify(org.admin, now=utc_now())
        if column == "number":
            assert found.ok, "whoever gives it the next number has changed nothing that was said"
        elif column == "org_id":
            moved = one("SELECT org_id FROM audit_entries WHERE number = :number", number=last)
            sealing.seal_all(moved, now=utc_now())
            assert verifying.examine(moved).first_bad == replace(inserted(last), position=1)
        else:
            assert found.first_bad == inserted(last), column


def inserted(number: int) -> FirstBad:
    sentence = (
        f"Entry {number} was not written by this console: it was put in, or changed before it was sealed."
    )
    return FirstBad(Flaw.INSERTED, sentence, number, 2)


def test_a_change_of_anything_in_the_file_of_heads_is_found(org: OrgOf, sealed: list[int]) -> None:
    place = kept_heads.path(audit.means().folder, org.id)
    kept = place.read_text()
    (head,) = json.loads(kept)["heads"]
    assert set(head) == {row.name for row in rows(COLUMNS_OF.text, table="audit_heads")}
    others = {
        "at": "2030-01-01T00:00:00+00:00",
        "hash": "00" * 32,
        "org_id": str(factories.org().id),
        "signature": head["signature"][:-2] + ("00" if head["signature"][-2:] != "00" else "01"),
    }
    for name, value in head.items():
        other = {**head, name: others.get(name, value + 1 if isinstance(value, int) else None)}
        place.write_text(json.dumps({"heads": [other]}))
        bad = verifying.examine(org.id).first_bad
        assert bad is not None and bad.problem is Flaw.SIGNATURE, name
        place.write_text(json.dumps({"heads": [{key: head[key] for key in head if key != name}]}))
        assert "is no file of heads" in first_bad(org).sentence
    place.write_text(kept)
    assert verifying.verify(org.admin, now=utc_now()).ok
