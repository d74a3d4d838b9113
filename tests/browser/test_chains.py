"""Chains and sequences in a real browser: built on the page, watched while they run, moved in a dialog."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from console.core.actor import Actor
from console.core.clock import utc_now
from console.core.states import Condition
from console.services import chains
from console.services.views import JobView
from tests import factories
from tests.browser.conftest import Watch, at_page
from tests.browser.test_events import REFUSED
from tests.browser.test_pages import assert_fine
from tests.factories import OrgOf, rows


@pytest.fixture
def watch(browser: Browser, browser_context_args: dict[str, Any], person: Actor) -> Iterator[Watch]:
    """A signed-in page; a form that was refused is all it complains of."""
    with at_page(browser, person, **browser_context_args, reduced_motion="reduce") as watched:
        yield watched
        assert set(watched.complaints) <= {REFUSED}


@pytest.fixture
def abc(org: OrgOf) -> list[JobView]:
    return [factories.job(org, name=name, key=name.lower()) for name in ("Alpha", "Beta", "Gamma")]


def add(page: Page, name: str, condition: str = "success") -> None:
    page.locator("#chain-condition").select_option(condition)
    page.locator("#chain-job").fill(name)
    page.keyboard.press("Enter")


def state_of(page: Page, job: JobView) -> Any:
    return page.locator(f"#chain-{job.id} .state-word")


@pytest.mark.usefixtures("crew")
def test_a_chain_is_built_by_keyboard_and_watched_while_it_runs(watch: Watch, abc: list[JobView]) -> None:
    page, (alpha, beta, _) = watch.page, abc
    page.goto(f"/jobs/{beta.id}")
    page.locator("#chain-edit").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#chain-job")).to_be_focused()
    add(page, "gamma")
    expect(page.locator("#chain-editor .notice")).to_have_text("Added to the chain: runs after success.")
    add(page, "nobody", "failure")
    expect(page.locator("#chain-job-error")).to_contain_text("No job is called “nobody”")
    expect(page.locator("#chain-condition")).to_have_value("failure")
    expect(page.locator("#chain-job")).to_be_focused()
    page.keyboard.press("Escape")

    page.goto(f"/jobs/{alpha.id}")
    page.locator("#chain-edit").click()
    page.locator("#chain-job").press_sequentially("be")
    expect(page.locator("#chain-jobs option")).to_have_count(1)
    expect(page.locator("#chain-jobs option")).to_have_attribute("value", "beta")
    add(page, "beta")
    expect(page.locator(f"#unlink-success-{beta.id}")).to_be_visible()
    page.locator("#cancel").click()
    for job in abc:
        expect(state_of(page, job)).to_have_text("not yet")

    watch.forget()
    page.locator(f"#job-{alpha.id}-send").click()
    page.locator("#confirm").click()
    for job in abc:
        expect(state_of(page, job)).to_have_text("succeeded")
    assert watch.navigations == [], "nobody had to reload"
    page.locator("#chain-list summary").click()
    page.locator("#chain-list li").last.locator("a[href*='/runs/']").click()
    expect(page.locator("#place")).to_contain_text("Follows a run of Beta succeeded")
    assert [row.trigger for row in rows("SELECT trigger FROM runs ORDER BY id")] == [
        "manual",
        "chain",
        "chain",
    ]


@pytest.mark.usefixtures("crew")
def test_three_rows_are_put_in_order_and_run_in_sequence(watch: Watch, abc: list[JobView]) -> None:
    page = watch.page
    page.goto("/")
    for job in abc:
        page.locator(f"#job-{job.id}-pick").check()
    page.locator("#bulk-sequence").click()
    expect(page.locator("#sequence li b")).to_have_text(["Alpha", "Beta", "Gamma"])
    page.locator(f"#step-up-{abc[2].id}").click()
    expect(page.locator("#sequence li b")).to_have_text(["Alpha", "Gamma", "Beta"])
    page.locator("#confirm").click()
    expect(page.locator("#sequence-started")).to_contain_text(
        "3 runs in sequence: Alpha, then Gamma, then Beta."
    )
    expect(page.locator("#dialog")).to_be_hidden()
    expect(page.locator("#sequence-started a")).to_be_focused()
    expect(page.locator("#bulk-count")).to_have_text("Tick rows to change several at once")
    expect(page.locator(".pick input:checked")).to_have_count(0)
    expect(page.locator("#bulk-sequence")).to_be_disabled()
    for job in abc:
        expect(page.locator(f"#job-{job.id} .last")).to_contain_text("done")
    found = rows("SELECT job_id, started_at, finished_at FROM runs ORDER BY started_at")
    assert [row.job_id for row in found] == [abc[0].id, abc[2].id, abc[1].id]
    assert all(one.finished_at <= two.started_at for one, two in pairwise(found))


def test_axe_finds_nothing_in_drawing_and_dialogs_and_nothing_sticks_out(
    watch: Watch, org: OrgOf, abc: list[JobView]
) -> None:
    factories.live_worker()
    page, now = watch.page, utc_now()
    for first, condition, then in ((0, "success", "beta"), (0, "failure", "gamma"), (1, "success", "gamma")):
        chains.add(org.admin, abc[first].id, Condition(condition), then, now=now)
    page.goto(f"/jobs/{abc[1].id}")
    page.locator("#chain-list summary").click()
    assert_fine(page, "the drawing")
    page.locator("#chain-edit").click()
    expect(page.locator("#chain-job")).to_be_focused()
    assert_fine(page, "the editor")
    page.goto("/")
    for job in abc:
        page.locator(f"#job-{job.id}-pick").check()
    page.locator("#bulk-sequence").click()
    expect(page.locator("#sequence")).to_be_visible()
    assert_fine(page, "the sequence")
