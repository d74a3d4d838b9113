"""The schedule editor: what it shows, what it refuses, what it saves, and until when it is waited for."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from werkzeug.test import TestResponse

from console.core.clock import utc_now
from console.services import edits
from console.services.changes import Change
from console.services.views import JobView
from tests import factories
from tests.factories import OrgOf, rows
from tests.web.conftest import Visitor, change, part, words
from tests.web.editing import DAILY, Form, counted, fault_of, form_in, opened, send, state


def test_the_editor_shows_what_the_job_has(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(
        org,
        schedule={"type": "weekly", "weekday": 4, "hour": 7, "minute": 30},
        timezone="Asia/Ho_Chi_Minh",
        overlap="buffer_one",
        catch_up="none",
        catch_up_window_seconds=5400,
        jitter_seconds=90,
    )
    held = opened(operator, job)
    expected = {
        "revision": "1",
        "type": "weekly",
        "weekday": "4",
        "time": "07:30",
        "timezone": "Asia/Ho_Chi_Minh",
        "cron": "30 7 * * 5",
        "enabled": "1",
        "overlap": "buffer_one",
        "catch_up": "none",
        "window": "90",
        "window_unit": "minutes",
        "jitter": "90",
        "jitter_unit": "seconds",
    }
    assert {name: held[name] for name in expected} == expected
    shown = words(operator.get(f"/jobs/{job.id}/schedule"))
    assert "Fridays at 07:30 Asia/Ho_Chi_Minh" in shown
    assert len(re.findall(r"Fri \d+ \w+(?: \d{4})? 07:30", shown)) == 5
    assert len(re.findall(r"Fri \d+ \w+(?: \d{4})? 00:30", shown)) == 5
    assert operator.get(f"/jobs/{job.id}/schedule").text.count("autofocus") == 1


def test_an_edit_without_javascript_is_saved_and_told_on_the_jobs_page(
    operator: Visitor, org: OrgOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2030, 11, 17, 12, 0, tzinfo=UTC)  # a Sunday
    monkeypatch.setattr("console.services.people.session_actor", _session_of(operator))
    monkeypatch.setattr("console.web.identity.utc_now", lambda: now)
    job = factories.job(org, name="Report", schedule=DAILY, timezone="Asia/Ho_Chi_Minh", now=now)
    fields = opened(operator, job) | {"time": "09:15", "reason": "crew comes later"}
    answer = send(operator, job, fields)
    assert (answer.status_code, answer.location) == (303, f"/jobs/{job.id}")
    assert state(job)[:2] == ({"type": "daily", "hour": 9, "minute": 15}, "Asia/Ho_Chi_Minh")
    assert state(job)[4:] == (datetime(2030, 11, 18, 2, 15, tzinfo=UTC), 2)
    told = rows("SELECT actor, origin, reason FROM job_revisions WHERE revision = 2")
    assert told == [(operator.actor.name, "person", "crew comes later")]
    page = words(operator.get(answer.location))
    assert "Report: Saved r2. Next run: Mon 18 Nov 09:15 Asia/Ho_Chi_Minh (was Mon 07:00)." in page
    assert "saved r2, scheduler on r0" in page


@pytest.mark.parametrize("region", ["row", "job", "schedules"])
def test_with_htmx_the_place_is_shown_anew_with_a_notice_and_the_way_back(
    operator: Visitor, org: OrgOf, region: str
) -> None:
    job = factories.job(org, name="Report", schedule=DAILY)
    answer = send(operator, job, opened(operator, job, region) | {"time": "09:15"}, htmx=True)
    assert answer.status_code == 200 and "<html" not in answer.text
    places = {"row": f"#job-{job.id}", "job": "#job", "schedules": f"#editor-{job.id}"}
    assert answer.headers["HX-Retarget"] == places[region]
    assert json.loads(answer.headers["HX-Trigger-After-Settle"]) == {
        "jobs-changed": {},
        "schedule-saved": {"job": str(job.id), "opener": f"job-{job.id}-edit"},
    }
    assert "Saved r2. Next run:" in words(part(answer, "notices"))
    assert f'hx-post="/jobs/{job.id}/undo"' in answer.text
    if region != "schedules":
        shown = words(part(answer, places[region][1:]))
        assert "daily at 09:15" in shown and "scheduler on r0" in shown


def test_saving_what_stands_already_makes_no_revision(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule={"type": "cron", "cron": "0 7 * * *"})
    before = state(job), counted()
    answer = send(operator, job, opened(operator, job))
    assert "Nothing to change: r1 says this already." in words(operator.get(answer.location))
    assert (state(job), counted()) == before


def test_a_switch_and_policies_are_saved_together(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule=DAILY)
    fields = opened(operator, job) | {
        "note": "until Friday",
        "overlap": "cancel_other",
        "catch_up": "all",
        "window": "2",
        "window_unit": "hours",
        "jitter": "5",
        "jitter_unit": "minutes",
    }
    del fields["enabled"]
    answer = send(operator, job, fields)
    page = words(operator.get(answer.location))
    assert "Saved r2. Switched off: nothing starts by its schedule until it is switched on." in page
    for text in (
        "the running one is stopped, then the next starts",
        "each one is run",
        "up to 2 h late",
        "starts up to 5 min after its time, the same for the same slot",
        "until Friday",
        "Switch: on → became off",
    ):
        assert text in page, text
    found = rows("SELECT status, overlap, catch_up, catch_up_window_seconds, jitter_seconds FROM jobs")
    assert found == [("paused", "cancel_other", "all", 7200, 300)]


REFUSALS = [
    ({"cron": "0 9 31 2 *"}, "cron", "This never fires; make the job manual"),
    ({"cron": "15 25 * * 1-5"}, "cron", "15 25 * * 1-5 Hour “25” at character 4: must lie between 0 and 23"),
    ({"cron": "15 9 * *"}, "cron", "Weekday at character 9: is missing"),
    ({"type": "once", "at": "2020-01-31T09:15"}, "at", "Lies in the past"),
    ({"timezone": "Mars/Olympus"}, "timezone", "'Mars/Olympus' is no known zone"),
    ({"time": ""}, "time", "Choose a time of day"),
    ({"type": "every", "every": "soon"}, "every", "Must be a whole number"),
    ({"jitter": "4000"}, "jitter", "Must be a whole number of seconds from 1 to 3600"),
]


@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize(("given", "field", "text"), REFUSALS)
def test_a_refusal_marks_the_field_keeps_the_draft_and_changes_nothing(
    operator: Visitor, org: OrgOf, htmx: bool, given: dict[str, str], field: str, text: str
) -> None:
    job = factories.job(org, schedule=DAILY)
    before = state(job), counted()
    fields = (
        opened(operator, job, "row" if htmx else "") | {"reason": "because", "overlap": "allow_all"} | given
    )
    answer = send(operator, job, fields, htmx=htmx)
    assert answer.status_code == 422
    assert ("<html" in answer.text) is not htmx
    assert text in fault_of(answer, job, field)
    form = form_in(answer)
    assert form.focused == field and form.invalid == [field]
    kept = {name: form.values[name] for name in (*given, "reason", "overlap", "revision")}
    assert kept == {**given, "reason": "because", "overlap": "allow_all", "revision": "1"}
    assert (state(job), counted()) == before


def test_the_wrong_part_of_a_cron_is_marked(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule=DAILY)
    for cron, mark in (("15 25 * * *", "<mark>25</mark>"), ("1 2 3", "1 2 3 <mark>?</mark>")):
        answer = send(operator, job, opened(operator, job) | {"cron": cron})
        assert mark in part(answer, f"ed-{job.id}-cron-error")
    evil = send(operator, job, opened(operator, job) | {"cron": "<b>x</b> 1 * * *"})
    assert "<b>x</b>" not in evil.text and "&lt;b&gt;" in evil.text


@pytest.mark.parametrize("revision", ["", "x", "7", "99999999999"])
def test_a_revision_that_never_was_is_refused(operator: Visitor, org: OrgOf, revision: str) -> None:
    job = factories.job(org, schedule=DAILY)
    answer = send(operator, job, opened(operator, job) | {"time": "09:15", "revision": revision})
    assert answer.status_code == 422
    assert "revision:" in words(answer)
    assert state(job)[5] == 1


def test_a_viewer_has_no_editor_and_is_told_why(viewer: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule=DAILY)
    for path in ("/", f"/jobs/{job.id}"):
        answer = viewer.get(path)
        assert f"job-{job.id}-edit" not in answer.text and "/undo" not in answer.text
        assert "one needs the role operator; yours is viewer" in words(answer)
    for path in ("schedule", "schedule/preview"):
        assert viewer.get(f"/fragments/jobs/{job.id}/{path}").status_code == 403
    assert viewer.get(f"/jobs/{job.id}/schedule").status_code == 403
    for path in ("schedule", "undo", "revisions/1/restore"):
        answer = viewer.post(f"/jobs/{job.id}/{path}", {"revision": "1", "type": "manual"})
        assert answer.status_code == 403 and "FORBIDDEN" in words(answer)
    assert state(job)[5] == 1


def test_another_orgs_job_is_not_edited(stranger: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule=DAILY)
    for path in ("schedule", "undo", "revisions/1/restore"):
        assert stranger.post(f"/jobs/{job.id}/{path}", {"revision": "1"}).status_code == 404
    assert state(job)[5] == 1


def test_the_note_of_a_paused_job_stands_in_the_form_and_is_no_reason_of_another_edit(
    operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, schedule=DAILY)
    edits.set_paused(org.admin, job.id, True, note="until Friday", now=utc_now())
    fields = opened(operator, job)
    assert fields["note"] == "until Friday" and "enabled" not in fields
    send(operator, job, fields | {"time": "09:15"})
    send(operator, job, opened(operator, job) | {"enabled": "1"})
    assert rows("SELECT reason FROM job_revisions WHERE revision > 2") == [(None,), (None,)]
    assert state(job)[2] == "scheduled"


# The preview ---------------------------------------------------------------------------------------


def preview(visitor: Visitor, job: JobView, typed: str | None = None, **given: str) -> TestResponse:
    fields = opened(visitor, job) | given
    headers = {"HX-Request": "true"} | ({"HX-Trigger-Name": typed} if typed else {})
    return visitor.get(f"/fragments/jobs/{job.id}/schedule/preview", query_string=fields, headers=headers)


def test_a_preview_changes_nothing(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule=DAILY)
    before = state(job), counted()
    assert preview(operator, job, "time", time="10:00").status_code == 200
    assert (state(job), counted()) == before


@pytest.mark.parametrize(
    ("typed", "given", "sent", "kept"),
    [
        ("time", {"time": "10:30"}, {"cron": "30 10 * * *"}, ("time", "type", "weekday")),
        ("type", {"type": "weekly"}, {"cron": "0 7 * * 1"}, ("type", "weekday", "time")),
        ("cron", {"cron": "30 10 * * 3"}, {"type": "weekly", "weekday": "2", "time": "10:30"}, ("cron",)),
        ("cron", {"cron": "30 10 * * 1-5"}, {"type": "cron"}, ("cron", "time")),
        ("timezone", {"timezone": "Asia/Tokyo"}, {}, ("timezone", "cron", "time", "type")),
    ],
)
def test_the_preview_sends_what_mirrors_the_field_and_never_the_field_itself(
    operator: Visitor,
    org: OrgOf,
    typed: str,
    given: dict[str, str],
    sent: dict[str, str],
    kept: tuple[str, ...],
) -> None:
    job = factories.job(org, schedule=DAILY)
    answer = preview(operator, job, typed, **given)
    template = answer.text[answer.text.index("<template>") :]
    found = Form()
    found.feed(template)
    assert {name: found.values[name] for name in sent} == sent
    assert not set(kept) & set(found.values)
    assert "autofocus" not in answer.text


def test_the_preview_says_what_is_wrong_beside_the_field_without_taking_the_focus(
    operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, schedule=DAILY)
    answer = preview(operator, job, "cron", cron="15 25 * * *")
    assert answer.status_code == 200
    assert "must lie between 0 and 23" in fault_of(answer, job, "cron")
    assert "No runs to show" in words(part(answer, f"preview-{job.id}"))
    assert "autofocus" not in answer.text
    better = preview(operator, job, "cron", cron="15 23 * * *")
    assert fault_of(better, job, "cron") == ""
    assert "Daily at 23:15" in words(part(better, f"preview-{job.id}"))


def test_daylight_saving_is_marked_and_explained(
    operator: Visitor, org: OrgOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2030, 3, 29, 12, tzinfo=UTC)  # two days before the clocks go forward in Berlin
    monkeypatch.setattr("console.services.people.session_actor", _session_of(operator))
    monkeypatch.setattr("console.web.identity.utc_now", lambda: now)
    job = factories.job(org, schedule=DAILY, timezone="Europe/Berlin", now=now)
    answer = words(preview(operator, job, "time", time="02:30"))
    assert "Sun 31 Mar 03:00 moved 02:30 doesn't exist on this day" in answer
    gone = preview(operator, job, "at", type="once", at="2030-03-31T02:30")
    assert "02:30 doesn't exist on" in fault_of(gone, job, "at")
    again = preview(operator, job, "at", type="once", at="2030-10-27T02:30")
    assert "comes twice on this day" in words(part(again, f"ed-{job.id}-twice"))
    assert "the first time, UTC+02:00" in words(again)


def _session_of(visitor: Visitor) -> Any:
    """The session lasts for as long as the test wants to travel."""
    return lambda *_, **__: visitor.actor


def test_the_preview_says_when_it_would_have_run_and_what_gives_pause(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule=DAILY)
    answer = words(preview(operator, job, "time", time="09:15"))
    assert re.search(r"Next runs, instead of \w{3} \d+ \w{3}(?: \d{4})? 07:00", answer)
    often = words(preview(operator, job, "every", type="every", every="1", unit="minutes"))
    assert "Slots come as little as 1 min apart" in often
    factories.job(org, name="Twin", schedule={"type": "daily", "hour": 9, "minute": 15})
    twins = words(preview(operator, job, "time", time="09:15"))
    assert "Due in the same minute, of the same task: “Twin”" in twins
    saved = send(operator, job, opened(operator, job, "row") | {"time": "09:15"}, htmx=True)
    assert "Due in the same minute" in words(part(saved, "notices"))


def test_an_interval_has_no_cron_and_says_so(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule={"type": "interval", "every_seconds": 1800})
    assert "An interval counts from its last slot" in words(operator.get(f"/jobs/{job.id}/schedule"))
    assert "Every 30 min" in words(part(operator.get(f"/jobs/{job.id}/schedule"), f"preview-{job.id}"))


# Until it is in force ------------------------------------------------------------------------------


def rhythm(text: str) -> bool:
    return "every 1s" in "".join(re.findall('hx-trigger="[^"]*"', text))


def test_a_row_asks_quickly_until_the_edit_is_in_force_and_then_says_so(
    operator: Visitor, org: OrgOf
) -> None:
    factories.live_scheduler()
    job = factories.job(org, schedule=DAILY)
    change("UPDATE jobs SET applied_revision = 1")
    assert not rhythm(operator.get("/").text) and not rhythm(operator.get(f"/jobs/{job.id}").text)
    edits.edit(org.admin, job.id, Change(overlap="allow_all"), now=utc_now())
    shown = operator.get("/")
    assert rhythm(shown.text) and rhythm(operator.get(f"/jobs/{job.id}").text)
    row = part(shown, f"job-{job.id}")
    assert "saved r2, scheduler on r1" in words(row)
    assert f'name="awaited" value="{job.id}"' in row
    change("UPDATE jobs SET applied_revision = 2")
    after = operator.get(f"/fragments/jobs/table?awaited={job.id}")
    assert "r2 in force" in words(part(after, f"job-{job.id}"))
    assert not rhythm(after.text) and 'name="awaited"' not in after.text
    assert "in force" not in words(part(operator.get("/"), f"job-{job.id}"))
    assert "r2 in force" in words(operator.get(f"/jobs/{job.id}"))


@pytest.mark.parametrize("address", ["/fragments/jobs/table", "/fragments/jobs/{id}"])
def test_an_edit_that_cannot_come_true_says_so_and_is_not_waited_for(
    operator: Visitor, org: OrgOf, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.live_scheduler()
    job = factories.job(org, schedule=DAILY)
    address = address.format(id=job.id)
    alive = operator.get(address)
    assert rhythm(alive.text) and "scheduler down" not in words(alive)
    poll = re.search(r'hx-get="([^"]+)"', alive.text)
    assert poll is not None
    asks = poll[1].replace("&amp;", "&")
    assert operator.get(asks).status_code == 204
    change("UPDATE heartbeats SET beat_at = beat_at - interval '1 h'")
    heard = operator.get(asks)
    assert heard.status_code == 200
    assert "saved r1, scheduler on r0: scheduler down" in words(heard)
    assert not rhythm(heard.text)
    fields = dict(
        re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)">', heard.text.split("</div>")[0])
    )
    assert "HX-Trigger" not in operator.get("/fragments/pulse", query_string=fields).headers
    factories.live_scheduler()
    assert operator.get("/fragments/pulse", query_string=fields).headers["HX-Trigger"] == "jobs-changed"
