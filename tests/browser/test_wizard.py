"""New messages in a real browser: by keyboard alone, with the preview beside them, and on a phone."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from console.core.actor import Actor
from tests import factories
from tests.browser.conftest import Watch, at_page, enter
from tests.browser.test_events import REFUSED
from tests.browser.test_pages import LONG, assert_fine
from tests.factories import OrgOf, one, rows

ANA, LEE = "ana@northside.example", "lee@northside.example"
MADE = "SELECT recipient FROM jobs WHERE org_id = :org AND message_type = 'FREE' ORDER BY recipient"


@pytest.fixture
def still(browser: Browser, browser_context_args: dict[str, Any], person: Actor) -> Iterator[Watch]:
    """A signed-in page on which nothing moves; a form that was refused is all it complains of."""
    with at_page(browser, person, **browser_context_args, reduced_motion="reduce") as watched:
        yield watched
        assert set(watched.complaints) <= {REFUSED}


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_a_free_message_is_written_by_keyboard_while_its_preview_follows(still: Watch, org: OrgOf) -> None:
    page = still.page
    factories.event(org, "Hamlet", venue="Main Stage", crew=[LEE])
    factories.event(
        org, f"Zauberflöte {LONG}"[:200], venue=LONG[:200], contact_email=f"{LONG[:60]}@x.example"
    )
    page.goto("/")
    page.locator("#new-message").focus()
    press(page, "Enter")
    preview, focused = page.locator("#wizard-preview"), page.locator("*:focus")
    expect(preview.locator("#not-ready")).to_contain_text("Subject")
    assert_fine(page, "the form of a new message")

    page.locator("#event").focus()
    page.keyboard.type("Zauber")
    expect(page.locator("#recipients")).to_contain_text("@x.example")
    expect(focused).to_have_id("event")
    assert_fine(page, "a new message about something long")
    page.keyboard.type("Hamlet")
    expect(page.locator("#recipients")).to_contain_text(LEE)

    press(page, "Tab")
    expect(focused).to_have_id("type-FREE")
    press(page, "ArrowUp")
    expect(preview).to_contain_text("Thank you: Hamlet")
    expect(preview).to_contain_text("DUPLICATE")
    expect(page.locator("#subject")).to_be_hidden()
    assert_fine(page, "a message in the words of its template")
    press(page, "ArrowDown", "Tab")
    expect(focused).to_have_id("recipient-0")
    press(page, "Tab", "Space", "Tab")
    page.keyboard.type("kim at x")
    expect(preview.locator("#not-ready")).to_contain_text("“kim” is not a mail address")
    page.locator("#subject").focus()
    page.keyboard.type("Doors of {{ event_name }}")
    press(page, "Tab")
    page.keyboard.type("Come to {{ venue }}.")
    expect(preview.locator(".mail")).to_have_text("Come to Main Stage.")
    expect(focused).to_have_id("text")

    page.locator("#make-messages").focus()
    press(page, "Enter")
    expect(focused).to_have_id("others")
    expect(page.locator("#recipients-error")).to_contain_text("not a mail address")
    expect(page.locator("#text")).to_have_value("Come to {{ venue }}.")
    assert_fine(page, "a new message with a mistake")
    press(page, "Control+a")
    page.keyboard.type("kim@x.example")
    expect(preview.locator("#in-words")).to_contain_text("3 messages, one to each recipient")
    expect(page.locator("#make-messages")).to_have_text("Schedule 3 messages")
    page.locator("#subject").focus()
    press(page, "Enter")  # shows, and makes nothing
    expect(focused).to_have_id("make-messages")
    assert rows(MADE, org=org.id) == []
    press(page, "Enter")
    expect(page.locator("#notices")).to_contain_text("Hamlet: 3 messages scheduled for")
    assert [row.recipient for row in rows(MADE, org=org.id)] == [ANA, "kim@x.example", LEE]
    expect(page.locator("#jobs-table")).to_contain_text("kim@x.example")
    expect(page.locator("#jobs-table")).not_to_contain_text("Zauberflöte")


def test_words_begin_from_a_template_and_without_a_script_all_of_it_works_too(
    plain_page: Page, person: Actor, org: OrgOf
) -> None:
    page = plain_page
    factories.event(org, "Hamlet", crew=[LEE])
    enter(page, person)
    page.goto("/messages/new")
    page.get_by_label("Begin with the words of").select_option("Reminder")
    page.get_by_role("button", name="Take them").click()
    subject = "Reminder: {{ event_name }}, {{ event_date }} at {{ event_time }}"
    expect(page.get_by_label("Subject")).to_have_value(subject)
    expect(page.locator("#wizard-preview .mail")).to_contain_text("a short reminder of Hamlet")
    page.get_by_label(LEE).check()
    page.get_by_label("Subject").fill("Mind the step, {{ event_name }}")
    page.get_by_role("button", name="Show its recipients and the preview").click()
    expect(page.locator("#wizard-preview")).to_contain_text("Mind the step, Hamlet")
    page.get_by_role("button", name="Schedule 2 messages").click()
    expect(page.locator("#notices")).to_contain_text("Hamlet: 2 messages scheduled for")
    assert [row.recipient for row in rows(MADE, org=org.id)] == [ANA, LEE]
    worded = "SELECT DISTINCT args ->> 'subject' FROM jobs WHERE org_id = :org AND message_type = 'FREE'"
    assert one(worded, org=org.id) == "Mind the step, {{ event_name }}"
