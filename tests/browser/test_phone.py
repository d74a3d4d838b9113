"""The console in one hand: navigation and filters behind a button, what matters on the first screen."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from console.core.actor import Actor
from console.core.states import Role, RunState
from tests import factories
from tests.browser.conftest import Watch, at_page, box_of, has_scripts
from tests.browser.test_pages import _run, violations
from tests.factories import OrgOf, one
from tests.web.conftest import change

HEIGHT = 740
FOCUSED = "document.activeElement.textContent.trim()"


@pytest.fixture
def arguments(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    still = {"reduced_motion": "reduce", "viewport": {"width": 360, "height": HEIGHT}}
    return {**browser_context_args, **still}


@pytest.fixture
def hand(browser: Browser, arguments: dict[str, Any], org: OrgOf) -> Iterator[Watch]:
    """An admin before a phone, with jobs of both kinds and all that acts alive."""
    factories.live_worker()
    factories.live_scheduler()
    factories.job(org, name="Sweep the stage")
    factories.event(org, "Hamlet", venue="Main Stage", crew=["lee@northside.example"])
    with at_page(browser, factories.person(org, Role.ADMIN), **arguments) as watched:
        yield watched
        assert watched.complaints == []


def top_of(page: Page, selector: str) -> float:
    """How far below the top of the page it begins."""
    return box_of(page.locator(selector).first)["y"]


def assert_fits(page: Page, what: str) -> None:
    """Axe finds nothing in light or dark, and nothing is wider than the window."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert violations(page) == [], f"{what}, {scheme}"
    assert page.evaluate("document.documentElement.scrollWidth") <= 360, what


def test_the_first_job_is_on_the_first_screen_and_a_button_opens_the_navigation(hand: Watch) -> None:
    page = hand.page
    has_scripts(page)
    assert top_of(page, "tbody.job") < HEIGHT / 2, "the first job stands in the upper half"
    runs, button = page.get_by_role("link", name="Runs", exact=True), page.locator("#menu-button")
    expect(runs).to_be_hidden()
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    button.focus()
    page.keyboard.press("Enter")
    expect(runs).to_be_visible()
    assert_fits(page, "the menu")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "Jobs", "the menu follows its button"
    page.keyboard.press("Escape")
    expect(runs).to_be_hidden()
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    runs.click()
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    expect(runs).to_be_hidden()


def test_nothing_touches_the_filters_and_every_tab_of_the_settings_is_in_sight(hand: Watch) -> None:
    page = hand.page
    page.goto("/runs")
    has_scripts(page)
    opener = box_of(page.get_by_role("button", name="Filters"))
    figures = box_of(page.locator("#runs-figures"))
    assert figures["y"] - (opener["y"] + opener["height"]) >= 8
    page.goto("/settings/people")
    for tab in page.locator(".settings-tabs a").all():
        box = box_of(tab)
        assert box["x"] >= 0 and box["x"] + box["width"] <= 360, tab.inner_text()
    assert_fits(page, "the people")


def test_filters_are_one_sheet_that_says_how_many_are_set(hand: Watch) -> None:
    page = hand.page
    has_scripts(page)
    opener, status = page.get_by_role("button", name="Filters"), page.locator("#status")
    expect(opener).to_have_text("Filters")
    expect(status).to_be_hidden()
    opener.click()
    assert_fits(page, "the sheet of filters")
    address = page.url
    status.select_option("scheduled")
    page.locator("#category").select_option("Messages")
    assert page.url == address, "in the sheet several are set before any is asked for"
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(opener).to_have_text("Filters (2 active)")
    assert "status=scheduled" in page.url and "category=Messages" in page.url
    expect(page.locator("#without-status")).to_be_visible()
    assert top_of(page, "tbody.job") < HEIGHT * 2 / 3
    for address in ("/runs", "/schedules", "/audit", "/settings/alerts/history"):
        page.goto(address)
        opener.click()
        expect(page.get_by_role("button", name="Filter", exact=True)).to_be_visible()
        page.keyboard.press("Escape")
        expect(opener).to_be_focused()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, address


def test_what_is_done_seldom_stands_behind_more_and_the_focus_comes_back(hand: Watch, org: OrgOf) -> None:
    page = hand.page
    has_scripts(page)
    more = page.get_by_role("button", name="More…")
    expect(page.locator("#delete-all")).to_be_hidden()
    more.click()
    assert_fits(page, "what else can be done")
    page.locator("#delete-all").click()
    expect(page.get_by_role("dialog")).to_contain_text("jobs will be deleted")
    expect(page.locator("#more-acts")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(more).to_be_focused()
    assert one("SELECT count(*) FROM jobs WHERE org_id = :org AND deleted_at IS NOT NULL", org=org.id) == 0


def test_menu_and_filters_need_no_script(
    browser: Browser, arguments: dict[str, Any], org: OrgOf, person: Actor
) -> None:
    factories.job(org, name="Sweep the stage")
    with at_page(browser, person, **arguments, java_script_enabled=False) as watched:
        page = watched.page
        page.get_by_role("button", name="Filters").click()
        page.locator("#status").select_option("paused")
        page.get_by_role("button", name="Filter", exact=True).click()
        expect(page.get_by_role("button", name="Filters (1 active)")).to_be_visible()
        page.get_by_role("button", name="Menu").click()
        page.get_by_role("link", name="Runs", exact=True).click()
        expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()


def test_where_there_is_room_nothing_is_folded_away(page: Page, seen: Watch, org: OrgOf) -> None:
    factories.job(org, name="Sweep the stage")
    page.goto("/")
    has_scripts(page)
    for name in ("Menu", "Filters", "More…"):
        expect(page.get_by_role("button", name=name)).to_be_hidden()
    for name in ("Runs", "Audit", "Settings"):
        expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
    page.locator("#status").select_option("scheduled")  # chosen is asked
    expect(page.locator("#without-status")).to_be_visible()


def test_the_log_of_a_running_run_is_on_the_first_screen_and_its_facts_below(hand: Watch, org: OrgOf) -> None:
    page = hand.page
    job = factories.job(org, name="Strike the set")
    run_id = _run(org, job, RunState.RUNNING)
    change("UPDATE runs SET changes = '[]' WHERE id = :id", id=run_id)
    page.goto(f"/runs/{run_id}")
    expect(page.locator("#log")).to_contain_text("60")
    assert top_of(page, "#run-log") < HEIGHT - 60
    assert top_of(page, "#run-about") > top_of(page, "#log"), "read in the order in which they stand"
    expect(page.locator("#run-about")).to_contain_text("Asked for by")
    assert_fits(page, "a running run")


def test_the_tab_that_is_open_stands_inside_the_window(hand: Watch) -> None:
    page = hand.page
    page.goto("/settings/account")
    tab = page.locator(".settings-tabs [aria-current]")
    expect(tab).to_have_text("Account")
    expect(tab).to_be_in_viewport(ratio=0.95)
    page.goto("/settings/people")
    expect(page.locator(".settings-tabs [aria-current]")).to_be_in_viewport(ratio=0.95)
