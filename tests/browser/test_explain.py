"""From the badge of a row that is stuck to the reason, and on to where it is mended, by keyboard."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from console.web import filters
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
    expect(now.locator(".verdict")).to_contain_text("A run is queued since")
    expect(now.locator(".verdict")).to_contain_text("no worker is alive; nothing is there to execute it")
    expect(now.locator(".advice")).to_contain_text("Start a worker for the queue")
    expect(now.locator("li").first).to_contain_text(f"NO_LIVE_WORKER run {run.id}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert Axe().run(page).violations_count == 0
    page.get_by_label("Date and time").fill("2020-01-01T10:00")
    page.keyboard.press("Enter")
    expect(page.locator("#then")).to_contain_text("Unknown, no record: the job did not exist yet")
    page.locator("#now").get_by_role("link", name=f"run {run.id}").first.click()
    expect(page.locator("#run")).to_contain_text("Strike the set")


def test_the_script_and_the_server_say_spans_letter_for_letter_alike(seen: Watch) -> None:
    """Around each seam and far between them, for what is to come, what is past and what goes on."""
    now = datetime(2030, 1, 2, 6, 0, tzinfo=UTC)
    seams = (0, 1, 5, 60, 600, 3600, 7140, 36000, 37800, 64799)
    near = sorted({seam + step for seam in seams for step in (-61, -1.5, -1, -0.5, 0, 0.5, 1, 61)})
    gaps = [gap for gap in (*near, *(-gap for gap in near)) if abs(gap) < 18 * 3600]
    asked = [(kind, gap) for kind in ("ago", "due", "elapsed") for gap in gaps]
    asked += [(kind, gap) for kind in ("due", "elapsed") for gap in (-64801, -171000, -172900, -2505600)]
    utc = ZoneInfo("UTC")
    told = {
        "ago": lambda at: filters.relative(at, now, utc),
        "due": lambda at: filters.due(at, now, utc),
        "elapsed": lambda at: filters.elapsed(at, now),
    }
    expected = [told[kind](now + timedelta(seconds=gap)) for kind, gap in asked]
    seen.page.goto("/")
    said = seen.page.evaluate("asked => asked.map(([kind, gap]) => inWords(kind, gap))", asked)
    assert dict(zip(asked, said, strict=True)) == dict(zip(asked, expected, strict=True))
