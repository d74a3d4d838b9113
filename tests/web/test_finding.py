"""Finding jobs: tabs by type with counts, filters by event and recipient, and what the table leaves out."""

import csv
import re
from datetime import timedelta
from html import unescape
from io import StringIO
from uuid import UUID

import pytest

from console.core.clock import utc_now
from console.plugins.messages import events
from console.plugins.messages.events import EventChange
from console.services.job_files import COLUMNS
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import Visitor, part, words

LINK = re.compile(r'id="(tab-\w+)"\s+href="([^"]+)"\s+(aria-current="true")?')
ROW = re.compile(r'class="job-link"[^>]*>([^<]+)</a>')


def names(text: str) -> list[str]:
    return [unescape(name) for name in ROW.findall(text)]


def tabs(visitor: Visitor, path: str = "/") -> str:
    """`All 5 Init 1 …` as the page says it."""
    found = re.search(r'<nav class="tabs type-tabs".*?</nav>', visitor.get(path).text, re.DOTALL)
    return words(found[0]) if found else ""


@pytest.fixture
def hamlet(org: OrgOf) -> str:
    """An event with a contact and one of a crew: INIT, two reminders, a follow-up; and a task beside them."""
    factories.job(org, name="Sweep the stage")
    made = factories.event(org, "Hamlet", venue="Main Stage", crew=["lee@northside.example"])
    return str(made.id)


def test_without_a_message_there_are_no_tabs_by_type(operator: Visitor, org: OrgOf) -> None:
    factories.job(org, name="Sweep the stage")
    page = operator.get("/").text
    assert "type-tabs" not in page and 'aria-label="Kind of job"' in page
    assert 'name="recipient"' not in page


def test_each_tab_counts_and_shows_the_messages_of_its_type(operator: Visitor, hamlet: str) -> None:
    assert tabs(operator) == "All 5 Init 1 Reminder 2 Follow-up 1 Free 0 Tasks 1"
    assert names(operator.get("/?type=TASKS").text) == ["Sweep the stage"]
    assert names(operator.get("/?type=FREE").text) == []
    shown = operator.get("/?type=REMINDER")
    assert names(shown.text) == ["Hamlet · Reminder"] * 2
    assert [link[0] for link in LINK.findall(shown.text) if link[2]] == ["tab-reminder"]
    assert one("SELECT count(*) FROM jobs WHERE message_type = 'REMINDER'") == 2


def test_the_counts_hold_under_the_other_filters_and_links_keep_them(
    operator: Visitor, org: OrgOf, hamlet: str
) -> None:
    factories.event(org, "Faust", contact_email="stage@faust.example")
    path = f"/?event={hamlet}&recipient=LEE@northside.example&type=INIT"
    assert tabs(operator, path) == "All 1 Init 0 Reminder 1 Follow-up 0 Free 0 Tasks 0"
    links = {name: unescape(address) for name, address, _ in LINK.findall(operator.get(path).text)}
    shown = operator.get(links["tab-reminder"])
    assert names(shown.text) == ["Hamlet · Reminder"]
    assert f"event={hamlet}" in links["tab-all"] and "type=" not in links["tab-all"]


def test_an_event_is_chosen_from_those_that_have_jobs(
    operator: Visitor, org: OrgOf, hamlet: str, stranger: Visitor
) -> None:
    factories.event(org, "Nearer", starts_at=utc_now() + timedelta(days=9))
    factories.event(org, "Long ago", starts_at=utc_now() - timedelta(days=400))
    choice = part(operator.get("/"), "event")
    assert re.findall(r">(\w[^<]*?) \(", choice) == ["Nearer", "Hamlet"]
    assert "Hamlet (Main Stage, " in choice
    assert "Hamlet" not in operator.get(f"/?event={hamlet}").text.split('id="event"')[0]
    strange = stranger.get(f"/?event={hamlet}")
    assert strange.status_code == 200 and "Hamlet" not in strange.text


def test_what_is_set_stands_as_chips_that_take_it_away(operator: Visitor, hamlet: str) -> None:
    path = f"/?event={hamlet}&recipient=lee@northside.example&status=scheduled&q=hamlet&from=2020-01-01"
    page = operator.get(path).text
    chips = {
        name: unescape(address) for name, address in re.findall(r'id="without-(\w+)"\s+href="([^"]+)"', page)
    }
    assert set(chips) == {"event", "recipient", "status", "q", "from"}
    assert "recipient" not in chips["recipient"] and "event=" in chips["recipient"]
    assert len(names(operator.get(chips["recipient"]).text)) == 4
    assert 'name="type"' not in part(operator.get(path), "status")


def test_what_needs_not_go_out_is_hidden_until_it_is_asked_for(
    operator: Visitor, org: OrgOf, hamlet: str
) -> None:
    known = EventChange(load_in_at=utc_now() + timedelta(days=29))
    (event_id,) = rows("SELECT id FROM events")[0]
    events.edit(org.admin, event_id, known, now=utc_now())
    assert rows("SELECT status, status_reason FROM jobs WHERE message_type = 'INIT'") == [
        ("skipped", "HAS_LOAD_IN_TIME")
    ]
    page = operator.get("/")
    assert "Hamlet · Init" not in names(page.text)
    assert tabs(operator) == "All 4 Init 0 Reminder 2 Follow-up 1 Free 0 Tasks 1"
    foot = part(page, "jobs-foot")
    assert "4 jobs · 1 hidden: load-in known" in words(foot)
    address = re.search(r'id="show-settled"\s+href="([^"]+)"', foot)
    assert address is not None
    shown = operator.get(unescape(address[1]))
    assert "Hamlet · Init" in names(shown.text)
    assert "hidden" not in words(part(shown, "jobs-foot"))
    assert 'id="without-settled"' in shown.text
    assert "All 5 Init 1" in tabs(operator, unescape(address[1]))
    assert names(operator.get("/?status=skipped").text) == ["Hamlet · Init"]
    assert "hidden" not in words(part(operator.get("/?type=TASKS"), "jobs-foot"))


@pytest.mark.usefixtures("_still")
def test_the_poll_and_the_bulk_form_take_every_filter(operator: Visitor, hamlet: str) -> None:
    query = f"type=REMINDER&event={hamlet}&recipient=lee@northside.example&settled=1"
    fragment, page = operator.get(f"/fragments/jobs/table?{query}"), operator.get(f"/?{query}")
    assert fragment.text.strip() in page.text
    found = re.search(r'hx-get="(/fragments/jobs/table[^"]+)"', fragment.text)
    assert found is not None
    poll = unescape(found[1])
    assert all(name in poll for name in ("type=REMINDER", f"event={hamlet}", "recipient=lee", "settled=1"))
    assert operator.get(poll).status_code == 204
    chosen = {"matching": "1", "action": "pause", "type": "REMINDER", "event": hamlet, "settled": "1"}
    dialog = operator.post("/jobs/bulk/confirmation", chosen, htmx=True)
    assert dialog.status_code == 200 and "2 jobs" in words(dialog)


def test_a_search_is_counted_by_type_too(
    operator: Visitor, org: OrgOf, hamlet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = EventChange(load_in_at=utc_now() + timedelta(days=29))
    events.edit(org.admin, UUID(hamlet), known, now=utc_now())
    assert tabs(operator, "/?q=hamlet") == "All 3 Init 0 Reminder 2 Follow-up 1 Free 0 Tasks 0"
    assert "3 jobs · 1 hidden" in words(part(operator.get("/?q=hamlet"), "jobs-foot"))
    assert tabs(operator, "/?q=hamlet&settled=1").startswith("All 4 Init 1")
    assert tabs(operator, "/?q=hamlet&status=skipped").startswith("All 1 Init 1")
    assert "hidden" not in words(part(operator.get("/?q=hamlet&type=REMINDER"), "jobs-foot"))
    assert tabs(operator, "/?q=sweep").endswith("Tasks 1")
    monkeypatch.setattr("console.services.job_tabs.SEARCHED_UP_TO", 1)
    assert "+" in tabs(operator, "/?q=hamlet")
    assert "3 jobs" in words(part(operator.get("/?q=hamlet"), "jobs-foot"))


def test_counts_end_at_ten_thousand(operator: Visitor, hamlet: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.services.job_tabs.COUNTED_UP_TO", 1)
    monkeypatch.setattr("console.services.jobs.COUNTED_UP_TO", 1)
    assert tabs(operator) == "All 1+ Init 1 Reminder 1+ Follow-up 1 Free 0 Tasks 1"
    assert "1+ job" in words(part(operator.get("/?type=REMINDER"), "jobs-foot"))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("type=LETTER", "type"),
        ("event=hamlet", "event"),
        ("settled=yes", "settled"),
        ("recipient=%00", "recipient"),
    ],
)
def test_a_filter_that_can_not_be_read_is_named(operator: Visitor, query: str, field: str) -> None:
    answer = operator.get(f"/?{query}")
    assert answer.status_code == 422
    assert f"{field}:" in words(answer)


def test_the_head_offers_what_the_role_may(operator: Visitor, viewer: Visitor, hamlet: str) -> None:
    page = operator.get("/?type=REMINDER").text
    assert 'id="delete-all"' in page and "/deletions/new?type=REMINDER" in page
    seen = viewer.get("/").text
    assert 'id="delete-all"' not in seen and 'id="deleted-jobs"' in seen


def test_the_filtered_table_is_written_as_csv_that_no_spreadsheet_calculates(
    operator: Visitor, org: OrgOf, hamlet: str
) -> None:
    factories.job(org, key="evil", name='=HYPERLINK("x")', subject='a, "b"\nc')
    address = re.search(r'id="export-csv"\s+download\s+href="([^"]+)"', operator.get("/?type=TASKS").text)
    assert address is not None
    answer = operator.get(unescape(address[1]))
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="jobs-2')
    (head, *found) = csv.reader(StringIO(answer.text))
    assert tuple(head) == COLUMNS
    assert [line[2] for line in found] == ['\'=HYPERLINK("x")', "Sweep the stage"]
    assert found[0][7] == 'a, "b"\nc'
    (_, line) = csv.DictReader(StringIO(operator.get(f"/jobs/export?type=REMINDER&event={hamlet}").text))
    assert (line["event"], line["event_id"], line["message_type"]) == ("Hamlet", hamlet, "REMINDER")
    assert line["send_at"].endswith("+00:00") and line["status"] == "scheduled"


def test_an_export_is_read_in_pages_and_says_when_it_is_cut(
    operator: Visitor, org: OrgOf, hamlet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.services.job_files.AT_ONCE", 2)
    whole = operator.get("/jobs/export?format=json")
    assert whole.mimetype == "application/json" and whole.json["is_cut"] is False
    assert len({line["id"] for line in whole.json["jobs"]}) == 5
    monkeypatch.setattr("console.services.job_files.MOST", 4)
    cut = operator.get("/jobs/export?format=json")
    assert cut.json["is_cut"] is True and cut.json["jobs"] == whole.json["jobs"][:4]
    assert "first-4-" in cut.headers["Content-Disposition"]
    assert operator.get("/jobs/export?format=xml").status_code == 422


def test_an_export_holds_nothing_of_another_org(stranger: Visitor, hamlet: str) -> None:
    assert stranger.get("/jobs/export?format=json").json["jobs"] == []
