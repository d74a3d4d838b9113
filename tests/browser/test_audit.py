"""The audit trail in a browser: an entry opens by keyboard, and the verification stands in its place."""

from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import text

from console.core.clock import utc_now
from console.core.states import Role
from console.db.session import db
from console.services import edits
from console.services.verifying import SLICE
from tests import factories
from tests.browser.conftest import Watch, enter, watch
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
    expect(page.locator("#trail")).to_contain_text("Audit verified")
    expect(page.locator(f"#entry-{number} details")).to_have_attribute("open", "")
    expect(page.locator(f"#entry-{number}")).to_contain_text("it rains")
    assert_fine(page, "an opened entry")
    past_the_triggers("UPDATE audit_entries SET reason = 'x' WHERE number = :number", number=number)
    page.get_by_role("button", name="Verify now").click()
    expect(page.locator("#verification")).to_contain_text(f"Entry {number} was changed after it was sealed.")
    expect(page.locator(f"#entry-{number}.is-bad")).to_contain_text("Not as it was sealed")
    page.locator("#bad-entry").click()
    page.wait_for_url(f"**/audit?cursor=*#entry-{number}")
    expect(page.locator("#trail > ol > li").first).to_have_id(f"entry-{number}")
    assert_fine(page, "a broken trail")
    assert seen.complaints == []


FROM_BEFORE = text(
    """
    INSERT INTO audit_entries (org_id, at, tag, actor_kind, actor_name, object_kind, object_id)
    SELECT :org, now(), 'job:created', 'person', 'a', 'job', 'sweep' FROM generate_series(1, :count)
    """
)


def test_a_long_trail_is_verified_slice_by_slice_without_a_hand(page: Page, org: OrgOf, app: Flask) -> None:
    """Each request is short; entries from before there were MACs are the quickest to make many of."""
    db.session.execute(FROM_BEFORE, {"org": org.id, "count": SLICE + 1})
    db.session.commit()
    watched = watch(page)
    enter(page, factories.person(org, Role.VIEWER))
    watched.forget()
    answered: list[int] = []
    page.on("response", lambda answer: answered.append(answer.status) if "/verify" in answer.url else None)
    page.goto("/audit")
    page.get_by_role("button", name="Verify now").click()
    expect(page.locator("#verification")).to_contain_text("Whole", timeout=120_000)
    assert answered == [200, 200]
    entries = one(
        "SELECT new ->> 'entries' FROM audit_entries WHERE tag = 'audit:verified' AND org_id = :id", id=org.id
    )
    assert int(entries) > SLICE
    expect(page.locator("#verification")).to_contain_text(f"{int(entries):,} entries recomputed")
    expect(page.locator("#trail")).to_contain_text("Audit verified")
    assert watched.complaints == []
