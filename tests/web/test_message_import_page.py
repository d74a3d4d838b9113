"""Importing messages on the page: shown row by row, done as it was shown, and refused as a whole."""

import re
from html import unescape
from io import BytesIO

import pytest

from console.core.clock import utc_now
from console.services import edits
from console.services.changes import Change
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import Visitor, csrf_of, part, words

RECIPIENT = "SELECT recipient FROM jobs WHERE message_type = 'INIT'"


@pytest.fixture
def file(operator: Visitor, org: OrgOf) -> str:
    """An export of one message, with another recipient."""
    factories.event(org, "Hamlet", contact_email="ana@northside.example")
    text = operator.get("/jobs/export?type=INIT").text
    return text.replace("ana@northside.example", "max@northside.example")


def mark(text: str) -> str:
    found = re.search(r'name="mark" value="(\w+)"', text)
    assert found is not None
    return found[1]


def test_the_head_leads_to_it_and_a_file_is_shown_before_it_is_done(operator: Visitor, file: str) -> None:
    assert 'href="/messages/import"' in part(operator.get("/"), "import-messages")
    fields = {"csrf_token": csrf_of(operator.client), "file": (BytesIO(file.encode()), "jobs.csv")}
    shown = operator.client.post("/messages/import/plan", data=fields)
    assert shown.status_code == 200
    assert "Messages: 0 to create, 1 to change" in words(shown)
    assert "To from ana@northside.example to max@northside.example" in words(part(shown, "plan"))
    assert one(RECIPIENT) == "ana@northside.example"
    held = re.search(r'aria-label="The file">\n(.*?)</textarea>', shown.text, re.DOTALL)
    assert held is not None
    sent = {
        "text": unescape(held[1]).replace("\n", "\r\n"),
        "mark": mark(shown.text),
        "reason": "new contact",
    }
    done = operator.post("/messages/import", sent)
    assert (done.status_code, done.headers["Location"]) == (303, "/")
    assert one(RECIPIENT) == "max@northside.example"
    assert "Imported: 0 created, 1 changed, 0 as they were." in words(operator.get("/"))
    again = operator.post("/messages/import/plan", {"text": file.replace(",1,,,", ",,,,")})
    assert "Nothing to do: the file says what is there" in words(again)


def test_what_somebody_changed_since_is_shown_anew_and_not_done(
    operator: Visitor, org: OrgOf, file: str
) -> None:
    shown = operator.post("/messages/import/plan", {"text": file})
    (job_id,) = rows("SELECT id FROM jobs WHERE message_type = 'INIT'")[0]
    edits.edit(org.admin, job_id, Change(recipient="kim@x.example"), now=utc_now())
    answer = operator.post("/messages/import", {"text": file, "mark": mark(shown.text)})
    assert answer.status_code == 409
    assert "Not imported: somebody changed messages since you looked" in words(answer)
    assert "1 conflict: nothing can be imported" in words(answer)
    assert "revision 2 by now" in words(answer) and 'id="apply-plan"' not in answer.text
    assert one(RECIPIENT) == "kim@x.example"


def test_mistakes_stand_by_line_and_column_and_the_text_is_kept(operator: Visitor, file: str) -> None:
    wrong = file.replace("max@northside.example", "<nobody>")
    answer = operator.post("/messages/import/plan", {"text": wrong})
    assert answer.status_code == 422
    assert "2 recipient is not a mail address" in words(part(answer, "import-problem"))
    assert "&lt;nobody&gt;" in part(answer, "text")
    assert one(RECIPIENT) == "ana@northside.example"


def test_viewers_are_refused(viewer: Visitor, file: str) -> None:
    assert viewer.get("/messages/import").status_code == 403
    assert viewer.post("/messages/import", {"text": file}).status_code == 403
    assert 'id="import-messages"' not in viewer.get("/").text
    assert one(RECIPIENT) == "ana@northside.example"
