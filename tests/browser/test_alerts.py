"""Alerts in a browser: a channel, its test and a rule by keyboard, and nothing amiss in any look."""

import pytest
from playwright.sync_api import expect

from console.core.actor import Actor
from console.core.states import Role
from tests import factories
from tests.browser.conftest import Watch, has_scripts
from tests.browser.test_pages import assert_fine
from tests.factories import OrgOf, rows


@pytest.fixture
def person(org: OrgOf) -> Actor:
    return factories.person(org, Role.ADMIN)


def test_a_channel_is_made_tested_and_given_a_rule_by_keyboard(seen: Watch, org: OrgOf) -> None:
    page = seen.page
    page.goto("/settings/alerts")
    page.get_by_role("link", name="Make the first channel").press("Enter")
    page.get_by_label("Name").fill("Ops")
    expect(page.get_by_label("Secret")).to_be_hidden()
    page.get_by_label("Addresses").fill("ops@northside.example")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Test Ops")).to_be_visible()
    has_scripts(page)
    page.get_by_role("button", name="Test Ops").press("Enter")
    expect(page.locator("[id^=tested-]")).to_contain_text("The test did not arrive: The mail server can't")
    expect(page.locator("#recent")).to_contain_text("The mail server can't")
    seen.forget()
    page.get_by_role("link", name="Make the first rule").press("Enter")
    page.get_by_label("Name").fill("Late ones")
    expect(page.get_by_label("Late from so many minutes on")).to_be_hidden()
    page.get_by_label("Look for").select_option("late")
    page.get_by_label("Late from so many minutes on").fill("20")
    expect(page.get_by_label("Ops ops@northside.example")).to_be_checked()
    page.get_by_role("button", name="Make the rule").press("Enter")
    expect(page.locator("#notices")).to_contain_text("Rule Late ones is made")
    expect(page.locator(".alert-rules")).to_contain_text("A run is late: 20 min")
    made = rows("SELECT event, minutes, enabled FROM alert_rules WHERE org_id = :id", id=org.id)
    assert [tuple(row) for row in made] == [("late", 20, True)]


def test_axe_finds_nothing_on_the_pages_of_alerts_in_any_look_and_nothing_sticks_out(
    seen: Watch, org: OrgOf
) -> None:
    name = "Averylongnamewithoutasinglespaceinitthatnobodywouldgive"
    channel, rule, delivery = factories.alert(org, name)
    page = seen.page
    page.emulate_media(reduced_motion="reduce")
    for path in (
        "",
        "/history",
        f"/history/{delivery.id}",
        "/channels/new?kind=webhook",
        f"/channels/{channel.id}",
        f"/rules/{rule.id}",
    ):
        page.goto(f"/settings/alerts{path}")
        assert_fine(page, path)
