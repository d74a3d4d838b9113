"""The page of new messages: what it shows, keeps and refuses, with and without a script."""

from html import unescape
from typing import Any
from uuid import uuid4

from werkzeug.test import TestResponse

from console.plugins.messages.views import EventView
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.plugins.messages.letters import ANA
from tests.plugins.messages.test_wizard import BY_HAND, DOORS, LEE, hamlet, in_days
from tests.web.conftest import Visitor, part, words

PATH = "/messages/new"


def form(about: EventView, **fields: str) -> dict[str, Any]:
    """The form as a browser sends it."""
    given = {"event": str(about.id), "shown_event": str(about.id), "form": uuid4().hex, "type": "FREE"}
    usual = {"recipients": ANA, "others": "", "when": "at", "send_at": "2030-06-01T10:00"}
    return given | usual | {"subject": DOORS.subject, "text": DOORS.text, "html": ""} | fields


def chosen(page: TestResponse) -> list[str]:
    """The addresses that are ticked."""
    found = part(page, "recipients").split("<input")[2:]
    return [unescape(item.split('value="')[1].split('"')[0]) for item in found if "checked" in item]


def test_it_begins_with_the_nearest_event_or_the_one_asked_for_and_its_contact(
    operator: Visitor, org: OrgOf
) -> None:
    empty = operator.get(PATH)
    assert "No events" in words(empty) and 'href="/events/new"' in empty.text
    far = factories.event(org, "Woyzeck", starts_at=in_days(50), contact_email="wim@x.example")
    hamlet(org)
    first = operator.get(PATH)
    assert chosen(first) == [ANA] and LEE in words(part(first, "recipients"))
    assert "on the clocks of Europe/Berlin" in words(first) and "Not ready yet" in words(first)
    assert 'role="alert"' not in part(first, "main")
    asked = operator.get(f"{PATH}?event={far.id}&type=REMINDER")
    assert chosen(asked) == ["wim@x.example"] and f'value="{far.id}" selected' in asked.text
    shown = words(part(asked, "wizard-preview"))
    assert "1 message" in shown and "Subject Reminder: Woyzeck" in shown and "built-in template" in shown
    assert "DUPLICATE" in shown and "is there already for" in shown
    assert operator.get(f"{PATH}?event={uuid4()}").status_code == 404
    for address in ("/", f"/events/{far.id}"):
        assert 'id="new-message"' in operator.get(address).text


def test_the_preview_follows_the_draft_and_brings_the_recipients_of_another_event_along(
    operator: Visitor, org: OrgOf
) -> None:
    event = hamlet(org)
    other = factories.event(org, "Woyzeck", venue="Foyer", contact_email="wim@x.example", timezone="UTC")
    fine = operator.post(f"{PATH}/preview", form(event), htmx=True)
    assert fine.text.lstrip().startswith('<section id="wizard-preview"')
    assert "Subject Doors of Hamlet" in words(fine) and "come to Main Stage" in words(fine)
    assert "Sat 1 Jun 2030 10:00 (Europe/Berlin)" in words(fine)
    assert 'id="recipients"' not in fine.text and "Schedule the message" in words(fine)
    now = operator.post(f"{PATH}/preview", form(event, when="now", others=f"{LEE} wim@x.example"), htmx=True)
    assert "3 messages, one to each recipient, at once." in words(now)
    assert "Send 3 messages now" in words(now)
    moved = operator.post(f"{PATH}/preview", form(event, event=str(other.id)), htmx=True)
    assert chosen(moved) == ["wim@x.example"] and "on the clocks of UTC" in words(moved)
    assert "come to Foyer" in words(moved) and 'hx-swap-oob="true"' in part(moved, "recipients")
    wrong = operator.post(f"{PATH}/preview", form(event, text="{{ venu }}", recipients=""), htmx=True)
    assert "did you mean venue?" in words(wrong) and "Recipients choose at least one" in words(wrong)
    plain = operator.post(f"{PATH}/preview", form(event, event=str(other.id)))
    assert plain.status_code == 200 and chosen(plain) == ["wim@x.example"]
    assert "come to Foyer" in words(part(plain, "wizard-preview"))
    taken = operator.post(f"{PATH}/preview", form(event, take="1", source="FOLLOW_UP", others=LEE))
    assert "Thank you: {{ event_name }}" in unescape(taken.text) and f">\n{LEE}</textarea>" in taken.text
    assert rows(BY_HAND) == []


def test_schedule_makes_the_messages_and_shows_them_in_the_table(operator: Visitor, org: OrgOf) -> None:
    event = hamlet(org)
    sent = form(event, others=f"{LEE}; kim@x.example", html="<b>{{ venue }}</b>")
    answer = operator.post(PATH, sent)
    assert (answer.status_code, answer.location) == (303, f"/?event={event.id}")
    assert [job.recipient for job in rows(BY_HAND)] == [ANA, "kim@x.example", LEE]
    assert {job.next_run_at.isoformat() for job in rows(BY_HAND)} == {"2030-06-01T08:00:00+00:00"}
    assert (
        one("SELECT DISTINCT args ->> 'html' FROM jobs WHERE message_type = 'FREE'") == "<b>{{ venue }}</b>"
    )
    table = operator.get(answer.location)
    assert "Hamlet: 3 messages scheduled for Sat 1 Jun 2030 10:00 (Europe/Berlin)." in words(table)
    assert words(table).count("Hamlet · Free") >= 3
    again = operator.post(PATH, sent)
    assert again.status_code == 303 and len(rows(BY_HAND)) == 3
    assert "made already by this very form" in words(operator.get(again.location))


def test_a_refused_form_keeps_all_that_was_typed_with_each_mistake_beside_its_field(
    operator: Visitor, org: OrgOf
) -> None:
    event = hamlet(org)
    bad = form(
        event, recipients=LEE, others="wim at x", text="Come to {{ venu }}", send_at="soon", html="<i>"
    )
    answer = operator.post(PATH, bad)
    assert answer.status_code == 422 and chosen(answer) == [LEE]
    for kept in ("wim at x", "Come to {{ venu }}", "&lt;i&gt;", "Doors of {{ event_name }}", bad["form"]):
        assert kept in answer.text
    assert "“at” is not a mail address" in words(part(answer, "recipients-error"))
    assert "did you mean venue?" in words(part(answer, "text-error"))
    assert "Choose a date and a time" in words(part(answer, "send_at-error"))
    past = operator.post(PATH, form(event, send_at="2020-01-01T10:00"))
    assert past.status_code == 422 and "Lies in the past" in words(part(past, "send_at-error"))
    twice = operator.post(PATH, form(event, send_at="2030-10-27T02:30"))
    assert twice.status_code == 422 and 'name="send_at_fold"' in twice.text
    gone = operator.post(PATH, form(event, event=str(uuid4()), text="Typed for long"))
    assert gone.status_code == 422 and "choose another one" in words(gone) and "Typed for long" in gone.text
    factories.live_worker(tasks=[])
    refused = operator.post(PATH, form(event, when="now", text="Typed for long"))
    assert (
        refused.status_code == 409 and "NOT_REGISTERED" in words(refused) and "Typed for long" in refused.text
    )
    assert rows(BY_HAND) == []
    assert operator.post(PATH, form(event, send_at="2030-10-27T02:30", send_at_fold="1")).status_code == 303
    assert one("SELECT next_run_at FROM jobs WHERE message_type = 'FREE'").hour == 1


def test_recipients_that_were_never_shown_get_nothing(operator: Visitor, viewer: Visitor, org: OrgOf) -> None:
    event, other = hamlet(org), factories.event(org, "Woyzeck", contact_email="wim@x.example")
    answer = operator.post(PATH, form(event, event=str(other.id)))
    assert answer.status_code == 422 and chosen(answer) == ["wim@x.example"]
    assert "another event than before" in words(part(answer, "recipients-error"))
    assert rows(BY_HAND) == []
    assert viewer.get(PATH).status_code == 403
    assert viewer.post(PATH, form(event)).status_code == 403 and rows(BY_HAND) == []
