"""The settings in a real browser: for every eye, by keyboard, and what is shown once can be copied."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from console.core.clock import utc_now
from console.core.states import Role
from console.services import org_settings, people
from tests import factories
from tests.browser.conftest import Watch, at_page, has_scripts
from tests.browser.test_pages import assert_fine
from tests.factories import PASSWORD, OrgOf, one

LONG = "averylongaddresswithoutanyspaceinitthatnobodywouldhavebutsomebodywill@northside.example"


@pytest.fixture
def admin(browser: Browser, browser_context_args: dict[str, Any], org: OrgOf) -> Iterator[Watch]:
    """An admin of two orgs; here are also somebody signed in, somebody disabled, and tokens of each state."""
    ada, now = factories.person(org, Role.ADMIN), utc_now()
    mara = factories.person(org, email=f"{org.id.hex}{LONG}")
    people.sign_in(
        mara.email or "", PASSWORD, now=now, address="2001:db8::8a2e:370:7334", user_agent="curl/8"
    )
    gone = factories.person(org, Role.ADMIN)
    factories.token(org, Role.VIEWER, gone)
    people.set_active(org.admin, gone.email or "", False, now=now)
    harbour = factories.org("Harbour")
    people.create_user(harbour.admin, ada.email or "", Role.VIEWER, password=None, now=now)
    people.revoke_token(org.admin, people.create_token(ada, "old", Role.ADMIN, now=now).token.id, now=now)
    arguments = browser_context_args | {"permissions": ["clipboard-read", "clipboard-write"]}
    with at_page(browser, ada, **arguments, reduced_motion="reduce") as watched:
        yield watched


def test_axe_finds_nothing_in_the_settings_and_nothing_sticks_out(admin: Watch, org: OrgOf) -> None:
    page = admin.page
    mara = one("SELECT id FROM users WHERE email = :email", email=f"{org.id.hex}{LONG}")
    for path in ("people", "people/new", f"people/{mara}", "roles", "tokens", "sessions", "org", "account"):
        answer = page.goto(f"/settings/{path}")
        assert answer is not None and answer.status == 200, path
        for summary in page.locator("main details.sure summary, .places summary").all():
            summary.click()
        assert_fine(page, path)
    assert admin.complaints == []


def test_a_token_is_made_copied_and_revoked_by_keyboard(admin: Watch, org: OrgOf) -> None:
    page = admin.page
    page.goto("/settings/tokens")
    page.locator("#name").focus()
    page.keyboard.type("deploy")
    page.keyboard.press("Enter")
    secret = page.locator("#secret").input_value()
    assert secret.startswith("cb_")
    has_scripts(page)
    assert one("SELECT count(*) FROM api_tokens WHERE name = 'deploy' AND org_id = :id", id=org.id) == 1
    page.locator("#secret-copy").press("Enter")
    expect(page.locator("#secret-copied")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == secret
    row = page.locator("tr", has_text="deploy")
    row.locator("summary").press("Enter")
    row.get_by_role("button", name="Revoke", exact=True).press("Enter")
    expect(page.locator("#notices")).to_contain_text("Token deploy")
    assert one(
        "SELECT revoked_at IS NOT NULL FROM api_tokens WHERE name = 'deploy' AND org_id = :id", id=org.id
    )


def test_what_is_wrong_has_the_focus_and_what_was_typed_stays(admin: Watch, org: OrgOf) -> None:
    page = admin.page
    page.goto("/settings/org")
    page.locator("#name").fill("Renamed")
    page.locator("#timezone").fill("Mars/Base")
    page.locator("#timezone").press("Enter")
    expect(page.locator("#timezone")).to_be_focused()
    expect(page.locator("#timezone-error")).to_contain_text("is no known zone")
    expect(page.locator("#name")).to_have_value("Renamed")
    page.locator("#timezone").fill("Asia/Tokyo")
    page.locator("#timezone").press("Enter")
    expect(page.locator(".person small").first).to_contain_text("Renamed")
    assert org_settings.get(org.id).timezone == "Asia/Tokyo"
