"""From the badge of a row that is stuck to the reason, and on to where it is mended, by keyboard."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests import factories
from tests.browser.conftest import Watch
from tests.factories import OrgOf
from tests.web.conftest import change


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_a_stuck_row_leads_from_its_badge_to_what_stands_in_the_way(
    seen: Watch, org: OrgOf, width: int, scheme: str
) -> None:
    job = factories.job(org, "tests.tasks.on_another_queue", name="Strike the set")
    run = factories.run(org, job)
    change("UPDATE runs SET requested_at = now() - interval '5 min', enqueued_at = now() - interval '5 min'")
    page = seen.page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/")
    expect(page.locator(f"#job-{job.id}")).to_contain_text("no worker is alive")
    page.get_by_role("link", name="Why? Strike the set").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Why? Strike the set")).to_be_visible()
    now = page.locator("#now")
    expect(now.locator(".verdict")).to_contain_text("Waiting")
    expect(now).to_contain_text("NO_LIVE_WORKER A run is queued since")
    expect(now).to_contain_text("no worker is alive; nothing is there to execute it")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert Axe().run(page).violations_count == 0
    page.get_by_label("Date and time").fill("2020-01-01T10:00")
    page.keyboard.press("Enter")
    expect(page.locator("#then")).to_contain_text("Unknown, no record: the job did not exist yet")
    page.locator("#now").get_by_role("link", name=f"run {run.id}").first.click()
    expect(page.locator("#run")).to_contain_text("Strike the set")
