"""Delete all in a real browser: counted as it is chosen, confirmed by keyboard, taken back, on a phone."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from console.core.actor import Actor
from tests import factories
from tests.browser.conftest import Watch, at_page
from tests.browser.test_events import REFUSED
from tests.browser.test_pages import assert_fine
from tests.factories import OrgOf, one

AT = {"type": "once", "at": "2099-01-01T00:00:00+00:00"}
ALIVE = "SELECT count(*) FROM jobs WHERE org_id = :org AND deleted_at IS NULL"


@pytest.fixture
def watch(browser: Browser, browser_context_args: dict[str, Any], person: Actor) -> Iterator[Watch]:
    """A signed-in page on which nothing moves; a form that was refused is all it complains of."""
    with at_page(browser, person, **browser_context_args, reduced_motion="reduce") as watched:
        yield watched
        assert set(watched.complaints) <= {REFUSED}


@pytest.fixture
def _some(org: OrgOf) -> None:
    for number in range(3):
        factories.job(org, name=f"Sweep {number}", schedule=AT)
    factories.job(org, name="Held", schedule=AT, paused=True)


def open_dialog(page: Page) -> None:
    page.locator("#delete-all").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#number")).to_be_focused()


@pytest.mark.usefixtures("_some")
def test_all_that_match_go_by_keyboard_and_come_back(watch: Watch, org: OrgOf) -> None:
    page = watch.page
    page.goto("/")
    watch.forget()
    open_dialog(page)
    expect(page.locator("#delete-count")).to_contain_text("4 jobs will be deleted")
    page.locator("#delete-status").select_option("failed")
    expect(page.locator("#delete-count")).to_contain_text("Nothing matches")
    expect(page.locator("#number")).to_be_hidden()  # where nothing would go, nothing is to be confirmed
    expect(page.locator("#dialog #confirm")).to_be_hidden()
    page.locator("#delete-status").select_option("scheduled")
    expect(page.locator("#delete-count")).to_contain_text("3 jobs will be deleted")
    page.locator("#number").fill("4")
    page.keyboard.press("Enter")
    expect(page.locator("#number-error")).to_contain_text("Type 3 to confirm. Nothing was deleted.")
    expect(page.locator("#delete-status")).to_have_value("scheduled")
    assert one(ALIVE, org=org.id) == 4
    assert not [url for url in watch.requests if "csrf_token=" in url]

    page.locator("#number").fill("3")
    page.keyboard.press("Enter")
    expect(page.locator("#deletion-done")).to_contain_text("3 jobs deleted.")
    expect(page.locator("#dialog")).to_be_hidden()
    expect(page.locator("tbody.job")).to_have_count(1)
    assert one(ALIVE, org=org.id) == 1

    page.locator("#deletion-done button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#deletion-undone")).to_contain_text("3 jobs are back.")
    expect(page.locator("tbody.job")).to_have_count(4)
    assert one(ALIVE, org=org.id) == 4
    assert not watch.navigations, "the table itself changed, the page stayed"


@pytest.mark.usefixtures("_some")
def test_escape_leaves_everything_as_it_is_and_gives_the_focus_back(watch: Watch, org: OrgOf) -> None:
    page = watch.page
    page.goto("/")
    open_dialog(page)
    page.keyboard.press("Escape")
    expect(page.locator("#dialog")).to_be_hidden()
    expect(page.locator("#delete-all")).to_be_focused()
    assert one(ALIVE, org=org.id) == 4


@pytest.mark.usefixtures("_some")
def test_dialog_and_list_fit_a_phone_and_axe_finds_nothing(watch: Watch) -> None:
    page = watch.page
    page.goto("/")
    open_dialog(page)
    assert_fine(page, "the dialog that deletes")
    page.locator("#number").fill("4")
    page.keyboard.press("Enter")
    expect(page.locator("#deletion-done")).to_contain_text("4 jobs deleted.")
    assert_fine(page, "the notice with its way back")
    page.goto("/deletions")
    expect(page.locator("#deletions")).to_contain_text("4 jobs deleted.")
    assert_fine(page, "the list of deletions")


@pytest.mark.usefixtures("_some")
def test_as_a_page_of_its_own_it_answers_in_its_place(watch: Watch, org: OrgOf) -> None:
    page = watch.page
    page.goto("/deletions/new")
    page.locator("#delete-status").select_option("scheduled")
    expect(page.locator("#delete-count")).to_contain_text("3 jobs will be deleted")
    page.locator("#number").fill("4")
    page.keyboard.press("Enter")
    expect(page.locator("main #number-error")).to_contain_text("Type 3 to confirm. Nothing was deleted.")
    expect(page.locator("#dialog")).to_be_hidden()
    expect(page.locator("#number")).to_have_value("4")
    expect(page.locator("#delete-status")).to_have_value("scheduled")
    assert one(ALIVE, org=org.id) == 4
    page.locator("#number").fill("3")
    page.keyboard.press("Enter")
    expect(page.locator("#deletions")).to_contain_text("3 jobs deleted.")
    assert one(ALIVE, org=org.id) == 1
