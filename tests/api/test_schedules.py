"""Schedules by name: read, set, and made for a task that has none."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from apiflask import APIFlask

from tests.factories import one, rows

from .conftest import Org, assert_problem, assert_stale, make_job, scheduler_pass
from .test_edits import QUARTER_PAST_NINE, SAIGON, SEVEN, next_run
from .test_jobs import JOB_FIELDS

pytestmark = pytest.mark.usefixtures("_from_noon")
POLICIES = {"overlap": "allow_all", "catch_up": "all", "catch_up_window_seconds": 60, "jitter_seconds": 5}
PUT_FIELDS = JOB_FIELDS | {"warnings", "changes", "next_run_before"}


@pytest.fixture
def daily(app: APIFlask, org: Org) -> UUID:
    return make_job(app, org, schedule=SEVEN, timezone=SAIGON)


def put(org: Org, body: dict[str, Any], name: str = "greet_somebody", **kwargs: Any) -> Any:
    return org.operator.put(f"/schedules/{name}", json=body, **kwargs)


def listed(org: Org, query: str = "") -> list[str]:
    response = org.viewer.get(f"/schedules{query}")
    assert response.status_code == 200, response.text
    assert set(response.json) == {"schedules", "next_cursor", "as_of"}
    return [job["key"] for job in response.json["schedules"]]


def test_schedules_are_listed_as_jobs_nearest_first(app: APIFlask, org: Org, other_org: Org) -> None:
    make_job(app, org, key="by_hand")
    make_job(app, org, key="yearly", schedule={"type": "cron", "cron": "0 0 1 1 *"}, subject="the pier")
    make_job(app, org, key="often", schedule={"type": "interval", "every_seconds": 600})
    assert listed(org) == ["often", "yearly", "by_hand"]
    assert listed(org, "?kind=cron&q=PIER&status=scheduled&category=General") == ["yearly"]
    first = org.viewer.get("/schedules?limit=2").json
    assert listed(org, f"?limit=2&cursor={first['next_cursor']}") == ["by_hand"]
    assert set(first["schedules"][0]) == JOB_FIELDS
    assert listed(other_org) == []
    for query, field in (("?limit=0", "limit"), ("?cursor=x", "cursor"), ("?colour=red", "colour")):
        assert_problem(org.viewer.get(f"/schedules{query}"), 422, field)


@pytest.mark.parametrize(
    "name", ["greet_somebody", "greet-somebody", "Greet%20Somebody", "tests.api.conftest.greet_somebody"]
)
def test_any_spelling_reads_and_sets_the_same_schedule(org: Org, daily: UUID, name: str) -> None:
    read = org.viewer.get(f"/schedules/{name}")
    assert (read.status_code, read.json["id"], read.headers["ETag"]) == (200, str(daily), '"1"')
    assert set(read.json) == JOB_FIELDS
    set_ = put(org, QUARTER_PAST_NINE, name)
    assert (set_.status_code, set_.json["id"], set_.json["revision"]) == (200, str(daily), 2)


def test_a_jobs_id_is_a_name_too(org: Org, daily: UUID) -> None:
    assert org.viewer.get(f"/schedules/{daily}").json["id"] == str(daily)
    assert put(org, QUARTER_PAST_NINE, str(daily)).json["id"] == str(daily)


def test_a_schedule_is_set_kept_audited_and_acted_on(org: Org, daily: UUID) -> None:
    body = {**QUARTER_PAST_NINE, "timezone": "Europe/London", "revision": 1, "reason": "moved"}
    response = put(org, body)
    job = response.json
    assert (response.status_code, response.headers["ETag"], set(job)) == (200, '"2"', PUT_FIELDS)
    assert (job["timezone"], job["changes"][0]["name"]) == ("Europe/London", "schedule")
    assert rows("SELECT reason, origin FROM job_revisions WHERE revision = 2") == [("moved", "token")]
    assert one("SELECT reason FROM audit_entries WHERE tag = 'job:changed'") == "moved"
    scheduler_pass(next_run(job))
    assert rows("SELECT slot, revision FROM runs") == [(next_run(job), 2)]
    assert org.viewer.get("/schedules/greet-somebody").json["applied_revision"] == 2


def test_what_is_left_out_stays_as_it_is(org: Org, daily: UUID) -> None:
    assert put(org, {**SEVEN, **POLICIES, "enabled": False}).status_code == 200
    job = put(org, QUARTER_PAST_NINE).json
    assert job["schedule"] == {**QUARTER_PAST_NINE, **POLICIES, "enabled": False, "timezone": SAIGON}
    emptied = put(org, {**QUARTER_PAST_NINE, "jitter_seconds": None, "enabled": True}).json["schedule"]
    assert (emptied["jitter_seconds"], emptied["catch_up_window_seconds"], emptied["enabled"]) == (
        None,
        60,
        True,
    )


def test_putting_the_same_twice_makes_one_revision(org: Org, daily: UUID) -> None:
    body = {**QUARTER_PAST_NINE, **POLICIES}
    first, second = put(org, body), put(org, body)
    assert (first.json["revision"], second.json["revision"]) == (2, 2)
    assert (second.status_code, second.json["changes"]) == (200, [])
    assert put(org, second.json["schedule"]).json["revision"] == 2, "an answer can be sent back"
    assert one("SELECT count(*) FROM job_revisions") == 2
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'job:changed'") == 1


def test_a_task_without_a_job_gets_one(org: Org) -> None:
    problem = assert_problem(org.viewer.get("/schedules/greet-somebody"), 404)
    assert "no schedule yet" in problem["detail"]
    body = {**SEVEN, **POLICIES, "timezone": SAIGON, "reason": "asked for"}
    response = put(org, body, "greet-somebody")
    job = response.json
    assert (response.status_code, response.headers["ETag"], set(job)) == (201, '"1"', PUT_FIELDS)
    assert response.headers["Location"] == f"/api/v1/scheduler/jobs/{job['id']}"
    assert (job["key"], job["name"], job["next_run_before"]) == ("greet_somebody", "Greet somebody", None)
    assert job["schedule"] == {**SEVEN, **POLICIES, "timezone": SAIGON, "enabled": True}
    assert one("SELECT reason FROM job_revisions") == "asked for"
    assert one("SELECT reason FROM audit_entries WHERE tag = 'job:created'") == "asked for"
    scheduler_pass(next_run(job))
    assert one("SELECT slot FROM runs") == next_run(job)
    assert put(org, SEVEN).status_code == 200


def test_a_first_schedule_is_in_the_orgs_zone_and_may_be_off_and_give_pause(org: Org) -> None:
    body = {"type": "interval", "every_seconds": 60}
    job = put(org, body).json
    assert (job["timezone"], [warning["code"] for warning in job["warnings"]]) == (
        "Asia/Bangkok",
        ["TOO_OFTEN"],
    )
    off = put(org, {**body, "enabled": False}, "always_fails").json
    assert (off["status"], off["warnings"]) == ("paused", [])


def test_ten_first_schedules_at_once_make_one_job(org: Org) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: put(org, SEVEN), range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
    assert rows("SELECT count(*), max(revision) FROM jobs") == [(1, 1)]


def test_a_revision_of_a_job_that_is_not_there_is_named(org: Org) -> None:
    assert_problem(put(org, {**SEVEN, "revision": 1}), 422, "revision")
    assert_problem(put(org, SEVEN, headers={"If-Match": '"1"'}), 422, "revision")
    assert one("SELECT count(*) FROM jobs") == 0


def test_a_first_schedule_for_a_task_that_needs_arguments_names_them(org: Org) -> None:
    assert_problem(put(org, SEVEN, "tests.tasks.mark"), 422, "args.path")
    assert one("SELECT count(*) FROM jobs") == 0


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_an_unknown_name_gets_suggestions(org: Org, method: str) -> None:
    response = org.operator.call(method, "/schedules/greet-someone", json=SEVEN if method == "PUT" else None)
    problem = assert_problem(response, 404, "name")
    assert problem["reason_code"] == "UNKNOWN_TASK"
    assert "greet_somebody" in problem["suggestions"]
    assert one("SELECT count(*) FROM jobs") == 0


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("name", ["%00", "x" * 2000, "' OR 1=1", "%F0%9F%8E%89", "..", "%20"])
def test_a_strange_name_is_no_disaster(org: Org, method: str, name: str) -> None:
    response = org.operator.call(method, f"/schedules/{name}", json=SEVEN if method == "PUT" else None)
    assert_problem(response, 422 if name == "%00" else 404)


def test_a_name_that_means_several_jobs_is_refused_with_their_keys(app: APIFlask, org: Org) -> None:
    make_job(app, org, key="morning", schedule=SEVEN)
    assert put(org, QUARTER_PAST_NINE).status_code == 200, "there is but one"
    make_job(app, org, key="evening", schedule=SEVEN)
    for response in (put(org, SEVEN), org.viewer.get("/schedules/tests.api.conftest.greet_somebody")):
        assert assert_problem(response, 422, "name")["suggestions"] == ["evening", "morning"]
    assert put(org, QUARTER_PAST_NINE, "evening").status_code == 200
    make_job(app, org, schedule=SEVEN)
    for name in ("greet-somebody", "tests.api.conftest.greet_somebody"):
        assert org.viewer.get(f"/schedules/{name}").json["key"] == "greet_somebody"


def test_a_stale_put_shows_both(org: Org, daily: UUID) -> None:
    assert put(org, QUARTER_PAST_NINE).status_code == 200
    eight = {"type": "daily", "hour": 8, "minute": 0}
    problem = assert_stale(put(org, {**eight, "revision": 1, "reason": "mine"}))
    assert problem["yours"] == {**eight, "reason": "mine"}
    assert problem["current"]["revision"] == 2
    assert_stale(put(org, eight, headers={"If-Match": '"1"'}))
    assert put(org, eight, headers={"If-Match": '"2"'}).json["revision"] == 3


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({}, "type", None),
        ({"type": "yearly"}, "type", None),
        ({"type": "cron", "cron": "0 9 31 2 *"}, "cron", "NEVER_FIRES"),
        ({"type": "cron", "cron": "0 9 * * 8"}, "cron", "INVALID_SCHEDULE"),
        ({"type": "once", "at": "2020-01-01T00:00:00+00:00"}, "at", "IN_THE_PAST"),
        ({**SEVEN, "timezone": "Europe/Berln"}, "timezone", "INVALID_SCHEDULE"),
        ({**SEVEN, "every_seconds": 60}, "every_seconds", "INVALID_SCHEDULE"),
        ({**SEVEN, "overlap": "x"}, "overlap", "INVALID_SCHEDULE"),
        ({**SEVEN, "colour": "red"}, "colour", None),
        ({**SEVEN, "revision": 0}, "revision", None),
    ],
)
@pytest.mark.parametrize("is_new", [True, False])
def test_a_refused_schedule_names_its_field_and_writes_nothing(
    app: APIFlask, org: Org, body: dict[str, Any], field: str, reason: str | None, is_new: bool
) -> None:
    if not is_new:
        make_job(app, org, schedule=SEVEN)
    before = rows("SELECT * FROM jobs")
    assert assert_problem(put(org, body), 422, field)["reason_code"] == reason
    assert rows("SELECT * FROM jobs") == before


def test_viewers_set_nothing_and_other_orgs_have_their_own(org: Org, other_org: Org, daily: UUID) -> None:
    assert_problem(org.viewer.put("/schedules/greet_somebody", json=QUARTER_PAST_NINE), 403)
    assert_problem(other_org.admin.get(f"/schedules/{daily}"), 404)
    assert_problem(other_org.admin.put(f"/schedules/{daily}", json=SEVEN), 404)
    assert put(other_org, SEVEN).status_code == 201
    assert org.viewer.get("/schedules/greet_somebody").json["revision"] == 1


# Many at once -------------------------------------------------------------------------------------


def bulk(org: Org, **body: Any) -> Any:
    return org.operator.post("/schedules/bulk", json=body)


def test_selected_jobs_are_shifted_and_those_that_can_not_be_are_named(app: APIFlask, org: Org) -> None:
    daily = make_job(app, org, key="daily", schedule=SEVEN)
    hourly = make_job(
        app, org, key="hourly", name="Hourly", schedule={"type": "interval", "every_seconds": 3600}
    )
    ids = [str(daily), str(hourly)]
    response = bulk(org, action="shift", minutes=-75, ids=ids, reason="before the rush")
    assert response.status_code == 200, response.text
    done = response.json
    (left,) = done.pop("named")
    assert done == {"changed": 1, "unchanged": 0, "left": 1}
    assert (left["job_id"], left["name"], left["reason_code"]) == (str(hourly), "Hourly", "INVALID_SCHEDULE")
    assert left["text"]
    job = org.viewer.get("/schedules/daily").json
    assert job["schedule"].items() >= {"hour": 5, "minute": 45}.items()
    assert rows("SELECT job_id, reason FROM job_revisions WHERE revision = 2") == [(daily, "before the rush")]
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'job:changed'") == 1
    scheduler_pass(next_run(job))
    assert one("SELECT slot FROM runs WHERE job_id = :id", id=daily) == next_run(job)


def test_all_that_match_are_disabled_and_put_back(app: APIFlask, org: Org, other_org: Org) -> None:
    for number in range(3):
        make_job(app, org, key=f"daily_{number}", schedule=SEVEN)
    make_job(app, org, key="by_hand")
    make_job(app, other_org, key="theirs", schedule=SEVEN)
    done = {"changed": 3, "unchanged": 0, "left": 0, "named": []}
    assert bulk(org, action="disable", filter={"kind": "cron"}, reason="holiday").json == done
    assert rows("SELECT status, status_note, count(*) FROM jobs GROUP BY 1, 2 ORDER BY 1") == [
        ("paused", "holiday", 3),
        ("scheduled", None, 2),
    ]
    assert bulk(org, action="disable", filter={"kind": "cron"}).json["unchanged"] == 3
    assert bulk(org, action="enable", filter={"status": "paused", "q": "daily"}).json == done
    assert bulk(org, action="set_zone", timezone="Asia/Tokyo", filter={}).json["changed"] == 4
    assert one("SELECT count(*) FROM jobs WHERE timezone = 'Asia/Tokyo'") == 4


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "action"),
        ({"action": "explode", "filter": {}}, "action"),
        ({"action": "enable"}, "filter"),
        ({"action": "enable", "filter": {}, "ids": ["0197f0a0-0000-7000-8000-000000000000"]}, "filter"),
        ({"action": "enable", "ids": []}, "ids"),
        ({"action": "enable", "ids": ["x"]}, "ids.0"),
        ({"action": "enable", "filter": {"colour": "red"}}, "filter.colour"),
        ({"action": "enable", "filter": {"from": "yesterday"}}, "filter.from"),
        ({"action": "shift", "filter": {}}, "minutes"),
        ({"action": "shift", "minutes": 0, "filter": {}}, "minutes"),
        ({"action": "shift", "minutes": 10**12, "filter": {}}, "minutes"),
        ({"action": "enable", "minutes": 5, "filter": {}}, "minutes"),
        ({"action": "set_zone", "filter": {}}, "timezone"),
        ({"action": "set_zone", "timezone": "Mars", "filter": {}}, "timezone"),
        ({"action": "disable", "timezone": "UTC", "filter": {}}, "timezone"),
    ],
)
def test_a_bulk_edit_that_cannot_be_changes_nothing(
    org: Org, daily: UUID, body: dict[str, Any], field: str
) -> None:
    assert_problem(org.operator.post("/schedules/bulk", json=body), 422, field)
    assert one("SELECT revision FROM jobs") == 1


def test_a_viewer_and_another_org_change_none(org: Org, other_org: Org, daily: UUID) -> None:
    body = {"action": "disable", "ids": [str(daily)]}
    assert_problem(org.viewer.post("/schedules/bulk", json=body), 403)
    assert other_org.admin.post("/schedules/bulk", json=body).json["changed"] == 0
    assert one("SELECT status FROM jobs") == "scheduled"
