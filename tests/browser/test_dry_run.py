"""Dry run, then run for real, as an operator sees it: with keys alone, for axe, and on a phone."""

from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from console.core.actor import Actor
from console.core.clock import utc_now
from console.services.views import JobView
from tests import factories
from tests.browser.conftest import Watch, at_page
from tests.browser.test_pages import violations
from tests.factories import OrgOf, rows

pytestmark = pytest.mark.usefixtures("crew")
RULE = "SELECT weekend_rule FROM message_settings WHERE org_id = :org"
RUNS = "SELECT dry_run, state, args FROM runs WHERE job_id = :id ORDER BY requested_at"


def a_saturday() -> datetime:
    """In five weeks, so that messages of an event on that day fall on a weekend."""
    now = utc_now()
    return now.replace(hour=12) + timedelta(days=35 + (5 - now.weekday()) % 7)


@pytest.fixture
def job(org: OrgOf) -> JobView:
    factories.event(org, starts_at=a_saturday())
    return factories.job(org, "set_weekend_rule", args={"rule": "previous_friday"})


def test_a_dry_run_with_edited_arguments_and_then_the_real_run_with_keys_alone(
    page: Page, seen: Watch, org: OrgOf, job: JobView
) -> None:
    times = "SELECT id, next_run_at FROM jobs WHERE org_id = :org ORDER BY id"
    before = rows(times, org=org.id)
    dialog, focused = page.get_by_role("dialog"), page.locator("*:focus")
    page.goto("/?q=weekend")
    page.keyboard.press("j")
    page.keyboard.press("s")
    expect(focused).to_have_id("confirm")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(focused).to_have_id("args-rule")
    page.keyboard.type("next")
    expect(page.locator("#args-rule")).to_have_value("next_monday")
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(focused).to_have_id("dry-run")
    page.keyboard.press("Enter")
    expect(dialog.locator("#unchanged")).to_have_text("Nothing was changed: this was a dry run.")
    expect(focused).to_have_id("dialog-title")
    expect(dialog.locator("tbody tr").first).to_contain_text("weekend rule")
    expect(dialog.locator("tbody tr").first).to_contain_text("next_monday")
    told = dialog.locator("tbody tr").count()
    assert told > 1
    assert rows(RUNS, id=job.id) == [(True, "succeeded", {"rule": "next_monday"})]
    assert rows(RULE, org=org.id) == [] and rows(times, org=org.id) == before
    assert violations(page) == []
    for _ in range(told + 10):
        if page.evaluate("document.activeElement.id") == "for-real":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator("#notices")).to_contain_text("Set the weekend rule: requested.")
    row = page.locator(f"#job-{job.id}")
    expect(row.locator(".last")).to_contain_text("done")
    assert rows(RULE, org=org.id) == [("next_monday",)] and rows(times, org=org.id) != before
    assert [found[:2] for found in rows(RUNS, id=job.id)] == [(True, "succeeded"), (False, "succeeded")]
    row.locator(".last a").first.click()
    changed = page.locator(".would-change")
    expect(changed.get_by_role("heading")).to_have_text("Changed")
    expect(changed.locator("tbody tr")).to_have_count(told)
    changed.get_by_role("link", name="Hamlet").first.click()
    expect(page.locator("#job")).to_contain_text("Hamlet")


def test_a_dry_run_is_stopped_by_the_button_of_its_dialog_which_stays_with_the_focus_in_it(
    page: Page, seen: Watch, org: OrgOf
) -> None:
    job = factories.job(org, "count_slowly", args={"to": 1000, "pause_seconds": 0.1})
    dialog = page.get_by_role("dialog")
    page.goto(f"/jobs/{job.id}")
    page.get_by_role("button", name="Run now").first.click()
    page.locator("#dry-run").click()
    expect(dialog.locator(".state")).to_contain_text("Running")
    page.locator("#rehearsal-stop").focus()  # and each poll leaves it there
    page.keyboard.press("Enter")
    expect(dialog.locator(".state")).to_have_text("Stopped")
    expect(dialog.locator("#unchanged")).to_contain_text("it did not come to its end")
    expect(page.locator("*:focus")).to_have_id("dialog-title")
    expect(page.locator("#rehearsal-stop")).to_have_count(0)
    assert rows(RUNS, id=job.id) == [(True, "stopped", {"to": 1000, "pause_seconds": 0.1})]
    assert violations(page) == []


def test_on_a_phone_the_dialog_opens_at_its_top_fits_and_keeps_what_was_wrong(
    browser: Browser, browser_context_args: dict[str, object], person: Actor, org: OrgOf
) -> None:
    job = factories.job(
        org,
        "count_slowly",
        args={"to": 2, "pause_seconds": 0.0},
        schedule={"type": "daily", "hour": 3, "minute": 0},
    )
    phone = {**browser_context_args, "viewport": {"width": 360, "height": 420}}
    with at_page(browser, person, **phone) as watched:
        page = watched.page
        dialog = page.get_by_role("dialog")
        page.goto(f"/jobs/{job.id}")
        page.get_by_role("button", name="Run now").first.click()
        expect(dialog.locator("#dialog-title")).to_be_in_viewport()
        assert page.evaluate("document.getElementById('dialog').scrollTop") == 0
        expect(page.locator("*:focus")).to_have_id("confirm")
        dialog.get_by_text("Arguments", exact=True).first.click()
        page.locator("#args-to").fill("0")
        page.locator("#dry-run").click()
        expect(page.locator("#args-to-error")).to_contain_text("greater than or equal to 1")
        expect(page.locator("*:focus")).to_have_id("args-to")
        expect(page.locator("#args-to")).to_have_value("0")
        page.locator("#args-to").fill("3")
        page.locator("#dry-run").click()
        expect(dialog.locator("#unchanged")).to_be_visible()
        expect(dialog.locator(".log")).to_contain_text("3")
        assert violations(page) == []
        fits = (
            "document.getElementById('dialog').scrollWidth <= document.getElementById('dialog').clientWidth"
        )
        assert page.evaluate(fits)
        page.locator("#back-to-form").click()
        expect(page.locator("#args-to")).to_have_value("3")
        dialog.get_by_text("Later, or with a reason").click()
        page.locator("#start-at").fill("2031-01-02T10:00")
        expect(page.locator("#confirm")).to_have_text("Run later")
        page.locator("#start-at").fill("2021-01-02T10:00")
        page.locator("#confirm").click()
        expect(page.locator("#start-at-error")).to_contain_text("Lies in the past")
        expect(page.locator("#confirm")).to_have_text("Run later")  # as typed, so says the button still
        page.locator("#cancel").click()
        expect(dialog).to_be_hidden()
        assert [text for text in watched.complaints if "422" not in text] == []
    assert [found[0] for found in rows(RUNS, id=job.id)] == [True]
