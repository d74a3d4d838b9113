"""The mail that the built-in catcher took."""

import re
from collections.abc import Iterator
from email.message import EmailMessage
from html import unescape

import pytest
from apiflask import APIFlask

from console.core.clock import utc_now
from console.core.settings import Settings
from console.services import outbox
from console.services.mail import RUN_HEADER
from tests import factories
from tests.factories import OrgOf, one
from tests.web.conftest import Things, Visitor, catch, words

RAW = (
    b"From: callboard@localhost\r\nTo: a@example.com\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"RUN_HEADER: RUN_ID\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n<b>Hello</b> & welcome\r\n"
)


@pytest.fixture
def _real_mail(app: APIFlask, settings: Settings) -> Iterator[None]:
    """This console sends mail to a real server."""
    outbox.configure(embedded=False)
    yield
    outbox.configure(embedded=settings.outbox)


def test_caught_mail_is_listed_newest_first_and_readable(operator: Visitor, org: OrgOf) -> None:
    run = factories.run(org, factories.job(org))
    raw = RAW.replace(b"RUN_HEADER: RUN_ID", f"{RUN_HEADER}: {run.id}".encode())
    outbox.record(raw, "callboard@localhost", ("a@example.com", "b@example.com"), utc_now())
    catch(org, "Newer")
    mail_id = one("SELECT id FROM caught_mails WHERE subject = 'Grüße'")
    listed = words(operator.get("/outbox"))
    assert listed.index("Newer") < listed.index("Grüße")
    assert "a@example.com, b@example.com" in listed
    answer = operator.get(f"/outbox/{mail_id}")
    assert "<b>Hello</b>" not in answer.text
    assert "<b>Hello</b> & welcome" in words(answer)
    assert f'href="/runs/{run.id}"' in answer.text


def test_an_html_part_is_shown_as_its_source_and_never_as_a_page(operator: Visitor, org: OrgOf) -> None:
    message = EmailMessage()
    message["Subject"], message[RUN_HEADER] = "Both", str(factories.run(org, factories.job(org)).id)
    message.set_content("The text.")
    message.add_alternative('<p onclick="x()">The <b>HTML</b> & <script>y()</script></p>', subtype="html")
    outbox.record(message.as_bytes(), "callboard@localhost", ("a@example.com",), utc_now())
    mail_id = one("SELECT id FROM caught_mails")
    answer = operator.get(f"/outbox/{mail_id}")
    assert "<b>HTML" not in answer.text and "<script>y" not in answer.text and "<p onclick" not in answer.text
    assert "The text." in words(answer)
    assert '<p onclick="x()">The <b>HTML</b> & <script>y()</script></p>' in words(answer)
    assert "'unsafe" not in answer.headers["Content-Security-Policy"]


def test_a_mail_without_html_shows_its_text_alone(operator: Visitor, org: OrgOf) -> None:
    assert "HTML" not in words(operator.get(f"/outbox/{catch(org)}"))


def test_an_empty_outbox_says_how_mail_gets_there(operator: Visitor) -> None:
    assert "No mail yet" in words(operator.get("/outbox"))


def test_the_mail_of_another_org_is_not_shown(operator: Visitor, stranger: Visitor, things: Things) -> None:
    assert "Confidential mail" in operator.get("/outbox").text
    for path in ("/outbox", "/fragments/outbox/table", f"/outbox/{things.mail_id}"):
        assert "Confidential" not in stranger.get(path).text
    assert stranger.get(f"/outbox/{things.mail_id}").status_code == 404


def test_it_pages_through_all(operator: Visitor, org: OrgOf) -> None:
    made = {str(catch(org, f"Mail {number}")) for number in range(51)}
    first = operator.get("/outbox").text
    found = re.search(r'id="next-page"\s+rel="next"\s+href="([^"]+)"', first)
    assert found is not None
    second = operator.get(unescape(found[1])).text
    seen = re.findall(r'id="mail-([0-9a-f-]{36})"', first + second)
    assert len(seen) == 51 and set(seen) == made


@pytest.mark.usefixtures("_real_mail")
def test_a_console_that_sends_real_mail_has_no_outbox(operator: Visitor, things: Things) -> None:
    for path in ("/outbox", "/fragments/outbox/table", f"/outbox/{things.mail_id}"):
        answer = operator.get(path)
        assert answer.status_code == 404
        assert "sends real mail, so it has no outbox" in words(answer)
        assert "Confidential" not in answer.text
    assert 'href="/outbox"' not in operator.get("/").text
