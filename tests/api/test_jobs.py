"""The job table for programs."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from apiflask import APIFlask

from tests.factories import UNKNOWN_ID, one

from .conftest import Org, assert_problem, make_job

JOB_FIELDS = {
    "id", "key", "name", "task", "kind", "category", "subject", "status", "status_reason", "schedule",
    "timezone", "next_run_at", "revision", "applied_revision", "is_registered", "needs_approval",
    "last_run", "as_of", "recipient", "message_type", "subject_id", "status_note", "closed_by",
}  # fmt: skip


def names(org: Org, query: str = "") -> list[str]:
    response = org.viewer.get(f"/scheduler/jobs{query}")
    assert response.status_code == 200, response.text
    return [job["name"] for job in response.json["jobs"]]


def at(instant: str) -> dict[str, str]:
    return {"type": "once", "at": instant}


@pytest.fixture
def three(app: APIFlask, org: Org) -> None:
    make_job(app, org, key="c", name="Later", schedule=at("2099-02-01T00:00:00+00:00"), subject="the pier")
    make_job(app, org, key="b", name="Sooner", schedule=at("2099-01-01T00:00:00+00:00"))
    make_job(app, org, key="a", name="By hand")


@pytest.mark.usefixtures("three")
def test_the_nearest_job_comes_first(org: Org) -> None:
    assert names(org) == ["Sooner", "Later", "By hand"]


@pytest.mark.usefixtures("three")
def test_pages_follow_each_other_without_a_gap(org: Org) -> None:
    first = org.viewer.get("/scheduler/jobs?limit=2").json
    second = org.viewer.get(f"/scheduler/jobs?limit=2&cursor={first['next_cursor']}").json
    assert [job["name"] for job in first["jobs"] + second["jobs"]] == ["Sooner", "Later", "By hand"]
    assert second["next_cursor"] is None


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?kind=manual", ["By hand"]),
        ("?kind=once", ["Sooner", "Later"]),
        ("?q=PIER", ["Later"]),
        ("?q=%25", []),
        ("?status=paused", []),
        ("?category=General", ["Sooner", "Later", "By hand"]),
        ("?status=&kind=&category=&q=&from=&to=", ["Sooner", "Later", "By hand"]),
        ("?from=2099-01-15T00:00:00Z&to=2099-03-01T00:00:00Z", ["Later"]),
        ("?to=2099-01-15T00:00:00+07:00", ["Sooner"]),
        ("?to=2099-01-01", ["Sooner"]),
        ("?to=2098-12-31", []),
    ],
)
def test_filters_narrow_the_table(org: Org, query: str, expected: list[str]) -> None:
    assert names(org, query) == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?colour=red", "colour"),
        ("?colour=", "colour"),
        ("?since=2099-01-01", "since"),
        ("?status=sleeping", "status"),
        ("?kind=weekly", "kind"),
        ("?limit=0", "limit"),
        ("?limit=201", "limit"),
        ("?limit=many", "limit"),
        ("?limit=1&limit=2", "limit"),
        ("?cursor=nonsense", "cursor"),
        ("?from=yesterday", "from"),
        ("?to=2099-01-01T00:00:00", "to"),
        ("?q=" + "x" * 201, "q"),
        ("?q=%00", "q"),
        ("?from=0001-01-01T00:00:00%2B14:00", "from"),
        ("?to=9999-12-31T23:59:59-14:00", "to"),
        ("?from=0001-01-01", "from"),
        ("?to=9999-12-31", "to"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(org: Org, query: str, field: str) -> None:
    assert_problem(org.viewer.get(f"/scheduler/jobs{query}"), 422, field)


def test_a_job_has_the_fields_of_the_contract(org: Org, job_id: UUID) -> None:
    job = org.viewer.get(f"/scheduler/jobs/{job_id}").json
    assert set(job) == JOB_FIELDS
    assert job["id"] == str(job_id)
    assert job["task"].endswith("greet_somebody")
    assert (job["key"], job["kind"], job["status"]) == ("greet_somebody", "manual", "scheduled")
    assert job["schedule"] == {
        "type": "manual",
        "timezone": "Asia/Bangkok",
        "enabled": True,
        "overlap": "skip",
        "catch_up": "latest",
        "catch_up_window_seconds": None,
        "jitter_seconds": None,
    }
    assert job["last_run"] is None
    assert datetime.fromisoformat(job["as_of"]).utcoffset() is not None
    assert not job["as_of"].endswith("Z")


def test_another_orgs_job_is_not_found(org: Org, other_org: Org, job_id: UUID) -> None:
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"status": "paused"}),
        ("DELETE", "", None),
        ("POST", "/send-now", {}),
    ):
        assert_problem(other_org.admin.call(method, f"/scheduler/jobs/{job_id}{path}", json=body), 404)
    assert other_org.admin.get("/scheduler/jobs").json["jobs"] == []
    assert org.viewer.get(f"/scheduler/jobs/{job_id}").json["status"] == "scheduled"
    assert org.viewer.get("/runs").json["runs"] == []


@pytest.mark.parametrize("job", [UNKNOWN_ID, "nonsense", "123", "%00", "' OR 1=1"])
def test_an_unknown_or_malformed_id_is_not_found(org: Org, job: str) -> None:
    assert_problem(org.viewer.get(f"/scheduler/jobs/{job}"), 404)


def test_a_job_is_created_as_asked(org: Org) -> None:
    body = {
        "task": "greet-somebody",
        "name": "Greet the crew",
        "key": "greet_crew",
        "args": {"name": "crew"},
        "schedule": {"type": "weekly", "weekday": 0, "hour": 9, "minute": 15},
        "timezone": "Europe/Berlin",
        "subject": "Pier 3",
    }
    response = org.operator.post("/scheduler/jobs", json=body)
    assert response.status_code == 201, response.text
    job = org.viewer.get(response.headers["Location"].removeprefix("/api/v1")).json
    assert (job["name"], job["key"], job["subject"]) == ("Greet the crew", "greet_crew", "Pier 3")
    assert (job["kind"], job["timezone"], job["revision"]) == ("cron", "Europe/Berlin", 1)
    assert job["schedule"].items() >= body["schedule"].items()
    assert job["schedule"]["timezone"] == "Europe/Berlin"
    assert job["next_run_at"] is not None


def test_a_schedule_can_be_sent_back_as_it_was_answered(org: Org) -> None:
    sent = {
        "type": "daily",
        "hour": 9,
        "minute": 15,
        "timezone": "Europe/Berlin",
        "enabled": False,
        "overlap": "allow_all",
        "catch_up": "all",
        "catch_up_window_seconds": 3600,
        "jitter_seconds": 90,
    }
    body = {"task": "greet_somebody", "schedule": sent}
    first = org.operator.post("/scheduler/jobs", json={**body, "key": "one"}).json
    assert (first["schedule"], first["status"], first["status_reason"]) == (sent, "paused", "PAUSED")
    again = {**body, "key": "two", "schedule": first["schedule"]}
    assert org.operator.post("/scheduler/jobs", json=again).json["schedule"] == sent
    on = org.operator.call("PATCH", f"/scheduler/jobs/{first['id']}", json={"status": "scheduled"}).json
    assert on["schedule"] == {**sent, "enabled": True}


def test_parallel_calls_with_one_key_make_one_job(org: Org) -> None:
    body = {"task": "greet_somebody", "key": "storm"}
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: org.operator.post("/scheduler/jobs", json=body), range(20)))
    assert sorted(answer.status_code for answer in answers) == [201, *[422] * 19]
    for answer in answers:
        if answer.status_code == 422:
            assert_problem(answer, 422, "key")
    assert one("SELECT count(*) FROM jobs") == 1


def test_a_job_without_a_schedule_is_manual(org: Org) -> None:
    job = org.operator.post("/scheduler/jobs", json={"task": "greet_somebody"}).json
    assert (job["kind"], job["next_run_at"], job["timezone"]) == ("manual", None, "Asia/Bangkok")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "task"),
        ({"task": 5}, "task"),
        ({"task": "greet_somebody", "colour": "red"}, "colour"),
        ({"task": "greet_somebody", "args": []}, "args"),
        ({"task": "greet_somebody", "args": {"nme": "x"}}, "args.nme"),
        ({"task": "greet_somebody", "name": " "}, "name"),
        ({"task": "greet_somebody", "key": "a/b"}, "key"),
        ({"task": "greet_somebody", "timezone": "Europe/Atlantis"}, "timezone"),
        ({"task": "greet_somebody", "schedule": "daily"}, "schedule"),
        ({"task": "greet_somebody", "schedule": {"type": "yearly"}}, "schedule.type"),
        ({"task": "greet_somebody", "schedule": {"type": "manual", "colour": 1}}, "schedule.colour"),
        ({"task": "greet_somebody", "schedule": {"type": "cron", "cron": "61 * * * *"}}, "cron"),
        ({"task": "greet_somebody", "schedule": {"type": "cron", "cron": "0 0 31 2 *"}}, "cron"),
        ({"task": "greet_somebody", "schedule": {"type": "interval", "every_seconds": 0}}, "every_seconds"),
        ({"task": "greet_somebody", "schedule": at("2020-01-01T00:00:00+00:00")}, "at"),
        ({"task": "greet_somebody", "schedule": at("2099-01-01T00:00:00")}, "at"),
        ({"task": "greet_somebody", "schedule": {"type": "manual", "overlap": "queue"}}, "overlap"),
        ({"task": "greet_somebody", "schedule": {"type": "manual", "enabled": 1}}, "schedule.enabled"),
        ({"task": "greet_somebody", "schedule": {"type": "cron", "cron": "0" * 201}}, "schedule.cron"),
        ({"task": "greet_somebody", "schedule": at("0001-01-01T00:00:00+14:00")}, "at"),
        ({"task": "greet_somebody", "schedule": at("9999-12-31T23:59:59-14:00")}, "at"),
    ],
)
def test_a_field_that_cannot_be_used_is_named_and_nothing_is_written(
    org: Org, body: dict[str, Any], field: str
) -> None:
    assert_problem(org.operator.post("/scheduler/jobs", json=body), 422, field)
    assert one("SELECT count(*) FROM jobs") == 0


def test_a_key_that_is_taken_is_named(org: Org, job_id: UUID) -> None:
    assert_problem(org.operator.post("/scheduler/jobs", json={"task": "greet_somebody"}), 422, "key")
    assert len(names(org)) == 1


def test_a_job_for_an_unknown_task_gets_suggestions(org: Org) -> None:
    problem = assert_problem(org.operator.post("/scheduler/jobs", json={"task": "greet_someone"}), 404)
    assert problem["reason_code"] == "UNKNOWN_TASK"
    assert "greet_somebody" in problem["suggestions"]


def test_a_job_is_paused_and_put_back(org: Org, job_id: UUID) -> None:
    path = f"/scheduler/jobs/{job_id}"
    paused = org.operator.call("PATCH", path, json={"status": "paused", "note": "rain"}).json
    assert (paused["status"], paused["status_reason"], paused["revision"]) == ("paused", "PAUSED", 2)
    assert org.operator.call("PATCH", path, json={"status": "scheduled"}).json["status"] == "scheduled"
    assert_problem(org.operator.call("PATCH", path, json={"status": "sent"}), 422, "status")
    assert_problem(org.operator.call("PATCH", path, json={}), 422, "body")


def test_a_deleted_job_is_gone(org: Org, job_id: UUID) -> None:
    response = org.operator.call("DELETE", f"/scheduler/jobs/{job_id}")
    assert (response.status_code, response.data) == (204, b"")
    assert_problem(org.viewer.get(f"/scheduler/jobs/{job_id}"), 404)
    assert_problem(org.operator.call("DELETE", f"/scheduler/jobs/{job_id}"), 404)
    assert names(org) == []
    assert one("SELECT deleted_at IS NOT NULL FROM jobs")
