"""Bad days in front of the screen: nobody works, nobody answers, nobody looks."""

import os
import signal
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from console.core.actor import Actor
from tests import factories
from tests.browser.conftest import (
    PATIENCE_MS,
    Site,
    Watch,
    at_page,
    forget_heartbeats,
    serving,
    sign_in,
)
from tests.factories import OrgOf, one
from tests.processes import free_port
from tests.web.conftest import change

SLOWEST_POLL_MS = 30_000
HIDE = """hidden => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture(autouse=True)
def _nobody(app: Flask) -> None:
    forget_heartbeats()


def test_without_a_worker_the_badge_says_after_ten_seconds_that_nothing_is_there(
    page: Page, seen: Watch, org: OrgOf
) -> None:
    job = factories.job(org, name="Sweep the stage")
    page.goto("/")
    seen.forget()
    expect(page.locator("#pulse")).to_contain_text("No worker")
    page.locator(f"#job-{job.id}-send").click()
    page.locator("#confirm").click()
    status = page.locator(f"#job-{job.id} .status")
    expect(status).to_contain_text("Queued")
    expect(page.locator(f"#job-{job.id} .hops")).to_contain_text("waiting for a worker")
    seen_at_once = status.inner_text()
    late = one("SELECT requested_at < now() - interval '10 s' FROM runs WHERE job_id = :id", id=job.id)
    assert late or "no worker is alive" not in seen_at_once
    at = "requested_at = requested_at - interval '11 s', enqueued_at = enqueued_at - interval '11 s'"
    change(f"UPDATE runs SET {at} WHERE job_id = :id", id=job.id)  # noqa: S608
    expect(status).to_contain_text("no worker is alive; nothing is there to execute it NO_LIVE_WORKER")
    assert one("SELECT state FROM runs WHERE job_id = :id", id=job.id) == "queued"
    assert seen.navigations == []
    page.get_by_role("link", name="Follow the run").click()
    expect(page.locator("#run .refusal")).to_contain_text("Start a worker for the queue")


def test_a_console_that_goes_away_leaves_the_page_and_says_since_when(
    browser: Browser, browser_context_args: dict[str, Any], site: Site, org: OrgOf, person: Actor
) -> None:
    job = factories.job(org, name="Sweep the stage")
    factories.run(org, job)
    other = factories.job(org, name="Ask the crew")
    port = free_port()
    arguments = {**browser_context_args, "base_url": f"http://127.0.0.1:{port}"}
    with serving(site.environment, port) as web, at_page(browser, person, **arguments) as watched:
        page = watched.page
        expect(page.locator("#stale")).to_be_hidden()
        page.locator(f"#job-{other.id}-send").click()
        expect(page.get_by_role("dialog")).to_contain_text("Run now: Ask the crew?")
        os.killpg(web.pid, signal.SIGKILL)
        web.wait()
        expect(page.locator("#stale")).to_contain_text("stale since")
        expect(page.locator(f"#job-{job.id} .status")).to_contain_text("Queued")
        page.locator("#confirm").click()
        expect(page.get_by_role("dialog")).to_contain_text(
            "the request may not have arrived. Pressing again is safe"
        )
        assert one("SELECT count(*) FROM runs WHERE job_id = :id", id=other.id) == 0
        with serving(site.environment, port):
            expect(page.locator("#stale")).to_be_hidden(timeout=SLOWEST_POLL_MS + PATIENCE_MS)
            page.locator("#confirm").click()
            expect(page.get_by_role("dialog")).to_be_hidden()
            expect(page.locator(f"#job-{other.id} .status")).to_contain_text("Queued")
            assert one("SELECT count(*) FROM runs WHERE job_id = :id", id=other.id) == 1
        assert all("ERR_" in text or text.startswith("htmx:") for text in watched.complaints)


def test_a_hidden_tab_rests_and_one_that_is_shown_again_asks_at_once(
    page: Page, seen: Watch, org: OrgOf
) -> None:
    factories.run(org, factories.job(org))
    page.goto("/")
    with page.expect_request("**/fragments/jobs/table*"):
        pass
    page.evaluate(HIDE, True)
    seen.forget()
    page.wait_for_timeout(3000)
    assert seen.asked("/fragments/") == []
    with page.expect_request("**/fragments/pulse*"), page.expect_request("**/fragments/jobs/table*"):
        page.evaluate(HIDE, False)


def test_a_session_that_ended_is_said_above_a_page_that_stays(page: Page, person: Actor, org: OrgOf) -> None:
    job = factories.job(org, name="Sweep the stage")
    factories.run(org, job)
    sign_in(page, person)
    change("UPDATE login_sessions SET revoked_at = now() WHERE user_id = :id", id=person.id)
    expect(page.locator("#session-ended")).to_contain_text("Your session has ended; what you see here stays.")
    expect(page.locator(f"#job-{job.id}")).to_be_visible()
    page.locator("#session-ended").get_by_role("link", name="Sign in").click()
    page.get_by_label("Email").fill(person.email or "")
    page.get_by_label("Password").fill(factories.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(f"#job-{job.id}")).to_be_visible()


def test_a_refusal_stands_in_the_dialog(page: Page, person: Actor, org: OrgOf) -> None:
    job = factories.job(org, "tests.tasks.needs_recipient", recipient="crew@north.example")
    sign_in(page, person)
    page.locator(f"#job-{job.id}-send").click()
    expect(page.locator("#confirm")).to_be_focused()
    change("UPDATE jobs SET deleted_at = now() WHERE id = :id", id=job.id)
    page.locator("#confirm").click()
    expect(page.locator("#dialog-problem")).to_contain_text("There is no such job.")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert one("SELECT count(*) FROM runs WHERE job_id = :id", id=job.id) == 0


def test_a_page_at_rest_is_left_alone_while_one_types(page: Page, seen: Watch, org: OrgOf) -> None:
    factories.run(org, factories.job(org))
    page.goto("/")
    page.locator("#q").fill("half a wor")
    for _ in range(2):
        with page.expect_response("**/fragments/jobs/table*"):
            pass
    expect(page.locator("#q")).to_be_focused()
    expect(page.locator("#q")).to_have_value("half a wor")
