"""Events on pages: the list, an event with its messages, the form, deleting, the file, and the settings."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from io import BytesIO

from apiflask import APIFlask

from console.core.clock import utc_now
from console.plugins.messages import events
from console.plugins.messages.events import EventChange
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import Visitor, csrf_of, visit, words

START = (utc_now() + timedelta(days=40)).replace(hour=18, minute=30, second=0, microsecond=0)
DAY = f"{START:%Y-%m-%d}"
FORM = {
    "name": "Hamlet",
    "venue": "Main Stage",
    "starts_at": f"{DAY}T19:30",
    "timezone": "UTC",
    "contact_email": "ana@northside.example",
    "crew": "lee@northside.example\nkim@northside.example",
}


def value_of(text: str, name: str) -> str:
    found = re.search(rf'<input[^>]*?value="([^"]*)"[^>]*?name="{name}"', text, re.S)
    assert found, name
    return unescape(found[1])


def error_of(text: str, name: str) -> str:
    found = re.search(rf'id="event-{name}-error">([^<]*)<', text)
    assert found, name
    return unescape(found[1]).strip()


def test_an_event_is_made_with_its_messages_and_shown_with_what_is_planned_and_why(
    operator: Visitor,
) -> None:
    assert "No events to come" in words(operator.get("/events"))
    answer = operator.post("/events", FORM)
    assert answer.status_code == 303
    event_id = one("SELECT id FROM events")
    assert answer.location == f"/events/{event_id}"
    assert one("SELECT count(*) FROM jobs WHERE subject_id = :id", id=event_id) == 5
    page = words(operator.get(answer.location))
    assert "Hamlet: created. 5 messages planned." in page
    assert "lee@northside.example" in page and "not known yet" in page
    assert "Init Planned for" in page and "Follow-up Planned for" in page
    assert f'href="/?event={event_id}"' in operator.get(answer.location).text
    row = words(operator.get("/events"))
    assert "Hamlet Main Stage" in row and "5 planned" in row and "Upcoming 1" in row


def test_what_is_wrong_stands_beside_its_field_and_nothing_typed_is_lost(operator: Visitor) -> None:
    wrong = {**FORM, "starts_at": "", "load_in_at": "soon", "contact_email": "ana", "venue": "Main <Stage>"}
    answer = operator.post("/events", {**wrong, "crew": "lee@northside.example; x"})
    assert answer.status_code == 422
    assert error_of(answer.text, "starts_at") == "Choose a date and a time"
    assert error_of(answer.text, "load_in_at") == "Choose a date and a time"
    assert "not a mail address" in error_of(answer.text, "contact_email")
    assert error_of(answer.text, "crew") == "“x” is not a mail address"
    assert error_of(answer.text, "name") == ""
    assert value_of(answer.text, "venue") == "Main <Stage>"
    assert "lee@northside.example; x</textarea>" in answer.text
    assert answer.text.count("autofocus") == 1
    assert rows("SELECT id FROM events") == []


def test_a_form_that_is_sent_twice_makes_one_event(operator: Visitor, stranger: Visitor) -> None:
    key = re.search(r'name="key" value="([^"]+)"', operator.get("/events/new").text)
    assert key
    first, second = (operator.post("/events", {**FORM, "key": key[1]}) for _ in range(2))
    assert first.location == second.location == f"/events/{key[1]}"
    assert one("SELECT count(*) FROM jobs WHERE message_type IS NOT NULL") == 5
    assert stranger.post("/events", {**FORM, "key": key[1]}).status_code == 404


def test_a_zone_that_is_none_does_not_hide_what_else_is_wrong(operator: Visitor) -> None:
    answer = operator.post("/events", {**FORM, "timezone": "Berlin", "name": ""})
    assert "did you mean Europe/Berlin" in error_of(answer.text, "timezone")
    assert "1 to 200" in error_of(answer.text, "name")
    assert error_of(answer.text, "starts_at") == ""


def test_a_time_that_the_clocks_leap_over_is_refused_and_one_that_comes_twice_is_asked_for(
    operator: Visitor,
) -> None:
    berlin = {**FORM, "timezone": "Europe/Berlin"}
    gap = operator.post("/events", {**berlin, "starts_at": "2027-03-28T02:30"})
    assert "doesn't exist on 28 March 2027" in error_of(gap.text, "starts_at")
    twice = operator.post("/events", {**berlin, "starts_at": "2027-10-31T02:30"})
    assert twice.status_code == 422 and "Comes twice" in error_of(twice.text, "starts_at")
    assert "the second time, UTC+01:00" in words(twice)
    made = operator.post("/events", {**berlin, "starts_at": "2027-10-31T02:30", "starts_at_fold": "1"})
    assert made.status_code == 303
    assert one("SELECT starts_at FROM events") == datetime(2027, 10, 31, 1, 30, tzinfo=UTC)
    form = operator.get(f"{made.location}/edit")
    assert '<option value="1" selected>' in form.text


def test_an_edit_changes_what_differs_and_says_what_became_of_the_messages(
    operator: Visitor, org: OrgOf
) -> None:
    made = factories.event(org, starts_at=START + timedelta(seconds=7), timezone="Asia/Tokyo")
    form = operator.get(f"/events/{made.id}/edit")
    assert value_of(form.text, "starts_at").endswith("03:30:07")
    fields = {
        "name": "Hamlet",
        "timezone": "Asia/Tokyo",
        "starts_at": value_of(form.text, "starts_at"),
        "load_in_at": f"{START:%Y-%m-%d}T15:00",
        "contact_email": "ana@northside.example",
        "revision": "1",
        "reason": "they called",
    }
    answer = operator.post(f"/events/{made.id}", fields)
    assert answer.status_code == 303
    after = events.get(org.admin, made.id)
    assert (after.starts_at, after.revision) == (made.starts_at, 2)
    assert rows("SELECT new, reason FROM audit_entries WHERE tag = 'event:changed'") == [
        ({"load_in_at": after.load_in_at.isoformat(), "revision": 2}, "they called")  # type: ignore[union-attr]
    ]
    page = words(operator.get(answer.location))
    assert "Hamlet: saved. 1 message closed as skipped." in page
    assert "Not planned: the load-in time is known" in page
    again = operator.post(f"/events/{made.id}", {**fields, "revision": "2"})
    assert "nothing to change" in words(operator.get(again.location))


def test_a_second_editor_sees_what_the_first_saved_and_keeps_their_draft(
    operator: Visitor, org: OrgOf
) -> None:
    made = factories.event(org, starts_at=START)
    ana = factories.person(org)
    events.edit(ana, made.id, EventChange(venue="Studio", contact_name="Lee"), seen=1, now=utc_now())
    mine = {
        "name": "Hamlet II",
        "venue": "Yard",
        "timezone": "UTC",
        "starts_at": f"{START:%Y-%m-%dT%H:%M}",
        "contact_email": "ana@northside.example",
        "contact_name": "",
        "crew": "",
        "revision": "1",
    }
    answer = operator.post(f"/events/{made.id}", mine)
    assert answer.status_code == 409
    page = words(answer)
    assert f"STALE_REVISION {ana.name} saved r2" in page
    assert "Venue: from none to Studio" in page and "Contact: from none to Lee" in page
    # What I typed stands; what I had left alone is theirs, so that saving does not take it back.
    assert value_of(answer.text, "name") == "Hamlet II" and value_of(answer.text, "venue") == "Yard"
    assert value_of(answer.text, "contact_name") == "Lee"
    assert 'name="revision" value="2"' in answer.text
    operator.post(f"/events/{made.id}", {**mine, "contact_name": "Lee", "revision": "2"})
    after = events.get(org.admin, made.id)
    assert (after.name, after.venue, after.contact_name, after.revision) == ("Hamlet II", "Yard", "Lee", 3)


def test_deleting_asks_first_and_says_what_goes_with_it(operator: Visitor, org: OrgOf) -> None:
    made = factories.event(org, starts_at=START)
    assert "3 open messages go with it" in words(operator.get(f"/events/{made.id}/delete"))
    events.edit(org.admin, made.id, EventChange(venue="Yard"), now=utc_now())
    stale = operator.post(f"/events/{made.id}/delete", {"revision": "1"}, htmx=True)
    assert stale.status_code == 409 and 'name="revision" value="2"' in stale.text
    answer = operator.post(f"/events/{made.id}/delete", {"revision": "2"})
    assert (answer.status_code, answer.location) == (303, "/events")
    assert "Hamlet: deleted. 3 messages withdrawn." in words(operator.get("/events"))
    assert operator.get(f"/events/{made.id}").status_code == 404
    assert one("SELECT count(*) FROM jobs WHERE deleted_at IS NULL") == 0
    made = factories.event(org, starts_at=START)
    moved = operator.post(f"/events/{made.id}/delete", {"revision": "1"}, htmx=True)
    assert moved.headers["HX-Redirect"] == "/events"


def test_the_list_has_tabs_a_search_and_pages(operator: Visitor, org: OrgOf, stranger: Visitor) -> None:
    for number in range(52):
        at = START + timedelta(days=number)
        factories.event(org, f"Show {number:02}", starts_at=at, venue="Yard" if number else "Studio")
    factories.event(org, "Long ago", starts_at=utc_now() - timedelta(days=90))
    first = operator.get("/events")
    names = re.findall(r">(Show \d\d|Long ago)</a>", first.text)
    assert names == [f"Show {number:02}" for number in range(50)]
    following = re.search(r'id="next-page"[^>]*href="([^"]+)"', first.text)
    assert following
    second = operator.get(unescape(following[1]))
    assert re.findall(r">(Show \d\d)</a>", second.text) == ["Show 50", "Show 51"]
    past = operator.get("/events?tab=past")
    assert "Long ago" in past.text and "Show 00" not in past.text
    found = operator.get("/events?q=STUDIO")
    assert re.findall(r">(Show \d\d)</a>", found.text) == ["Show 00"]
    assert "Nothing matches" in words(operator.get("/events?q=nothing%25"))
    assert operator.get("/events?tab=later").status_code == 422
    assert "Show" not in stranger.get("/events").text


def test_the_list_says_what_needs_a_person_and_goes_on_when_it_changes(operator: Visitor, org: OrgOf) -> None:
    made = factories.event(org, starts_at=START, contact_email=None, crew=["lee@northside.example"])
    text = operator.get("/events").text
    assert "3 blocked" in words(operator.get("/events")) and "1 planned" in words(operator.get("/events"))
    poll = re.search(r'hx-get="([^"]*/fragments/events/table[^"]*)"', text)
    assert poll
    assert operator.get(unescape(poll[1])).status_code == 204
    events.edit(org.admin, made.id, EventChange(contact_email="ana@northside.example"), now=utc_now())
    answer = operator.get(unescape(poll[1]))
    assert answer.status_code == 200 and "4 planned" in words(answer)


def test_a_viewer_sees_events_and_changes_nothing(viewer: Visitor, org: OrgOf) -> None:
    made = factories.event(org, starts_at=START)
    page = viewer.get(f"/events/{made.id}")
    assert 'id="edit-event"' not in page.text and "needs the role operator" in words(page)
    assert 'id="new-event"' not in viewer.get("/events").text
    for path in ("/events/new", f"/events/{made.id}/edit", f"/events/{made.id}/delete", "/events/import"):
        assert viewer.get(path).status_code == 403, path
    for path in ("/events", f"/events/{made.id}", f"/events/{made.id}/delete", "/events/import"):
        assert viewer.post(path, {**FORM, "revision": "1"}).status_code == 403, path
    for path in ("/messages/settings", "/messages/settings/INIT"):
        assert viewer.post(path, {"revision": "0"}).status_code == 403, path
    assert "needs the role operator" in words(viewer.get("/messages/settings"))
    assert rows("SELECT revision FROM events") == [(1,)]


# The file ------------------------------------------------------------------------------------------

CSV = f"name,starts_at,crew\nHamlet,{DAY} 19:30,lee@northside.example\nFaust,{DAY} 20:00,\n"


def upload(visitor: Visitor, raw: bytes) -> str:
    data = {"csrf_token": csrf_of(visitor.client), "file": (BytesIO(raw), "events.csv")}
    return visitor.client.post("/events/import/plan", data=data).text


def test_a_file_is_shown_row_by_row_and_imported_as_it_was_shown(operator: Visitor, org: OrgOf) -> None:
    made = factories.event(org, starts_at=START)
    text = upload(operator, CSV.replace(",", ";").encode("utf-8-sig"))
    assert "Events: 1 to create, 1 to change" in text
    assert "line 2" in text and f'href="/events/{made.id}"' in text and "line 3" in text
    assert one("SELECT count(*) FROM events") == 1
    mark = re.search(r'name="mark" value="([^"]+)"', text)
    assert mark
    sent = {"text": CSV.replace(",", ";").replace("\n", "\r\n"), "mark": mark[1], "reason": "the season"}
    answer = operator.post("/events/import", sent)
    assert (answer.status_code, answer.location) == (303, "/events")
    assert "Imported: 1 created, 1 changed, 0 as they were." in words(operator.get("/events"))
    reasons = "SELECT DISTINCT reason FROM audit_entries WHERE reason IS NOT NULL AND tag LIKE 'event:%'"
    assert rows(reasons) == [("the season",)]
    moved = operator.post("/events/import", sent)
    assert moved.status_code == 409 and "Not imported" in words(moved)
    assert one("SELECT count(*) FROM events") == 2


def test_mistakes_of_a_file_are_named_by_line_and_column_and_its_text_is_kept(operator: Visitor) -> None:
    answer = operator.post("/events/import/plan", {"text": CSV.replace(f"{DAY} 20:00", "soon")})
    assert answer.status_code == 422
    assert "3 starts_at “soon” is no date and time" in words(answer)
    assert "Faust,soon," in answer.text
    assert "choose a file" in words(operator.post("/events/import/plan"))
    assert "CSV UTF-8" in upload(operator, "name\nZoë".encode("latin-1"))
    assert rows("SELECT id FROM events") == []


def test_a_large_file_comes_back_from_the_page(operator: Visitor) -> None:
    body = "".join(f"Show {number:04},{DAY} 20:00,{'x' * 180}\n" for number in range(4_000))
    answer = operator.post("/events/import/plan", {"text": f"name,starts_at,contact_name\n{body}"})
    assert answer.status_code == 200 and "4,000 to create" in words(answer)


# Settings ------------------------------------------------------------------------------------------


def test_the_settings_say_what_they_do_and_what_moved(operator: Visitor, org: OrgOf) -> None:
    factories.event(org, starts_at=START, crew=["lee@northside.example"])
    page = operator.get("/messages/settings")
    assert "Days after the event" in words(page) and "DISABLED_GLOBAL" in words(page)
    type_form = {"enabled": "1", "lead_days": "3", "send_time": "08:15", "revision": "0"}
    answer = operator.post("/messages/settings/REMINDER", type_form)
    assert answer.status_code == 303
    assert "Reminder: saved. 2 messages moved." in words(operator.get(answer.location))
    assert rows("SELECT message_type, enabled, lead_days FROM message_types") == [("REMINDER", True, -3)]
    at = one("SELECT min(next_run_at) FROM jobs WHERE message_type = 'REMINDER'")
    assert at == (START - timedelta(days=3)).replace(hour=8, minute=15)
    operator.post("/messages/settings", {"weekend_rule": "previous_friday", "revision": "0"})
    assert rows("SELECT enabled, weekend_rule FROM message_settings") == [(False, "previous_friday")]
    shown = words(operator.get("/messages/settings"))
    assert "All messages are switched off above." in shown


def test_wrong_settings_are_named_and_a_stale_save_keeps_its_draft(app: APIFlask, org: OrgOf) -> None:
    operator = visit(app, factories.person(org))
    wrong = {"lead_days": "many", "send_time": "08:15", "revision": "0"}
    answer = operator.post("/messages/settings/FOLLOW_UP", wrong)
    assert answer.status_code == 422
    assert "whole number of days from 0 to 365" in words(answer)
    assert 'value="many"' in answer.text
    late = {**wrong, "lead_days": "2", "send_time": "9"}
    assert operator.post("/messages/settings/FOLLOW_UP", late).status_code == 422
    operator.post("/messages/settings/FOLLOW_UP", {**wrong, "lead_days": "2"})
    stale = operator.post("/messages/settings/FOLLOW_UP", {**wrong, "lead_days": "5"})
    assert stale.status_code == 409
    assert "saved r1 of the settings of Follow-up" in words(stale) and 'value="5"' in stale.text
    assert rows("SELECT lead_days FROM message_types") == [(2,)]
    assert operator.post("/messages/settings", {"weekend_rule": "x", "revision": "0"}).status_code == 422
