"""Events in a real browser: made by keyboard alone, taken from a file with a mistake in it, and deleted."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from console.core.actor import Actor
from console.core.clock import utc_now
from console.plugins.messages import events
from tests import factories
from tests.browser.conftest import Watch, at_page
from tests.browser.test_pages import LONG, assert_fine
from tests.factories import OrgOf, one, rows

REFUSED = "Failed to load resource: the server responded with a status of 422 (UNPROCESSABLE ENTITY)"
GONE = "Failed to load resource: the server responded with a status of 404 (NOT FOUND)"
DAY = utc_now() + timedelta(days=40)


@pytest.fixture
def still(browser: Browser, browser_context_args: dict[str, Any], person: Actor) -> Iterator[Watch]:
    """A signed-in page on which nothing moves; a form that was refused is all it complains of."""
    with at_page(browser, person, **browser_context_args, reduced_motion="reduce") as watched:
        yield watched
        # A poll may ask for an event that was deleted a moment ago.
        assert set(watched.complaints) - {GONE} == {REFUSED}


def typed(page: Page, *words: str) -> None:
    """Types each word into the field that has the focus and goes on to the next one."""
    for word in words:
        page.keyboard.type(word)
        page.keyboard.press("Tab")


def test_an_event_is_made_by_keyboard_with_its_mistake_beside_the_field(still: Watch, org: OrgOf) -> None:
    page = still.page
    page.goto("/events")
    page.get_by_role("link", name="New event").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name")).to_be_focused()
    typed(page, "Hamlet", "Main Stage")
    page.keyboard.type(f"{DAY:%m%d%Y}")
    page.keyboard.press("Tab")
    page.keyboard.type("0730PM")
    page.get_by_label("Contact's mail").focus()
    page.keyboard.type("ana at northside")
    page.keyboard.press("Enter")
    mail = page.get_by_label("Contact's mail")
    expect(mail).to_be_focused()
    expect(mail).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#event-contact_email-error")).to_contain_text("not a mail address")
    expect(page.get_by_label("Venue")).to_have_value("Main Stage")
    assert_fine(page, "the form with a mistake")
    page.keyboard.press("Control+a")
    page.keyboard.type("ana@northside.example")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Hamlet")
    expect(page.locator("#notices")).to_contain_text("Hamlet: created. 3 messages planned.")
    assert one("SELECT starts_at FROM events WHERE org_id = :id", id=org.id) == DAY.replace(
        hour=19, minute=30, second=0, microsecond=0
    )
    assert_fine(page, "an event")
    page.get_by_role("link", name="Delete").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Delete the event")).to_be_focused()
    assert_fine(page, "the question before an event is deleted")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No events to come")).to_be_visible()
    assert_fine(page, "no events")


def test_a_file_with_a_mistake_shows_its_line_and_imports_once_it_is_mended(still: Watch, org: OrgOf) -> None:
    page = still.page
    factories.event(org, f"Faust {LONG}"[:200], starts_at=DAY, venue=LONG[:200])
    page.goto("/events")
    page.get_by_role("link", name="Import").click()
    text = f"name;starts_at;crew\nHamlet;{DAY:%Y-%m-%d} 19:30;lee@northside.example\nEgmont;soon;\n"
    file = {"name": "season.csv", "mimeType": "text/csv", "buffer": text.encode("utf-8-sig")}
    page.get_by_label("File").set_input_files(files=[file])  # type: ignore[list-item]
    page.get_by_role("button", name="Show what it does").click()
    mistake = page.get_by_role("row", name="starts_at")
    expect(mistake).to_contain_text("3")
    expect(mistake).to_contain_text("“soon” is no date and time")
    assert_fine(page, "a file with a mistake")
    assert rows("SELECT id FROM events WHERE org_id = :id AND name = 'Hamlet'", id=org.id) == []
    box = page.get_by_label("or its text")
    expect(box).to_be_focused()
    box.fill(box.input_value().replace("soon", f"{DAY:%Y-%m-%d} 21:00"))
    page.get_by_role("button", name="Show what it does").click()
    expect(page.get_by_role("heading", name="2 to create")).to_be_visible()
    assert_fine(page, "a file before it is imported")
    page.get_by_role("button", name="Import 2 events").click()
    expect(page.locator("#notices")).to_contain_text("Imported: 2 created, 0 changed")
    assert_fine(page, "the list of events")
    page.goto("/messages/settings")
    assert_fine(page, "the settings of messages")


def test_an_event_that_another_deletes_says_so_on_its_page_and_goes_on_showing_what_it_was(
    browser: Browser, browser_context_args: dict[str, Any], org: OrgOf, person: Actor
) -> None:
    event = factories.event(org, "Hamlet", starts_at=DAY)
    with at_page(browser, person, **browser_context_args) as watched:
        page = watched.page
        page.goto(f"/events/{event.id}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Hamlet")
        events.delete(org.admin, event.id, now=utc_now())
        expect(page.get_by_role("status").filter(has_text="no longer here")).to_be_visible()
        expect(page.get_by_role("heading", level=1)).to_have_text("Hamlet")
        expect(page.locator("#stale")).to_be_hidden()
        assert set(watched.complaints) == {GONE}
