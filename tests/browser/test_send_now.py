"""From the click to the mail, as an operator sees it: with a mouse, without JavaScript, with keys alone."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest
from playwright.sync_api import Page, expect

from console.core.actor import Actor
from tests import factories
from tests.browser.conftest import Crew, Watch, sign_in
from tests.factories import OrgOf, one, rows

LOG = "document.getElementById('log')"
AT_END = f"() => {LOG}.scrollTop + {LOG}.clientHeight >= {LOG}.scrollHeight - 4"

pytestmark = pytest.mark.usefixtures("crew")


@contextmanager
def held(process: "Popen[bytes]") -> Iterator[None]:
    """The process stands still inside the block."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def test_a_click_walks_through_its_states_without_a_reload_and_its_mail_is_in_the_outbox(
    page: Page, seen: Watch, crew: Crew, org: OrgOf, person: Actor
) -> None:
    job = factories.job(org, "send_test_email_to_self")
    page.goto("/")
    page.evaluate("window.untouched = true")
    seen.forget()
    row = page.locator(f"#job-{job.id}")
    expect(row.locator(".status .state")).to_have_text("Ready")
    with held(crew.catcher):
        with held(crew.worker):
            row.get_by_role("button", name="Send now").click()
            dialog = page.get_by_role("dialog")
            expect(dialog).to_contain_text(person.email or "")
            dialog.get_by_role("button", name="Send now").click()
            expect(dialog).to_be_hidden()
            expect(page.locator("#notices")).to_contain_text("Send test email: requested.")
            expect(row.locator(".status")).to_contain_text("Queued")
            assert one("SELECT state FROM runs WHERE job_id = :id", id=job.id) == "queued"
        expect(row.locator(".status")).to_contain_text("Running")
        expect(row.locator(".hops")).to_contain_text(f"sending to {person.email}")
        assert one("SELECT state FROM runs WHERE job_id = :id", id=job.id) == "running"
    expect(row.locator(".last")).to_contain_text("sent")
    expect(row.locator(".hops")).to_have_count(0)
    assert one("SELECT state FROM runs WHERE job_id = :id", id=job.id) == "succeeded"
    assert seen.navigations == []
    assert page.evaluate("window.untouched") is True

    assert seen.asked("/fragments/jobs/table")
    seen.forget()
    page.wait_for_timeout(3000)
    assert seen.asked("/fragments/jobs/table") == []

    page.get_by_role("link", name="Outbox").click()
    page.get_by_role("link", name="Callboard test mail").click()
    expect(page.locator("main")).to_contain_text(person.email or "")
    expect(page.locator(".mail")).to_contain_text("This mail shows that Callboard can send.")
    page.get_by_role("link", name="its run").click()
    expect(page.locator(".timeline")).to_contain_text("on worker-1")
    expect(page.locator("#run")).to_contain_text(f"sent to {person.email}")
    assert one("SELECT seen_at FROM runs WHERE job_id = :id", id=job.id) is not None


def test_without_javascript_the_same_click_leads_to_the_same_mail(
    plain_page: Page, org: OrgOf, person: Actor
) -> None:
    job = factories.job(org, "send_test_email_to_self")
    page = plain_page
    sign_in(page, person)
    page.locator(f"#job-{job.id}").get_by_role("button", name="Send now").click()
    expect(page.get_by_role("heading", name="Send now: Send test email?")).to_be_visible()
    page.locator("#confirm").click()
    expect(page.locator("#notices")).to_contain_text("Send test email: requested.")
    expect(page.locator("#run .head .state")).to_have_text("Sent")
    assert rows("SELECT state FROM runs WHERE job_id = :id", id=job.id) == [("succeeded",)]
    page.get_by_role("link", name="Outbox").click()
    page.get_by_role("link", name="Callboard test mail").click()
    expect(page.locator(".mail")).to_contain_text(f"Requested for: {person.email}")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/outbox")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_without_javascript_search_and_filters_work(plain_page: Page, org: OrgOf, person: Actor) -> None:
    factories.job(org, name="Sweep the stage")
    factories.job(org, "count_slowly", name="Count")
    page = plain_page
    sign_in(page, person)
    page.get_by_label("Search jobs").fill("sweep")
    page.keyboard.press("Enter")
    expect(page.locator(".job-link")).to_have_text(["Sweep the stage"])
    page.get_by_role("link", name="Clear").click()
    page.get_by_label("Category").select_option("Examples")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".job-link")).to_have_text(["Count"])


def test_everything_can_be_done_with_keys_alone(page: Page, seen: Watch, org: OrgOf) -> None:
    for name in ("Alpha", "Beta", "Gamma"):
        factories.job(org, name=name)
    page.goto("/")
    focused = page.locator("*:focus")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("search the jobs")
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()

    for key, name in zip("jjjjkk", ("Alpha", "Beta", "Gamma", "Gamma", "Beta", "Alpha"), strict=True):
        page.keyboard.press(key)
        expect(focused).to_have_text(name)

    page.keyboard.press("s")
    expect(page.get_by_role("dialog")).to_contain_text("Run now: Alpha?")
    expect(focused).to_have_id("confirm")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(focused).to_have_text("Run now: Alpha")
    assert one("SELECT count(*) FROM runs WHERE org_id = :id", id=org.id) == 0

    page.keyboard.press("s")
    expect(focused).to_have_id("confirm")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator(".job", has_text="Alpha").locator(".last")).to_contain_text("done")
    assert rows("SELECT state FROM runs WHERE org_id = :id", id=org.id) == [("succeeded",)]

    page.keyboard.press("/")
    expect(focused).to_have_id("q")
    page.keyboard.type("jks?")
    expect(page.locator("#q")).to_have_value("jks?")
    page.keyboard.press("Escape")
    expect(page.locator("#q")).not_to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("gamma")
    page.keyboard.press("Enter")
    expect(page.locator(".job-link")).to_have_text(["Gamma"])
    page.wait_for_load_state("load")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Gamma")).to_be_visible()
    page.wait_for_load_state("load")
    page.keyboard.press("s")
    expect(page.get_by_role("dialog")).to_contain_text("Run now: Gamma?")


def test_focus_stays_on_the_row_while_its_run_is_followed(
    page: Page, seen: Watch, crew: Crew, org: OrgOf
) -> None:
    job = factories.job(org, name="Alpha")
    page.goto("/")
    page.keyboard.press("j")
    with held(crew.worker):
        page.keyboard.press("s")
        expect(page.locator("*:focus")).to_have_id("confirm")
        page.keyboard.press("Enter")
        expect(page.locator(f"#job-{job.id} .status")).to_contain_text("Queued")
        expect(page.locator("*:focus")).to_have_id(f"job-{job.id}-link")
    expect(page.locator(f"#job-{job.id} .last")).to_contain_text("done")
    expect(page.locator("*:focus")).to_have_id(f"job-{job.id}-link")


def test_a_run_is_followed_on_its_page_line_by_line(
    page: Page, seen: Watch, org: OrgOf, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text("house to half\n")
    run = factories.run(org, factories.job(org, "read_aloud", args={"path": str(script), "total": 4}))
    page.goto(f"/runs/{run.id}")
    seen.forget()
    log = page.locator("#log")
    expect(page.locator("#run .head .state")).to_contain_text("Running")
    expect(log).to_contain_text("house to half")
    expect(page.locator(".progress-line")).to_contain_text("1 of 4 (25 %) · said house to half · about")
    add(script, "<b>tabs in</b>\ncurtain\n")
    expect(log).to_contain_text("<b>tabs in</b>")
    expect(page.get_by_role("progressbar")).to_have_js_property("value", 3)
    expect(log).not_to_contain_text("house lights")
    add(script, "house lights\n")
    expect(page.locator("#run .head .state")).to_have_text("Done")
    expect(page.get_by_role("progressbar")).to_have_count(0)
    expect(log).to_contain_text("house lights")
    expect(page.locator("#log-next[data-poll]")).to_have_count(0)
    lines = [line.split(" ", 1)[1] for line in log.inner_text().strip().split("\n")]
    assert lines == ["house to half", "<b>tabs in</b>", "curtain", "house lights"]
    expect(page.locator(".summary")).to_have_text("said 4 lines")
    expect(page.locator(".timeline")).to_contain_text("seen")
    assert one("SELECT seen_at IS NOT NULL FROM runs WHERE id = :id", id=run.id)
    assert seen.navigations == []
    seen.forget()
    page.wait_for_timeout(3000)
    assert seen.asked("/fragments/runs/") == []


def add(script: Path, lines: str) -> None:
    with script.open("a") as file:
        file.write(lines)


def test_a_log_follows_its_end_until_one_scrolls_up(
    page: Page, seen: Watch, org: OrgOf, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text("".join(f"line {number}\n" for number in range(100)))
    run = factories.run(org, factories.job(org, "read_aloud", args={"path": str(script), "total": 103}))
    page.goto(f"/runs/{run.id}")
    log, follow = page.locator("#log"), page.get_by_label("follow")
    expect(log).to_contain_text("line 99")
    page.wait_for_function(AT_END)
    assert page.evaluate(f"{LOG}.scrollTop") > 0
    expect(follow).to_be_checked()
    add(script, "said while following\n")
    expect(log).to_contain_text("said while following")
    page.wait_for_function(AT_END)

    page.evaluate(f"{LOG}.scrollTop = 20")
    expect(follow).not_to_be_checked()
    add(script, "said while reading above\n")
    expect(log).to_contain_text("said while reading above")
    assert page.evaluate(f"{LOG}.scrollTop") == 20
    expect(follow).not_to_be_checked()
    follow.check()
    page.wait_for_function(AT_END)
    add(script, "the end\n")
    expect(page.locator("#run .head .state")).to_have_text("Done")


def test_two_quick_clicks_on_the_confirmation_make_one_run(page: Page, seen: Watch, org: OrgOf) -> None:
    job = factories.job(org)
    page.goto("/")
    page.locator(f"#job-{job.id}-send").click()
    page.locator("#confirm").dblclick()
    expect(page.locator(f"#job-{job.id} .last")).to_contain_text("done")
    assert one("SELECT count(*) FROM runs WHERE job_id = :id", id=job.id) == 1


def test_a_resting_page_hears_of_a_run_that_another_began(page: Page, seen: Watch, org: OrgOf) -> None:
    job = factories.job(org)
    page.goto("/")
    expect(page.locator(f"#job-{job.id} .last")).to_contain_text("never")
    factories.run(org, job)
    expect(page.locator(f"#job-{job.id} .last")).to_contain_text("done")
    assert seen.navigations[1:] == []
