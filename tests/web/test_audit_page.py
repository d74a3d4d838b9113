"""The page of the audit trail: who did what, whether all of it is there, and all of it as a file."""

import csv
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from apiflask import APIFlask
from werkzeug.test import TestResponse

from console.core.clock import utc_now
from console.core.states import Role
from console.db.turns import turn
from console.services import jobs, recomputing, sealing, verifying
from tests import factories
from tests.factories import OrgOf, one, past_the_triggers, rows
from tests.trail_guard import Guard
from tests.web.conftest import Visitor, change, part, sign_in, visit, words

VERIFIED = "SELECT count(*) FROM audit_entries WHERE tag = 'audit:verified'"
EXPORTED = "SELECT count(*) FROM audit_entries WHERE tag = 'audit:exported'"


def test_an_entry_shows_who_did_what_to_which_and_what_it_was_before(org: OrgOf, operator: Visitor) -> None:
    job = factories.job(org, key="sweep", name="Sweep the stage")
    operator.post(f"/jobs/{job.id}/pause", {"note": "it rains"})
    number = one("SELECT number FROM audit_entries WHERE tag = 'job:paused'")
    entry = part(operator.get("/audit"), f"entry-{number}")
    said = words(entry)
    assert "Job paused job Sweep the stage" in said
    assert operator.actor.name in said.replace(" ", "")
    assert "person from 127.0.0.1" in said
    assert "enabled true false" in said
    assert "it rains" in said
    assert f'href="/jobs/{job.id}"' in entry
    assert "not sealed yet" in said
    sealing.seal(utc_now())
    place = one("SELECT position FROM audit_chain WHERE number = :number", number=number)
    said = words(part(operator.get(f"/audit?kind=job&object={job.id}"), f"entry-{number}"))
    assert f"sealed in place {place}" in said


def test_what_a_change_is_about_does_not_look_like_a_change(app: APIFlask, org: OrgOf) -> None:
    admin = visit(app, factories.person(org, Role.ADMIN))
    mara = factories.person(org, Role.VIEWER, email="mara@example.com")
    admin.post(f"/settings/people/{mara.id}", {"name": "mara", "role": "operator"})
    entry = words(admin.get("/audit?tag=user:role_changed"))
    assert "email mara@example.com role viewer operator" in entry


def test_a_request_is_called_by_its_job(app: APIFlask, org: OrgOf, operator: Visitor) -> None:
    admin = visit(app, factories.person(org, Role.ADMIN))
    job = factories.job(org, "tests.tasks.critical", name="Open the trap door")
    asked = factories.approval(org, job, actor=operator.actor)
    admin.post(f"/approvals/{asked.id}/reject", {"note": "not tonight"})
    page = words(admin.get("/audit"))
    assert "Approval requested approval Open the trap door" in page
    assert "Approval rejected approval Open the trap door" in page


@pytest.mark.usefixtures("_still")
def test_filters_and_pages_show_what_they_say(org: OrgOf, viewer: Visitor) -> None:
    for number in range(60):
        factories.job(org, key=f"job_{number}", name=f"Job {number}")
    first = viewer.get("/audit?tag=job:created")
    assert first.text.count("<summary>") == 50
    older = first.text.split('rel="next"')[1].split('href="')[1].split('"')[0].replace("&amp;", "&")
    second = viewer.get(older)
    assert second.text.count("<summary>") == 10
    assert "Job 9 " in words(second) and "Job 59 " not in words(second)
    none = viewer.get("/audit?tag=job:deleted")
    assert "No such entries" in words(none)
    mine = viewer.get(f"/audit?actor={viewer.actor.name}")
    assert mine.text.count("<summary>") == 1, "the viewer has signed in, and nothing else"
    today = utc_now().date().isoformat()
    assert viewer.get(f"/audit?from={today}&to={today}").text.count("<summary>") == 50
    assert viewer.get("/audit?to=2020-01-01").text.count("<summary>") == 0


def test_what_can_not_be_read_is_named(viewer: Visitor) -> None:
    for query, name in (
        ("tag=nonsense", "tag"),
        ("from=tomorrow", "from"),
        ("cursor=x", "cursor"),
        ("colour=red", "colour"),
    ):
        answer = viewer.get(f"/audit?{query}")
        assert answer.status_code == 422
        assert f"{name}: " in words(answer)


@pytest.mark.usefixtures("_still")
def test_verify_says_on_the_page_that_all_is_there_and_what_is_not(org: OrgOf, viewer: Visitor) -> None:
    factories.job(org)
    assert "Not verified yet" in words(viewer.get("/audit"))
    done = viewer.post("/audit/verify", htmx=True)
    assert done.text.lstrip().startswith('<section id="verification"')
    count = one("SELECT count(*) FROM audit_entries WHERE tag <> 'audit:verified'")
    assert re.search(rf"Whole {count} entries recomputed now by {viewer.actor.name}", words(done))
    number = one("SELECT number FROM audit_entries WHERE tag = 'job:created'")
    past_the_triggers("UPDATE audit_entries SET actor_name = 'nobody' WHERE number = :number", number=number)
    plain = viewer.post("/audit/verify")
    assert (plain.status_code, plain.headers["Location"]) == (303, "/audit")
    page = words(viewer.get("/audit"))
    assert "The trail is broken." in page
    assert f"Broken Entry {number} was changed after it was sealed." in page
    place = re.search(r'id="bad-entry"\s+href="([^"]+)"', viewer.get("/audit").text)
    assert place, "an auditor need not leaf through the trail for it"
    assert re.findall(r'id="entry-(\d+)"', viewer.get(place[1].partition("#")[0]).text)[0] == str(number)


def checkpoint_of(answer: TestResponse) -> str:
    found = re.search(r'name="checkpoint" value="([^"]+)"', answer.text)
    assert found
    return found[1]


@pytest.fixture
def short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trail of more than three entries is a long one."""
    monkeypatch.setattr(verifying, "SLICE", 3)
    monkeypatch.setattr(recomputing, "BATCH", 3)


@pytest.mark.usefixtures("short_slices")
def test_a_long_trail_is_verified_over_several_requests(org: OrgOf, viewer: Visitor) -> None:
    """No proxy has the patience for a million entries in one."""
    for number in range(6):
        factories.job(org, key=f"job_{number}")
    count = one("SELECT count(*) FROM audit_entries")
    answer, parts = viewer.post("/audit/verify", htmx=True), 1
    assert f"Verifying 3 of {count} (" in words(answer)
    assert f'max="{count}"' in answer.text and 'hx-trigger="load, submit"' in answer.text
    assert "HX-Trigger-After-Settle" not in answer.headers
    assert one(VERIFIED) == 0, "nothing is said before the end"
    while 'name="checkpoint"' in answer.text:
        sent = {"checkpoint": checkpoint_of(answer)}
        answer, parts = viewer.post("/audit/verify", sent, htmx=True), parts + 1
        assert parts <= count
    assert f"Whole {count} entries recomputed" in words(answer)
    assert answer.headers["HX-Trigger-After-Settle"] == "audit-changed"
    assert parts == count // 3 + 1
    (said,) = rows("SELECT new FROM audit_entries WHERE tag = 'audit:verified'")
    assert said.new["entries"] == count and "begun_at" in said.new

    number = one("SELECT max(number) FROM audit_entries WHERE tag = 'job:created'")
    past_the_triggers("UPDATE audit_entries SET reason = 'x' WHERE number = :number", number=number)
    plain = viewer.post("/audit/verify")
    while plain.status_code == 200:
        assert "<html" in plain.text and "Go on" in words(plain), "and without JavaScript by a button"
        plain = viewer.post("/audit/verify", {"checkpoint": checkpoint_of(plain)})
    assert (plain.status_code, plain.location) == (303, "/audit")
    assert f"Entry {number} was changed after it was sealed." in words(viewer.get("/audit"))


@pytest.mark.usefixtures("short_slices")
def test_a_verification_goes_on_only_from_what_this_console_gave_to_this_person(
    app: APIFlask, org: OrgOf, viewer: Visitor
) -> None:
    """Else it could pass over the entries that somebody has changed."""
    for number in range(6):
        factories.job(org, key=f"job_{number}")
    other = visit(app, factories.person(org, Role.VIEWER))
    given = checkpoint_of(viewer.post("/audit/verify", htmx=True))
    values = json.loads(urlsafe_b64decode(given))
    further = {**values, "place": [values["place"][0] + 3, *values["place"][1:]]}
    forged = urlsafe_b64encode(json.dumps(further).encode()).decode()
    by_hand = [
        urlsafe_b64encode(json.dumps({**values, **made_up}).encode()).decode()
        for made_up in (
            {"begun_at": "2030-01-01T00:00:00"},
            {"begun_at": "0001-01-01T00:00:00+23:00"},
            {"org": 5},
            {"place": [float("inf"), *values["place"][1:]]},
            {"mac": "é"},
        )
    ]
    tried = ((viewer, forged), (viewer, "nonsense"), (viewer, "é"), (other, given), (viewer, "W10="))
    for who, sent in (*tried, *((viewer, text) for text in by_hand)):
        answer = who.post("/audit/verify", {"checkpoint": sent}, htmx=True)
        assert answer.status_code == 409
        assert "Stopped This verification can't go on" in words(answer)
        assert "Verify now" in words(answer)
    assert viewer.post("/audit/verify", {"checkpoint": forged}).status_code == 409
    with turn(f"verify {org.id}") as is_mine:
        assert is_mine
        waits = viewer.post("/audit/verify", {"checkpoint": given}, htmx=True)
        assert "waits for another verification" in words(waits)
        assert checkpoint_of(waits) == given and "load delay:2s" in waits.text
    assert one(VERIFIED) == 0
    assert "Verifying 6 of" in words(viewer.post("/audit/verify", {"checkpoint": given}, htmx=True))
    with time_machine.travel(utc_now() + timedelta(minutes=61)):
        late = viewer.post("/audit/verify", {"checkpoint": given}, htmx=True)
        assert (late.status_code, "more than an hour ago" in words(late)) == (409, True)
    assert one(VERIFIED) == 0


def test_the_bad_entry_is_marked_where_it_stands_or_stood(org: OrgOf, viewer: Visitor) -> None:
    for number in range(60):
        factories.job(org, key=f"job_{number}")
    sealing.seal(utc_now())
    first, *_, last = [
        row.number for row in rows("SELECT number FROM audit_entries WHERE tag = 'job:created' ORDER BY 1")
    ]
    past_the_triggers("UPDATE audit_entries SET reason = 'x' WHERE number = :number", number=last)
    viewer.post("/audit/verify")
    marked = part(viewer.get("/fragments/audit/table"), f"entry-{last}")
    assert 'class="is-bad"' in marked and "Not as it was sealed" in words(marked)
    assert viewer.get("/audit").text.count('class="is-bad"') == 1
    past_the_triggers("DELETE FROM audit_entries WHERE number = :number", number=first)
    viewer.post("/audit/verify")
    newest, place = viewer.get("/audit").text, viewer.get("/audit")
    assert "was sealed here, and is not there any more" not in newest
    found = re.search(r'id="bad-entry"\s+href="([^"#]+)#([^"]+)"', place.text)
    assert found and found[2] == f"entry-{first}"
    gone = viewer.get(found[1].replace("&amp;", "&"))
    assert f"Entry {first} was sealed here, and is not there any more." in words(part(gone, found[2]))
    listed = re.findall(r'id="entry-(\d+)"', gone.text)
    assert listed[0] == str(first), "and below it the entries from before"


def test_one_verification_at_a_time(app: APIFlask, org: OrgOf, viewer: Visitor) -> None:
    """It reads everything, and every viewer may ask for it: many side by side would stop the console."""
    entries = one("SELECT count(*) FROM audit_entries")
    with turn(f"verify {org.id}") as is_mine:
        assert is_mine
        answer = viewer.post("/audit/verify", htmx=True)
        assert answer.status_code == 409
        assert "This trail is being verified just now" in words(answer)
        call = app.test_client().get(
            "/api/v1/audit/verify", headers={"Authorization": f"Bearer {factories.token(org, Role.VIEWER)}"}
        )
        assert call.status_code == 409
        assert verifying.verify(factories.org().admin, now=utc_now()).ok, "of another org"
    assert one("SELECT count(*) FROM audit_entries WHERE org_id = :org", org=org.id) == entries + 2
    assert viewer.post("/audit/verify").status_code == 303


def test_the_trail_as_a_file_is_itself_an_entry(org: OrgOf, viewer: Visitor) -> None:
    factories.job(org, key="formula", name='=HYPERLINK("http://bad.example")')
    lines = viewer.get("/audit/export?format=jsonl&tag=job:created")
    assert lines.mimetype == "application/x-ndjson"
    (entry,) = [json.loads(line) for line in lines.text.splitlines()]
    assert entry["new"]["name"].startswith("=HYPERLINK")
    assert (entry["tag"], entry["actor_name"], entry["position"]) == ("job:created", "tests", None)
    whole = viewer.get("/audit/export?format=csv")
    assert "attachment" in whole.headers["Content-Disposition"]
    table = list(csv.DictReader(StringIO(whole.text)))
    assert len(table) == one("SELECT count(*) FROM audit_entries") - 1
    assert [row["tag"] for row in table][-1] == "audit:exported"
    assert not any(cell.startswith("=") for row in table for cell in row.values())
    (said,) = {
        row.actor_name for row in rows("SELECT actor_name FROM audit_entries WHERE tag = 'audit:exported'")
    }
    assert said == viewer.actor.name
    assert one(EXPORTED) == 2
    assert viewer.get("/audit/export?format=xml").status_code == 422
    assert one(EXPORTED) == 2


def test_no_entry_of_another_org_is_shown_exported_or_verified(
    app: APIFlask, org: OrgOf, stranger: Visitor
) -> None:
    factories.job(org, key="confidential", name="Confidential")
    for path in ("/audit", "/audit/export?format=csv", "/audit/export"):
        assert "onfidential" not in stranger.get(path).text
    past_the_triggers("UPDATE audit_entries SET reason = 'x' WHERE tag = 'job:created'")
    assert "Whole" in words(stranger.post("/audit/verify", htmx=True))


def test_what_somebody_may_not_do_and_tried_is_on_the_trail(org: OrgOf, viewer: Visitor) -> None:
    job = factories.job(org)
    assert viewer.post(f"/jobs/{job.id}/pause").status_code == 403
    ((name, what, reason, address, request_id),) = rows(
        "SELECT actor_name, object_id, reason, address, request_id FROM audit_entries "
        "WHERE tag = 'access:refused'"
    )
    assert (name, what) == (viewer.actor.name, f"POST /jobs/{job.id}/pause")
    assert "This needs the role operator; you have viewer." in reason
    assert address == "127.0.0.1" and request_id
    assert jobs.get(org.admin, job.id, now=utc_now()).status == "scheduled"
    assert "Access refused request POST /jobs/" in words(viewer.get("/audit"))


def test_a_wrong_password_is_on_the_trail_with_where_it_came_from(app: APIFlask, org: OrgOf) -> None:
    person = factories.person(org, Role.OPERATOR)
    assert person.email
    assert sign_in(app.test_client(), person.email, "not the password").status_code == 401
    page = words(visit(app, person).get("/audit?tag=session:refused"))
    assert "Session refused" in page
    assert "person from 127.0.0.1" in page
    assert "another password" in page
    assert "not the password" not in page
    asked = rows(
        "SELECT DISTINCT request_id IS NULL AS missing FROM audit_entries WHERE tag LIKE 'session:%'"
    )
    assert [row.missing for row in asked] == [False]


def test_a_request_that_changes_something_without_an_entry_would_be_noticed(
    app: APIFlask, org: OrgOf, everything_is_on_the_trail: Guard
) -> None:
    """What watches over every request of these tests, watched itself."""
    with app.test_request_context("/settings/org", method="POST"):
        change("UPDATE orgs SET name = 'Quietly'")
    assert everything_is_on_the_trail.missing == ["POST /settings/org changed orgs"]
    everything_is_on_the_trail.missing.clear()
