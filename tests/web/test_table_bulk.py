"""Many rows of the job table at once: each outcome is shown before, done job by job, and told after."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from console.core.clock import utc_now
from console.core.states import JobStatus, Role
from console.services import bulk_edits, edits, guarding
from console.services.changes import Change
from console.services.views import JobView
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import Visitor, change, csrf_of, part, words
from tests.web.editing import Form

NOON = datetime(2026, 10, 23, 12, 0, tzinfo=UTC)
BERLIN = "Europe/Berlin"
SENDS = "tests.tasks.needs_recipient"


@pytest.fixture(autouse=True)
def _at_noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


def message(of: OrgOf, name: str, days: float = 1, **fields: Any) -> JobView:
    schedule = {"type": "once", "at": (NOON + timedelta(days=days)).isoformat()}
    given = {"task": SENDS, "recipient": "ana@example.com", "timezone": BERLIN, **fields}
    return factories.job(of, name=name, schedule=schedule, **given)


def post(
    visitor: Visitor, path: str, jobs: list[JobView], act: str, htmx: bool, **fields: str
) -> TestResponse:
    data: MultiDict[str, str] = MultiDict({"csrf_token": csrf_of(visitor.client), "action": act, **fields})
    data.setlist("selected", [str(job.id) for job in jobs])
    headers = {"HX-Request": "true", "HX-Target": "dialog"} if htmx else {}
    return visitor.client.post(path, data=data, headers=headers)


def preflight(visitor: Visitor, jobs: list[JobView], act: str, **fields: str) -> TestResponse:
    return post(visitor, "/jobs/bulk/confirmation", jobs, act, True, **fields)


def hidden(answer: TestResponse, name: str) -> str:
    form = Form()
    form.feed(answer.text[answer.text.index('id="bulk-change"') :])
    return form.values[name]


def apply(visitor: Visitor, jobs: list[JobView], act: str, htmx: bool = True, **fields: str) -> TestResponse:
    """As whoever reads the dialog and presses its button."""
    shown = preflight(visitor, jobs, act, **fields)
    confirmed = {**fields, "mark": hidden(shown, "mark"), "key": hidden(shown, "key")}
    return post(visitor, "/jobs/bulk", jobs, act, htmx, **confirmed)


def outcomes(answer: TestResponse) -> list[str]:
    """One line for each job of the list."""
    body = re.search(r"<tbody>.*?</tbody>", answer.text, re.DOTALL)
    return [words(line) for line in body[0].split("<tr>")[1:]] if body else []


def next_runs(*jobs: JobView) -> list[datetime | None]:
    return [one("SELECT next_run_at FROM jobs WHERE id = :id", id=job.id) for job in jobs]


def test_the_table_has_boxes_and_a_bar_for_those_who_may_use_them(
    operator: Visitor, viewer: Visitor, org: OrgOf
) -> None:
    job = message(org, "Hamlet")
    shown = operator.get("/?q=hamlet")
    assert f'id="job-{job.id}-pick"' in shown.text and 'id="all-on-page"' in shown.text
    bar = part(shown, "bulk")
    assert [f'id="bulk-{act}"' in bar for act in ("reschedule", "pause", "resume", "send", "delete")] == [
        True
    ] * 5
    assert 'name="q" value="hamlet"' in bar
    assert 'id="bulk"' not in viewer.get("/").text


def test_a_reschedule_by_days_shows_old_and_new_keeps_the_clock_and_leaves_what_can_not_move(
    operator: Visitor, org: OrgOf
) -> None:
    across, paused = message(org, "Across"), message(org, "Resting", 2)
    edits.set_paused(org.admin, paused.id, True, note=None, now=utc_now())
    daily = factories.job(org, name="Daily", schedule={"type": "daily", "hour": 9, "minute": 0})
    sent = message(org, "Sent", 3)
    edits.edit(org.admin, sent.id, Change(status=JobStatus.SENT, note="told"), now=utc_now())
    every = [across, paused, daily, sent]
    before = next_runs(*every)
    answer = preflight(operator, every, "reschedule", amount="2")
    assert answer.headers["HX-Retarget"] == "#dialog"
    said = words(answer)
    assert "Reschedule 4 jobs?" in said and "2 will be moved, 2 are left." in said
    assert outcomes(answer) == [
        "Daily left as it is INVALID_SCHEDULE It recurs or waits for a person; change its schedule instead.",
        "Across Sat 24 Oct 12:00 → becomes Mon 26 Oct 13:00 there 14:00 Europe/Berlin",
        "Resting Sun 25 Oct 12:00 → becomes Tue 27 Oct 12:00 there 13:00 Europe/Berlin",
        "Sent left as it is It is over (sent); a new time in its own row opens it again.",
    ]
    assert next_runs(*every) == before
    done = apply(operator, every, "reschedule", amount="2")
    assert done.headers["HX-Retarget"] == "#notices"
    assert words(done).startswith("2 moved, 2 left: Daily: It recurs or waits for a person")
    moved = next_runs(*every)
    # The clocks of Berlin go back between the two: 14:00 stays 14:00, which is an hour later by the sun.
    assert moved == [NOON + timedelta(days=3, hours=1), NOON + timedelta(days=4), before[2], None]
    assert rows("SELECT job_id FROM job_revisions WHERE revision = 2 AND changes ? 'schedule'") == [
        (across.id,)
    ]
    assert one("SELECT status FROM jobs WHERE id = :id", id=paused.id) == "paused"


def test_a_reschedule_to_a_time_on_the_clock_of_the_org_warns_of_what_the_rules_say(
    operator: Visitor, org: OrgOf
) -> None:
    plain, ruled = message(org, "Plain"), message(org, "Ruled", task="tests.tasks.weekdays_only")
    fields = {"how": "to", "at": "2026-11-28T10:00"}
    shown = outcomes(preflight(operator, [plain, ruled], "reschedule", **fields))
    assert shown[0].endswith("becomes Sat 28 Nov 10:00 there 11:00 Europe/Berlin")
    assert "As things stand it would be skipped then:" in shown[1]
    assert words(apply(operator, [plain, ruled], "reschedule", htmx=True, **fields)).startswith("2 moved.")
    assert next_runs(plain, ruled) == [datetime(2026, 11, 28, 10, 0, tzinfo=UTC)] * 2


@pytest.mark.parametrize(
    ("fields", "name", "said"),
    [
        ({"amount": "x"}, "amount", "Must be a whole number"),
        ({"amount": "0"}, "amount", "Must lie between a minute and 366 days"),
        ({"amount": "367"}, "amount", "Must lie between a minute and 366 days"),
        ({"how": "to", "at": ""}, "at", "Choose a date and a time"),
        ({"how": "to", "at": "2026-02-30T10:00"}, "at", "There is no such date"),
    ],
)
def test_a_move_that_can_not_be_read_is_marked_and_moves_nothing(
    operator: Visitor, org: OrgOf, fields: dict[str, str], name: str, said: str
) -> None:
    job = message(org, "Hamlet")
    for answer in (
        preflight(operator, [job], "reschedule", **fields),
        post(operator, "/jobs/bulk", [job], "reschedule", True, **fields),
    ):
        assert answer.status_code == 422
        assert words(part(answer, "bulk-move-error")) == said
        form = Form()
        form.feed(answer.text)
        assert name in form.invalid and form.values[name] == fields[name]
        assert "disabled" in part(answer, "confirm")
    past = preflight(operator, [job], "reschedule", how="to", at="2020-01-01T10:00")
    assert "IN_THE_PAST Lies more than 5 minutes in the past" in outcomes(past)[0]
    assert one("SELECT revision FROM jobs") == 1


def test_pause_and_resume_say_what_is_so_already_and_keep_the_note(operator: Visitor, org: OrgOf) -> None:
    on, off, over = message(org, "On"), message(org, "Off"), message(org, "Over")
    edits.set_paused(org.admin, off.id, True, note="before", now=utc_now())
    change("UPDATE jobs SET status = 'sent', next_run_at = NULL WHERE id = :id", id=over.id)
    shown = preflight(operator, [on, off, over], "pause")
    assert sorted(outcomes(shown)) == [
        "Off paused already",
        "On will be paused",
        "Over left as it is This job is over (sent); there is nothing to pause",
    ]
    done = words(apply(operator, [on, off, over], "pause", note="holiday"))
    assert done.startswith("1 paused, 1 paused already, 1 left: Over")
    sql = "SELECT status, status_note FROM jobs ORDER BY name DESC"
    assert rows(sql) == [("sent", None), ("paused", "holiday"), ("paused", "before")]
    change("UPDATE jobs SET next_run_at = :past WHERE id = :id", past=NOON - timedelta(hours=1), id=off.id)
    late = outcomes(preflight(operator, [on, off], "resume"))
    assert "Its time has passed" in late[0] and late[1] == "On will be resumed"
    assert words(apply(operator, [on], "resume")).startswith("1 resumed.")
    assert one("SELECT status FROM jobs WHERE id = :id", id=on.id) == "scheduled"


def test_send_now_says_to_whom_or_why_not_and_the_same_click_twice_sends_once(
    operator: Visitor, org: OrgOf
) -> None:
    factories.live_worker()
    ready, ruled = message(org, "Ready"), message(org, "Ruled", task="tests.tasks.weekdays_only")
    sent, nobody = message(org, "Sent"), message(org, "Nobody", recipient=None)
    change("UPDATE jobs SET status = 'sent', message_type = 'INIT' WHERE id = :id", id=sent.id)
    change("UPDATE jobs SET message_type = 'INIT' WHERE id = :id", id=nobody.id)
    every = [ready, ruled, sent, nobody]
    with time_machine.travel(NOON + timedelta(hours=20), tick=False):  # a Saturday
        factories.live_worker()
        shown = preflight(operator, every, "send")
        said = dict(zip(("nobody", "ready", "ruled", "sent"), sorted(outcomes(shown)), strict=True))
        assert said["ready"] == "Ready will be sent to ana@example.com"
        assert "WEEKEND The rules would have skipped it:" in said["ruled"]
        assert "Sent ana@example.com would be refused ALREADY_SENT This message was" in said["sent"]
        assert "Nobody nobody to send it to would be refused MISSING_RECIPIENT" in said["nobody"]
        assert one("SELECT count(*) FROM runs") == 0
        click = {"mark": hidden(shown, "mark"), "key": hidden(shown, "key")}
        first = post(operator, "/jobs/bulk", every, "send", True, **click)
        again = post(operator, "/jobs/bulk", every, "send", True, **click)
    assert words(first).startswith(
        "2 requested, 2 left:"
    ) and "Nobody: There is nobody to send it to" in words(first)
    assert words(again).startswith("2 requested, 2 left:")
    keys = [f"{click['key']}:{job.id}" for job in (ready, ruled)]
    assert sorted(rows("SELECT job_id, idempotency_key FROM runs")) == sorted(
        zip((ready.id, ruled.id), keys, strict=True)
    )
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'run:requested'") == 2


def test_delete_leaves_what_is_running_and_names_it_and_can_be_undone(operator: Visitor, org: OrgOf) -> None:
    gone, busy = message(org, "Gone"), message(org, "Busy")
    run = factories.run(org, busy)
    change("UPDATE runs SET state = 'running', started_at = now() WHERE id = :id", id=run.id)
    shown = preflight(operator, [gone, busy], "delete")
    assert outcomes(shown) == ["Busy left as it is It is running now, and stays.", "Gone will be deleted"]
    assert "Delete 1 job" in words(part(shown, "confirm"))
    done = apply(operator, [gone, busy], "delete")
    assert "1 job deleted. 1 running was left: Busy." in words(done)
    assert rows("SELECT name FROM jobs WHERE deleted_at IS NULL") == [("Busy",)]
    (undo,) = re.findall(r'hx-post="(/deletions/[^"]+/undo)"', done.text)
    assert "1 job is back." in words(operator.post(undo, htmx=True))
    assert one("SELECT count(*) FROM jobs WHERE deleted_at IS NULL") == 2


def test_what_was_changed_since_it_was_shown_is_shown_anew_and_nothing_is_done(
    operator: Visitor, org: OrgOf
) -> None:
    job = message(org, "Hamlet")
    mark = hidden(preflight(operator, [job], "reschedule"), "mark")
    other = post(operator, "/jobs/bulk", [job], "reschedule", True, mark=mark, amount="3")
    assert other.status_code == 409 and "Nothing was done: this is not what was shown." in words(other)
    assert one("SELECT revision FROM jobs") == 1
    edits.edit(org.admin, job.id, Change(send_at=NOON + timedelta(days=9)), now=utc_now())
    stale = post(operator, "/jobs/bulk", [job], "reschedule", True, mark=mark)
    assert stale.status_code == 409 and "Sun 1 Nov 12:00 → becomes Mon 2 Nov" in outcomes(stale)[0]
    fresh = hidden(stale, "mark")
    assert post(operator, "/jobs/bulk", [job], "reschedule", True, mark=fresh).status_code == 200
    assert one("SELECT revision FROM jobs") == 3


def test_all_that_match_are_taken_up_to_a_thousand(
    operator: Visitor, org: OrgOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [message(org, f"Wanted {number}") for number in range(3)]
    message(org, "Other")
    shown = preflight(operator, [], "pause", matching="1", q="wanted")
    assert [line.split(" will")[0] for line in outcomes(shown)] == [job.name for job in made]
    fields = {"mark": hidden(shown, "mark"), "q": "wanted"}
    assert words(post(operator, "/jobs/bulk", made, "pause", True, **fields)).startswith("3 paused.")
    monkeypatch.setattr("console.services.selections.MOST_SELECTED", 2)
    large = preflight(operator, made, "pause")
    assert large.status_code == 422 and "at most 1,000 jobs at once; narrow the filter" in words(large)
    assert bulk_edits.MOST_SELECTED == 1000


def test_without_a_script_it_is_a_page_then_the_table_with_a_word(operator: Visitor, org: OrgOf) -> None:
    job, daily = (
        message(org, "Hamlet"),
        factories.job(org, name="Daily", schedule={"type": "daily", "hour": 9, "minute": 0}),
    )
    page = post(operator, "/jobs/bulk/confirmation", [job, daily], "reschedule", False, q="a")
    assert "<html" in page.text and "Show what it does" in words(page)
    done = apply(operator, [job, daily], "reschedule", htmx=False, q="a")
    assert (done.status_code, done.location) == (303, "/?q=a")
    assert "1 moved, 1 left: Daily: It recurs" in words(operator.get(done.location))
    gone = apply(operator, [job], "delete", htmx=False)
    assert gone.location == "/deletions" and "1 job deleted." in words(operator.get(gone.location))


def test_nothing_selected_an_unknown_act_a_viewer_and_another_org(
    operator: Visitor, viewer: Visitor, stranger: Visitor, org: OrgOf
) -> None:
    job = message(org, "Hamlet")
    assert "tick at least one job" in words(preflight(operator, [], "pause"))
    assert preflight(operator, [job], "explode").status_code == 422
    for path in ("/jobs/bulk/confirmation", "/jobs/bulk"):
        assert post(viewer, path, [job], "delete", True).status_code == 403
        assert post(stranger, path, [job], "delete", True).status_code == 422
    assert one("SELECT count(*) FROM jobs WHERE deleted_at IS NULL AND revision = 1") == 1


def test_a_job_that_needs_a_second_person_is_foreseen_to_be_asked_for(operator: Visitor, org: OrgOf) -> None:
    guarded = factories.job(org, "tests.tasks.critical", name="Open the trap door")
    assert "a second person must approve it" in words(preflight(operator, [guarded], "send"))


@pytest.mark.parametrize("act", ["reschedule", "resume", "pause"])
def test_an_edit_that_needs_an_admin_is_foreseen_to_be_left(operator: Visitor, org: OrgOf, act: str) -> None:
    """What the dialog promises is what will come; a pause is free."""
    admin, other, guarded = factories.person(org, Role.ADMIN), message(org, "Hamlet"), message(org, "Macbeth")
    guarding.set_guard(admin, guarded.id, True, note=None, now=utc_now())
    if act == "resume":
        for job in (other, guarded):
            edits.set_paused(admin, job.id, True, note=None, now=utc_now())
    by_name = {line.split()[0]: line for line in outcomes(preflight(operator, [other, guarded], act))}
    is_left = act != "pause"
    assert ("only an admin may change when it runs" in by_name["Macbeth"]) is is_left
    assert "only an admin" not in by_name["Hamlet"]
    done = words(apply(operator, [other, guarded], act))
    assert ("1 left" in done, "only an admin may change" in done) == (is_left, is_left)
