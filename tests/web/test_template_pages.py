"""The editor of a message's template: what it shows, keeps and refuses, with and without a script."""

from datetime import UTC, datetime
from html import unescape

import pytest

from console.core.clock import utc_now
from console.core.states import MessageType
from console.plugins.messages import templates
from console.plugins.messages.templating import Words
from tests import factories
from tests.factories import OrgOf, one
from tests.web.conftest import Visitor, part, words

PATH = "/messages/templates/REMINDER"
DRAFT = {"seen": "0", "subject": "{{ event_name }} is near", "text": "Come to {{ venue }}.", "html": ""}


@pytest.mark.usefixtures("_still")
def test_the_list_shows_each_types_template_with_its_version_and_who_saved_it(
    operator: Visitor, org: OrgOf
) -> None:
    assert words(operator.get("/messages/templates")).count("built-in") == 3
    mine = Words("Hi", "Hello")
    templates.save(operator.actor, MessageType.FOLLOW_UP, mine, seen=0, now=utc_now())
    page = operator.get("/messages/templates")
    assert words(page).count("built-in") == 2
    assert "Follow-up Hi 1 now Today" in words(page) and operator.actor.name in words(page)
    assert 'href="/messages/templates/FOLLOW_UP"' in page.text


def test_the_preview_is_written_with_the_nearest_event_or_the_one_chosen_or_an_example(
    operator: Visitor, org: OrgOf, stranger: Visitor
) -> None:
    empty = operator.get(PATH)
    assert "Preview with an example" in words(empty) and "Reminder: Hamlet, Saturday 28 November" in words(
        empty
    )
    far = factories.event(org, "Peer Gynt", starts_at=datetime(2031, 3, 1, 19, 0, tzinfo=UTC))
    near = factories.event(org, "Woyzeck", venue="Foyer", contact_name="Ana")
    assert "Preview for the contact of Woyzeck" in words(operator.get(PATH))
    page = operator.get(f"{PATH}?event={far.id}")
    shown = words(part(page, "template-preview"))
    assert "To ana@northside.example" in shown and "Saturday 1 March 2031" in shown
    assert f'value="{far.id}" selected' in page.text
    assert f'<option value="{near.id}">' in page.text
    assert "Preview with an example" in words(operator.get(f"{PATH}?event=example"))
    assert stranger.get(f"{PATH}?event={far.id}").status_code == 404
    assert "Peer Gynt" not in stranger.get(PATH).text


def test_html_is_shown_in_a_sandbox_that_may_do_nothing(operator: Visitor, org: OrgOf) -> None:
    sent = {**DRAFT, "html": '<b>{{ event_name }}</b><script>alert(1)</script>"><i>'}
    answer = operator.post(f"{PATH}/preview", sent, htmx=True)
    assert answer.status_code == 200 and answer.text.lstrip().startswith('<section id="template-preview"')
    frame = part(answer, "template-preview").split("<iframe")[1].split("</iframe>")[0]
    assert " sandbox\n" in frame and "allow" not in frame
    assert "<" not in frame.rstrip(">").rstrip()
    document = unescape(frame.split('srcdoc="')[1].split('"')[0])
    assert document.startswith(
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:">'
    )
    assert document.endswith('<b>Hamlet</b><script>alert(1)</script>"><i>')
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "frame-src" not in policy
    assert one("SELECT count(*) FROM message_templates") == 0


def test_the_preview_follows_the_draft_and_says_what_is_wrong_with_it(operator: Visitor, org: OrgOf) -> None:
    factories.event(org, "Woyzeck", venue="Foyer")
    fine = operator.post(f"{PATH}/preview", DRAFT, htmx=True)
    assert "Subject Woyzeck is near Come to Foyer." in words(fine)
    wrong = operator.post(f"{PATH}/preview", {**DRAFT, "text": "a\n{{ venu }}"}, htmx=True)
    assert "text, line 2: there is no variable “venu”; did you mean venue?" in words(wrong)
    page = operator.get(PATH)
    wrapper = page.text.split('hx-trigger="input from:#template-form delay:300ms"')[1]
    assert wrapper.index('id="template-preview"') < wrapper.index('id="variables-title"')
    plain = operator.post(f"{PATH}/preview", DRAFT)
    assert "Woyzeck is near" in words(part(plain, "template-preview"))
    assert (
        'value="{{ event_name }} is near"' in plain.text and "Come to {{ venue }}.</textarea>" in plain.text
    )


def test_a_save_makes_the_next_version_and_history_brings_an_old_one_back(
    operator: Visitor, org: OrgOf
) -> None:
    answer = operator.post(PATH, {**DRAFT, "reason": "friendlier"})
    assert (answer.status_code, answer.location) == (303, PATH)
    page = operator.get(PATH)
    assert "Saved version 1." in words(page)
    history = page.text.split('<ol class="history')[1]
    assert "Version 1 in force" in words(history) and "friendlier" in history
    assert f"by {operator.actor.name}" in words(history) and "Restore version 1" not in words(history)
    again = operator.post(PATH, {**DRAFT, "seen": "1"})
    assert again.status_code == 303 and "Version 1 says this already." in words(operator.get(PATH))
    back = operator.post(f"{PATH}/restore", {"version": "0", "seen": "1"})
    assert back.status_code == 303
    page = operator.get(PATH)
    assert "Saved version 2." in words(page) and "restored the built-in template" in words(page)
    assert one("SELECT count(*) FROM message_templates") == 2
    assert (
        templates.get(org.admin, MessageType.REMINDER).text == templates.built_in(MessageType.REMINDER).text
    )


def test_a_template_that_cannot_be_used_is_refused_beside_its_field_and_the_draft_stays(
    operator: Visitor, org: OrgOf
) -> None:
    bad = {**DRAFT, "text": "one\n{{ event.name }}", "subject": "{{ venu }}", "reason": "because"}
    answer = operator.post(PATH, bad)
    assert answer.status_code == 422
    assert "line 2: event.name: a variable has no parts; write {{ event_name }}" in words(
        part(answer, "text-error")
    )
    assert "did you mean venue?" in words(part(answer, "subject-error"))
    assert 'value="{{ venu }}"' in answer.text and "one\n{{ event.name }}</textarea>" in answer.text
    assert 'value="because"' in answer.text
    assert answer.text.count(" autofocus") == 1 and answer.text.count('aria-invalid="true"') == 2
    assert one("SELECT count(*) FROM message_templates") == 0


def test_a_stale_save_keeps_the_draft_and_shows_theirs(operator: Visitor, org: OrgOf) -> None:
    theirs = Words("Theirs", "Their text")
    templates.save(org.admin, MessageType.REMINDER, theirs, seen=0, reason="mine first", now=utc_now())
    answer = operator.post(PATH, DRAFT)
    assert answer.status_code == 409
    assert f"Not saved: {org.admin.name} saved version 1" in words(answer) and "mine first" in words(answer)
    assert "Their text" in words(answer) and "Come to {{ venue }}.</textarea>" in answer.text
    assert 'name="seen" value="1"' in answer.text and "Save mine over theirs" in words(answer)
    assert operator.post(PATH, {**DRAFT, "seen": "1"}).status_code == 303
    assert templates.get(org.admin, MessageType.REMINDER).version == 2


@pytest.mark.parametrize("path", [PATH, f"{PATH}/restore"])
def test_a_viewer_reads_and_changes_nothing(viewer: Visitor, path: str) -> None:
    assert viewer.post(path, {**DRAFT, "version": "0"}).status_code == 403
    assert "Hamlet is near" in words(viewer.post(f"{PATH}/preview", {**DRAFT, "event": "example"}, htmx=True))
    page = viewer.get(PATH)
    assert page.status_code == 200 and "needs the role operator; yours is viewer" in words(page)
    assert 'id="save-template"' not in page.text and "readonly" in page.text
    assert one("SELECT count(*) FROM message_templates") == 0


def test_a_type_without_a_template_is_not_found(operator: Visitor) -> None:
    for name in ("FREE", "init", "OTHER"):
        assert operator.get(f"/messages/templates/{name}").status_code == 404
