"""Settling an unknown run in a browser: by keyboard, in place, and on a phone."""

import pytest
from playwright.sync_api import expect

from tests import factories
from tests.browser.conftest import Watch
from tests.factories import OrgOf, rows
from tests.web.conftest import change


@pytest.mark.parametrize("width", [1280, 360])
def test_an_answer_by_keyboard_takes_the_place_of_the_question(seen: Watch, org: OrgOf, width: int) -> None:
    run = factories.run(org, factories.job(org, name="Ask Zoë"))
    change(
        "UPDATE runs SET state = 'unknown', reason_code = 'OUTCOME_UNKNOWN', finished_at = now() "
        "WHERE id = :id",
        id=run.id,
    )
    page = seen.page
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"/runs/{run.id}")
    page.get_by_label("How you found out").fill("Looked")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    settled = page.locator("#resolved")
    expect(settled).to_contain_text("Settled: it did not happen. Run now is free again.")
    expect(settled).to_be_focused()
    expect(page.locator("#question")).to_have_count(0)
    expect(page.locator("#notices")).to_contain_text("Settled")
    assert rows("SELECT state, resolved_note FROM runs WHERE id = :id", id=run.id) == [("failed", "Looked")]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
