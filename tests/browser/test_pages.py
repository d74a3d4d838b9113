"""Every page for every eye: axe finds nothing, nothing sticks out, and the browser has no complaint."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, expect

from console.core.actor import Actor
from console.core.clock import utc_now
from console.core.states import RunState
from console.services import edits
from tests import factories
from tests.browser.conftest import Watch, at_page, box_of
from tests.factories import OrgOf, one
from tests.plugins.messages.letters import event, message
from tests.web.conftest import catch, change
from tests.web.test_run_page import STATES

LONG = "Averylongnamewithoutasinglespaceinitthatnobodywouldgivetoajobbutsomebodywill" * 2


@dataclass(frozen=True)
class Look:
    """How a person sees the console."""

    scheme: Literal["light", "dark"]
    width: int

    def __str__(self) -> str:
        return f"{self.scheme}-{self.width}"


LOOKS = (Look("light", 1440), Look("light", 360), Look("dark", 360), Look("dark", 1440))


@pytest.fixture
def addresses(org: OrgOf) -> list[str]:
    """Every page, with all that can stand on it."""
    for name in (LONG, "Paused", "Refused"):
        factories.job(org, name=name, subject=LONG, recipient=f"{LONG[:60]}@north.example")
    hourly = factories.job(org, name="Hourly", schedule={"type": "interval", "every_seconds": 3600})
    edits.set_paused(org.admin, hourly.id, True, note="until Friday", now=utc_now())
    job = factories.job(org, name="Sweep the stage", args={})
    run_ids = [str(_run(org, job, state)) for state in RunState]
    change(
        "UPDATE jobs SET active_run_id = NULL, last_run_id = :run, last_run_state = 'failed', "
        "last_run_at = now(), last_run_reason = 'EXCEPTION', last_run_note = 'ValueError: boom', "
        "status = 'failed' WHERE id = :id",
        id=job.id,
        run=run_ids[0],
    )
    silent = factories.job(org, name="Silent")
    factories.run(org, silent, now=utc_now())
    change(
        "UPDATE runs SET requested_at = now() - interval '1 h', enqueued_at = now() - interval '1 h' "
        "WHERE job_id = :id",
        id=silent.id,
    )
    letter = message(org, event(org, "Hamlet"))
    catch(org, "Hello", LONG)
    mail_id = one("SELECT id FROM caught_mails WHERE org_id = :id", id=org.id)
    return [
        "/",
        "/?q=nothing-like-it",
        f"/jobs/{job.id}",
        f"/jobs/{silent.id}",
        f"/jobs/{job.id}/send-now",
        "/runs",
        "/runs?state=failed&category=Tests&dry=none",
        "/runs/figures?days=7",
        "/tasks",
        *(f"/runs/{run_id}" for run_id in run_ids),
        *(f"/runs/{run_ids[number]}/{verb}" for verb in ("stop", "retry") for number in (1, -1)),
        "/queues/default/pause",
        "/workers",
        "/audit",
        "/outbox",
        f"/outbox/{mail_id}",
        "/messages/templates",
        "/messages/templates/REMINDER",
        f"/jobs/{letter.id}/send-now",
        f"/runs/{_sent(org, letter)}",
        "/help",
    ]


def _sent(of: OrgOf, job: Any) -> Any:
    """A run that sent a message, as far as its page can tell."""
    run = factories.run(of, job)
    change(
        "UPDATE runs SET state = 'succeeded', started_at = now(), finished_at = now(), "
        "result = jsonb_build_object('message', jsonb_build_object('recipient', 'a@x.example', "
        "'subject', CAST(:long AS text), 'text', CAST(:long AS text), 'html', CAST(:long AS text))) "
        "WHERE id = :id",
        id=run.id,
        long=LONG,
    )
    change("UPDATE jobs SET active_run_id = NULL WHERE id = :id", id=job.id)
    return run.id


def _run(of: OrgOf, job: Any, state: RunState) -> Any:
    """A run in this state, with a result, an error, progress and a log."""
    run = factories.run(of, job)
    change(
        f"UPDATE runs SET state = '{state}', {STATES[state][0]}, "  # noqa: S608
        'progress = \'{"done": 1, "total": 3, "note": "at 1"}\', '
        'changes = \'[{"subject": "light", "before": "off", "after": "on"}]\' WHERE id = :id',
        id=run.id,
    )
    if state.is_terminal:
        change(
            'UPDATE runs SET result = \'{"summary": "well", "list": [1, 2]}\', '
            "error = jsonb_build_object('type', 'ValueError', 'message', CAST(:long AS text), 'traceback', "
            "'Traceback: ' || CAST(:long AS text)) WHERE id = :id",
            long=LONG,
            id=run.id,
        )
    change(
        "INSERT INTO run_logs (run_id, attempt, at, message) "
        "SELECT :id, 1, now(), CAST(:long AS text) || n FROM generate_series(1, 60) n",
        id=run.id,
        long=LONG,
    )
    return run.id


@pytest.fixture
def looking(
    browser: Browser, browser_context_args: dict[str, Any], person: Actor, addresses: list[str]
) -> Iterator[Watch]:
    """A signed-in page on which nothing moves."""
    factories.live_worker()
    factories.live_scheduler()
    with at_page(browser, person, **browser_context_args, reduced_motion="reduce") as watched:
        yield watched


def violations(page: Page) -> list[Any]:
    """What axe finds. Its script is sent to a document once, and what it is content with stays there."""
    if page.evaluate("typeof axe === 'undefined'"):
        page.evaluate(AXE_SCRIPT)
    options = "{resultTypes: ['violations']}"
    found: list[Any] = page.evaluate(f"axe.run(document, {options}).then(found => found.violations)")
    return found


def assert_fine(page: Page, what: str) -> None:
    """In every look axe finds nothing, and the page is no wider than its window."""
    for look in LOOKS:
        page.emulate_media(color_scheme=look.scheme)
        page.set_viewport_size({"width": look.width, "height": 800})
        assert (found := violations(page)) == [], f"{what}, {look}\n{json.dumps(found, indent=2)}"
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{what}, {look}: {wide} px too wide"


def test_axe_finds_nothing_on_any_page_and_nothing_sticks_out(looking: Watch, addresses: list[str]) -> None:
    page = looking.page
    for address in addresses:
        answer = page.goto(address)
        assert answer is not None and answer.status == 200, address
        assert_fine(page, address)
    assert looking.complaints == []


def test_axe_finds_nothing_in_dialogs_and_opened_details(
    looking: Watch, addresses: list[str], org: OrgOf
) -> None:
    page = looking.page
    page.goto("/")
    page.get_by_role("button", name="Sweep the stage").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert_fine(page, "the confirmation")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert_fine(page, "the keys")
    page.goto("/workers")
    page.locator("summary").click()
    assert_fine(page, "the tasks of a worker")
    failed = one("SELECT id FROM runs WHERE state = 'failed' AND org_id = :id", id=org.id)
    page.goto(f"/runs/{failed}")
    page.locator("summary").click()
    assert_fine(page, "a traceback")
    assert looking.complaints == []


def test_axe_finds_nothing_where_one_is_not_signed_in_or_has_erred(looking: Watch) -> None:
    page = looking.page
    page.goto("/nothing/here")
    expect(page.get_by_role("heading")).to_have_text("Nothing here")
    assert_fine(page, "an error page")
    page.context.clear_cookies()
    page.goto("/sign-in")
    assert_fine(page, "sign-in")
    page.get_by_label("Email").fill("nobody@example.com")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("don't belong together")
    assert_fine(page, "a refused sign-in")


def test_on_a_phone_a_row_is_a_card_that_has_everything(
    browser: Browser, browser_context_args: dict[str, Any], person: Actor, org: OrgOf
) -> None:
    job = factories.job(org, name="Sweep the stage", subject="Gig on Friday")
    arguments = {**browser_context_args, "viewport": {"width": 360, "height": 740}}
    with at_page(browser, person, **arguments) as watched:
        row = watched.page.locator(f"#job-{job.id}")
        for text in ("Sweep the stage", "Gig on Friday", "only by hand", "Ready", "never"):
            expect(row.get_by_text(text).first).to_be_visible()
        button = box_of(row.get_by_role("button", name="Run now"))
        assert button["height"] >= 24 and button["x"] + button["width"] <= 360
