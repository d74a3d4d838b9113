"""A live log that is followed, a run that is stopped and retried with keys alone, and a paused queue."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from console.core.actor import Actor
from tests import factories
from tests.browser.conftest import Watch
from tests.factories import OrgOf, one, rows

LOG = "document.getElementById('log')"
AT_END = f"() => {LOG}.scrollTop + {LOG}.clientHeight >= {LOG}.scrollHeight - 4"

pytestmark = pytest.mark.usefixtures("crew")


def add(script: Path, *lines: str) -> None:
    with script.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def press(page: Page, element_id: str) -> None:
    """As somebody does who has reached it with Tab."""
    page.locator(f"#{element_id}").focus()
    page.keyboard.press("Enter")


def test_a_log_is_followed_its_run_stopped_and_retried_by_keyboard_alone(
    page: Page, seen: Watch, org: OrgOf, person: Actor, tmp_path: Path
) -> None:
    script, other = tmp_path / "script", tmp_path / "other"
    add(script, *(f"line {number}" for number in range(200)))
    add(other, "all is said")
    job = factories.job(org, "read_aloud", args={"path": str(script), "total": 100_000})
    run = factories.run(org, job)
    page.goto(f"/runs/{run.id}")
    log, follow = page.get_by_role("log"), page.get_by_role("switch", name="Follow")
    expect(log).to_contain_text("line 199")
    page.wait_for_function(AT_END)
    page.evaluate(f"{LOG}.firstElementChild.dataset.kept = 'yes'")

    # Whoever scrolls up stays there while lines are added; nothing that is there is drawn anew.
    log.focus()
    page.keyboard.press("Home")
    expect(follow).not_to_be_checked()
    add(script, *(f"more {number}" for number in range(1200)))
    expect(log).to_contain_text("more 1199")
    assert page.evaluate(f"{LOG}.scrollTop") == 0
    assert page.evaluate(f"{LOG}.firstElementChild.dataset.kept") == "yes"
    assert page.evaluate(f"{LOG}.querySelectorAll('.line').length") == 1400
    page.keyboard.press("End")
    expect(follow).to_be_checked()
    add(script, "said while following")
    expect(log).to_contain_text("said while following")
    page.wait_for_function(AT_END)

    press(page, f"run-{run.id}-stop")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Its process is killed within about a second")
    expect(page.locator("#confirm")).to_be_focused()
    page.get_by_label("Note").fill("the wrong script")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator("#run .head .state")).to_have_text("Stopped")
    expect(page.locator("#main")).to_be_focused()  # the button that opened the dialog is gone
    expect(page.locator("#run .refusal")).to_contain_text(f"{person.name} stopped it: the wrong script")
    assert rows("SELECT state, reason_code FROM runs") == [("stopped", "STOPPED_BY_OPERATOR")]
    assert page.evaluate(f"{LOG}.firstElementChild.dataset.kept") == "yes"

    press(page, "retry")
    expect(dialog).to_contain_text("Retry: Read aloud?")
    page.get_by_label("Path").fill(str(other))
    page.get_by_label("Total").fill("1")
    press(page, "confirm")
    expect(page.locator("#run .head .state")).to_have_text("Done")
    expect(page.get_by_role("log")).to_contain_text("all is said")
    expect(page.locator("#cause")).to_have_attribute("href", f"/runs/{run.id}")
    assert one("SELECT args FROM runs WHERE cause_id = :id", id=run.id) == {"path": str(other), "total": 1}


def test_a_queue_is_paused_and_what_waits_in_it_starts_when_it_is_resumed(
    page: Page, seen: Watch, org: OrgOf, person: Actor
) -> None:
    job = factories.job(org)
    page.goto("/workers")
    for number, title in enumerate(("Waiting", "Running", "Served by")):
        head = page.locator(".queues thead").get_by_role("columnheader", name=title).bounding_box()
        cell = page.locator("#queue-default td").nth(number + 1).bounding_box()
        assert head and cell and (head["x"], head["width"]) == (cell["x"], cell["width"]), title
    page.locator("#queue-default-pause").click()
    page.get_by_label("Note").fill("the mail server is down")
    page.locator("#confirm").click()
    expect(page.locator("#queue-default")).to_contain_text("the mail server is down")
    page.goto("/")
    row = page.locator(f"#job-{job.id}")
    row.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("dialog")).to_contain_text("It is accepted and waits: queue default is paused by")
    page.locator("#confirm").click()
    expect(row.locator(".status")).to_contain_text("QUEUE_PAUSED")
    assert one("SELECT state FROM runs") == "queued"
    page.goto("/workers")
    page.locator("#queue-default-resume").click()
    expect(page.locator("#notices")).to_contain_text("Queue default is resumed")
    page.goto("/")
    expect(page.locator(f"#job-{job.id} .last")).to_contain_text("done")
    assert one("SELECT attempt FROM runs") == 1
