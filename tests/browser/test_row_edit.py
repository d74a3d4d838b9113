"""Editing in the row in a real browser: time and status, with keys and thumbs, by two, among polls."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from console.core.actor import Actor
from console.core.clock import utc_now
from console.core.states import JobStatus, Role
from console.services import edits
from console.services.changes import Change
from console.services.views import JobView
from tests import factories
from tests.browser.conftest import Watch, at_page, box_of
from tests.browser.test_pages import assert_fine
from tests.browser.test_schedule_editor import forgive, two
from tests.factories import OrgOf, one, rows

SENDS = "tests.tasks.needs_recipient"
IN_FORCE = re.compile(r"r\d+ in force")

pytestmark = pytest.mark.usefixtures("crew")


def message(of: OrgOf, name: str, days: int = 3, **fields: Any) -> JobView:
    at = (utc_now() + timedelta(days=days)).replace(hour=10, minute=0, second=0, microsecond=0)
    given = {"task": SENDS, "recipient": "ana@example.com", **fields}
    return factories.job(of, name=name, schedule={"type": "once", "at": at.isoformat()}, **given)


@pytest.fixture
def hamlet(org: OrgOf) -> JobView:
    return message(org, "Hamlet")


def row_of(page: Page, job: JobView) -> Locator:
    return page.locator(f"#job-{job.id}")


def open_cell(page: Page, job: JobView, what: str) -> Locator:
    page.locator(f"#job-{job.id}-{what}").click()
    cell = page.locator(f"#cell-{job.id}")
    expect(cell.locator("form")).to_be_visible()
    return cell


def stored(job: JobView) -> tuple[Any, ...]:
    (found,) = rows("SELECT next_run_at, status, revision FROM jobs WHERE id = :id", id=job.id)
    return tuple(found)


def local(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M}"


def look_again(page: Page) -> None:
    """The heartbeat's poll, at once."""
    page.evaluate("htmx.trigger('#pulse', 'refresh')")


def test_time_and_status_with_keys_alone(page: Page, seen: Watch, hamlet: JobView) -> None:
    page.goto("/")
    seen.forget()
    focused, row = page.locator("*:focus"), row_of(page, hamlet)
    assert hamlet.next_run_at
    later = hamlet.next_run_at + timedelta(days=7)
    page.keyboard.press("j")
    page.keyboard.press("e")
    expect(focused).to_have_id(f"cell-{hamlet.id}-at")
    expect(page.locator(f"#job-{hamlet.id}-time")).to_be_hidden()
    focused.fill("2020-01-01T10:00")
    page.keyboard.press("Escape")
    expect(page.locator(".in-cell")).to_have_count(0)
    expect(focused).to_have_id(f"job-{hamlet.id}-time")
    assert stored(hamlet)[2] == 1

    page.keyboard.press("e")
    expect(focused).to_have_id(f"cell-{hamlet.id}-at")
    expect(focused).to_have_value(local(hamlet.next_run_at))
    focused.fill("2020-01-01T10:00")
    page.keyboard.press("Enter")
    expect(row.locator(".field-error")).to_contain_text("Lies more than 5 minutes in the past")
    expect(focused).to_have_id(f"cell-{hamlet.id}-at")
    expect(focused).to_have_value("2020-01-01T10:00")
    focused.fill(local(later))
    page.keyboard.press("Enter")
    expect(row).to_contain_text(re.compile(rf"saved r2, goes out {later:%a} {later.day} .* \(in \d+ days\)"))
    expect(focused).to_have_id(f"job-{hamlet.id}-time")
    expect(row.locator(".status")).to_contain_text(IN_FORCE)
    expect(row).to_contain_text("saved r2, goes out")
    expect(focused).to_have_id(f"job-{hamlet.id}-time")
    assert stored(hamlet) == (later, "scheduled", 2)

    page.keyboard.press("Tab")
    expect(focused).to_have_id(f"job-{hamlet.id}-status")
    page.keyboard.press("Enter")
    expect(focused).to_have_id(f"cell-{hamlet.id}-status")
    note = row.locator("[name=note]")
    expect(row.get_by_text("Why it counts as sent")).to_be_hidden()
    focused.select_option("sent")
    expect(row.get_by_text("Why it counts as sent")).to_be_visible()
    page.keyboard.press("Enter")
    expect(row.locator(".field-error")).to_have_text("Say why it counts as sent")
    expect(focused).to_have_attribute("name", "note")
    page.keyboard.type("told on the phone")
    expect(note).to_have_value("told on the phone")
    page.keyboard.press("Enter")
    expect(row.locator(".status")).to_contain_text("Sent")
    expect(row.locator(".status")).to_contain_text("“told on the phone”")
    expect(row.locator(".status")).to_contain_text("marked by")
    assert stored(hamlet) == (None, "sent", 3)
    page.locator("#notices").get_by_role("button", name="Undo").click()
    expect(row.locator(".status")).to_contain_text("Scheduled")
    assert stored(hamlet) == (later, "scheduled", 4)
    assert seen.navigations == []
    forgive(seen)


def test_polls_go_on_around_a_row_that_is_being_edited_and_never_touch_it(
    page: Page, seen: Watch, org: OrgOf, hamlet: JobView
) -> None:
    before, after = message(org, "Ahead", 1), message(org, "Behind", 9)
    page.goto("/")
    seen.forget()
    cell = open_cell(page, hamlet, "status")
    cell.locator("select").select_option("sent")
    note = cell.locator("[name=note]")
    note.fill("half a sentence")
    note.evaluate("field => { field.setSelectionRange(4, 8); field.mine = true; }")
    wanted = utc_now().replace(microsecond=0) + timedelta(days=20)
    edits.edit(org.admin, before.id, Change(send_at=wanted), now=utc_now())
    edits.edit(org.admin, after.id, Change(name="Behind all"), now=utc_now())
    edits.edit(org.admin, hamlet.id, Change(name="Hamlet, moved"), now=utc_now())
    new = message(org, "New", 2)
    look_again(page)
    expect(row_of(page, new)).to_be_visible()
    expect(row_of(page, after)).to_contain_text("Behind all")
    expect(page.locator("tbody.job .job-link")).to_have_text(["New", "Hamlet", "Behind all", "Ahead"])
    expect(row_of(page, before).locator(".status")).to_contain_text(re.compile("Scheduled"))
    same = """field => [field.mine, field.value, field.selectionStart, field.selectionEnd,
                        field === document.activeElement]"""
    assert note.evaluate(same) == [True, "half a sentence", 4, 8, True]
    run = factories.run(org, new)
    expect(row_of(page, new).locator(".last")).to_contain_text("sent")
    assert one("SELECT state FROM runs WHERE id = :id", id=run.id) == "succeeded"
    assert note.evaluate(same) == [True, "half a sentence", 4, 8, True]
    # Another editor of the same row would throw the draft away: it is not opened.
    page.locator(f"#job-{hamlet.id}-time").click()
    page.locator(f"#job-{hamlet.id}-edit").click()
    expect(page.locator("[data-editing]")).to_have_count(1)
    expect(note).to_have_value("half a sentence")
    note.focus()
    page.keyboard.press("Escape")
    expect(row_of(page, hamlet)).to_contain_text("Hamlet, moved")
    expect(page.locator("*:focus")).to_have_id(f"job-{hamlet.id}-status")
    assert stored(hamlet)[1:] == ("scheduled", 2)
    assert seen.navigations == []


@pytest.fixture
def both(
    browser: Browser, browser_context_args: dict[str, Any], org: OrgOf, person: Actor, hamlet: JobView
) -> Iterator[tuple[Page, Page]]:
    anna = factories.person(org, Role.OPERATOR, f"anna-{hamlet.key}@example.com")
    with two(browser, browser_context_args, (anna, person)) as pages:
        yield pages


def test_of_two_who_move_one_message_the_second_sees_both_and_keeps_what_was_typed(
    both: tuple[Page, Page], org: OrgOf, hamlet: JobView
) -> None:
    hers, mine = both
    assert hamlet.next_run_at
    her_time, my_time = (hamlet.next_run_at + timedelta(days=days) for days in (1, 2))
    for page in both:
        open_cell(page, hamlet, "time")
    hers.locator(".in-cell [name=at]").fill(local(her_time))
    hers.keyboard.press("Enter")
    expect(row_of(hers, hamlet)).to_contain_text("saved r2")
    mine.locator(".in-cell [name=at]").fill(local(my_time))
    mine.keyboard.press("Enter")
    conflict = mine.locator(f"#job-{hamlet.id} .conflict")
    expect(conflict).to_contain_text("saved r2 of Hamlet while you were editing r1")
    expect(conflict.locator(".clashes")).to_contain_text(f"{her_time.day} {her_time:%b %Y}")
    expect(conflict.locator(".clashes")).to_contain_text(f"{my_time.day} {my_time:%b %Y}")
    expect(mine.locator(".in-cell")).to_have_count(0)
    look_again(mine)
    mine.wait_for_timeout(700)
    expect(conflict).to_be_visible()
    conflict.get_by_role("button", name="Save mine over theirs").click()
    expect(row_of(mine, hamlet)).to_contain_text("saved r3, goes out")
    expect(mine.locator("*:focus")).to_have_id(f"job-{hamlet.id}-time")
    assert stored(hamlet) == (my_time, "scheduled", 3)

    open_cell(mine, hamlet, "status").locator("select").select_option("skipped")
    edits.edit(org.admin, hamlet.id, Change(status=JobStatus.PAUSED), now=utc_now())
    mine.locator(".in-cell").get_by_role("button", name="Save").click()
    expect(conflict).to_contain_text("while you were editing r3")
    mine.keyboard.press("Escape")
    expect(conflict).to_have_count(0)
    expect(row_of(mine, hamlet).locator(".status")).to_contain_text("Paused")
    expect(mine.locator("*:focus")).to_have_id(f"job-{hamlet.id}-status")
    assert stored(hamlet)[1:] == ("paused", 4)


def test_rows_are_ticked_and_rescheduled_with_keys_alone(page: Page, seen: Watch, org: OrgOf) -> None:
    first, second = message(org, "Alpha", 2), message(org, "Beta", 3)
    daily = factories.job(org, name="Daily", schedule={"type": "daily", "hour": 9, "minute": 15})
    page.goto("/")
    seen.forget()
    focused, bar, dialog = page.locator("*:focus"), page.locator("#bulk"), page.get_by_role("dialog")
    expect(bar).to_be_hidden()
    page.keyboard.press("j")
    for _ in range(3):
        page.keyboard.press("x")
        page.keyboard.press("j")
    expect(page.locator("#bulk-count")).to_have_text("3 selected")
    expect(page.locator("#all-on-page")).to_be_checked()
    edits.edit(org.admin, second.id, Change(name="Beta, renamed"), now=utc_now())
    look_again(page)
    expect(row_of(page, second)).to_contain_text("Beta, renamed")
    expect(page.locator("#bulk-count")).to_have_text("3 selected")
    expect(bar).to_be_visible()
    page.keyboard.press("b")
    expect(focused).to_have_id("bulk-reschedule")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("Reschedule 3 jobs?")
    expect(dialog).to_contain_text("2 will be moved, 1 is left.")
    expect(focused).to_have_id("amount")
    focused.fill("4")
    late = {job.id: one("SELECT next_run_at FROM jobs WHERE id = :id", id=job.id) for job in (first, second)}
    new = late[first.id] + timedelta(days=4)
    expect(dialog.locator("tbody tr").filter(has_text="Alpha")).to_contain_text(f"{new.day} {new:%b}")
    expect(focused).to_have_id("amount")
    page.keyboard.press("Enter")
    notice = page.locator("#notices")
    expect(dialog).to_be_hidden()
    expect(notice).to_contain_text("2 moved, 1 left:")
    expect(notice).to_contain_text("Daily: It recurs or waits for a person")
    expect(bar).to_be_hidden()
    expect(row_of(page, first).locator(".next")).to_contain_text(f"{new.day} {new:%b}")
    for job in (first, second):
        assert stored(job)[0] == late[job.id] + timedelta(days=4)
    assert stored(daily)[2] == 1
    assert seen.navigations == []


def test_many_are_sent_now_each_once_and_the_refused_one_is_named(
    page: Page, seen: Watch, org: OrgOf
) -> None:
    first = message(org, "Alpha")
    sent = message(org, "Beta")
    edits.edit(org.admin, sent.id, Change(status=JobStatus.SENT, note="by letter"), now=utc_now())
    page.goto("/")
    for job in (first, sent):
        page.get_by_role("checkbox", name=f"Select {job.name}").check()
    page.locator("#bulk").get_by_role("button", name="Send now").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("will be sent to ana@example.com")
    expect(dialog.locator("tbody tr").filter(has_text="Beta")).to_contain_text("ALREADY_SENT")
    assert one("SELECT count(*) FROM runs WHERE org_id = :id", id=org.id) == 0
    dialog.locator("#confirm").dblclick()
    expect(page.locator("#notices")).to_contain_text("1 requested, 1 left:")
    expect(row_of(page, first).locator(".last")).to_contain_text("sent")
    assert rows("SELECT job_id, state FROM runs WHERE org_id = :id", id=org.id) == [(first.id, "succeeded")]


def test_on_a_phone_time_status_and_bar_fit_and_are_large_enough_for_a_thumb(
    browser: Browser, browser_context_args: dict[str, Any], person: Actor, hamlet: JobView
) -> None:
    arguments = {**browser_context_args, "viewport": {"width": 360, "height": 740}, "has_touch": True}
    with at_page(browser, person, **arguments) as watched:
        page = watched.page
        row = row_of(page, hamlet)
        assert hamlet.next_run_at
        later = hamlet.next_run_at + timedelta(days=7)

        def fits(*controls: Locator) -> None:
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert page.evaluate(wide) <= 0
            for control in controls:
                box = box_of(control)
                assert min(box["height"], box["width"]) >= 24, control
                assert box["x"] >= 0 and box["x"] + box["width"] <= 360, control

        fits(row.get_by_role("checkbox"), page.locator(f"#job-{hamlet.id}-time"))
        page.locator(f"#job-{hamlet.id}-time").tap()
        cell = page.locator(f"#cell-{hamlet.id}")
        save = cell.get_by_role("button", name="Save")
        fits(cell.locator("[name=at]"), save, cell.get_by_role("link", name="Cancel"))
        cell.locator("[name=at]").fill(local(later))
        save.tap()
        expect(row).to_contain_text("saved r2, goes out")
        page.locator(f"#job-{hamlet.id}-status").tap()
        cell.locator("select").select_option("paused")
        fits(cell.locator("select"), cell.locator("[name=note]"), save)
        cell.locator("[name=note]").fill("wait for photos")
        save.tap()
        expect(row.locator(".status")).to_contain_text("wait for photos")
        assert stored(hamlet) == (later, "paused", 3)
        row.get_by_role("checkbox").tap()
        bar = page.locator("#bulk")
        expect(bar).to_be_in_viewport(ratio=1)
        fits(*bar.get_by_role("button").all())
        bar.get_by_role("button", name="Resume").tap()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Hamlet")
        fits(dialog.locator("#confirm"), dialog.locator("#cancel"))
        dialog.locator("#confirm").tap()
        expect(row.locator(".status")).to_contain_text("Scheduled")
        expect(bar).to_be_hidden()
        assert watched.complaints == []


def test_axe_finds_nothing_while_rows_are_edited_and_many_are_selected(
    browser: Browser, browser_context_args: dict[str, Any], person: Actor, org: OrgOf, hamlet: JobView
) -> None:
    closed = message(org, "Closed", 2)
    edits.edit(org.admin, closed.id, Change(status=JobStatus.SKIPPED, note="cancelled"), now=utc_now())
    ruled = message(org, "Ruled", 4, task="tests.tasks.weekdays_only")
    factories.job(org, name="Daily", schedule={"type": "daily", "hour": 9, "minute": 15})
    with at_page(browser, person, **browser_context_args, reduced_motion="reduce") as watched:
        page = watched.page
        open_cell(page, hamlet, "time").locator("[name=at]").fill("2020-01-01T10:00")
        page.keyboard.press("Enter")
        expect(page.locator(".in-cell .field-error")).to_be_visible()
        page.locator(f"#job-{ruled.id}-status").click()
        expect(page.locator(f"#cell-{ruled.id} form")).to_be_visible()
        page.locator(f"#cell-{ruled.id} select").select_option("sent")
        assert_fine(page, "a time and a status being edited")
        edits.edit(org.admin, ruled.id, Change(status=JobStatus.PAUSED), now=utc_now())
        page.locator(f"#cell-{ruled.id} [name=note]").fill("by letter")
        page.keyboard.press("Enter")
        expect(page.locator(".conflict")).to_be_visible()
        assert_fine(page, "a conflict in the row")
        page.keyboard.press("Escape")
        forgive(watched)
        page.goto("/")
        page.locator("#all-on-page").check()
        assert_fine(page, "all selected")
        for act in ("Reschedule", "Pause", "Resume", "Send now", "Delete"):
            page.locator("#bulk").get_by_role("button", name=act).click()
            expect(page.get_by_role("dialog")).to_be_visible()
            assert_fine(page, act)
            page.keyboard.press("Escape")
            expect(page.get_by_role("dialog")).to_be_hidden()
        assert watched.complaints == []
