"""Two people agree, each in a browser of their own: by keyboard, in every look, and on a phone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from console.core.actor import Actor
from console.core.clock import utc_now
from console.core.states import Role
from console.services import approving
from tests import factories
from tests.browser.conftest import Watch, at_page
from tests.browser.test_pages import assert_fine
from tests.factories import OrgOf, one, rows


@pytest.fixture
def second(org: OrgOf) -> Actor:
    """The other person, who may decide."""
    return factories.person(org, Role.ADMIN)


@contextmanager
def beside(browser: Browser, person: Actor, arguments: dict[str, Any]) -> Iterator[Page]:
    """The page of another person, against which the browser must have nothing to say."""
    with at_page(browser, person, **arguments, reduced_motion="reduce") as watched:
        yield watched.page
        assert watched.complaints == []


def focus_first(page: Page) -> None:
    """With a key."""
    link = page.locator(".job-link").first
    expect(link).to_be_visible()
    page.keyboard.press("j")
    expect(link).to_be_focused()


def test_one_asks_and_another_approves_by_keyboard_and_the_run_has_both_names(
    browser: Browser,
    browser_context_args: dict[str, Any],
    seen: Watch,
    org: OrgOf,
    person: Actor,
    second: Actor,
) -> None:
    job = factories.job(org, "tests.tasks.critical", name="Open the trap door")
    page = seen.page
    with beside(browser, second, browser_context_args) as other:
        expect(other.locator("#waiting-approvals .count")).to_have_count(0)
        page.goto("/")
        focus_first(page)
        page.keyboard.press("s")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("A second person must approve this run")
        page.get_by_label("Why, for whoever decides").fill("before the show")
        page.keyboard.press("Enter")
        expect(dialog).to_be_hidden()
        expect(page.locator("#notices")).to_contain_text("you have asked for it, until")
        expect(page.locator("#waiting-approvals")).to_contain_text("1 waiting for others")
        assert one("SELECT count(*) FROM runs WHERE org_id = :id", id=org.id) == 0
        # The other's page, which nobody touched, hears of it by its heartbeat.
        expect(other.locator("#waiting-approvals")).to_contain_text("1 for you to decide")

        page.get_by_role("link", name="See the request").click()
        expect(page.get_by_role("button", name="Approve")).to_be_disabled()
        expect(page.locator("#approval")).to_contain_text("you asked for it yourself")

        other.get_by_role("link", name="Approvals").click()
        other.wait_for_url("**/approvals")
        focus_first(other)
        other.keyboard.press("a")
        decision = other.get_by_role("dialog")
        expect(decision).to_contain_text("Approve: Run now, Open the trap door?")
        expect(decision).to_contain_text("before the show")
        expect(decision.get_by_role("button", name="Approve, and run it")).to_be_focused()
        other.keyboard.press("Enter")
        expect(other.locator("#notices")).to_contain_text("approved; its run is on its way.")
        expect(other.locator("#waiting-approvals .count")).to_have_count(0)
        expect(other.locator("#approvals")).to_contain_text("Nothing waits for a second person")
        ((run_id, by),) = rows("SELECT id, approved_by FROM runs WHERE job_id = :id", id=job.id)
        assert by == second.name
        # And so does the page of whoever asked.
        expect(page.locator("#approval .state")).to_have_text("Approved")
        page.get_by_role("link", name="Follow its run").click()
        page.wait_for_url(re.compile(f"/runs/{run_id}$"))
        expect(page.get_by_role("main")).to_contain_text(person.name)
        expect(page.get_by_role("main")).to_contain_text(second.name)


def test_a_button_that_came_a_moment_ago_opens_its_dialog_and_leaves_the_page_where_it_is(
    browser: Browser, browser_context_args: dict[str, Any], org: OrgOf, person: Actor, second: Actor
) -> None:
    """htmx takes a new element into its care some time after it is there; a click may be quicker."""
    factories.approval(org, factories.job(org, name="Open the trap door"), actor=person)
    with beside(browser, second, browser_context_args) as page:
        page.goto("/approvals")
        expect(page.get_by_role("button", name="Approve")).to_be_visible()
        page.evaluate(
            """() => {
              const form = document.querySelector("form:has(button.approve)");
              const fresh = form.cloneNode(true);
              form.replaceWith(fresh);
              fresh.querySelector("button").click();
            }"""
        )
        expect(page.get_by_role("dialog")).to_contain_text("Approve: Run now, Open the trap door?")
        assert page.url.endswith("/approvals")


def test_a_rejection_by_keyboard_wants_a_reason_first(
    browser: Browser, browser_context_args: dict[str, Any], org: OrgOf, person: Actor, second: Actor
) -> None:
    asked = factories.approval(org, factories.job(org, name="Open the trap door"), actor=person)
    with beside(browser, second, browser_context_args) as page:
        page.goto("/approvals")
        focus_first(page)
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(f"/approvals/{asked.id}$"))
        expect(page.get_by_role("button", name="Reject")).to_be_visible()
        page.keyboard.press("r")
        note = page.get_by_label("Why not, for whoever asked")
        expect(note).to_be_focused()
        page.keyboard.press("Enter")  # the browser itself asks for the reason
        assert one("SELECT state FROM approvals WHERE id = :id", id=asked.id) == "pending"
        note.fill("not today")
        page.keyboard.press("Enter")
        expect(page.locator("#approval .state")).to_have_text("Rejected")
        expect(page.locator("#approval")).to_contain_text("not today")
    assert rows("SELECT state, note FROM approvals WHERE id = :id", id=asked.id) == [
        ("rejected", "not today")
    ]


def test_after_each_decision_the_focus_is_on_what_is_next_and_the_row_of_the_job_follows(
    browser: Browser,
    browser_context_args: dict[str, Any],
    seen: Watch,
    org: OrgOf,
    person: Actor,
    second: Actor,
) -> None:
    now = utc_now()
    jobs = [factories.job(org, name=f"Trap door {number}") for number in range(4)]
    asked = [
        factories.approval(org, job, actor=person, now=now + timedelta(seconds=number))
        for number, job in enumerate(jobs)
    ]
    with beside(browser, second, browser_context_args) as page:
        seen.page.goto("/")
        first_row = seen.page.locator(f"#job-{jobs[0].id}")
        expect(first_row).to_contain_text("waits for a second person")
        page.goto("/approvals")
        focus_first(page)
        page.keyboard.press("a")
        expect(page.get_by_role("button", name="Approve, and run it")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator(f"#approval-{asked[1].id}-link")).to_be_focused()
        page.keyboard.press("r")
        expect(page.get_by_label("Why not, for whoever asked")).to_be_focused()
        page.keyboard.type("not today")
        page.keyboard.press("Enter")
        expect(page.locator(f"#approval-{asked[2].id}-link")).to_be_focused()

        # Somebody else decides while the dialog stands open: whoever closes it is at the next one.
        page.keyboard.press("a")
        expect(page.get_by_role("dialog")).to_be_visible()
        approving.reject(factories.person(org, Role.ADMIN), asked[2].id, note="no", now=utc_now())
        page.evaluate("htmx.trigger(document.body, 'approvals-changed')")
        expect(page.locator(f"#approval-{asked[2].id}")).to_have_count(0)
        page.keyboard.press("Escape")
        expect(page.locator(f"#approval-{asked[3].id}-link")).to_be_focused()

        # Where none is left, or on the request's own page, a heading says what has become of it.
        page.keyboard.press("r")
        expect(page.get_by_label("Why not, for whoever asked")).to_be_focused()
        page.keyboard.type("not today")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Nothing waits for a second person")).to_be_focused()
        last = factories.approval(org, jobs[3], actor=person)
        page.goto(f"/approvals/{last.id}")
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_role("button", name="Approve, and run it")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#approval .state")).to_have_text("Approved")
        expect(page.get_by_role("heading", name="Run now: Trap door 3")).to_be_focused()

        # The page of whoever asked, which nobody touched, is where the run is by now.
        expect(first_row.locator(".state")).to_contain_text("Queued")
        expect(first_row).not_to_contain_text("second person")
    states = "SELECT state, count(*) FROM approvals GROUP BY state ORDER BY state"
    assert [tuple(row) for row in rows(states)] == [("approved", 2), ("rejected", 3)]
    assert one("SELECT count(*) FROM runs WHERE approved_by = :name", name=second.name) == 2


def test_axe_finds_nothing_on_approvals_in_any_look_and_nothing_sticks_out(
    browser: Browser, browser_context_args: dict[str, Any], org: OrgOf, person: Actor, second: Actor
) -> None:
    name = "Averylongnamewithoutasinglespacethatnobodywouldgivetoajobbutsomebodywill"
    job = factories.job(org, "tests.tasks.log_much", name=name, args={"size": 5})
    asked = factories.approval(org, job, actor=person, note="because " + name * 2)
    factories.approval(org, factories.job(org, name="Mine"), actor=second)
    with beside(browser, second, browser_context_args) as page:
        for address in (
            "/approvals",
            f"/approvals/{asked.id}",
            f"/jobs/{job.id}",
        ):
            page.goto(address)
            assert_fine(page, address)
        page.goto("/approvals")
        page.locator(f"#approval-{asked.id}-approve").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert_fine(page, "the dialog")
