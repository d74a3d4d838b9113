"""Run now: an accepted trigger makes exactly one run, and the answer says which."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from apiflask import APIFlask

from console.api.waiting import wished
from console.worker.execute import execute
from tests.factories import one

from .conftest import Caller, Org, assert_problem, in_background, make_job

RUNS = "SELECT count(*) FROM runs"
TRIGGERED = {
    "success", "task_name", "task_display_name", "task_id", "status", "execution_time",
    "duration_seconds", "result", "dry_run", "changes", "executed_by", "run_id",
}  # fmt: skip


def runs_of(org: Org) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = org.viewer.get("/runs").json["runs"]
    return found


def finish_next(app: APIFlask, org: Org) -> None:
    """Does a worker's work for the next run that is asked for."""
    deadline = time.monotonic() + 30
    while not (waiting := [run for run in runs_of(org) if run["state"] == "queued"]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    execute(app, UUID(waiting[0]["id"]), worker="tester")


def send(caller: Caller, job_id: object, key: str | None = None, **kwargs: Any) -> Any:
    headers = {"Idempotency-Key": key} if key is not None else {}
    return caller.post(f"/scheduler/jobs/{job_id}/send-now", headers=headers, **kwargs)


def test_send_now_makes_one_run_and_says_which(org: Org, job_id: UUID) -> None:
    response = send(org.operator, job_id)
    assert response.status_code == 202, response.text
    run = response.json
    assert (run["job_id"], run["state"], run["trigger"]) == (str(job_id), "queued", "api")
    assert run["executed_by"] == "token operator"
    assert response.headers["Location"] == f"/api/v1/runs/{run['id']}"
    assert [found["id"] for found in runs_of(org)] == [run["id"]]


def test_two_calls_with_one_key_make_one_run_and_get_one_answer(org: Org, job_id: UUID) -> None:
    first, second = send(org.operator, job_id, "k1"), send(org.operator, job_id, "k1")
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json == second.json
    assert one(RUNS) == 1


def test_a_hundred_calls_at_once_with_one_key_make_one_run(org: Org, job_id: UUID) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: send(org.operator, job_id, "storm"), range(100)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert one(RUNS) == 1


def test_calls_without_a_key_are_each_their_own(org: Org, job_id: UUID) -> None:
    assert send(org.operator, job_id).json["id"] != send(org.operator, job_id).json["id"]
    assert one(RUNS) == 2


def test_one_key_in_two_orgs_makes_two_runs(app: APIFlask, org: Org, other_org: Org, job_id: UUID) -> None:
    other = make_job(app, other_org)
    assert send(org.operator, job_id, "same").json["id"] != send(other_org.operator, other, "same").json["id"]


def test_a_key_that_was_used_for_another_job_is_named(app: APIFlask, org: Org, job_id: UUID) -> None:
    other = make_job(app, org, key="other")
    send(org.operator, job_id, "k1")
    assert_problem(send(org.operator, other, "k1"), 422, "Idempotency-Key")
    assert one(RUNS) == 1


@pytest.mark.parametrize("body", [{"args": {"name": "crew"}}, {"dry_run": True}])
def test_a_key_that_was_used_for_another_wish_is_named(
    org: Org, job_id: UUID, body: dict[str, object]
) -> None:
    first = send(org.operator, job_id, "k1", json={"args": {"name": "pier"}})
    problem = assert_problem(send(org.operator, job_id, "k1", json={"args": {"name": "pier"}, **body}), 422)
    assert list(problem["errors"]) == ["Idempotency-Key"]
    assert send(org.operator, job_id, "k1", json={"args": {"name": "pier"}}).json == first.json
    assert one(RUNS) == 1


def test_parallel_wishes_for_a_task_without_a_job_make_one_run(org: Org) -> None:
    headers, body = {"Idempotency-Key": "m-storm"}, {"task_name": "greet_somebody"}

    def trigger(_: int) -> Any:
        return org.operator.post("/scheduler/manual-trigger", headers=headers, json=body)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(trigger, range(20)))
    assert {answer.status_code for answer in answers} == {202}, [answer.text for answer in answers]
    assert len({answer.json["run_id"] for answer in answers}) == 1
    assert (one(RUNS), one("SELECT count(*) FROM jobs")) == (1, 1)


@pytest.mark.parametrize("key", ["", " ", "x" * 201])
def test_a_key_that_cannot_be_used_is_named(org: Org, job_id: UUID, key: str) -> None:
    assert_problem(send(org.operator, job_id, key), 422, "Idempotency-Key")
    assert one(RUNS) == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"dryrun": True}, "dryrun"),
        ({"dry_run": "yes"}, "dry_run"),
        ({"override": 1}, "override"),
        ({"args": "x"}, "args"),
        ({"args": {"nme": "x"}}, "args.nme"),
    ],
)
def test_a_field_that_cannot_be_used_is_named_and_nothing_runs(
    org: Org, job_id: UUID, body: object, field: str
) -> None:
    assert_problem(send(org.operator, job_id, json=body), 422, field)
    assert one(RUNS) == 0


def test_arguments_that_cannot_be_used_say_why(org: Org, job_id: UUID) -> None:
    problem = assert_problem(send(org.operator, job_id, json={"args": {"name": 5, "x": 1}}), 422, "args.name")
    assert "args.name: Input should be a valid string" in problem["detail"]
    assert "args.x: Extra inputs are not permitted" in problem["detail"]


def test_arguments_and_dry_run_reach_the_run(org: Org, job_id: UUID) -> None:
    run = send(org.operator, job_id, json={"args": {"name": "crew"}, "dry_run": True, "override": True}).json
    assert (run["args"], run["dry_run"]) == ({"name": "crew"}, True)


@pytest.mark.parametrize("by_name", [False, True])
def test_who_waits_for_a_dry_run_gets_what_would_change(
    app: APIFlask, org: Org, job_id: UUID, by_name: bool
) -> None:
    path = "/scheduler/manual-trigger" if by_name else f"/scheduler/jobs/{job_id}/send-now"
    body = {"dry_run": True, "args": {"name": "crew"}} | ({"task_name": "greet-somebody"} if by_name else {})
    with in_background(org.operator.post, path, json=body, headers={"Prefer": "wait=30"}) as answer:
        finish_next(app, org)
        response = answer.result(timeout=60)
    assert (response.status_code, response.json["dry_run"]) == (200, True)
    assert response.json["changes"] == [{"subject": "greeting", "before": None, "after": "crew", "url": None}]
    assert one("SELECT count(*) FROM jobs WHERE last_run_id IS NOT NULL OR active_run_id IS NOT NULL") == 0


def test_a_task_without_a_dry_run_refuses_one(app: APIFlask, org: Org) -> None:
    job = make_job(app, org, "always_fails")
    assert_problem(send(org.operator, job, json={"dry_run": True}), 422, "dry_run")
    assert one(RUNS) == 0


def test_an_unknown_job_is_not_found(org: Org) -> None:
    assert_problem(send(org.operator, uuid4()), 404)
    assert_problem(send(org.operator, "nonsense"), 404)


def test_who_waits_gets_the_outcome(app: APIFlask, org: Org, job_id: UUID) -> None:
    path = f"/scheduler/jobs/{job_id}/send-now"
    with in_background(org.operator.post, path, headers={"Prefer": "wait=30"}) as answer:
        finish_next(app, org)
        response = answer.result(timeout=60)
    assert response.status_code == 200, response.text
    assert response.headers["Preference-Applied"] == "wait=30"
    assert response.json["state"] == "succeeded"
    assert response.json["result"] == {"summary": "greeted", "name": "world"}


def test_who_waits_in_vain_gets_the_run_as_it_stands(org: Org, job_id: UUID) -> None:
    begun = time.monotonic()
    path = f"/scheduler/jobs/{job_id}/send-now"
    response = org.operator.post(path, headers={"Prefer": "respond-async, wait=1"})
    assert time.monotonic() - begun >= 1
    assert (response.status_code, response.json["state"]) == (202, "queued")
    assert response.headers["Preference-Applied"] == "wait=1"


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, None),
        ("", None),
        ("wait", None),
        ("wait=", None),
        ("wait=soon", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("wait=0", 0),
        ("wait=10", 10),
        ('wait="10"', 10),
        ("WAIT = 10; x=y", 10),
        ("return=minimal, wait=7", 7),
        ("wait=5, wait=9", 5),
        ("wait=9999999", 30),
    ],
)
def test_a_wish_to_wait_is_read_or_ignored(prefer: str | None, seconds: int | None) -> None:
    assert wished(prefer) == seconds


def test_a_malformed_wish_is_ignored(org: Org, job_id: UUID) -> None:
    response = org.operator.post(f"/scheduler/jobs/{job_id}/send-now", headers={"Prefer": "wait=soon"})
    assert response.status_code == 202
    assert "Preference-Applied" not in response.headers


@pytest.mark.parametrize("spelling", ["greet_somebody", "greet-somebody", "Greet-Somebody", None])
def test_a_task_runs_by_any_spelling_and_gets_a_job(org: Org, spelling: str | None) -> None:
    name = spelling or f"{__package__}.conftest.greet_somebody"
    response = org.operator.post("/scheduler/manual-trigger", json={"task_name": name})
    assert response.status_code == 202, response.text
    assert set(response.json) == TRIGGERED
    assert response.json["task_name"] == "greet_somebody"
    assert response.json["task_display_name"] == "Greet somebody"
    assert (response.json["success"], response.json["status"]) == (True, "queued")
    assert [run["id"] for run in runs_of(org)] == [response.json["run_id"]]
    assert [job["key"] for job in org.viewer.get("/scheduler/jobs").json["jobs"]] == ["greet_somebody"]


def test_a_failure_is_no_success(app: APIFlask, org: Org) -> None:
    body = {"task_name": "always_fails"}
    with in_background(
        org.operator.post, "/scheduler/manual-trigger", json=body, headers={"Prefer": "wait=30"}
    ) as answer:
        finish_next(app, org)
        response = answer.result(timeout=60)
    assert response.status_code == 200
    assert (response.json["success"], response.json["status"]) == (False, "failed")
    assert response.json["duration_seconds"] >= 0
    run = org.viewer.get(f"/runs/{response.json['run_id']}").json
    assert (run["reason_code"], run["error"]["type"]) == ("EXCEPTION", "RuntimeError")


def test_manual_trigger_honours_the_key(org: Org) -> None:
    headers, body = {"Idempotency-Key": "m1"}, {"task_name": "greet_somebody"}
    first = org.operator.post("/scheduler/manual-trigger", headers=headers, json=body)
    second = org.operator.post("/scheduler/manual-trigger", headers=headers, json=body)
    assert first.json == second.json
    assert one(RUNS) == 1


def test_a_name_that_finds_nothing_gets_suggestions(org: Org) -> None:
    response = org.operator.post("/scheduler/manual-trigger", json={"task_name": "greet_somebdy"})
    problem = assert_problem(response, 404, "task_name")
    assert problem["reason_code"] == "UNKNOWN_TASK"
    assert "greet_somebody" in problem["suggestions"]
    assert one(RUNS) == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "task_name"),
        ({"task_name": ""}, "task_name"),
        ({"task_name": ["x"]}, "task_name"),
        ({"task_name": "greet_somebody", "force": True}, "force"),
    ],
)
def test_a_manual_trigger_that_cannot_be_used_names_the_field(org: Org, body: object, field: str) -> None:
    assert_problem(org.operator.post("/scheduler/manual-trigger", json=body), 422, field)
    assert one(RUNS) == 0
