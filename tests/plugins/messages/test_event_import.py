"""Events out of a CSV file: every row's mistake is named, and all of it is imported or nothing."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from console.core.errors import Forbidden
from console.core.states import Role
from console.plugins.messages import event_import, events
from console.plugins.messages.event_import import Action, PlanMoved
from console.plugins.messages.event_rows import BadFile
from console.plugins.messages.events import EventChange
from tests import factories
from tests.factories import NOON, OrgOf, one, rows

START = datetime(2030, 2, 2, 18, 30, tzinfo=UTC)
FILE = """\
name,venue,starts_at,load_in_at,timezone,contact_name,contact_email,crew
Hamlet,Main Stage,2030-02-02 19:30,2030-02-02 13:00,Europe/Berlin,Ana,a@b.example,lee@b.example; kim@b.example
Peer Gynt,Studio,2030-02-03T18:00:00Z,,,,,
"""


def faults_of(org: OrgOf, text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(BadFile) as caught:
        event_import.plan(org.admin, text, now=NOON)
    with pytest.raises(BadFile):
        event_import.apply(org.admin, text, now=NOON)
    return [(fault.line, fault.column, fault.text) for fault in caught.value.faults]


def test_a_file_makes_events_and_nothing_before_it_is_applied(org: OrgOf) -> None:
    plan = event_import.plan(org.admin, FILE, now=NOON)
    assert [(row.line, row.action, row.name) for row in plan.rows] == [
        (2, Action.CREATE, "Hamlet"),
        (3, Action.CREATE, "Peer Gynt"),
    ]
    assert rows("SELECT id FROM events") == []
    done = event_import.apply(factories.person(org), FILE, expected=plan.mark, now=NOON)
    assert done.planned is not None and done.planned.created > 0
    assert rows("SELECT name, starts_at, load_in_at, timezone, crew FROM events ORDER BY name") == [
        (
            "Hamlet", START, START - timedelta(hours=6, minutes=30), "Europe/Berlin",
            ["lee@b.example", "kim@b.example"],
        ),
        ("Peer Gynt", datetime(2030, 2, 3, 18, tzinfo=UTC), None, "UTC", []),
    ]  # fmt: skip
    assert (
        rows("SELECT tag, reason FROM audit_entries WHERE object_kind = 'event'")
        == [("event:created", "imported from a file")] * 2
    )
    assert one("SELECT count(*) FROM jobs WHERE subject_id IS NOT NULL") == done.planned.created


def test_the_same_file_again_changes_nothing(org: OrgOf) -> None:
    event_import.apply(org.admin, FILE, now=NOON)
    before = rows("SELECT id, revision FROM events ORDER BY id")
    again = event_import.apply(org.admin, FILE.replace(",", ";").replace("; ", " "), now=NOON)
    assert {row.action for row in again.rows} == {Action.UNCHANGED}
    assert rows("SELECT id, revision FROM events ORDER BY id") == before


def test_a_row_changes_the_event_of_its_name_and_day_and_leaves_out_what_it_does_not_say(org: OrgOf) -> None:
    made = factories.event(
        org, starts_at=START, venue="Main Stage", timezone="Europe/Berlin", contact_name="Ana", now=NOON
    )
    text = "name,starts_at,timezone,contact_email\nHAMLET,2030-02-02 20:00,Europe/Berlin,\n"
    plan = event_import.plan(org.admin, text, now=NOON)
    ((row),) = plan.rows
    assert (row.action, row.event_id) == (Action.UPDATE, made.id)
    assert row.before == {
        "name": "Hamlet",
        "starts_at": START.isoformat(),
        "contact_email": "ana@northside.example",
    }
    assert row.after["starts_at"] == datetime(2030, 2, 2, 19, tzinfo=UTC).isoformat()
    event_import.apply(org.admin, text, now=NOON)
    after = events.get(org.admin, made.id)
    assert (after.contact_name, after.contact_email, after.venue) == ("Ana", None, "Main Stage")
    assert after.revision == 2


def test_an_id_names_the_event_whatever_else_the_row_says(org: OrgOf) -> None:
    made = factories.event(org, starts_at=START, venue="Main Stage", timezone="Asia/Tokyo", now=NOON)
    text = f"id;name;venue;starts_at\n{made.id};Hamlet II;Yard;2030-03-01 19:00\n"
    event_import.apply(org.admin, text, now=NOON)
    after = events.get(org.admin, made.id)
    assert (after.name, after.venue) == ("Hamlet II", "Yard")
    # Without an offset or a zone of its own the row means the clocks of the event's zone.
    assert after.starts_at == datetime(2030, 3, 1, 19, tzinfo=ZoneInfo("Asia/Tokyo"))


def test_a_matinee_and_another_house_are_other_events(org: OrgOf) -> None:
    evening = factories.event(org, starts_at=START, venue="Main Stage", now=NOON)
    text = (
        "name,venue,starts_at\n"
        "Hamlet,Main Stage,2030-02-02 14:00\n"
        "Hamlet,Main Stage,2030-02-02 18:30\n"
        "Hamlet,Studio,2030-02-02 18:30\n"
    )
    plan = event_import.plan(org.admin, text, now=NOON)
    assert [(row.action, row.event_id) for row in plan.rows] == [
        (Action.CREATE, None),
        (Action.UNCHANGED, evening.id),
        (Action.CREATE, None),
    ]


def test_of_two_on_one_day_the_row_must_say_which(org: OrgOf) -> None:
    for hours in (0, 4):
        factories.event(org, starts_at=START - timedelta(hours=hours), now=NOON)
    assert faults_of(org, "name,starts_at\nHamlet,2030-02-02 20:00\n") == [
        (2, "name", "2 events of this name are on this day; say which by its id")
    ]


def test_mistakes_are_named_by_line_and_column_all_at_once(org: OrgOf) -> None:
    stranger = factories.event(factories.org(), starts_at=START, now=NOON)
    text = (
        "id,name,starts_at,load_in_at,timezone,contact_email,crew\n"
        ",Hamlet,2030-02-02 19:30,2030-02-03 10:00,,,\n"
        ",,soon,,,ana,\n"
        ",Faust,2030-02-30 19:30,,,,x y@z.example\n"
        ",Woyzeck,2030-03-31 02:30,,Europe/Berlin,,\n"
        ",Woyzeck,2030-05-01 20:00,,Europe/Berln,,\n"
        f"{stranger.id},Hamlet,2030-02-02 19:30,,,,\n"
        "12,Hamlet,2030-02-02 19:30,,,,\n"
    )
    found = faults_of(org, text)
    assert [(line, column) for line, column, _ in found] == [
        (2, "load_in_at"),
        (3, "starts_at"),
        (3, "name"),
        (3, "contact_email"),
        (4, "starts_at"),
        (4, "crew"),
        (5, "starts_at"),
        (6, "timezone"),
        (7, "id"),
        (8, "id"),
    ]
    texts = {(line, column): text for line, column, text in found}
    assert texts[3, "starts_at"] == "“soon” is no date and time; write it like 2026-11-28 19:30"
    assert "clocks leap forward" in texts[5, "starts_at"]
    assert "did you mean Europe/Berlin" in texts[6, "timezone"]
    assert texts[7, "id"].startswith("no event has this id")
    assert rows("SELECT id FROM events WHERE org_id = :org", org=org.id) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name,starts_at,venu\nHamlet,2030-02-02 19:30,\n", (1, "venu", "did you mean venue?")),
        ("name,venue\nHamlet,Main\n", (1, "starts_at", "is missing")),
        ("name,starts_at\n", (0, "", "has no rows")),
        ("name,starts_at\nHamlet,2030-02-02 19:30,Main\n", (2, "", "has 3 cells")),
        ("name,starts_at\n" + "Hamlet,2030-02-02 19:30\n" * 2, (3, "", "same event as line 2")),
        ("name,starts_at\n" + "x" * 1_100_000, (0, "", "larger than 1 MB")),
        ("name,starts_at\n" + "x,2030-02-02 19:30\n" * 5_001, (0, "", "more than 5,000 rows")),
    ],
)
def test_a_file_of_another_kind_is_refused(org: OrgOf, text: str, place: tuple[int, str, str]) -> None:
    line, column, said = faults_of(org, text)[0]
    assert (line, column) == place[:2] and place[2] in said


def test_no_more_than_a_hundred_mistakes_are_named(org: OrgOf) -> None:
    assert len(faults_of(org, "name,starts_at\n" + "Hamlet,soon\n" * 300)) == 100


def test_what_moved_since_it_was_looked_at_imports_nothing(org: OrgOf) -> None:
    made = factories.event(org, starts_at=START, now=NOON)
    text = "name,starts_at,venue\nHamlet,2030-02-02 18:30,Yard\nFaust,2030-02-02 18:30,Yard\n"
    seen = event_import.plan(org.admin, text, now=NOON)
    events.edit(org.admin, made.id, EventChange(venue="Yard"), now=NOON)
    with pytest.raises(PlanMoved):
        event_import.apply(org.admin, text, expected=seen.mark, now=NOON)
    assert one("SELECT count(*) FROM events") == 1
    anew = event_import.plan(org.admin, text, now=NOON)
    event_import.apply(org.admin, text, expected=anew.mark, now=NOON)
    assert one("SELECT count(*) FROM events") == 2


def test_a_viewer_imports_nothing(org: OrgOf) -> None:
    with pytest.raises(Forbidden):
        event_import.apply(factories.person(org, Role.VIEWER), FILE, now=NOON)
    assert rows("SELECT id FROM events") == []
