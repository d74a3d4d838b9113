"""Whatever is done to the trail behind the console's back is found, and the right entry named."""

# ruff: noqa: S608

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from apiflask import APIFlask
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from console.core import trail
from console.core.clock import utc_now
from console.core.settings import Settings
from console.core.tags import Tag
from console.core.trail import Flaw
from console.db.session import db
from console.services import audit, kept_heads, sealing, verifying, watching
from tests import factories
from tests.factories import NOON, OrgOf, one, past_the_triggers, rows
from tests.services.trails import SIX, first_bad, numbers, six_sealed, write


@pytest.fixture
def sealed(org: OrgOf) -> list[int]:
    return six_sealed(org)


def test_a_trail_that_nobody_touched_is_whole(org: OrgOf, sealed: list[int]) -> None:
    found = verifying.verify(org.admin, now=NOON)
    assert (found.ok, found.entries, found.first_bad) == (True, SIX, None)
    entry = rows("SELECT tag, new FROM audit_entries ORDER BY number DESC LIMIT 1")[0]
    assert (entry.tag, entry.new) == ("audit:verified", {"ok": True, "entries": SIX})
    assert verifying.verify(org.admin, now=NOON).entries == SIX + 1


PLACES = pytest.mark.parametrize("place", [0, 2, SIX - 1], ids=["first", "middle", "last"])


@PLACES
def test_an_entry_that_is_taken_out_is_missed(org: OrgOf, sealed: list[int], place: int) -> None:
    past_the_triggers("DELETE FROM audit_entries WHERE number = :number", number=sealed[place])
    bad = first_bad(org)
    assert (bad.problem, bad.number, bad.position) == (Flaw.DELETED, sealed[place], place + 1)


@PLACES
def test_an_entry_that_is_taken_out_together_with_its_place_is_missed(
    org: OrgOf, sealed: list[int], place: int
) -> None:
    past_the_triggers(
        "DELETE FROM audit_entries WHERE number = :number",
        "DELETE FROM audit_chain WHERE number = :number",
        number=sealed[place],
    )
    bad = first_bad(org)
    assert bad.problem is (Flaw.TRUNCATED if place == SIX - 1 else Flaw.DELETED)
    assert bad.position == place + 1
    assert bad.number == (sealed[place] if place == SIX - 1 else None)


def test_a_chain_that_is_computed_anew_without_an_entry_does_not_fit_its_head(
    org: OrgOf, sealed: list[int]
) -> None:
    """Whoever knows this program can compute hashes, and can't sign."""
    past_the_triggers("DELETE FROM audit_entries WHERE number = :number", number=sealed[1])
    chain_anew(org)
    bad = first_bad(org)
    assert (bad.problem, bad.position, bad.number) == (Flaw.SIGNATURE, 2, sealed[1])


def chain_anew(org: OrgOf) -> None:
    """The chain as the entries that are left would have it; heads stay."""
    query = text(f"SELECT e.number, {sealing.SAID} FROM audit_entries e WHERE org_id = :org ORDER BY number")
    left = db.session.execute(query, {"org": org.id}).all()
    hash_, links = trail.GENESIS, []
    for position, row in enumerate(left, start=1):
        hash_ = trail.link(hash_, row.number, sealing.said(row), row.mac)
        links.append({"org": org.id, "position": position, "number": row.number, "hash": hash_})
    past_the_triggers("DELETE FROM audit_chain")
    insert = text(
        "INSERT INTO audit_chain (org_id, position, number, hash) VALUES (:org, :position, :number, :hash)"
    )
    db.session.execute(insert, links)
    db.session.commit()


COPIED = (
    "org_id, at, tag, actor_kind, actor_id, actor_name, address, object_kind, object_id, old, new, reason"
)
INSERT = "INSERT INTO audit_entries ({columns}) OVERRIDING SYSTEM VALUE SELECT {values} FROM audit_entries"
FORGERIES = {
    "without a MAC": ("", ""),
    "with the MAC of another": (", uid, mac", ", uuidv7(), mac"),
    "with a number of its own choice": (", number, uid, mac", ", -7, uuidv7(), mac"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
@pytest.mark.parametrize("is_sealed", [True, False], ids=["sealed by the console", "not sealed"])
def test_an_entry_that_is_put_in_is_found(
    org: OrgOf, sealed: list[int], forgery: str, is_sealed: bool
) -> None:
    """INSERT is all that it takes: the triggers let it pass."""
    columns, values = FORGERIES[forgery]
    insert = INSERT.format(columns=COPIED + columns, values=COPIED + values)
    db.session.execute(text(f"{insert} WHERE number = :number"), {"number": sealed[2]})
    db.session.commit()
    (put_in,) = set(numbers(org)) - set(sealed)
    write(org)
    if is_sealed:
        sealing.seal(utc_now())
    bad = first_bad(org)
    assert (bad.problem, bad.number) == (Flaw.INSERTED, put_in)


def test_a_whole_copy_is_found_when_the_constraint_against_it_is_gone(org: OrgOf, sealed: list[int]) -> None:
    columns = f"{COPIED}, request_id, uid, mac"
    copy = f"{INSERT.format(columns=columns, values=columns)} WHERE number = {sealed[2]}"
    with pytest.raises(IntegrityError):
        db.session.execute(text(copy))
    db.session.rollback()
    constraint = "ALTER TABLE audit_entries {} CONSTRAINT uq_audit_entries_uid {}"
    past_the_triggers(constraint.format("DROP", ""), copy)
    try:
        (put_in,) = set(numbers(org)) - set(sealed)
        bad = first_bad(org)
    finally:
        factories.empty_trail()
        past_the_triggers(constraint.format("ADD", "UNIQUE (uid)"))
    assert (bad.problem, bad.number) == (Flaw.INSERTED, put_in)


@pytest.mark.parametrize("pair", [(0, 1), (1, 4), (4, 5)], ids=["first", "far apart", "last"])
def test_two_entries_that_are_exchanged_are_found(
    org: OrgOf, sealed: list[int], pair: tuple[int, int]
) -> None:
    """Each has its own good MAC still, in the other's place."""
    one_, other = (sealed[place] for place in pair)
    columns = f"{COPIED}, request_id, uid, mac"
    db.session.execute(text("CREATE TEMP TABLE taken ON COMMIT DROP AS SELECT * FROM audit_entries"))
    db.session.execute(text("SET LOCAL session_replication_role = replica"))
    db.session.execute(text("DELETE FROM audit_entries WHERE number IN (:a, :b)"), {"a": one_, "b": other})
    put = INSERT.replace("FROM audit_entries", "FROM taken").format(
        columns=f"number, {columns}", values=f"CASE number WHEN :a THEN :b ELSE :a END, {columns}"
    )
    db.session.execute(text(f"{put} WHERE number IN (:a, :b)"), {"a": one_, "b": other})
    db.session.commit()
    bad = first_bad(org)
    assert (bad.problem, bad.number, bad.position) == (Flaw.REORDERED, one_, pair[0] + 1)


def test_two_places_that_are_exchanged_are_found(org: OrgOf, sealed: list[int]) -> None:
    swap = "UPDATE audit_chain SET number = -number WHERE position IN (2, 3)"
    back = "UPDATE audit_chain SET number = CASE position WHEN 2 THEN :b ELSE :a END WHERE position IN (2, 3)"
    past_the_triggers(swap, back, a=sealed[1], b=sealed[2])
    bad = first_bad(org)
    assert (bad.problem, bad.number, bad.position) == (Flaw.REORDERED, sealed[2], 2)


CUT = ("audit_entries", "audit_chain", "audit_heads")


@pytest.mark.parametrize("count", [1, 2, 3, SIX])
@pytest.mark.parametrize("depth", [1, 2, 3], ids=["entries", "and places", "and heads"])
def test_an_end_that_is_cut_off_is_missed(org: OrgOf, sealed: list[int], depth: int, count: int) -> None:
    """Even with its heads: the newest one is kept in a file apart from the database."""
    past_the_triggers(
        *(f"DELETE FROM {table} WHERE number >= :number" for table in CUT[:depth]), number=sealed[-count]
    )
    bad = first_bad(org)
    assert bad.problem is (Flaw.DELETED if depth == 1 else Flaw.TRUNCATED)
    assert bad.position == SIX - count + 1
    assert bad.number == (sealed[-count] if depth == 1 or count == 1 else None)
    assert str(sealed[-count] if depth == 1 else sealed[-1]) in bad.sentence


def test_an_end_that_is_cut_off_is_missed_after_others_have_been_sealed_in_its_place(
    org: OrgOf, sealed: list[int]
) -> None:
    past_the_triggers(*(f"DELETE FROM {table} WHERE number >= :number" for table in CUT), number=sealed[4])
    for _ in range(SIX):
        write(org)
        sealing.seal(utc_now())
    bad = first_bad(org)
    assert (bad.problem, bad.position) == (Flaw.TRUNCATED, SIX)
    assert f"entry {sealed[-1]}, were taken away and others sealed in their place" in bad.sentence


def test_a_trail_can_not_be_passed_off_as_one_from_before_there_were_macs(
    org: OrgOf, sealed: list[int]
) -> None:
    """Whoever has the database takes away every seal that is in it; the console seals anew what is left."""
    past_the_triggers(
        "DELETE FROM audit_heads",
        "DELETE FROM audit_chain",
        "UPDATE audit_entries SET mac = NULL, uid = NULL, actor_name = 'somebody else'",
    )
    for _ in range(2):
        sealing.seal(utc_now())
        write(org)
    bad = first_bad(org)
    assert (bad.problem, bad.position) == (Flaw.TRUNCATED, SIX)


@pytest.mark.parametrize("value", ["'infinity'", "'0044-03-15 BC'", "'-infinity'"])
def test_no_value_keeps_an_entry_from_being_read(org: OrgOf, sealed: list[int], value: str) -> None:
    past_the_triggers(f"UPDATE audit_entries SET at = {value} WHERE number = :number", number=sealed[3])
    assert first_bad(org).number == sealed[3]


def test_a_number_that_python_can_not_read_is_found_too(org: OrgOf, sealed: list[int]) -> None:
    huge = "CAST(repeat('9', 9000) AS jsonb)"
    past_the_triggers(f"UPDATE audit_entries SET old = {huge} WHERE number = :number", number=sealed[3])
    assert (first_bad(org).number, first_bad(org).problem) == (sealed[3], Flaw.EDITED)


ODD_VALUES = {
    "too deep": "CAST(repeat('[', 3000) || repeat(']', 3000) AS jsonb)",
    "a hair's breadth more": "jsonb_set(new, '{deep,3}', '0.10000000000000000001')",
    "beyond all numbers of a program": "jsonb_set(new, '{deep,3}', '1e400')",
}


@pytest.mark.parametrize("odd", ODD_VALUES)
def test_a_value_that_no_program_could_have_written_is_found(org: OrgOf, sealed: list[int], odd: str) -> None:
    change = f"UPDATE audit_entries SET new = {ODD_VALUES[odd]} WHERE number = :number"
    past_the_triggers(change, number=sealed[3])
    assert (first_bad(org).number, first_bad(org).problem) == (sealed[3], Flaw.EDITED)


def test_a_value_that_can_not_be_read_stops_no_sealing(org: OrgOf, sealed: list[int]) -> None:
    """Neither in this org nor in the next one."""
    deep = "repeat('[', 3000) || repeat(']', 3000)"
    db.session.execute(
        text(
            "INSERT INTO audit_entries (org_id, at, tag, actor_kind, actor_name, object_kind, object_id, new)"
            f" VALUES (:org, now(), 'job:changed', 'cli', 'x', 'job', 'x', CAST({deep} AS jsonb))"
        ),
        {"org": org.id},
    )
    db.session.commit()
    other = factories.org()
    write(other)
    sealing.seal(utc_now())
    assert first_bad(org).problem is Flaw.INSERTED
    assert verifying.verify(other.admin, now=utc_now()).ok


@pytest.mark.parametrize("table", CUT)
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET org_id = org_id", "DELETE FROM {} WHERE false", "TRUNCATE {}"]
)
def test_the_database_refuses_to_change_the_trail(
    org: OrgOf, sealed: list[int], table: str, statement: str
) -> None:
    with pytest.raises(ProgrammingError, match="refused: the audit trail is only ever added to"):
        db.session.execute(text(statement.format(table)))
    db.session.rollback()
    assert len(numbers(org)) == SIX


def test_a_trail_outlives_its_org(org: OrgOf, sealed: list[int]) -> None:
    db.session.execute(text("DELETE FROM orgs"))
    db.session.commit()
    assert numbers(org) == sealed
    assert verifying.examine(org.id).ok


@pytest.fixture
def other_key(settings: Settings) -> Iterator[str]:
    """The console has another SECRET_KEY from now on."""
    audit.configure("another key, and long enough", (), settings.home)
    yield settings.secret_key
    audit.configure(settings.secret_key, (), settings.home)


def test_another_key_is_no_tampering_and_the_former_one_can_be_named(
    org: OrgOf, sealed: list[int], other_key: str, settings: Settings
) -> None:
    bad = first_bad(org)
    assert (bad.problem, bad.number) == (Flaw.KEY, sealed[0])
    assert "another SECRET_KEY" in bad.sentence and "CONSOLE_FORMER_KEYS" in bad.sentence
    audit.configure("another key, and long enough", (other_key,), settings.home)
    assert verifying.verify(org.admin, now=utc_now()).ok
    past_the_triggers("UPDATE audit_entries SET reason = 'x' WHERE number = :number", number=sealed[5])
    assert first_bad(org).number == sealed[5]


LEGACY = """
INSERT INTO audit_entries (org_id, at, tag, actor_kind, actor_name, object_kind, object_id, new)
VALUES (:org, now(), 'job:created', 'person', 'a', 'job', 'sweep', '{"b": 1.50, "a": 1e30}')
"""


def insert_without_mac(org: OrgOf) -> None:
    db.session.execute(text(LEGACY), {"org": org.id})
    db.session.commit()


def test_entries_from_before_there_were_macs_are_sealed_and_no_later_one_is_let_pass(org: OrgOf) -> None:
    insert_without_mac(org)
    insert_without_mac(org)
    write(org)
    assert verifying.verify(org.admin, now=utc_now()).ok
    old = numbers(org)
    past_the_triggers("UPDATE audit_entries SET reason = 'x' WHERE number = :number", number=old[1])
    assert (first_bad(org).problem, first_bad(org).number) == (Flaw.EDITED, old[1])
    past_the_triggers("UPDATE audit_entries SET reason = NULL WHERE number = :number", number=old[1])
    assert verifying.verify(org.admin, now=utc_now()).ok
    insert_without_mac(org)
    newest = numbers(org)[-1]
    assert (first_bad(org).problem, first_bad(org).number) == (Flaw.INSERTED, newest)


def test_a_file_of_heads_that_is_changed_or_lost(org: OrgOf, sealed: list[int]) -> None:
    place = kept_heads.path(audit.means().folder, org.id)
    kept = place.read_text()
    place.write_text(kept.replace(f'"number": {sealed[-1]}', '"number": 1'))
    assert first_bad(org).problem is Flaw.SIGNATURE
    place.write_text("nonsense")
    assert "file of heads" in first_bad(org).sentence
    assert place.read_text() == "nonsense", "what is there is evidence"
    place.unlink()
    assert verifying.verify(org.admin, now=utc_now()).ok
    write(org)
    sealing.seal(utc_now())
    assert place.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_can_not_be_written_stops_nothing(
    org: OrgOf, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "audit").write_text("a file where the folder should be")
    audit.configure(settings.secret_key, (), tmp_path)
    try:
        write(org)
        assert sealing.seal(utc_now()) == 1
    finally:
        audit.configure(settings.secret_key, (), settings.home)
    assert verifying.verify(org.admin, now=utc_now()).ok


def test_what_is_written_late_is_sealed_late(org: OrgOf, app: APIFlask) -> None:
    """A transaction that began before others and commits after them."""
    with db.engine.connect() as slow:
        slow.execute(text(LEGACY), {"org": org.id})
        write(org)
        assert sealing.seal(utc_now()) == 1
        assert sealing.seal(utc_now()) == 0
        slow.commit()
    first, second = numbers(org)
    assert sealing.seal(utc_now()) == 1
    chain = rows("SELECT number FROM audit_chain ORDER BY position")
    assert [row.number for row in chain] == [second, first]


def test_one_seals_what_another_one_is_not_sealing_already(org: OrgOf) -> None:
    write(org)
    with db.engine.connect() as other:
        other.execute(sealing.WAIT_FOR_LOCK, {"org": org.id})
        assert sealing.seal(utc_now()) == 0
        other.rollback()
    assert watching.watch(now=utc_now()) >= 1
    assert one("SELECT count(*) FROM audit_chain") == 1


WRITERS, EACH = 20, 15


def test_twenty_writers_at_once_keep_one_unbroken_chain_per_org(app: APIFlask) -> None:
    orgs = [factories.org(), factories.org()]

    def write_some(writer: int) -> None:
        with app.app_context():
            for _ in range(EACH):
                write(orgs[writer % 2])
            db.session.remove()

    def seal_meanwhile(is_done: Callable[[], bool]) -> None:
        with app.app_context():
            while not is_done():
                sealing.seal(utc_now())
            db.session.remove()

    with ThreadPoolExecutor(WRITERS + 2) as pool:
        writing = [pool.submit(write_some, writer) for writer in range(WRITERS)]
        sealers = [pool.submit(seal_meanwhile, lambda: all(one.done() for one in writing)) for _ in range(2)]
        for future in (*writing, *sealers):
            future.result()
    for org in orgs:
        found = verifying.verify(org.admin, now=utc_now())
        assert (found.ok, found.entries) == (True, WRITERS * EACH // 2)
        positions = rows("SELECT position FROM audit_chain WHERE org_id = :org ORDER BY 1", org=org.id)
        assert [row.position for row in positions] == list(range(1, found.entries + 1))


SECRET = "hunter2-hunter2"


def test_secrets_never_enter(org: OrgOf) -> None:
    new = {
        "password": SECRET,
        "settings": [{"SMTP_URL": f"smtp://me:{SECRET}@mail.example", "api_key": SECRET, "host": "mail"}],
        "headers": {"Authorization": f"Bearer {SECRET}"},
        "text": f"call it with Bearer {SECRET}",
    }
    write(org, old={"nested": {"token": [SECRET]}}, new=new, reason=f"the password: {SECRET}")
    (entry,) = rows("SELECT t::text AS everything, new FROM audit_entries t")
    assert SECRET not in entry.everything
    assert entry.new["settings"][0]["host"] == "mail"
    assert entry.new["settings"][0]["SMTP_URL"] == "smtp://me:***@mail.example"


def test_what_jsonb_gives_back_otherwise_is_written_as_it_comes_back(org: OrgOf) -> None:
    odd = [1e22, 1e300, -0.0, 1.0, 1.5e-9, 2**70, "\x00", "\ud800", {1: NOON}, {"b": org.id}, Tag.JOB_CHANGED]
    write(org, new={"odd": odd}, reason="half \ud800 and NUL \x00")
    assert verifying.verify(org.admin, now=utc_now()).ok
