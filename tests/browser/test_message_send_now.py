"""A message from the table to its mail, and the editor of its template, as an operator sees them."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.factories import OrgOf, one, rows
from tests.plugins.messages.letters import ANA, event, message
from tests.processes import eventually
from tests.web.conftest import change

pytestmark = pytest.mark.usefixtures("crew")


def test_send_now_shows_the_message_sends_it_by_keyboard_and_again_only_when_that_is_said(
    page: Page, seen: Watch, org: OrgOf
) -> None:
    job = message(org, event(org, venue="Foyer"), name="Hamlet · Reminder")
    change(
        "INSERT INTO message_settings (org_id, enabled, weekend_rule, changed_by) "
        "VALUES (:org, false, 'none', 'x')",
        org=org.id,
    )
    page.goto("/")
    row, dialog, focused = page.locator(f"#job-{job.id}"), page.get_by_role("dialog"), page.locator("*:focus")
    page.keyboard.press("j")
    page.keyboard.press("s")
    expect(focused).to_have_id("confirm")
    expect(dialog.locator(".letter-head")).to_contain_text(ANA)
    expect(dialog.locator(".letter-head")).to_contain_text("Reminder: Hamlet,")
    expect(dialog.locator(".mail")).to_contain_text("Where: Foyer")
    expect(dialog.locator("#rules-word")).to_contain_text("it would now be skipped: DISABLED_GLOBAL")
    dialog.get_by_text("The same as HTML").click()
    expect(dialog.frame_locator("iframe").locator("b")).to_have_text("Hamlet")
    dialog.locator("#confirm").focus()
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(row.locator(".status")).to_contain_text("Sent")
    assert rows("SELECT state, recipient FROM runs WHERE job_id = :id", id=job.id) == [("succeeded", ANA)]
    assert one("SELECT count(*) FROM caught_mails WHERE org_id = :org", org=org.id) == 1

    page.locator(f"#job-{job.id}-last").click()
    sent = page.locator("#run-message")
    expect(sent).to_contain_text("a short reminder of Hamlet:")
    expect(sent).to_contain_text("Message-ID")
    sent.locator("#run-mail").click()
    expect(page.get_by_role("heading", name="Reminder: Hamlet,")).to_be_visible()
    page.goto("/")

    page.keyboard.press("j")
    page.keyboard.press("s")
    expect(dialog).to_contain_text("ALREADY_SENT")
    expect(focused).to_have_id("override")
    page.keyboard.press("Enter")  # the browser asks for the tick
    expect(dialog).to_be_visible()
    assert one("SELECT count(*) FROM runs WHERE job_id = :id", id=job.id) == 1
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    sent_twice = "SELECT count(*) = 2 FROM runs WHERE job_id = :id AND state = 'succeeded'"
    eventually(lambda: one(sent_twice, id=job.id))
    expect(row.locator(".status")).to_contain_text("Sent")
    assert one("SELECT count(*) FROM caught_mails WHERE org_id = :org", org=org.id) == 2


def test_the_preview_of_a_template_follows_what_is_typed_and_the_caret_stays(
    page: Page, seen: Watch, org: OrgOf
) -> None:
    event(org, "Woyzeck", venue="Foyer")
    page.goto("/messages/templates/INIT")
    preview = page.locator("#template-preview")
    expect(preview.frame_locator("iframe").locator("b").first).to_have_text("Woyzeck")
    text = page.locator("#text")
    text.fill("Come to {{ ven")
    expect(preview).to_contain_text("between {{ and }} stands one variable")
    page.keyboard.type("ue }}, now.")
    expect(preview.locator(".mail")).to_have_text("Come to Foyer, now.")
    expect(text).to_be_focused()
    expect(text).to_have_value("Come to {{ venue }}, now.")
    page.get_by_label("Preview with").select_option("an example")
    expect(preview.locator(".mail")).to_have_text("Come to Main Stage, now.")
    harm = "parent.document.title = 'owned'"
    page.locator("#html").fill(f'<p>Hello</p><script>{harm}</script><img src="x" onerror="{harm}">')
    expect(preview.frame_locator("iframe").locator("p").first).to_have_text("Hello")
    expect(preview.frame_locator("iframe").locator("img")).to_be_attached()  # what stands before it was read
    expect(page).to_have_title("Template: Init · Callboard")
    assert any("sandboxed" in complaint for complaint in seen.complaints)
    page.locator("#html").fill("")
    expect(preview.locator("iframe")).to_have_count(0)
    seen.complaints.clear()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#notices")).to_contain_text("Saved version 1.")
    assert (
        one("SELECT body FROM message_templates WHERE org_id = :org", org=org.id)
        == "Come to {{ venue }}, now."
    )
    page.get_by_role("button", name="Restore").click()
    expect(page.locator("#notices")).to_contain_text("Saved version 2.")
