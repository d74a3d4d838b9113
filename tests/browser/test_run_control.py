"""A live log that is followed, a run that is stopped and retried with keys alone, and a paused queue."""

from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from console.core.actor import Actor
from console.core.clock import utc_now
from tests import factories
from tests.browser.conftest import Watch
from tests.factories import OrgOf, one, rows

LOG = "document.getElementById('log')"
AT_END = f"() => {LOG}.scrollTop + {LOG}.clientHeight >= {LOG}.scrollHeight - 4"

COLUMNS = """titles => titles.map((title, number) => {
    const heads = [...document.querySelectorAll(".queues thead th")];
    const head = heads.find(cell => cell.textContent.trim() === title).getBoundingClientRect();
    const cell = document.querySelectorAll("#queue-default td")[number + 1].getBoundingClientRect();
    return head.x === cell.x && head.width === cell.width;
})"""
"""Whether head and cell of each column stand above each other: measured at once, for a poll may come."""

APART = """id => {
    const [badge, why] = [".status .state", ".why-link"].map(
        name => document.querySelector(`#job-${id} ${name}`).getBoundingClientRect());
    return badge.right <= why.left || why.right <= badge.left
        || badge.bottom <= why.top || why.bottom <= badge.top;
}"""
"""Whether a job's badge and the question mark beside it are clear of each other: measured at once."""

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


def test_failed_runs_are_ticked_and_retried_and_one_is_stopped_in_its_row(
    page: Page, seen: Watch, org: OrgOf, person: Actor, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    made = [
        factories.run(org, factories.job(org, "read_aloud", args={"path": str(script), "total": 100_000}))
        for _ in range(2)
    ]
    page.goto("/runs")
    expect(page.locator(".runs .status .state").get_by_text("Failed")).to_have_count(2)
    add(script, "it is there now")
    for run in made:
        page.locator(f"#run-{run.id}-link").focus()
        page.keyboard.press("x")
    expect(page.locator("#bulk-count")).to_have_text("2 selected")
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 will run again")
    expect(page.locator("#confirm")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator("#bulk-done")).to_contain_text("2 requested once more")
    expect(page.locator("#bulk")).to_be_hidden()
    expect(page.locator("#runs-table .trigger").get_by_text("retry")).to_have_count(2)

    job_id = made[0].job_id
    page.goto("/")
    page.locator(f"#job-{job_id}-stop").click()
    expect(dialog).to_contain_text("Stop this run of")
    page.keyboard.press("Enter")
    expect(page.locator(f"#job-{job_id} .last")).to_contain_text("stopped")
    expect(page.locator(f"#job-{job_id}-link")).to_be_visible()
    expect(page.locator(f"#job-{job_id}-stop")).to_have_count(0)
    states = rows("SELECT state FROM runs WHERE job_id = :id AND trigger = 'retry'", id=job_id)
    assert states == [("stopped",)]


def test_a_queue_is_paused_and_what_waits_in_it_starts_when_it_is_resumed(
    page: Page, seen: Watch, org: OrgOf, person: Actor
) -> None:
    job = factories.job(org)
    page.goto("/workers")
    expect(page.locator("#queue-default")).to_be_visible()
    assert page.evaluate(COLUMNS, ["Waiting", "Running", "Served by"]) == [True, True, True]
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


def test_a_badge_with_a_long_wait_leaves_room_for_the_question_beside_it(
    page: Page, seen: Watch, org: OrgOf
) -> None:
    job = factories.job(org, "read_aloud", args={"path": "/dev/null", "total": 1})
    factories.run(org, job, start_at=utc_now() + timedelta(hours=9, minutes=50))
    for width in (1280, 1024, 360):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto("/")
        expect(page.locator(f"#job-{job.id} .status .state")).to_contain_text("Queued starts in")
        assert page.evaluate(APART, str(job.id)), f"the question mark lies on the badge at {width} px"
