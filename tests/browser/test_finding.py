"""Finding messages in Chromium: tabs, filters and chips by keyboard, and on a phone."""

import pytest
from playwright.sync_api import Page, expect

from console.plugins.messages.views import EventView
from tests import factories
from tests.browser.conftest import Watch, has_scripts
from tests.factories import OrgOf


@pytest.fixture
def hamlet(org: OrgOf) -> EventView:
    factories.job(org, name="Sweep the stage")
    return factories.event(org, "Hamlet", venue="Main Stage", crew=["lee@northside.example"])


def test_tabs_and_filters_are_reached_by_keyboard_and_stand_in_the_address(
    page: Page, seen: Watch, hamlet: EventView
) -> None:
    page.goto("/")
    reminders = page.locator("#tab-reminder")
    expect(reminders).to_have_text("Reminder 2")
    reminders.focus()
    page.keyboard.press("Enter")
    expect(page.locator("tbody.job")).to_have_count(2)
    expect(page.locator("#tab-reminder")).to_have_attribute("aria-current", "true")
    has_scripts(page)

    page.locator("#recipient").focus()
    page.keyboard.type("lee@northside.example")
    page.keyboard.press("Tab")  # leaving the field is no search yet
    assert "recipient" not in page.url
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("tbody.job")).to_have_count(1)
    assert "type=REMINDER" in page.url and "recipient=lee%40northside.example" in page.url

    page.locator("#without-recipient").focus()
    page.keyboard.press("Enter")
    expect(page.locator("tbody.job")).to_have_count(2)
    has_scripts(page)
    page.locator("#event").select_option(label=page.locator("#event option").nth(1).inner_text())
    expect(page.locator("#without-event")).to_contain_text("Hamlet (Main Stage, ")
    has_scripts(page)

    page.locator("#delete-all").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 jobs will be deleted")
    page.keyboard.press("Escape")
    with page.expect_download() as file:
        page.locator("#export-csv").click()
    assert file.value.path().read_text().count("\n") == 3


def test_on_a_phone_nothing_runs_over_the_edge(page: Page, seen: Watch, hamlet: EventView) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    for path in (f"/?event={hamlet.id}&recipient=lee@northside.example&from=2020-01-01", "/messages/import"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
