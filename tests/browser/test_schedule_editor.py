"""From the pencil in the row to the scheduler that acts on it: with a mouse, with keys, by two at once."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from console.core.actor import Actor
from console.core.clock import utc_now
from console.core.states import Role
from console.services import edits
from console.services.changes import Change
from console.services.views import JobView
from tests import factories
from tests.browser.conftest import Watch, at_page, sign_in
from tests.browser.test_pages import assert_fine
from tests.factories import OrgOf, one, rows

ZONE = "Asia/Ho_Chi_Minh"
DAILY = {"type": "daily", "hour": 7, "minute": 0}
PREVIEW_MS = 250
EXPECTED = re.compile(r"status of (409|422)")

pytestmark = pytest.mark.usefixtures("crew")


@pytest.fixture
def job(org: OrgOf) -> JobView:
    return factories.job(org, name="Morning report", schedule=DAILY, timezone=ZONE)


def row_of(page: Page, job: JobView) -> Locator:
    return page.locator(f"#job-{job.id}")


def editor_of(page: Page, job: JobView) -> Locator:
    return page.locator(f"#editor-{job.id}")


def field(page: Page, name: str) -> Locator:
    return page.locator(f".editor [name={name}]")


def open_editor(page: Page, job: JobView) -> Locator:
    page.locator(f"#job-{job.id}-edit").click()
    expect(editor_of(page, job)).to_be_visible()
    return editor_of(page, job)


def kept(job: JobView) -> Any:
    return rows("SELECT schedule, revision FROM jobs WHERE id = :id", id=job.id)[0]


def in_force(job: JobView) -> bool:
    return bool(one("SELECT revision = applied_revision FROM jobs WHERE id = :id", id=job.id))


def forgive(seen: Watch) -> None:
    """The browser logs each refused request; that it was refused is what the test asked for."""
    seen.complaints[:] = [text for text in seen.complaints if not EXPECTED.search(text)]


def test_seven_becomes_a_quarter_past_nine_in_the_row_is_in_force_and_is_undone(
    page: Page, seen: Watch, job: JobView
) -> None:
    page.goto("/")
    page.evaluate("window.untouched = true")
    seen.forget()
    row = row_of(page, job)
    before = row.locator(".next").inner_text()
    editor = open_editor(page, job)
    expect(field(page, "time")).to_be_focused()
    field(page, "time").fill("09:15")
    expect(editor.locator(".sentence")).to_contain_text("Daily at 09:15")
    expect(editor.locator(".slots tbody tr")).to_have_count(5)
    expect(editor.locator(".slots tbody tr").first).to_contain_text("09:15")
    expect(editor.locator(".slots tbody tr").first).to_contain_text("02:15")
    expect(editor.locator(".slots caption")).to_contain_text("instead of")
    assert kept(job).revision == 1
    editor.get_by_role("button", name="Save").click()
    expect(editor).to_have_count(0)
    notice = page.locator("#notices")
    expect(notice).to_contain_text(
        re.compile(r"Saved r2\. Next run: .* 09:15 Asia/Ho_Chi_Minh \(was .*07:00\)")
    )
    expect(row).to_contain_text("daily at 09:15")
    expect(row.locator(".next")).not_to_have_text(before)
    expect(row.locator(".status")).to_contain_text("r2 in force")
    assert kept(job) == ({"type": "daily", "hour": 9, "minute": 15}, 2) and in_force(job)
    expect(page.locator("*:focus")).to_have_id(f"job-{job.id}-edit")

    notice.get_by_role("button", name="Undo").click()
    expect(notice).to_contain_text("Undone, as r3. Next run:")
    expect(row).to_contain_text("daily at 07:00")
    expect(row.locator(".status")).to_contain_text("r3 in force")
    assert kept(job) == (DAILY, 3)
    assert seen.navigations == []
    assert page.evaluate("window.untouched") is True
    seen.forget()
    page.wait_for_timeout(2500)
    assert seen.asked("/fragments/jobs/table") == []


def test_typing_cron_moves_the_form_and_the_form_moves_the_cron(
    page: Page, seen: Watch, job: JobView
) -> None:
    page.goto("/")
    editor = open_editor(page, job)
    cron = field(page, "cron")
    cron.click()
    cron.press("ControlOrMeta+a")
    cron.press_sequentially("30 10 * * 3", delay=60)
    expect(field(page, "type")).to_have_value("weekly")
    expect(field(page, "weekday")).to_have_value("2")
    expect(field(page, "time")).to_have_value("10:30")
    expect(cron).to_be_focused()
    expect(cron).to_have_value("30 10 * * 3")
    assert cron.evaluate("field => field.selectionStart") == len("30 10 * * 3")
    expect(editor.locator(".sentence")).to_contain_text("Wednesdays at 10:30")

    cron.press("End")
    cron.press("Backspace")
    expect(editor.locator(".field-error mark")).to_have_text("?")
    expect(cron).to_have_attribute("aria-invalid", "true")
    cron.press("9")
    expect(editor.locator(".field-error mark")).to_have_text("9")
    cron.press("Backspace")
    cron.press("*")
    expect(cron).not_to_have_attribute("aria-invalid", "true")
    expect(field(page, "type")).to_have_value("daily")
    expect(cron).to_be_focused()

    field(page, "type").select_option("monthly")
    field(page, "day").fill("15")
    expect(cron).to_have_value("30 10 15 * *")
    field(page, "time").fill("08:05")
    expect(cron).to_have_value("5 8 15 * *")
    expect(field(page, "time")).to_be_focused()
    field(page, "type").select_option("every")
    expect(cron).to_be_hidden()
    expect(editor).to_contain_text("An interval counts from its last slot")
    field(page, "every").fill("4")
    expect(editor.locator(".sentence")).to_contain_text("Every 4 h")
    editor.get_by_role("button", name="Save").click()
    expect(editor).to_have_count(0)
    assert kept(job).schedule == {"type": "interval", "every_seconds": 14400}


def test_an_answer_that_comes_late_does_not_overtake_a_newer_one(
    page: Page, seen: Watch, job: JobView
) -> None:
    page.goto("/")
    editor = open_editor(page, job)

    def delay(route: Route) -> None:
        if "time=08%3A00" in route.request.url:
            page.wait_for_timeout(1500)
        route.continue_()

    page.route("**/schedule/preview*", delay)
    with page.expect_request(lambda asked: "time=08%3A00" in asked.url):
        field(page, "time").fill("08:00")
    field(page, "time").fill("09:00")
    expect(editor.locator(".sentence")).to_contain_text("Daily at 09:00")
    page.wait_for_timeout(2000)
    expect(editor.locator(".sentence")).to_contain_text("Daily at 09:00")
    expect(field(page, "cron")).to_have_value("0 9 * * *")


def test_enter_at_once_saves_what_was_typed_before_any_preview_came(
    page: Page, seen: Watch, job: JobView
) -> None:
    page.goto("/")
    editor = open_editor(page, job)
    field(page, "cron").fill("20 6 * * *")
    page.keyboard.press("Enter")
    expect(editor).to_have_count(0)
    assert kept(job).schedule == {"type": "daily", "hour": 6, "minute": 20}
    page.wait_for_timeout(PREVIEW_MS + 300)


def test_enter_while_a_preview_is_on_its_way_saves_and_its_answer_disturbs_nothing(
    page: Page, seen: Watch, job: JobView
) -> None:
    page.goto("/")
    editor = open_editor(page, job)
    asked: list[str] = []

    def delay(route: Route) -> None:
        asked.append(route.request.url)
        page.wait_for_timeout(1500)
        route.continue_()

    page.route("**/schedule/preview*", delay)
    with page.expect_request("**/schedule/preview*"):
        field(page, "time").fill("09:15")
    field(page, "reason").fill("quickly")
    page.keyboard.press("Enter")
    expect(editor).to_have_count(0)
    expect(row_of(page, job)).to_contain_text("daily at 09:15")
    open_editor(page, job)
    page.wait_for_timeout(2000)
    expect(field(page, "cron")).to_have_value("15 9 * * *")
    assert len(asked) == 1 and kept(job).revision == 2


def test_a_preview_of_what_is_no_longer_typed_is_dropped(page: Page, seen: Watch, job: JobView) -> None:
    page.goto("/")
    open_editor(page, job)

    def delay(route: Route) -> None:
        if "cron=0%208" in route.request.url:
            page.wait_for_timeout(1000)
        route.continue_()

    page.route("**/schedule/preview*", delay)
    with page.expect_request(lambda asked: "cron=0%208" in asked.url):
        field(page, "cron").fill("0 8 * * *")
    field(page, "time").fill("10:30")
    expect(field(page, "cron")).to_have_value("30 10 * * *")
    page.wait_for_timeout(1500)
    expect(field(page, "time")).to_have_value("10:30")


def test_a_refused_save_marks_the_field_and_keeps_the_draft(page: Page, seen: Watch, job: JobView) -> None:
    page.goto("/")
    editor = open_editor(page, job)
    field(page, "reason").fill("because")
    field(page, "cron").fill("0 9 31 2 *")
    page.keyboard.press("Enter")
    expect(editor.locator(".field-error:not(:empty)")).to_have_text("This never fires; make the job manual")
    expect(field(page, "cron")).to_be_focused()
    expect(field(page, "cron")).to_have_value("0 9 31 2 *")
    expect(field(page, "reason")).to_have_value("because")
    assert kept(job) == (DAILY, 1)
    field(page, "cron").fill("0 9 28 2 *")
    expect(editor.locator(".field-error:not(:empty)")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(editor).to_have_count(0)
    assert kept(job) == ({"type": "cron", "cron": "0 9 28 2 *"}, 2)
    forgive(seen)


def test_an_open_editor_is_never_polled_over(page: Page, seen: Watch, org: OrgOf, job: JobView) -> None:
    other = factories.job(org, name="Other")
    page.goto("/")
    editor = open_editor(page, job)
    field(page, "time").fill("09:15")
    page.locator("h1").click()  # focus is elsewhere
    factories.run(org, other)
    page.evaluate("htmx.trigger('#pulse', 'refresh')")
    page.wait_for_timeout(1500)
    expect(field(page, "time")).to_have_value("09:15")
    page.locator(f"#job-{job.id}-edit").click()
    page.wait_for_timeout(500)
    expect(field(page, "time")).to_have_value("09:15")
    editor.get_by_role("link", name="Cancel").click()
    expect(editor).to_have_count(0)
    expect(row_of(page, other).locator(".last")).to_contain_text("done")
    assert kept(job).revision == 1


def test_a_poll_that_is_on_its_way_does_not_take_the_place_of_an_editor_that_was_asked_for(
    page: Page, seen: Watch, org: OrgOf, job: JobView
) -> None:
    page.goto("/")

    def delay(route: Route) -> None:
        page.wait_for_timeout(700)
        route.continue_()

    page.route("**/fragments/jobs/*/schedule?region=row", delay)
    page.locator(f"#job-{job.id}-edit").click()
    factories.run(org, job)
    page.evaluate("htmx.trigger('#pulse', 'refresh')")
    expect(field(page, "time")).to_be_focused()
    page.wait_for_timeout(500)
    expect(editor_of(page, job)).to_be_visible()


def test_with_keys_alone(page: Page, seen: Watch, job: JobView) -> None:
    page.goto("/")
    focused = page.locator("*:focus")
    page.keyboard.press("j")
    page.keyboard.press("e")
    expect(field(page, "time")).to_be_focused()
    page.keyboard.type("0830A")
    page.keyboard.press("Escape")
    expect(page.locator(".editor")).to_have_count(0)
    expect(focused).to_have_id(f"job-{job.id}-edit")
    assert kept(job).revision == 1

    page.keyboard.press("e")
    expect(field(page, "time")).to_be_focused()
    page.keyboard.type("0915A")
    expect(field(page, "cron")).to_have_value("15 9 * * *")
    page.keyboard.press("Tab")
    for _ in range(40):
        if page.evaluate("document.activeElement.name") == "enabled":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(field(page, "note")).to_be_visible()
    page.keyboard.press("s")  # a key of the table, which an editor does not hear
    page.keyboard.press("Tab")
    page.keyboard.type("jest")
    expect(field(page, "note")).to_have_value("jest")
    page.keyboard.press("Enter")
    expect(page.locator(".editor")).to_have_count(0)
    expect(focused).to_have_id(f"job-{job.id}-edit")
    expect(row_of(page, job).locator(".status")).to_contain_text("Paused")
    expect(row_of(page, job).locator(".status")).to_contain_text("jest")
    assert kept(job) == ({"type": "daily", "hour": 9, "minute": 15}, 2)

    page.keyboard.press("e")
    expect(field(page, "time")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(field(page, "type")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".editor")).to_have_count(0)
    expect(page.locator("#notices")).to_contain_text("Nothing to change: r2 says this already.")


@contextmanager
def two(
    browser: Browser, arguments: dict[str, Any], people: tuple[Actor, Actor]
) -> Iterator[tuple[Page, Page]]:
    """Two people, each in a browser of their own."""
    with (
        at_page(browser, people[0], **arguments) as first,
        at_page(browser, people[1], **arguments) as second,
    ):
        yield first.page, second.page
        for watched in (first, second):
            forgive(watched)
            assert watched.complaints == []


@pytest.fixture
def both(
    browser: Browser, browser_context_args: dict[str, Any], org: OrgOf, person: Actor, job: JobView
) -> Iterator[tuple[Page, Page]]:
    anna = factories.person(org, Role.OPERATOR, f"anna-{job.key}@example.com")
    with two(browser, browser_context_args, (anna, person)) as pages:
        yield pages


def clash(both: tuple[Page, Page], job: JobView, mine: dict[str, str]) -> tuple[Page, Locator]:
    """Both open the editor; Anna chooses 08:00 and saves first, then the other one saves."""
    for page in both:
        open_editor(page, job)
    hers, page = both
    field(hers, "time").fill("08:00")
    hers.keyboard.press("Enter")
    expect(hers.locator(".editor")).to_have_count(0)
    for name, value in mine.items():
        field(page, name).fill(value)
    page.keyboard.press("Enter")
    conflict = page.locator(".conflict")
    expect(conflict).to_contain_text("saved r2 of Morning report while you were editing r1")
    return page, conflict


def test_of_two_who_edit_at_once_the_second_settles_it_for_both(
    both: tuple[Page, Page], job: JobView
) -> None:
    page, conflict = clash(both, job, {"timezone": "Asia/Tokyo"})
    expect(conflict.locator("tbody tr")).to_have_count(2)
    expect(conflict.locator(".clashes")).to_have_count(0)
    conflict.get_by_role("button", name="Save both").click()
    expect(conflict).to_have_count(0)
    expect(row_of(page, job)).to_contain_text("daily at 08:00 Asia/Tokyo")
    expect(row_of(page, job).locator(".status")).to_contain_text("r3 in force")
    expect(row_of(both[0], job)).to_contain_text("daily at 08:00 Asia/Tokyo")


def test_of_two_who_clash_the_second_may_save_theirs_over_it(both: tuple[Page, Page], job: JobView) -> None:
    page, conflict = clash(both, job, {"time": "09:15"})
    expect(conflict.locator(".clashes")).to_contain_text("daily at 07:00")
    expect(conflict.locator(".clashes")).to_contain_text("daily at 08:00")
    expect(conflict.locator(".clashes")).to_contain_text("daily at 09:15")
    expect(conflict.get_by_role("button", name="Save both")).to_have_count(0)
    assert kept(job).revision == 2
    conflict.get_by_role("button", name="Save mine over theirs").click()
    expect(row_of(page, job)).to_contain_text("daily at 09:15")
    expect(page.locator("#notices")).to_contain_text("Saved r3")


def test_of_two_who_clash_the_second_may_keep_what_stands(both: tuple[Page, Page], job: JobView) -> None:
    page, conflict = clash(both, job, {"time": "09:15"})
    expect(conflict.get_by_role("link", name="Keep theirs")).to_be_focused()
    page.keyboard.press("Enter")
    expect(conflict).to_have_count(0)
    expect(row_of(page, job)).to_contain_text("daily at 08:00")
    expect(page.locator("*:focus")).to_have_id(f"job-{job.id}-edit")
    assert kept(job).revision == 2


def test_the_jobs_page_edits_in_place_and_its_history_leads_back(
    page: Page, seen: Watch, job: JobView
) -> None:
    page.goto(f"/jobs/{job.id}")
    seen.forget()
    page.keyboard.press("e")
    expect(field(page, "time")).to_be_focused()
    field(page, "time").fill("09:15")
    field(page, "reason").fill("crew comes later")
    page.keyboard.press("Enter")
    facts, history = page.locator(".facts"), page.locator(".history")
    expect(facts).to_contain_text("daily at 09:15")
    expect(facts).to_contain_text("r2 in force")
    expect(history.locator("#r2")).to_contain_text("crew comes later")
    expect(history.locator("#r2")).to_contain_text("in force")
    history.get_by_role("button", name="Restore r1").click()
    expect(page.locator("#notices")).to_contain_text("Restored r1 as r3.")
    expect(facts).to_contain_text("daily at 07:00")
    expect(history.locator("#r3")).to_contain_text("in force")
    history.get_by_role("button", name="Undo r3").click()
    expect(facts).to_contain_text("daily at 09:15")
    assert kept(job) == ({"type": "daily", "hour": 9, "minute": 15}, 4)
    assert seen.navigations == []


def test_the_page_of_schedules_opens_the_same_editor(page: Page, seen: Watch, job: JobView) -> None:
    page.goto("/schedules")
    seen.forget()
    page.keyboard.press("j")
    page.keyboard.press("e")
    expect(field(page, "time")).to_be_focused()
    field(page, "time").fill("09:15")
    page.keyboard.press("Enter")
    expect(page.locator(".editor")).to_have_count(0)
    expect(page.locator("#notices")).to_contain_text("Saved r2.")
    expect(row_of(page, job)).to_contain_text("daily at 09:15")
    expect(row_of(page, job)).to_contain_text("r2 in force")
    expect(page.locator("*:focus")).to_have_id(f"job-{job.id}-edit")
    page.locator("#notices").get_by_role("button", name="Undo").click()
    expect(row_of(page, job)).to_contain_text("daily at 07:00")
    assert seen.navigations == []


def test_without_javascript_everything_is_there_on_a_page_of_its_own(
    plain_page: Page, person: Actor, org: OrgOf, job: JobView
) -> None:
    page = plain_page
    sign_in(page, person)
    page.locator(f"#job-{job.id}-edit").click()
    field(page, "cron").fill("61 * * * *")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".field-error mark")).to_have_text("61")
    field(page, "cron").fill("15 9 * * *")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#notices")).to_contain_text("Morning report: Saved r2. Next run:")
    assert kept(job) == ({"type": "daily", "hour": 9, "minute": 15}, 2)
    page.get_by_role("button", name="Undo r2").click()
    expect(page.locator("#notices")).to_contain_text("Undone, as r3.")
    page.get_by_role("link", name="Edit the schedule").click()
    edits.edit(org.admin, job.id, Change(overlap="allow_all"), now=utc_now())
    field(page, "time").fill("10:00")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="while you were editing r3")).to_be_visible()
    page.get_by_role("button", name="Save both").click()
    expect(page.locator("#notices")).to_contain_text("Saved r5.")
    assert kept(job) == ({"type": "daily", "hour": 10, "minute": 0}, 5)


def test_on_a_phone_the_editor_fits_and_saves(
    browser: Browser, browser_context_args: dict[str, Any], person: Actor, job: JobView
) -> None:
    arguments = {**browser_context_args, "viewport": {"width": 360, "height": 740}, "has_touch": True}
    with at_page(browser, person, **arguments) as watched:
        page = watched.page
        page.locator(f"#job-{job.id}-edit").tap()
        editor = editor_of(page, job)
        expect(editor).to_be_visible()
        field(page, "time").fill("09:15")
        expect(editor.locator(".sentence")).to_contain_text("Daily at 09:15")
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) <= 0
        save = editor.get_by_role("button", name="Save")
        save.tap()
        expect(editor).to_have_count(0)
        expect(page.locator("#notices")).to_be_in_viewport()
        expect(page.locator("#notices")).to_contain_text("Saved r2.")
        assert watched.complaints == []


@pytest.mark.parametrize("place", ["row", "job", "page"])
def test_axe_finds_nothing_in_the_editor_whatever_it_shows(
    browser: Browser,
    browser_context_args: dict[str, Any],
    person: Actor,
    org: OrgOf,
    job: JobView,
    place: str,
) -> None:
    factories.job(org, name="Twin", schedule={"type": "daily", "hour": 9, "minute": 15}, timezone=ZONE)
    with at_page(browser, person, **browser_context_args, reduced_motion="reduce") as watched:
        page = watched.page
        page.goto({"row": "/", "job": f"/jobs/{job.id}", "page": f"/jobs/{job.id}/schedule"}[place])
        if place != "page":
            open_editor(page, job)
        page.locator(".policies-editor summary").click()
        field(page, "time").fill("09:15")
        expect(page.locator(".preview .caution")).to_be_visible()
        assert_fine(page, f"{place}: daily, with a caution")
        field(page, "timezone").fill("Europe/Berlin")
        field(page, "type").select_option("once")
        field(page, "at").fill("2030-10-27T02:30")
        expect(page.locator(".twice select")).to_be_visible()
        assert_fine(page, f"{place}: once, twice")
        field(page, "type").select_option("cron")
        field(page, "cron").fill("15 25 * * 1-5")
        field(page, "enabled").click()
        field(page, "jitter").fill("9999")
        expect(page.locator(".field-error mark")).to_be_visible()
        assert_fine(page, f"{place}: wrong, and off")
        page.get_by_role("button", name="Save").click()
        expect(page.locator(".field-error:not(:empty)")).to_have_count(2)
        assert_fine(page, f"{place}: refused")
        edits.edit(org.admin, job.id, Change(overlap="allow_all", enabled=False), now=utc_now())
        field(page, "cron").fill("15 23 * * 1-5")
        field(page, "jitter").fill("30")
        field(page, "note").fill("mine")
        page.get_by_role("button", name="Save").click()
        expect(page.locator(".conflict")).to_be_visible()
        assert_fine(page, f"{place}: conflict")
        page.get_by_role("button", name="Save mine over theirs").click()
        expect(page.locator(".conflict")).to_have_count(0)
        expect(page.locator("#notices")).to_contain_text("Saved r3.")
        assert_fine(page, f"{place}: saved")
        page.goto(f"/jobs/{job.id}/revisions")
        assert_fine(page, "the history")
        forgive(watched)
        assert watched.complaints == []


def test_a_viewer_has_nothing_to_edit_with(
    browser: Browser, browser_context_args: dict[str, Any], org: OrgOf, job: JobView
) -> None:
    viewer = factories.person(org, Role.VIEWER)
    with at_page(browser, viewer, **browser_context_args) as watched:
        page = watched.page
        expect(row_of(page, job)).to_be_visible()
        page.keyboard.press("j")
        page.keyboard.press("e")
        expect(page.locator(".editor, .edit")).to_have_count(0)
        expect(page.locator("#viewer-why")).to_contain_text("one needs the role operator")
        assert watched.complaints == []
