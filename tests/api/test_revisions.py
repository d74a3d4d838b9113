"""One job in time: its slots to come, its history, and the way back."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from apiflask import APIFlask

from console.core.clock import utc_now
from tests.factories import one, rows

from .conftest import Org, assert_problem, assert_stale, make_job, scheduler_pass
from .test_edits import QUARTER_PAST_NINE, SAIGON, SEVEN, next_run, path, versions
from .test_jobs import JOB_FIELDS

pytestmark = pytest.mark.usefixtures("_from_noon")
LISBON = "Europe/Lisbon"


@pytest.fixture
def daily(app: APIFlask, org: Org) -> UUID:
    return make_job(app, org, key="report", name="Report", schedule=SEVEN, timezone=SAIGON)


def slots(org: Org, job_id: UUID, count: int | None = None) -> list[dict[str, Any]]:
    query = f"?count={count}" if count else ""
    response = org.viewer.get(f"{path(job_id)}/next{query}")
    assert response.status_code == 200, response.text
    assert set(response.json) == {"slots"}
    found: list[dict[str, Any]] = response.json["slots"]
    return found


def restore(org: Org, job_id: UUID, number: object, **kwargs: Any) -> Any:
    return org.operator.post(f"{path(job_id)}/revisions/{number}/restore", **kwargs)


def test_the_next_slots_are_those_of_the_scheduler_in_utc_and_in_the_jobs_zone(org: Org, daily: UUID) -> None:
    found = slots(org, daily)
    assert len(found) == 5
    assert set(found[0]) == {"utc", "local", "offset", "mark"}
    first = found[0]
    assert (first["local"][11:], first["offset"], first["mark"]) == ("07:00:00+07:00", "+07:00", None)
    assert first["utc"].endswith("T00:00:00+00:00")
    for slot in found:
        scheduler_pass(datetime.fromisoformat(slot["utc"]))
    ran = [row.slot.isoformat() for row in rows("SELECT slot FROM runs ORDER BY slot")]
    assert ran == [slot["utc"] for slot in found]


def test_slots_that_daylight_saving_touches_are_marked(app: APIFlask, org: Org) -> None:
    job_id = make_job(app, org, schedule={"type": "daily", "hour": 1, "minute": 30}, timezone=LISBON)
    found = slots(org, job_id, 400)
    assert len(found) == 400
    marked = [slot for slot in found if slot["mark"]]
    assert {slot["mark"] for slot in marked} == {"shifted", "repeated"}
    for slot in marked:
        assert slot["note"]
        assert datetime.fromisoformat(slot["local"]) == datetime.fromisoformat(slot["utc"])
    shifted = next(slot for slot in marked if slot["mark"] == "shifted")
    assert shifted["local"][11:] == "02:00:00+01:00"


def test_a_manual_job_has_no_slots_and_an_edit_is_seen_at_once(org: Org, daily: UUID) -> None:
    job = org.operator.patch(path(daily), json={"schedule": QUARTER_PAST_NINE}).json
    assert slots(org, daily, 1)[0]["utc"] == job["next_run_at"]
    org.operator.patch(path(daily), json={"schedule": {"type": "manual"}})
    assert slots(org, daily) == []


@pytest.mark.parametrize("query", ["count=0", "count=401", "count=many", "count=1&count=2"])
def test_a_count_that_cannot_be_is_named(org: Org, daily: UUID, query: str) -> None:
    assert_problem(org.viewer.get(f"{path(daily)}/next?{query}"), 422, "count")


def test_history_says_who_changed_what_when_from_where_and_why(org: Org, daily: UUID) -> None:
    before = utc_now()
    org.operator.patch(path(daily), json={"schedule": QUARTER_PAST_NINE, "reason": "too early"})
    page = org.viewer.get(f"{path(daily)}/revisions").json
    assert page["next_cursor"] is None
    newest, first = page["revisions"]
    assert (
        newest.items()
        >= {
            "revision": 2,
            "actor": "token operator",
            "origin": "token",
            "reason": "too early",
            "changes": [{"name": "schedule", "old": SEVEN, "new": QUARTER_PAST_NINE}],
            "is_current": True,
            "is_applied": False,
        }.items()
    )
    assert newest["definition"]["schedule"] == QUARTER_PAST_NINE
    assert before <= datetime.fromisoformat(newest["created_at"]) <= utc_now()
    assert (first["revision"], first["origin"], first["changes"]) == (1, "cli", [])
    scheduler_pass(utc_now())
    page = org.viewer.get(f"{path(daily)}/revisions").json
    assert [item["is_applied"] for item in page["revisions"]] == [True, False]


def test_pages_of_the_history_follow_each_other(org: Org, daily: UUID) -> None:
    for number in range(4):
        org.operator.patch(path(daily), json={"name": f"Name {number}"})
    found: list[int] = []
    query = "?limit=2"
    while query:
        page = org.viewer.get(f"{path(daily)}/revisions{query}").json
        found += [item["revision"] for item in page["revisions"]]
        query = f"?limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert found == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("cursor=x", "cursor"),
        ("cursor=0", "cursor"),
        ("cursor=99999999999", "cursor"),
        ("cursor=%D9%A3", "cursor"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("before=2", "before"),
    ],
)
def test_a_page_that_cannot_be_is_named(org: Org, daily: UUID, query: str, field: str) -> None:
    assert_problem(org.viewer.get(f"{path(daily)}/revisions?{query}"), 422, field)


def test_an_earlier_revision_is_restored_as_a_new_one_and_that_is_undone_too(org: Org, daily: UUID) -> None:
    org.operator.patch(path(daily), json={"schedule": QUARTER_PAST_NINE})
    org.operator.patch(path(daily), json={"name": "Other", "status": "paused", "note": "calm"})
    response = restore(org, daily, 1)
    back = response.json
    assert (response.status_code, response.headers["ETag"]) == (200, '"4"')
    assert set(back) == JOB_FIELDS | {"warnings", "changes", "next_run_before"}
    assert (back["revision"], back["name"], back["status"]) == (4, "Report", "scheduled")
    assert back["schedule"].items() >= SEVEN.items()
    assert {change["name"] for change in back["changes"]} == {"name", "schedule", "enabled", "note"}

    again = restore(org, daily, 3, json={"revision": 4, "reason": "no, the other"}).json
    assert (again["revision"], again["name"], again["status"]) == (5, "Other", "paused")
    assert rows("SELECT revision, reason FROM job_revisions WHERE revision > 3 ORDER BY 1") == [
        (4, "restored r1"),
        (5, "no, the other"),
    ]
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'job:changed'") == 4


def test_the_scheduler_acts_on_what_was_restored(org: Org, daily: UUID) -> None:
    org.operator.patch(path(daily), json={"schedule": QUARTER_PAST_NINE})
    job = restore(org, daily, 1).json
    scheduler_pass(next_run(job))
    assert rows("SELECT slot, revision FROM runs") == [(next_run(job), 3)]


def test_restoring_what_holds_makes_no_revision(org: Org, daily: UUID) -> None:
    job = restore(org, daily, 1, headers={"If-Match": '"1"'}).json
    assert (job["revision"], job["changes"]) == (1, [])
    assert one("SELECT count(*) FROM job_revisions") == 1


def test_a_stale_restore_is_told_what_it_would_have_done(org: Org, daily: UUID) -> None:
    org.operator.patch(path(daily), json={"name": "Two"})
    org.operator.patch(path(daily), json={"name": "Three"})
    for sent in ({"json": {"revision": 2}}, {"headers": {"If-Match": '"2"'}}):
        problem = assert_stale(restore(org, daily, 1, **sent))
        assert problem["yours"]["name"] == "Report"
        assert versions(problem) == [("name", "Two", "Three", "Report", True)]
    assert one("SELECT name FROM jobs") == "Three"


@pytest.mark.parametrize("number", ["2", "0", "-1", "99999999999", "9" * 5000, "one", "1.0", "%00", "٣"])
def test_a_revision_that_never_was_is_not_found(org: Org, daily: UUID, number: str) -> None:
    assert_problem(restore(org, daily, number), 404)
    assert one("SELECT revision FROM jobs") == 1


def test_an_instant_that_has_passed_since_can_not_be_restored(app: APIFlask, org: Org) -> None:
    soon = utc_now() + timedelta(hours=1)
    job_id = make_job(app, org, schedule={"type": "once", "at": soon.isoformat()})
    org.operator.patch(path(job_id), json={"schedule": {"type": "manual"}})
    with time_machine.travel(soon + timedelta(seconds=1), tick=False):
        problem = assert_problem(restore(org, job_id, 1), 409)
    assert problem["reason_code"] == "IN_THE_PAST"
    assert one("SELECT kind FROM jobs") == "manual"


def test_viewers_read_and_other_orgs_find_nothing(org: Org, other_org: Org, daily: UUID) -> None:
    org.operator.patch(path(daily), json={"name": "Two"})
    for where in ("/next", "/revisions"):
        assert org.viewer.get(path(daily) + where).status_code == 200
        assert_problem(other_org.admin.get(path(daily) + where), 404)
        assert_problem(org.viewer.get(path(uuid4()) + where), 404)
    assert_problem(org.viewer.post(f"{path(daily)}/revisions/1/restore"), 403)
    assert_problem(other_org.admin.post(f"{path(daily)}/revisions/1/restore"), 404)
    assert one("SELECT name FROM jobs") == "Two"
