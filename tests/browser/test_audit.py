"""The audit trail in a browser: an entry opens by keyboard, and the verification stands in its place."""

from playwright.sync_api import expect

from console.core.clock import utc_now
from console.services import edits
from tests import factories
from tests.browser.conftest import Watch
from tests.browser.test_pages import assert_fine
from tests.factories import OrgOf, one, past_the_triggers


def test_an_entry_opens_by_keyboard_and_a_broken_trail_is_named_in_place(seen: Watch, org: OrgOf) -> None:
    job = factories.job(org, name="Sweep the stage", schedule={"type": "interval", "every_seconds": 3600})
    edits.set_paused(org.admin, job.id, True, note="it rains", now=utc_now())
    number = one("SELECT number FROM audit_entries WHERE tag = 'job:paused' AND org_id = :id", id=org.id)
    page = seen.page
    page.emulate_media(reduced_motion="reduce")
    page.goto("/audit")
    line = page.locator(f"#entry-{number} summary")
    line.focus()
    page.keyboard.press("Enter")
    expect(page.locator(f"#entry-{number}")).to_contain_text("it rains")
    page.get_by_role("button", name="Verify now").press("Enter")
    expect(page.locator("#verification")).to_contain_text("Whole")
    expect(page.locator(f"#entry-{number}")).to_contain_text("it rains")
    assert_fine(page, "an opened entry")
    past_the_triggers("UPDATE audit_entries SET reason = 'x' WHERE number = :number", number=number)
    page.get_by_role("button", name="Verify now").click()
    expect(page.locator("#verification")).to_contain_text(f"Entry {number} was changed after it was sealed.")
    assert_fine(page, "a broken trail")
    assert seen.complaints == []
