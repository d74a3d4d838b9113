"""Events: what they may hold, who may change them, and what the trail keeps."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from console.core.errors import Forbidden, Invalid, NotFound
from console.core.states import Role
from console.plugins.messages import events
from console.plugins.messages.events import EventChange, NewEvent, StaleEvent
from tests import factories
from tests.factories import NOON, OrgOf, rows

START = datetime(2030, 2, 2, 18, 30, tzinfo=UTC)
TRAIL = (
    "SELECT tag, old, new, actor_name, reason FROM audit_entries WHERE object_kind = 'event' ORDER BY number"
)


def hamlet(**fields: Any) -> NewEvent:
    return NewEvent(**{"name": "Hamlet", "starts_at": START, **fields})


def test_an_event_is_kept_as_it_was_given_and_the_trail_says_so(org: OrgOf) -> None:
    operator = factories.person(org)
    made = events.create(
        operator,
        hamlet(
            name="  Hamlet ",
            venue="Main Stage",
            load_in_at=START - timedelta(hours=6),
            timezone="Europe/Berlin",
            contact_name="Ana Berg",
            contact_email="ana@northside.example",
            crew=["lee@northside.example", " Kim@northside.example "],
        ),
        now=NOON,
    )
    assert (made.name, made.crew) == ("Hamlet", ("lee@northside.example", "Kim@northside.example"))
    assert events.get(operator, made.id) == made
    ((name, zone, revision),) = rows("SELECT name, timezone, revision FROM events")
    assert (name, zone, revision) == ("Hamlet", "Europe/Berlin", 1)
    ((tag, old, new, actor, _),) = rows(TRAIL)
    assert (tag, old, actor) == ("event:created", None, operator.name)
    assert new["starts_at"] == "2030-02-02T18:30:00+00:00" and new["revision"] == 1


def test_without_a_zone_it_is_in_the_orgs(app: object) -> None:
    of = factories.org(timezone="Asia/Bangkok")
    assert events.create(of.admin, hamlet(), now=NOON).timezone == "Asia/Bangkok"


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("name", "   ", "1 to 200 characters"),
        ("name", "x" * 201, "up to 200"),
        ("name", "Ham\nlet", "one line"),
        ("venue", "x" * 201, "up to 200"),
        ("starts_at", datetime(2030, 1, 1), "offset"),  # noqa: DTZ001
        ("starts_at", datetime(2201, 1, 1, tzinfo=UTC), "years 1970 to 2200"),
        ("starts_at", datetime.max.replace(tzinfo=UTC), "years 1970 to 2200"),
        ("load_in_at", START + timedelta(minutes=1), "after the start"),
        ("load_in_at", START - timedelta(days=31), "more than 30 days before"),
        ("timezone", "Europe/Berln", "did you mean Europe/Berlin"),
        ("contact_email", "ana at northside", "not a mail address"),
        ("crew", ["lee@northside.example", "nonsense"], "“nonsense” is not a mail address"),
        ("crew", ["a@b.example", "A@B.example"], "“A@B.example” stands there twice"),
        ("crew", [f"n{number}@b.example" for number in range(101)], "up to 100 addresses, and holds 101"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_wrong(org: OrgOf, field: str, value: Any, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        events.create(org.admin, hamlet(**{field: value}), now=NOON)
    assert list(caught.value.fields) == [field]
    assert text in caught.value.fields[field][0]
    assert rows("SELECT id FROM events") == [] and rows(TRAIL) == []


def test_all_wrong_fields_are_named_at_once(org: OrgOf) -> None:
    with pytest.raises(Invalid) as caught:
        events.create(org.admin, hamlet(name="", timezone="Nowhere", crew=["x"]), now=NOON)
    assert set(caught.value.fields) == {"name", "timezone", "crew"}


def test_an_edit_makes_the_next_revision_of_what_differs_alone(org: OrgOf) -> None:
    made = factories.event(org, starts_at=START, now=NOON)
    change = EventChange(venue="Studio", crew=["lee@northside.example"])
    after = events.edit(org.admin, made.id, change, seen=1, reason="moved in", now=NOON)
    assert (after.venue, after.crew, after.revision) == ("Studio", ("lee@northside.example",), 2)
    assert after.contact_email == made.contact_email
    tag, old, new, _, reason = rows(TRAIL)[-1]
    assert (tag, reason) == ("event:changed", "moved in")
    assert old == {"venue": "", "crew": []}
    assert new == {"venue": "Studio", "crew": ["lee@northside.example"], "revision": 2}


def test_an_edit_of_nothing_makes_no_revision(org: OrgOf) -> None:
    made = factories.event(org, starts_at=START, now=NOON)
    done = events.edited(org.admin, made.id, EventChange(name="Hamlet", starts_at=START), now=NOON)
    assert not done.is_changed and done.event == made
    assert len(rows(TRAIL)) == 1


def test_an_unknown_load_in_can_be_filled_in_and_emptied_again(org: OrgOf) -> None:
    made = factories.event(org, starts_at=START, now=NOON)
    known = events.edit(org.admin, made.id, EventChange(load_in_at=START - timedelta(hours=2)), now=NOON)
    assert known.load_in_at == START - timedelta(hours=2)
    assert events.edit(org.admin, made.id, EventChange(load_in_at=None), now=NOON).load_in_at is None
    # A start that is moved takes a known load-in along into the check.
    events.edit(org.admin, made.id, EventChange(load_in_at=START - timedelta(hours=2)), now=NOON)
    with pytest.raises(Invalid) as caught:
        events.edit(org.admin, made.id, EventChange(starts_at=START - timedelta(days=1)), now=NOON)
    assert list(caught.value.fields) == ["load_in_at"]


def test_a_stale_edit_is_refused_and_says_who_changed_what(org: OrgOf) -> None:
    ana = factories.person(org)
    made = factories.event(org, starts_at=START, now=NOON)
    events.edit(ana, made.id, EventChange(venue="Studio"), seen=1, now=NOON)
    events.edit(ana, made.id, EventChange(venue="Foyer", contact_name="Lee"), seen=2, now=NOON)
    with pytest.raises(StaleEvent) as caught:
        events.edit(org.admin, made.id, EventChange(venue="Yard"), seen=1, now=NOON)
    later = caught.value.later
    assert (later.saved_by, later.revision) == (ana.name, 3)
    assert (later.old, later.new) == (
        {"venue": "", "contact_name": ""},
        {"venue": "Foyer", "contact_name": "Lee"},
    )
    assert caught.value.detail == (
        f"{ana.name} saved r3 of “Hamlet” after r1, which you saw (venue, contact_name). Nothing was changed."
    )
    assert events.get(org.admin, made.id).venue == "Foyer"
    with pytest.raises(Invalid, match="the newest is 3"):
        events.edit(org.admin, made.id, EventChange(venue="Yard"), seen=9, now=NOON)


def test_a_deleted_event_is_gone_and_the_trail_keeps_it(org: OrgOf) -> None:
    made = factories.event(org, starts_at=START, now=NOON)
    events.delete(org.admin, made.id, now=NOON)
    with pytest.raises(NotFound):
        events.get(org.admin, made.id)
    assert events.load(org.id, made.id) is None
    tag, old, _, _, _ = rows(TRAIL)[-1]
    assert (tag, old["name"]) == ("event:deleted", "Hamlet")
    with pytest.raises(NotFound):
        events.delete(org.admin, made.id, now=NOON)


def test_a_viewer_changes_nothing_and_another_org_sees_nothing(org: OrgOf) -> None:
    made = factories.event(org, starts_at=START, now=NOON)
    viewer, stranger = factories.person(org, Role.VIEWER), factories.org().admin
    for attempt in (
        lambda: events.create(viewer, hamlet(), now=NOON),
        lambda: events.edit(viewer, made.id, EventChange(name="x"), now=NOON),
        lambda: events.delete(viewer, made.id, now=NOON),
    ):
        with pytest.raises(Forbidden):
            attempt()
    for attempt in (
        lambda: events.get(stranger, made.id),
        lambda: events.edit(stranger, made.id, EventChange(name="x"), now=NOON),
        lambda: events.delete(stranger, made.id, now=NOON),
        lambda: events.get(org.admin, uuid4()),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert events.load(stranger.org_id, made.id) is None
    assert rows("SELECT name, revision FROM events") == [("Hamlet", 1)]
