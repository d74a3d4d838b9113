"""The page of schedules: what comes up, which there are, one switch, many at once, and files."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from apiflask import APIFlask
from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql

from console.core.clock import utc_now
from console.db.jobs import Job
from console.db.session import db
from console.services import edits, job_filters, schedule_files
from console.services.changes import Change
from console.services.views import JobFilter, JobView
from console.web import charts
from tests import factories
from tests.factories import NOON, OrgOf, one, rows
from tests.web.conftest import Visitor, change, part, visit, words
from tests.web.test_jobs_page import names

NEXT = re.compile(r'id="next-page"\s+rel="next"\s+href="([^"]+)"')
LIST = "/fragments/schedules/list"
TIMELINE = "/fragments/schedules/timeline"
DAILY = {"type": "daily", "hour": 9, "minute": 15}
HOURLY = {"type": "interval", "every_seconds": 3600}


@pytest.fixture
def _at_noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


def once(minutes: float) -> dict[str, str]:
    return {"type": "once", "at": (utc_now() + timedelta(minutes=minutes)).isoformat()}


def row(visitor: Visitor, job: JobView, path: str = "/schedules") -> str:
    return part(visitor.get(path), f"job-{job.id}")


def revision_rows(job: JobView) -> list[Any]:
    return rows(
        "SELECT revision, changes, actor, origin, reason FROM job_revisions WHERE job_id = :id "
        "ORDER BY revision",
        id=job.id,
    )


def unchanged(before: Any) -> bool:
    """Whether jobs, history and trail are as they were."""
    return everything() == before


def everything() -> tuple[Any, ...]:
    return (
        rows("SELECT id, revision, schedule, timezone, status, next_run_at FROM jobs ORDER BY id"),
        one("SELECT count(*) FROM job_revisions"),
        one("SELECT count(*) FROM audit_entries WHERE tag <> 'access:refused'"),
    )


# The list -----------------------------------------------------------------------------------------


def test_what_has_something_to_come_stands_in_it_nearest_first(operator: Visitor, org: OrgOf) -> None:
    factories.job(org, name="By hand")
    factories.job(org, name="Soon", schedule=once(5))
    factories.job(org, name="Hourly", schedule=HOURLY)
    over = factories.job(org, name="Over", schedule=once(1))
    change("UPDATE jobs SET next_run_at = NULL, status = 'sent' WHERE id = :id", id=over.id)
    assert names(operator.get("/schedules").text) == ["Soon", "Hourly"]
    assert "2 jobs" in words(operator.get("/schedules"))


def test_each_row_says_what_when_next_whether_and_which_revision(operator: Visitor, org: OrgOf) -> None:
    factories.live_scheduler()
    job = factories.job(
        org,
        name="Morning report",
        key="morning",
        schedule=DAILY,
        timezone="Asia/Ho_Chi_Minh",
        subject="Sales",
    )
    change("UPDATE jobs SET applied_revision = 1")
    shown = row(operator, job)
    said = words(shown)
    assert "Morning report Sales · morning" in said
    assert "daily at 09:15 Asia/Ho_Chi_Minh" in said
    assert "02:15" in said and "(UTC, UTC+00:00)" in shown
    assert "r1 in force" in said
    assert 'aria-checked="true"' in shown
    assert f'href="/jobs/{job.id}/schedule"' in shown


def test_usual_policies_are_not_mentioned_and_others_are_in_short(operator: Visitor, org: OrgOf) -> None:
    usual = factories.job(org, schedule=HOURLY)
    other = factories.job(
        org,
        schedule=HOURLY,
        overlap="buffer_one",
        catch_up="none",
        catch_up_window_seconds=900,
        jitter_seconds=30,
    )
    assert "policies" not in row(operator, usual)
    said = words(row(operator, other))
    assert "one waits while one runs · catches up on none · up to 15 min late · spread over 30 s" in said


def test_a_schedule_that_is_off_says_so_with_its_note_and_strikes_its_next_run(
    operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, schedule=HOURLY)
    edits.set_paused(org.admin, job.id, True, note="until Friday", now=utc_now())
    shown = row(operator, job)
    assert 'aria-checked="false"' in shown and "<s>" in shown
    assert "“until Friday”" in words(shown)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("kind=cron", ["Clock"]),
        ("kind=interval", ["Hourly"]),
        ("kind=once", ["Soon"]),
        ("kind=manual", ["By hand"]),
        ("status=paused", ["Clock"]),
        ("category=Examples", ["Hourly"]),
        ("category=Tests", ["Soon", "Clock"]),
        ("q=CLO", ["Clock"]),
        ("q=hand", []),
        ("kind=cron&status=scheduled", []),
    ],
)
def test_filters_and_search(operator: Visitor, org: OrgOf, query: str, found: list[str]) -> None:
    factories.job(org, name="By hand")
    factories.job(org, name="Soon", schedule=once(5))
    factories.job(org, "count_slowly", name="Hourly", schedule=HOURLY, args={})
    clock = factories.job(org, name="Clock", schedule=DAILY)
    edits.set_paused(org.admin, clock.id, True, note=None, now=utc_now())
    for path in ("/schedules", LIST):
        assert sorted(names(operator.get(f"{path}?{query}").text)) == sorted(found)


@pytest.mark.parametrize("path", ["/schedules", LIST])
@pytest.mark.parametrize(
    ("field", "value"),
    [("status", "off"), ("kind", "daily"), ("cursor", "garbage"), ("q", "x" * 201), ("from", "2026-01-01")],
)
def test_what_can_not_be_asked_for_is_named(operator: Visitor, path: str, field: str, value: str) -> None:
    answer = operator.get(path, query_string={field: value})
    assert answer.status_code == 422
    assert f"{field}:" in words(answer)


def test_paging_shows_each_once_and_keeps_the_filter(operator: Visitor, org: OrgOf) -> None:
    for number in range(120):
        factories.job(org, name=f"Wanted {number % 7}", schedule=HOURLY, now=NOON)
    factories.job(org, name="Other", schedule=HOURLY)
    seen: list[str] = []
    path, pages = "/schedules?q=wanted", 0
    while path:
        answer = operator.get(path)
        seen += re.findall(r'<tbody id="job-([0-9a-f-]{36})"', answer.text)
        found = NEXT.search(answer.text)
        path, pages = (unescape(found[1]) if found else ""), pages + 1
    assert (pages, len(seen), len(set(seen))) == (3, 120, 120)


def test_saved_is_not_in_force_until_the_scheduler_says_so_and_never_while_it_is_down(
    operator: Visitor, org: OrgOf
) -> None:
    factories.live_scheduler()
    job = factories.job(org, schedule=HOURLY)
    shown = operator.get("/schedules")
    assert "saved r1, scheduler on r0" in words(part(shown, f"job-{job.id}"))
    assert "every 1s" in part(shown, "schedules-list")
    poll = poll_of(shown.text)
    assert operator.get(poll).status_code == 204
    change("UPDATE heartbeats SET beat_at = now() - interval '1 h'")
    heard = operator.get(poll)
    assert "scheduler down" in words(part(heard, f"job-{job.id}"))
    assert "every 5s" in heard.text
    factories.live_scheduler()
    change("UPDATE jobs SET applied_revision = revision")
    rests = operator.get(poll)
    assert "r1 in force" in words(part(rests, f"job-{job.id}"))
    assert "every" not in trigger(rests.text)


def poll_of(page: str) -> str:
    found = re.search(rf'hx-get="({LIST}[^"]*)"', page)
    assert found is not None
    return unescape(found[1])


def trigger(page: str) -> str:
    found = re.search(rf'hx-get="{LIST}[^"]*"\s+hx-trigger="([^"]*)"', page)
    assert found is not None
    return found[1]


def test_a_poll_says_nothing_until_something_changes(
    operator: Visitor, stranger: Visitor, org: OrgOf
) -> None:
    factories.live_scheduler()
    job = factories.job(org, schedule=HOURLY)
    poll, others = (poll_of(visitor.get(LIST).text) for visitor in (operator, stranger))
    assert (operator.get(poll).status_code, operator.get(poll).data) == (204, b"")
    edits.edit(org.admin, job.id, Change(timezone="Asia/Tokyo"), now=utc_now())
    assert operator.get(poll).status_code == 200
    assert stranger.get(others).status_code == 204
    assert "every 1s" in trigger(operator.get(LIST).text)
    change("UPDATE jobs SET applied_revision = revision")
    factories.run(org, job)
    assert "every 1s" in trigger(operator.get(LIST).text)


def test_the_heartbeat_tells_of_changes_here_too(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, name="Wanted", schedule=HOURLY)
    shown = part(operator.get("/schedules?q=wanted"), "watch")
    watched = dict(re.findall(r'name="(\w+)" value="([^"]+)"', shown))
    assert (watched["watch"], watched["q"]) == ("schedules", "wanted")
    assert "HX-Trigger" not in operator.get("/fragments/pulse", query_string=watched).headers
    edits.set_paused(org.admin, job.id, True, note=None, now=utc_now())
    assert operator.get("/fragments/pulse", query_string=watched).headers["HX-Trigger"] == "jobs-changed"


def test_an_empty_list_teaches_and_a_search_without_a_find_leads_back(operator: Visitor, org: OrgOf) -> None:
    said = words(operator.get("/schedules"))
    assert "No schedules yet" in said and "python -m console schedule set" in said
    assert "Nothing comes due in the next 24 hours." in said
    factories.job(org, schedule=HOURLY)
    assert "Nothing matches" in words(operator.get("/schedules?q=nothing-like-it"))


def test_another_orgs_schedules_are_nowhere(operator: Visitor, stranger: Visitor, org: OrgOf) -> None:
    job = factories.job(org, name="Confidential", schedule={"type": "interval", "every_seconds": 600})
    assert "Confidential" in operator.get("/schedules").text
    for path in ("/schedules", LIST, TIMELINE, "/schedules/export", "/schedules?q=conf"):
        assert "Confidential" not in stranger.get(path).text, path
    before = everything()
    switched = stranger.post(f"/schedules/{job.id}/enabled", {"revision": "1", "enabled": "false"})
    assert switched.status_code == 404
    asked = stranger.post("/schedules/bulk/confirmation", {"selected": str(job.id), "action": "disable"})
    assert asked.status_code == 422
    assert unchanged(before)


def test_a_viewer_sees_all_and_changes_nothing_and_is_told_why(
    viewer: Visitor, operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, name="Morning report", schedule=HOURLY)
    shown = viewer.get("/schedules")
    said = words(shown)
    assert "Morning report" in said and "needs the role operator; yours is viewer" in said
    assert 'type="checkbox"' not in shown.text and 'role="switch"' not in shown.text
    assert 'class="btn btn-outline edit"' not in shown.text and 'id="import"' not in shown.text
    assert viewer.get("/schedules/export").status_code == 200
    assert viewer.get("/schedules/import").status_code == 403
    before = everything()
    mark = mark_of(operator, "disable", selected=[str(job.id)])
    for path, data in (
        (f"/schedules/{job.id}/enabled", {"revision": "1", "enabled": "false"}),
        ("/schedules/bulk/confirmation", {"action": "disable", "selected": str(job.id)}),
        ("/schedules/bulk", {"action": "disable", "selected": str(job.id), "mark": mark}),
        ("/schedules/import/plan", {"text": "version: 1"}),
        ("/schedules/import", {"text": "version: 1"}),
    ):
        for htmx in (False, True):
            answer = viewer.post(path, data, htmx=htmx)
            assert answer.status_code == 403, path
            assert "operator" in words(answer)
    assert unchanged(before)


def test_names_and_notes_are_text_and_never_markup(operator: Visitor, org: OrgOf) -> None:
    evil = "<script>alert(1)</script>"
    job = factories.job(org, name=evil, subject=evil, schedule={"type": "interval", "every_seconds": 60})
    factories.job(org, name=evil, schedule={"type": "interval", "every_seconds": 60})
    edits.set_paused(org.admin, job.id, True, note=evil, now=utc_now())
    answer = operator.get("/schedules")
    assert "<script>alert" not in answer.text
    assert evil in words(answer)


def test_the_default_list_walks_the_index_and_not_what_has_no_schedule(org: OrgOf) -> None:
    """With many jobs that wait for a person, neither the end of the list nor the count looks at them."""
    change(
        "INSERT INTO jobs (org_id, key, name, task, category, args, kind, schedule, timezone, next_run_at) "
        "SELECT :org, 'key_' || n, 'Job ' || n, 't', 'c', '{}', "
        "CASE WHEN n <= 60 THEN 'interval' ELSE 'manual' END, "
        "'{\"type\": \"manual\"}', 'UTC', CASE WHEN n <= 60 THEN now() + n * interval '1 s' END "
        "FROM generate_series(1, 20000) n",
        org=org.id,
    )
    change("ANALYZE jobs")
    query = job_filters.filtered(select(Job.id), org.admin, JobFilter(scheduled_only=True))
    query = query.order_by(Job.sort_at, Job.name, Job.id).limit(101)
    sql = query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    ((plan,),) = db.session.execute(text(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}"))
    (scan,) = list(scans(plan[0]["Plan"]))
    assert scan["Index Name"] == "ix_jobs_nearest"
    assert "sort_at" in scan["Index Cond"]
    assert scan["Actual Rows"] == 60
    assert scan.get("Rows Removed by Filter", 0) == 0


def scans(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Scan" in node["Node Type"]:
        yield node
    for inner in node.get("Plans", ()):
        yield from scans(inner)


# Coming up ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_at_noon")
def test_the_next_day_by_hours_in_the_orgs_zone_and_its_crowded_minutes(app: APIFlask) -> None:
    bangkok = factories.org(timezone="Asia/Bangkok")
    for number in range(3):
        factories.job(bangkok, name=f"At nine {number}", schedule=DAILY, timezone="Asia/Bangkok")
    factories.job(bangkok, name="Hourly", schedule=HOURLY)
    off = factories.job(bangkok, name="Off", schedule=HOURLY)
    edits.set_paused(bangkok.admin, off.id, True, note=None, now=utc_now())
    visitor = visit(app, factories.person(bangkok))
    shown = part(visitor.get("/schedules"), "schedules-timeline")
    said = words(shown)
    # Noon in UTC is 19:00 in Bangkok: 23 hourly slots are left before 19:00, and three at 09:15.
    assert "26 slots of 4 jobs in the next 24 hours" in said
    assert "as of 19:00:00" in said
    assert "Thu 3 Jan 09:15 · 3 jobs: At nine 0, At nine 1, At nine 2" in said
    assert "Thu 3 Jan 09:00: 4 slots, 1 crowded minute" in said
    assert shown.count("<title>") in (24, 25), "the first and the last hour are seldom whole"
    assert "Hour from Slots Crowded minutes Today 19:00 0 " in said
    assert "Thu 3 Jan 09:00 4 09:15 (3 jobs)" in said
    assert " Off" not in said


@pytest.mark.usefixtures("_at_noon")
def test_a_picture_that_could_not_be_finished_says_so(
    operator: Visitor, org: OrgOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.services.timelines.MOST_JOBS", 2)
    for _ in range(3):
        factories.job(org, schedule=HOURLY)
    said = words(operator.get(TIMELINE))
    assert "only the 2 jobs that are due first are in this picture" in said


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0"), (999, "999"), (1234, "1.2k"), (9949, "9.9k"), (9999, "10k"), (86_400, "86k")],
)
def test_a_count_has_room_above_its_bar(count: int, said: str) -> None:
    assert charts.short(count) == said


# One switch ---------------------------------------------------------------------------------------


def test_the_switch_turns_a_schedule_off_and_on_which_are_revisions(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, name="Hourly", schedule=HOURLY)
    off = operator.post(f"/schedules/{job.id}/enabled", {"revision": "1", "enabled": "false", "q": "hour"})
    assert (off.status_code, off.location) == (303, "/schedules?q=hour")
    assert "Hourly: off." in words(operator.get(off.location))
    assert one("SELECT status FROM jobs") == "paused"
    on = operator.post(f"/schedules/{job.id}/enabled", {"revision": "2", "enabled": "true"}, htmx=True)
    assert on.status_code == 200
    assert on.headers["HX-Trigger-After-Settle"] == "jobs-changed"
    assert "Hourly: on." in words(part(on, "notices"))
    assert 'name="revision" value="3"' in part(on, f"job-{job.id}-row")
    assert one("SELECT status FROM jobs") == "scheduled"
    assert [(item.revision, item.changes, item.actor, item.origin) for item in revision_rows(job)[1:]] == [
        (2, {"enabled": {"old": True, "new": False}}, operator.actor.name, "person"),
        (3, {"enabled": {"old": False, "new": True}}, operator.actor.name, "person"),
    ]
    assert rows("SELECT tag FROM audit_entries WHERE tag LIKE 'job:%' ORDER BY at") == [
        ("job:created",),
        ("job:paused",),
        ("job:resumed",),
    ]


def test_a_switch_that_shows_an_old_revision_is_refused_and_shown_anew(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule=HOURLY)
    edits.edit(org.admin, job.id, Change(timezone="Asia/Tokyo"), now=utc_now())
    before = everything()
    data = {"revision": "1", "enabled": "false"}
    plain = operator.post(f"/schedules/{job.id}/enabled", data)
    assert plain.status_code == 409 and "STALE_REVISION" in words(plain)
    stale = operator.post(f"/schedules/{job.id}/enabled", data, htmx=True)
    assert stale.status_code == 409
    assert "saved r2 after r1" in words(part(stale, "notices"))
    assert 'name="revision" value="2"' in part(stale, f"job-{job.id}-row")
    assert unchanged(before)


@pytest.mark.parametrize("revision", ["", "one", "99"])
def test_a_switch_without_a_revision_that_ever_was_is_refused(
    operator: Visitor, org: OrgOf, revision: str
) -> None:
    job = factories.job(org, schedule=HOURLY)
    before = everything()
    answer = operator.post(f"/schedules/{job.id}/enabled", {"revision": revision, "enabled": "false"})
    assert answer.status_code == 422
    assert unchanged(before)


def test_a_manual_job_has_no_switch_unless_it_is_off(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, name="By hand")
    assert 'role="switch"' not in row(operator, job, "/schedules?kind=manual")
    edits.set_paused(org.admin, job.id, True, note=None, now=utc_now())
    assert 'role="switch"' in row(operator, job, "/schedules?kind=manual")


# Many at once -------------------------------------------------------------------------------------


def mark_of(visitor: Visitor, action: str, **fields: Any) -> str:
    """Asks for the confirmation, as the page does."""
    answer = visitor.post("/schedules/bulk/confirmation", {"action": action, **fields})
    assert answer.status_code == 200, answer.text
    return found_mark(answer.text)


def found_mark(page: str) -> str:
    found = re.search(r'name="mark" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def apply(visitor: Visitor, action: str, *, htmx: bool = False, **fields: Any) -> Any:
    """Confirms what it is asked."""
    choice = {name: value for name, value in fields.items() if name in ("selected", "matching", "q", "kind")}
    mark = mark_of(visitor, action, **choice)
    return visitor.post("/schedules/bulk", {"action": action, "mark": mark, **fields}, htmx=htmx)


def test_the_confirmation_names_the_count_the_action_and_the_first_jobs(
    operator: Visitor, org: OrgOf
) -> None:
    made = [factories.job(org, name=f"Job {number}", schedule=once(number + 5)) for number in range(7)]
    data = {"action": "shift", "selected": [str(job.id) for job in made]}
    before = everything()
    whole = operator.post("/schedules/bulk/confirmation", data)
    assert whole.status_code == 200 and "<html" in whole.text
    said = words(part(whole, "bulk-change"))
    assert "Shift 7 schedules?" in said
    assert "Selected: Job 0, Job 1, Job 2, Job 3, Job 4 and 2 more." in said
    dialog = operator.post("/schedules/bulk/confirmation", data, htmx=True)
    assert dialog.headers["HX-Retarget"] == "#dialog"
    assert "<html" not in dialog.text and "Shift 7 schedules?" in words(dialog)
    one_only = operator.post("/schedules/bulk/confirmation", {**data, "selected": str(made[0].id)})
    assert "Shift 1 schedule?" in words(one_only)
    assert unchanged(before)


DONE = {"disable": "turned off", "shift": "shifted", "set_zone": "moved to Asia/Tokyo"}


@pytest.mark.parametrize(
    ("action", "fields", "check"),
    [
        ("disable", {"reason": "inventory"}, {"status": "paused", "status_note": "inventory"}),
        ("shift", {"minutes": "15", "reason": "inventory"}, {"schedule": {**DAILY, "minute": 30}}),
        (
            "shift",
            {"minutes": "30", "direction": "earlier", "reason": "inventory"},
            {"schedule": {"type": "daily", "hour": 8, "minute": 45}},
        ),
        ("set_zone", {"timezone": "Asia/Tokyo", "reason": "inventory"}, {"timezone": "Asia/Tokyo"}),
    ],
)
def test_the_selected_are_changed_with_history_and_trail_and_no_others(
    operator: Visitor, org: OrgOf, action: str, fields: dict[str, str], check: dict[str, Any]
) -> None:
    made = [factories.job(org, name=f"Job {number}", schedule=DAILY, timezone="UTC") for number in range(3)]
    chosen = [str(job.id) for job in made[:2]]
    answer = apply(operator, action, selected=chosen, **fields)
    assert (answer.status_code, answer.location) == (303, "/schedules")
    assert f"2 {DONE[action]}." in words(operator.get("/schedules"))
    for job in made[:2]:
        held = dict(rows("SELECT * FROM jobs WHERE id = :id", id=job.id)[0]._mapping)
        assert check.items() <= held.items()
        assert held["revision"] == 2
        (newest,) = revision_rows(job)[1:]
        assert (newest.actor, newest.reason) == (operator.actor.name, "inventory")
        assert one(
            "SELECT reason FROM audit_entries WHERE object_id = :id AND tag <> 'job:created'", id=str(job.id)
        )
    assert one("SELECT revision FROM jobs WHERE id = :id", id=made[2].id) == 1
    assert len(revision_rows(made[2])) == 1


def test_enabling_again_counts_those_that_are_on_already(operator: Visitor, org: OrgOf) -> None:
    off, on = (factories.job(org, schedule=HOURLY) for _ in range(2))
    edits.set_paused(org.admin, off.id, True, note="calm", now=utc_now())
    answer = apply(operator, "enable", htmx=True, selected=[str(off.id), str(on.id)])
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (200, "#notices")
    assert answer.headers["HX-Trigger-After-Settle"] == "jobs-changed"
    assert words(answer) == "1 turned on, 1 already so. The history on each job's page can take it back."
    assert {status for (status,) in rows("SELECT status FROM jobs")} == {"scheduled"}


def test_what_can_not_be_shifted_is_left_and_told_with_its_reason(operator: Visitor, org: OrgOf) -> None:
    clock = factories.job(org, name="Clock", schedule=DAILY)
    hourly = factories.job(org, name="Hourly", schedule=HOURLY)
    often = factories.job(org, name="Often", schedule=HOURLY)
    ids = [str(job.id) for job in (clock, hourly, often)]
    answer = apply(operator, "shift", htmx=True, selected=ids, minutes="15")
    said = words(answer)
    assert said.startswith("1 shifted, 2 left: ")
    assert re.search("(Hourly, Often|Often, Hourly): .*interval counts from its last slot", said)
    assert f'href="/jobs/{hourly.id}"' in answer.text
    assert one("SELECT schedule FROM jobs WHERE name = 'Clock'")["minute"] == 30
    plain = apply(operator, "shift", selected=ids, minutes="15")
    assert "1 shifted, 2 left: " in words(operator.get(plain.location))
    assert one("SELECT revision FROM jobs WHERE name = 'Hourly'") == 1


def test_all_that_match_are_changed_also_beyond_the_page_and_nothing_else(
    operator: Visitor, stranger: Visitor, app: APIFlask, org: OrgOf
) -> None:
    for number in range(60):
        factories.job(org, name=f"Wanted {number}", schedule=DAILY)
    factories.job(org, name="Other", schedule=DAILY)
    factories.job(org, name="Wanted by hand")
    elsewhere = OrgOf(stranger.actor.org_id, stranger.actor)
    factories.job(elsewhere, name="Wanted elsewhere", schedule=DAILY)
    answer = apply(operator, "disable", matching="1", q="wanted", reason="autumn")
    assert answer.location == "/schedules?q=wanted"
    assert "60 turned off." in words(operator.get(answer.location))
    assert rows("SELECT name FROM jobs WHERE status <> 'paused' ORDER BY name") == [
        ("Other",),
        ("Wanted by hand",),
        ("Wanted elsewhere",),
    ]
    assert one("SELECT count(*) FROM job_revisions WHERE reason = 'autumn'") == 60
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'job:paused' AND reason = 'autumn'") == 60


def test_what_was_confirmed_is_what_is_done(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, name="Clock", schedule=DAILY)
    mark = mark_of(operator, "shift", selected=str(job.id))
    edits.edit(org.admin, job.id, Change(timezone="Asia/Tokyo"), now=utc_now())
    before = everything()
    fields = {"action": "shift", "selected": str(job.id), "minutes": "20", "reason": "tea", "mark": mark}
    answer = operator.post("/schedules/bulk", fields, htmx=True)
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (409, "#dialog")
    assert "Nothing was changed: read it again and confirm." in words(answer)
    assert 'value="20"' in answer.text and 'value="tea"' in answer.text
    assert unchanged(before)
    again = operator.post("/schedules/bulk", {**fields, "mark": found_mark(answer.text)}, htmx=True)
    assert words(again).startswith("1 shifted.")


def test_the_same_confirmation_sent_twice_shifts_once(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, schedule=DAILY)
    fields = {"action": "shift", "selected": str(job.id), "minutes": "15"}
    fields["mark"] = mark_of(operator, "shift", selected=str(job.id))
    assert operator.post("/schedules/bulk", fields).status_code == 303
    assert operator.post("/schedules/bulk", fields).status_code == 409
    assert one("SELECT schedule FROM jobs")["minute"] == 30


def test_another_job_that_matches_meanwhile_is_not_changed_unseen(operator: Visitor, org: OrgOf) -> None:
    factories.job(org, schedule=DAILY)
    mark = mark_of(operator, "disable", matching="1")
    factories.job(org, schedule=DAILY)
    answer = operator.post("/schedules/bulk", {"action": "disable", "matching": "1", "mark": mark})
    assert answer.status_code == 409
    assert "Turn off 2 schedules?" in words(answer)
    assert one("SELECT count(*) FROM jobs WHERE status = 'paused'") == 0


@pytest.mark.parametrize(
    ("action", "fields", "name", "said"),
    [
        ("shift", {"minutes": ""}, "minutes", "must be a whole number"),
        ("shift", {"minutes": "1.5"}, "minutes", "must be a whole number"),
        ("shift", {"minutes": "0"}, "minutes", "not 0"),
        ("shift", {"minutes": "10081"}, "minutes", "from -10080 to 10080"),
        ("set_zone", {"timezone": ""}, "timezone", "no known zone"),
        ("set_zone", {"timezone": "Mars/Base"}, "timezone", "no known zone"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_the_rest_is_kept(
    operator: Visitor, org: OrgOf, action: str, fields: dict[str, str], name: str, said: str
) -> None:
    job = factories.job(org, schedule=DAILY)
    before = everything()
    for htmx in (False, True):
        answer = apply(operator, action, htmx=htmx, selected=str(job.id), reason="tea", **fields)
        assert answer.status_code == 422
        assert said in words(part(answer, f"{name}-error"))
        assert f'aria-describedby="{name}-error"' in answer.text
        assert 'value="tea"' in answer.text
    assert unchanged(before)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"action": "disable"}, "tick at least one schedule first"),
        ({"action": "disable", "selected": "no-id"}, "holds something that is no id"),
        ({"action": "disable", "selected": str(uuid4())}, "tick at least one schedule first"),
        ({"action": "delete", "matching": "1"}, "action: must be one of enable, disable"),
        ({"action": "disable", "matching": "1", "q": "nothing-like-it"}, "tick at least one"),
        ({"action": "disable", "matching": "1", "colour": "red"}, "colour: is not known here"),
    ],
)
def test_a_choice_that_is_none_is_refused(
    operator: Visitor, org: OrgOf, fields: dict[str, str], said: str
) -> None:
    factories.job(org, schedule=DAILY)
    before = everything()
    for path in ("/schedules/bulk/confirmation", "/schedules/bulk"):
        answer = operator.post(path, {"mark": "x", **fields})
        assert answer.status_code == 422, path
        assert said in words(answer)
    assert unchanged(before)


def test_more_than_a_thousand_are_too_many_at_once(
    operator: Visitor, org: OrgOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("services.selections", "services.bulk_edits", "web.bulk", "web.schedules"):
        monkeypatch.setattr(f"console.{module}.MOST_SELECTED", 2)
    for _ in range(3):
        factories.job(org, schedule=DAILY)
    shown = operator.get("/schedules")
    assert "at most 2 at once" in words(part(shown, "bulk"))
    before = everything()
    fields = {"action": "disable", "matching": "1"}
    answer = operator.post("/schedules/bulk/confirmation", fields, htmx=True, **{"HX-Target": "notices"})
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (422, "#notices")
    assert "3 match, and at most 2 can be changed at once here" in words(answer)
    assert unchanged(before)


# Files --------------------------------------------------------------------------------------------


def file_of(*entries: str) -> str:
    return "version: 1\nschedules:\n" + "".join(f"  - {entry}\n" for entry in entries)


CLOCK = "{key: clock, schedule: {type: daily, hour: 10, minute: 0}, overlap: allow_all}"
NEW = "{key: fresh, task: tests.tasks.succeed, schedule: {type: interval, every_seconds: 7200}}"


def test_the_export_is_a_file_and_importing_it_changes_nothing(operator: Visitor, org: OrgOf) -> None:
    factories.job(org, name="Clock", key="clock", schedule=DAILY)
    factories.job(org, name="Hourly", schedule=HOURLY, jitter_seconds=30)
    exported = operator.get("/schedules/export")
    assert exported.status_code == 200
    assert exported.mimetype == "application/yaml"
    assert exported.headers["Content-Disposition"] == 'attachment; filename="schedules.yaml"'
    assert "key: clock" in exported.text
    before = everything()
    planned = operator.post("/schedules/import/plan", {"text": exported.text})
    assert "No difference: the file says what is in force" in words(planned)
    assert schedule_files.apply(operator.actor, exported.text, now=utc_now()).changes == []
    assert unchanged(before)


def test_a_plan_says_field_by_field_what_would_change_and_changes_nothing(
    operator: Visitor, org: OrgOf
) -> None:
    factories.job(org, name="Clock", key="clock", schedule=DAILY)
    factories.job(org, name="Stays", key="stays", schedule=HOURLY)
    factories.job(org, name="Not named", schedule=HOURLY)
    text_ = file_of(CLOCK, NEW, "{key: stays}")
    before = everything()
    answer = operator.post("/schedules/import/plan", {"text": text_})
    assert answer.status_code == 200
    said = words(part(answer, "plan"))
    assert "The difference: 1 to create, 1 to change" in said
    assert "1 as they are · 1 job not in the file, which stays as it is" in said
    assert "Schedule from daily at 09:15 to daily at 10:00" in said
    assert "When one is still running from the next is skipped to the next starts beside it" in said
    assert "fresh Create" in said and "every 2 h" in said
    assert unescape(answer.text).count(CLOCK) == 2  # in the form that applies it, and in the one above
    assert unchanged(before)


def test_a_plan_says_what_follows_in_chains(operator: Visitor, org: OrgOf) -> None:
    clock = factories.job(org, key="clock", schedule=DAILY)
    factories.job(org, key="then")
    text_ = file_of("{key: clock, then: {on_success: [then, fresh]}}", NEW)
    said = words(part(operator.post("/schedules/import/plan", {"text": text_}), "plan"))
    assert "What follows from nothing to after success: then, fresh" in said
    assert said.count("What follows") == 1, "nothing follows the new one, which is usual"
    mark = schedule_files.plan(operator.actor, text_, now=utc_now()).mark
    assert operator.post("/schedules/import", {"text": text_, "mark": mark}).status_code == 303
    assert one("SELECT count(*) FROM job_links WHERE from_job_id = :id", id=clock.id) == 2


def test_a_file_may_be_chosen_instead_of_pasted(operator: Visitor, org: OrgOf) -> None:
    factories.job(org, key="clock", schedule=DAILY)
    upload = (BytesIO(b"\xef\xbb\xbf" + file_of(CLOCK).encode()), "schedules.yaml")
    answer = operator.post("/schedules/import/plan", {"file": upload, "text": "left over"})  # type: ignore[dict-item]
    assert "daily at 10:00" in words(part(answer, "plan"))
    assert "left over" not in answer.text


def test_what_was_shown_is_applied_in_one_go_with_its_reason_and_the_second_time_changes_nothing(
    operator: Visitor, org: OrgOf
) -> None:
    clock = factories.job(org, name="Clock", key="clock", schedule=DAILY)
    text_ = file_of(CLOCK, NEW)
    shown = operator.post("/schedules/import/plan", {"text": text_})
    fields = {"text": text_.replace("\n", "\r\n"), "mark": found_mark(shown.text), "reason": "season"}
    applied = operator.post("/schedules/import", fields)
    assert (applied.status_code, applied.location) == (303, "/schedules")
    assert "Imported: 1 created, 1 changed, 0 as they were." in words(operator.get("/schedules"))
    assert one("SELECT schedule FROM jobs WHERE key = 'clock'") == {"type": "daily", "hour": 10, "minute": 0}
    assert one("SELECT schedule FROM jobs WHERE key = 'fresh'") == {"type": "interval", "every_seconds": 7200}
    assert revision_rows(clock)[-1].reason == "season"
    before = everything()
    again = operator.post("/schedules/import/plan", {"text": text_})
    assert "No difference" in words(again) and 'id="apply"' not in again.text
    assert operator.post("/schedules/import", fields).status_code == 409
    assert unchanged(before)


def test_an_edit_in_between_shows_the_new_difference_instead(operator: Visitor, org: OrgOf) -> None:
    clock = factories.job(org, key="clock", schedule=DAILY)
    shown = operator.post("/schedules/import/plan", {"text": file_of(CLOCK)})
    edits.edit(org.admin, clock.id, Change(schedule={"type": "daily", "hour": 7, "minute": 0}), now=utc_now())
    before = everything()
    answer = operator.post("/schedules/import", {"text": file_of(CLOCK), "mark": found_mark(shown.text)})
    assert answer.status_code == 409
    said = words(answer)
    assert "Not applied: somebody changed schedules since you looked" in said
    assert "from daily at 07:00 to daily at 10:00" in said
    assert unchanged(before)
    retried = operator.post("/schedules/import", {"text": file_of(CLOCK), "mark": found_mark(answer.text)})
    assert retried.status_code == 303


@pytest.mark.parametrize("path", ["/schedules/import/plan", "/schedules/import"])
def test_everything_that_is_wrong_is_named_by_its_place_and_the_text_is_kept(
    operator: Visitor, org: OrgOf, path: str
) -> None:
    factories.job(org, key="clock", schedule=DAILY)
    text_ = file_of(
        CLOCK,
        "{key: clock_two, task: tests.tasks.succeed, schedule: {type: cron, cron: '0 0 31 2 *'}}",
        "{key: clock_three, task: no_such_task, schedule: {type: daily, hour: 25, minute: 0}}",
    )
    before = everything()
    answer = operator.post(path, {"text": text_, "mark": "x"})
    assert answer.status_code == 422
    said = words(part(answer, "import-problem"))
    assert "nothing was changed" in said
    assert "schedules[1].cron" in said and "this never fires; make the job manual" in said
    assert "schedules[2].hour" in said and "schedules[2].task" in said
    assert said.index("schedules[1]") < said.index("schedules[2]")
    assert "no_such_task" in part(answer, "text")
    assert 'id="apply"' not in answer.text
    assert unchanged(before)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "choose a file, or paste one below"),
        ({"text": " \n "}, "choose a file, or paste one below"),
        ({"text": "a: [b"}, "line"),
        ({"text": "just words"}, "must be a mapping"),
        ({"text": "version: 1\nschedules: []\nx: \x00"}, "file"),
        ({"text": "x" * 400_001}, "larger than the 400 kB"),
    ],
)
def test_a_text_that_is_no_such_file_is_refused(
    operator: Visitor, org: OrgOf, data: dict[str, str], said: str
) -> None:
    answer = operator.post("/schedules/import/plan", data)
    assert answer.status_code == 422
    assert said in words(part(answer, "import-problem"))


def test_an_upload_that_is_no_text_is_refused(operator: Visitor) -> None:
    upload = (BytesIO(b"\xff\xfe\x00"), "schedules.yaml")
    answer = operator.post("/schedules/import/plan", {"file": upload})  # type: ignore[dict-item]
    assert answer.status_code == 422
    assert "is no text in UTF-8" in words(answer)


def test_another_orgs_jobs_are_not_in_a_plan(operator: Visitor, stranger: Visitor, org: OrgOf) -> None:
    factories.job(org, key="clock", schedule=DAILY)
    answer = stranger.post("/schedules/import/plan", {"text": file_of(CLOCK)})
    assert answer.status_code == 422
    assert "no job has this key" in words(answer)
    assert one("SELECT count(*) FROM jobs") == 1
