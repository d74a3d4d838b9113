"""The page of schedules in a real browser, before a real scheduler: one switch, many at once, files."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from console.core.actor import Actor
from console.core.clock import utc_now
from console.core.states import Role
from console.services import edits
from console.services.changes import Change
from console.services.views import JobView
from tests import factories
from tests.browser.conftest import Crew, Watch, at_page, box_of, sign_in
from tests.browser.test_pages import LONG, assert_fine
from tests.factories import OrgOf, one, rows
from tests.processes import eventually

LIST = "/fragments/schedules/list"
DAILY = {"type": "daily", "hour": 9, "minute": 15}
HOURLY = {"type": "interval", "every_seconds": 3600}


def row_of(page: Page, job: JobView) -> Locator:
    return page.locator(f"#job-{job.id}")


def tick(page: Page, job: JobView) -> None:
    page.get_by_role("checkbox", name=f"Select {job.name}", exact=True).check()


def next_run(job: JobView) -> datetime:
    found: datetime = one("SELECT next_run_at FROM jobs WHERE id = :id", id=job.id)
    return found


def in_force(jobs: list[JobView]) -> None:
    """Waits until the scheduler acts on them."""
    ids = [job.id for job in jobs]
    sql = "SELECT count(*) FROM jobs WHERE id = ANY(:ids) AND applied_revision = revision"
    eventually(lambda: one(sql, ids=ids) == len(ids))


def test_a_bulk_shift_is_confirmed_made_and_in_force_without_a_reload(
    crew: Crew, seen: Watch, org: OrgOf
) -> None:
    page = seen.page
    # Hours away, so that the shift crosses no slot whenever this runs.
    hour = (utc_now() + timedelta(hours=6)).hour
    daily = {"type": "daily", "hour": hour, "minute": 15}
    made = [factories.job(org, name=name, schedule=daily) for name in ("Alpha", "Beta", "Gamma")]
    hourly = factories.job(org, name="Hourly", schedule=HOURLY)
    in_force([*made, hourly])
    before = [next_run(job) for job in made]
    page.goto("/schedules")
    expect(row_of(page, made[0])).to_contain_text("r1 in force")
    expect(page.get_by_role("button", name="Shift")).to_be_disabled()
    seen.forget()
    for job in (*made[:2], hourly):
        tick(page, job)
    expect(page.locator("#bulk-count")).to_have_text("3 selected")
    page.get_by_role("button", name="Shift").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Shift 3 schedules?")
    expect(dialog).to_contain_text("Alpha")
    expect(dialog.get_by_label("Minutes")).to_be_focused()
    assert [next_run(job) for job in made] == before
    dialog.get_by_label("Minutes").fill("25")
    dialog.get_by_label("Reason").fill("the hall is taken")
    dialog.get_by_role("button", name="Shift 3 schedules").click()
    expect(dialog).to_be_hidden()
    notice = page.locator("#notices")
    expect(notice).to_contain_text("2 shifted, 1 left")
    expect(notice).to_contain_text("nterval counts from its last slot")
    for job in made[:2]:
        expect(row_of(page, job)).to_contain_text(f"daily at {hour:02}:40")
        expect(row_of(page, job)).to_contain_text(f"{hour:02}:40")
        expect(row_of(page, job)).to_contain_text("r2 in force")
    expect(row_of(page, made[2])).to_contain_text(f"daily at {hour:02}:15")
    expect(page.locator("#bulk-count")).to_have_text("Tick rows to change several at once")
    later = timedelta(minutes=25)
    assert [next_run(job) for job in made] == [before[0] + later, before[1] + later, before[2]]
    assert rows("SELECT reason FROM job_revisions WHERE revision = 2") == [("the hall is taken",)] * 2
    assert seen.navigations == []


def test_all_that_match_are_changed_beyond_the_page(crew: Crew, seen: Watch, org: OrgOf) -> None:
    page = seen.page
    for number in range(53):
        factories.job(org, name=f"Wanted {number:02}", schedule=DAILY)
    other = factories.job(org, name="Other", schedule=DAILY)
    page.goto("/schedules?q=wanted")
    page.get_by_label("all 53 that match the filter").check()
    expect(page.get_by_role("checkbox", name="Select Wanted 00")).to_be_disabled()
    page.get_by_role("button", name="Turn off").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Turn off 53 schedules?")
    expect(dialog.get_by_label("Note")).to_be_focused()
    page.keyboard.type("summer")
    page.keyboard.press("Enter")
    expect(page.locator("#notices")).to_contain_text("53 turned off.")
    expect(page.get_by_role("switch", checked=False)).to_have_count(50)
    assert one("SELECT count(*) FROM jobs WHERE status = 'paused' AND status_note = 'summer'") == 53
    assert one("SELECT status FROM jobs WHERE id = :id", id=other.id) == "scheduled"


def test_while_rows_are_ticked_the_list_rests_and_the_ticks_stay(crew: Crew, seen: Watch, org: OrgOf) -> None:
    page = seen.page
    first = factories.job(org, name="Alpha", schedule=DAILY)
    second = factories.job(org, name="Beta", schedule=DAILY)
    in_force([first, second])
    page.goto("/schedules")
    page.get_by_label("Select all on this page").check()
    expect(page.locator("#bulk-count")).to_have_text("2 selected")
    page.get_by_role("checkbox", name="Select Beta").uncheck()
    seen.forget()
    edits.edit(org.admin, second.id, Change(timezone="Asia/Tokyo"), now=utc_now())
    row_of(page, first).get_by_role("switch").click()  # its answer tells the page to read itself again
    expect(row_of(page, first).get_by_role("switch")).to_have_attribute("aria-checked", "false")
    expect(page.get_by_role("checkbox", name="Select Alpha")).to_be_checked()
    expect(page.locator("#bulk-count")).to_have_text("1 selected")
    page.evaluate("htmx.trigger(document.body, 'jobs-changed')")
    page.wait_for_timeout(1500)
    assert seen.asked(LIST) == []
    expect(row_of(page, second)).not_to_contain_text("Asia/Tokyo")
    page.get_by_role("checkbox", name="Select Alpha").uncheck()
    page.evaluate("htmx.trigger(document.body, 'jobs-changed')")
    expect(row_of(page, second)).to_contain_text("Asia/Tokyo")
    expect(row_of(page, first)).to_contain_text("r2 in force")


def test_a_page_at_rest_asks_nothing_and_hears_of_an_edit_elsewhere(
    crew: Crew, seen: Watch, org: OrgOf
) -> None:
    page = seen.page
    job = factories.job(org, name="Alpha", schedule=DAILY)
    in_force([job])
    page.goto("/schedules")
    expect(row_of(page, job)).to_contain_text("r1 in force")
    seen.forget()
    page.wait_for_timeout(2500)
    assert seen.asked(LIST) == []
    edits.edit(org.admin, job.id, Change(schedule=HOURLY), now=utc_now())
    expect(row_of(page, job)).to_contain_text("every 1 h")
    expect(row_of(page, job)).to_contain_text("r2 in force")


def test_a_switch_that_lags_behind_is_told_and_set_right(
    crew: Crew, browser: Browser, site: Any, org: OrgOf, person: Actor
) -> None:
    job = factories.job(org, name="Alpha", schedule=DAILY)
    with at_page(browser, person, base_url=site.url) as watched:
        page = watched.page
        page.goto("/schedules")
        tick(page, job)  # so that the list rests
        edits.edit(org.admin, job.id, Change(schedule=HOURLY), now=utc_now())
        row_of(page, job).get_by_role("switch").click()
        expect(page.locator("#notices")).to_contain_text("STALE_REVISION")
        expect(row_of(page, job)).to_contain_text("every 1 h")
        expect(row_of(page, job).get_by_role("switch")).to_have_attribute("aria-checked", "true")
        row_of(page, job).get_by_role("switch").click()
        expect(row_of(page, job).get_by_role("switch")).to_have_attribute("aria-checked", "false")
        eventually(lambda: one("SELECT status FROM jobs WHERE id = :id", id=job.id) == "paused")


def test_a_file_is_chosen_its_difference_read_and_applied(
    crew: Crew, seen: Watch, org: OrgOf, tmp_path: Path
) -> None:
    page = seen.page
    clock = factories.job(org, name="Clock", key="clock", schedule=DAILY)
    factories.job(org, name="Stays", key="stays", schedule=HOURLY)
    page.goto("/schedules")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    assert download.value.suggested_filename == "schedules.yaml"
    text = Path(download.value.path()).read_text()
    assert "hour: 9, minute: 15" in text
    file = tmp_path / "schedules.yaml"
    every = "{type: interval, every_seconds: 7200}"
    fresh = f"- {{key: fresh, name: Fresh, task: tests.tasks.succeed, schedule: {every}}}"
    file.write_text(f"{text.replace('hour: 9, minute: 15', 'hour: 6, minute: 45').rstrip()}\n{fresh}\n")
    page.get_by_role("link", name="Import").click()
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Show the difference").click()
    plan = page.locator("#plan")
    expect(plan).to_contain_text("The difference: 1 to create, 1 to change")
    expect(plan).to_contain_text("1 as they are")
    expect(plan.locator("del")).to_contain_text("daily at 09:15")
    assert one("SELECT revision FROM jobs WHERE id = :id", id=clock.id) == 1
    page.get_by_label("Reason").fill("winter times")
    page.get_by_role("button", name="Apply 2 changes").click()
    expect(page.locator("#notices")).to_contain_text("Imported: 1 created, 1 changed, 1 as they were.")
    expect(row_of(page, clock)).to_contain_text("daily at 06:45")
    expect(row_of(page, clock)).to_contain_text("r2 in force")
    expect(page.locator(".job-link", has_text="Fresh")).to_be_visible()
    assert one("SELECT reason FROM job_revisions WHERE job_id = :id AND revision = 2", id=clock.id) == (
        "winter times"
    )


def test_a_schedule_is_edited_in_its_row_and_in_force(crew: Crew, seen: Watch, org: OrgOf) -> None:
    page = seen.page
    job = factories.job(org, name="Clock", schedule=DAILY)
    in_force([job])
    page.goto("/schedules")
    row = row_of(page, job)
    row.get_by_role("link", name="Edit").click()
    expect(row.get_by_label("Time", exact=True)).to_have_value("09:15")
    seen.forget()
    page.evaluate("htmx.trigger(document.body, 'jobs-changed')")
    row.get_by_label("Time", exact=True).fill("10:30")
    expect(row.locator(".editing")).to_contain_text("Daily at 10:30", ignore_case=True)
    assert seen.asked(LIST) == []
    row.get_by_role("button", name="Save").click()
    expect(row.locator("form.editor, .editing form")).to_have_count(0)
    expect(row).to_contain_text("daily at 10:30")
    expect(row).to_contain_text("r2 in force")
    assert one("SELECT schedule FROM jobs WHERE id = :id", id=job.id) == {
        "type": "daily",
        "hour": 10,
        "minute": 30,
    }
    assert seen.navigations == []


def test_with_keys_alone_a_row_is_reached_ticked_and_opened(crew: Crew, seen: Watch, org: OrgOf) -> None:
    page = seen.page
    for name in ("Alpha", "Beta"):
        factories.job(org, name=name, schedule=DAILY)
    page.goto("/schedules")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator(".job-link", has_text="Beta")).to_be_focused()
    page.keyboard.press("x")
    expect(page.get_by_role("checkbox", name="Select Beta")).to_be_checked()
    page.keyboard.press("x")
    expect(page.get_by_role("checkbox", name="Select Beta")).not_to_be_checked()
    page.keyboard.press("k")
    page.keyboard.press("e")
    expect(page.get_by_label("Time", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".editing form")).to_have_count(0)


def test_without_javascript_many_are_changed_too(
    crew: Crew, plain_page: Page, org: OrgOf, person: Actor
) -> None:
    page = plain_page
    first = factories.job(org, name="Alpha", schedule=DAILY)
    second = factories.job(org, name="Beta", schedule=DAILY)
    in_force([first, second])
    sign_in(page, person)
    page.goto("/schedules")
    tick(page, first)
    page.get_by_role("button", name="Set zone").click()
    expect(page.get_by_role("heading", name="Set the zone of 1 schedule?")).to_be_visible()
    page.get_by_label("Zone", exact=True).fill("Mars/Base")
    page.get_by_role("button", name="Set the zone of 1 schedule").click()
    expect(page.locator(".field-error")).to_contain_text("no known zone")
    page.get_by_label("Zone", exact=True).fill("Asia/Tokyo")
    page.get_by_role("button", name="Set the zone of 1 schedule").click()
    expect(page.locator("#notices")).to_contain_text("1 moved to Asia/Tokyo")
    expect(row_of(page, first)).to_contain_text("Asia/Tokyo")
    row_of(page, second).get_by_role("switch").click()
    expect(page.locator("#notices")).to_contain_text("Beta: off.")
    assert rows("SELECT name, timezone, status FROM jobs ORDER BY name") == [
        ("Alpha", "Asia/Tokyo", "scheduled"),
        ("Beta", "UTC", "paused"),
    ]


@pytest.fixture
def crowd(org: OrgOf) -> list[JobView]:
    """Schedules of every sort, with all that can stand in a row."""
    fields: list[dict[str, Any]] = [
        {"name": LONG, "subject": LONG, "schedule": DAILY},
        {"name": "Daily", "schedule": DAILY, "timezone": "America/Argentina/ComodRivadavia"},
        {
            "name": "Cron",
            "schedule": {"type": "cron", "cron": "*/20 8-18 * * 1-5"},
            "overlap": "cancel_other",
        },
        {"name": "Every", "schedule": HOURLY, "catch_up": "none", "catch_up_window_seconds": 900},
        {"name": "Once", "schedule": {"type": "once", "at": (utc_now() + timedelta(hours=2)).isoformat()}},
    ]
    made = [factories.job(org, **each) for each in fields]
    edits.set_paused(org.admin, made[3].id, True, note=LONG, now=utc_now())
    return made


def test_on_a_phone_a_schedule_is_a_card_that_has_everything(
    crew: Crew, browser: Browser, browser_context_args: dict[str, Any], person: Actor, crowd: list[JobView]
) -> None:
    arguments = {**browser_context_args, "viewport": {"width": 360, "height": 740}}
    with at_page(browser, person, **arguments) as watched:
        page = watched.page
        page.goto("/schedules")
        row = row_of(page, crowd[1])
        for text in ("Daily", "daily at 09:15", "America/Argentina", "in ", "r1 in force"):
            expect(row.get_by_text(text).first).to_be_visible()
        for control in (
            row.get_by_role("checkbox"),
            row.get_by_role("switch"),
            row.get_by_role("link", name="Edit"),
        ):
            box = box_of(control)
            assert box["height"] >= 24 and box["x"] + box["width"] <= 360
        tick(page, crowd[1])
        page.get_by_role("button", name="Shift").click()
        dialog = box_of(page.get_by_role("dialog"))
        assert dialog["x"] >= 0 and dialog["x"] + dialog["width"] <= 360


def test_axe_finds_nothing_and_nothing_sticks_out(
    browser: Browser, browser_context_args: dict[str, Any], person: Actor, org: OrgOf, crowd: list[JobView]
) -> None:
    factories.live_worker()
    factories.live_scheduler()
    key = crowd[1].key
    file = f"version: 1\nschedules:\n  - {{key: {key}, schedule: {{type: interval, every_seconds: 60}}}}\n"
    with at_page(browser, person, **browser_context_args, reduced_motion="reduce") as watched:
        page = watched.page
        for address in ("/schedules", "/schedules?kind=manual", "/schedules?q=nothing", "/schedules/import"):
            page.goto(address)
            assert_fine(page, address)
        page.goto("/schedules")
        page.locator("#timeline-numbers summary").click()
        page.get_by_label("Select all on this page").check()
        assert_fine(page, "a selection, and the numbers")
        for action in ("Turn on", "Turn off", "Shift", "Set zone"):
            page.get_by_role("button", name=action).click()
            expect(page.get_by_role("dialog")).to_be_visible()
            assert_fine(page, action)
            page.keyboard.press("Escape")
            expect(page.get_by_role("dialog")).to_be_hidden()
        page.get_by_role("button", name="Shift").click()
        page.locator("#confirm").click()
        expect(page.locator("#bulk-done")).to_be_visible()
        assert_fine(page, "what a bulk edit did")
        page.goto("/schedules/import")
        page.get_by_label("or its text").fill(file)
        page.get_by_role("button", name="Show the difference").click()
        expect(page.locator(".caution")).to_be_visible()
        assert_fine(page, "a plan")
        assert watched.complaints == []
        page.get_by_label("or its text").fill("version: 1\nschedules: [{key: x}, {colour: red}]")
        page.get_by_role("button", name="Show the difference").click()
        expect(page.locator("#import-problem")).to_be_visible()
        assert_fine(page, "a file that can't be used")


def test_axe_finds_nothing_for_a_viewer_either(
    browser: Browser, browser_context_args: dict[str, Any], org: OrgOf, crowd: list[JobView]
) -> None:
    with at_page(
        browser, factories.person(org, Role.VIEWER), **browser_context_args, reduced_motion="reduce"
    ) as watched:
        watched.page.goto("/schedules")
        expect(watched.page.locator("#viewer-why")).to_be_visible()
        expect(watched.page.get_by_role("checkbox")).to_have_count(0)
        assert_fine(watched.page, "a viewer's page")
        assert watched.complaints == []
