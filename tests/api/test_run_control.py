"""Stop, retry, later and queues through the API: the answer, then the database."""

from datetime import timedelta
from uuid import UUID

import pytest
from apiflask import APIFlask

from console.core.clock import utc_now
from console.services import execution
from console.worker.execute import execute
from tests.factories import one, rows

from .conftest import Org, assert_problem, make_job


def start(org: Org, job_id: UUID, **body: object) -> str:
    return str(org.operator.post(f"/scheduler/jobs/{job_id}/send-now", json=body).json["id"])


@pytest.fixture
def failed(app: APIFlask, org: Org) -> str:
    run_id = start(org, make_job(app, org, "always_fails"))
    execute(app, UUID(run_id), worker="tester")
    return run_id


def test_a_queued_run_is_stopped_at_once_and_a_running_one_is_told(
    app: APIFlask, org: Org, job_id: UUID
) -> None:
    queued, running = start(org, job_id), start(org, job_id)
    with app.app_context():
        task = one("SELECT task FROM jobs")
        execution.claim(UUID(running), worker="w", offered=[task], now=utc_now())
    ended = org.operator.post(f"/runs/{queued}/stop", json={"note": "not this one"})
    assert (ended.status_code, ended.json["state"]) == (200, "stopped")
    assert ended.json["reason"].endswith("stopped it: not this one")
    told = org.operator.post(f"/runs/{running}/stop")
    assert (told.status_code, told.json["state"]) == (202, "running")
    assert told.json["stop_requested_at"]
    again = assert_problem(org.operator.post(f"/runs/{running}/stop"), 409)
    assert "told to stop before" in again["detail"]
    assert_problem(org.viewer.post(f"/runs/{running}/stop"), 403)
    assert_problem(org.operator.post(f"/runs/{running}/stop", json={"note": "x" * 501}), 422, "note")
    assert one("SELECT count(*) FROM audit_entries WHERE tag = 'run:stop_requested'") == 2


def test_a_failed_run_is_retried_once_for_each_key(app: APIFlask, org: Org, failed: str) -> None:
    headers = {"Idempotency-Key": "k"}
    answers = [org.operator.post(f"/runs/{failed}/retry", headers=headers) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {202}
    (again,) = {answer.json["id"] for answer in answers}
    assert answers[0].headers["Location"] == f"/api/v1/runs/{again}"
    assert (answers[0].json["trigger"], answers[0].json["cause_id"]) == ("retry", failed)
    going = assert_problem(org.operator.post(f"/runs/{again}/retry"), 409)
    assert going["reason_code"] == "OVERLAP"
    assert_problem(org.viewer.post(f"/runs/{failed}/retry"), 403)
    assert_problem(org.operator.post(f"/runs/{failed}/retry", json={"args": {"x": 1}}), 422, "args.x")
    assert one("SELECT count(*) FROM runs") == 2


def test_a_retry_takes_other_arguments_and_waits_for_the_outcome(
    app: APIFlask, org: Org, job_id: UUID
) -> None:
    first = start(org, job_id)
    execute(app, UUID(first), worker="tester")
    body = {"args": {"name": "Ada"}, "note": "once more"}
    answer = org.operator.post(f"/runs/{first}/retry", json=body, headers={"Prefer": "wait=0"})
    assert (answer.status_code, answer.json["args"]) == (202, {"name": "Ada"})
    assert rows("SELECT reason FROM audit_entries WHERE tag = 'run:retried'") == [("once more",)]


def test_send_now_takes_a_time_to_come(org: Org, job_id: UUID) -> None:
    at = (utc_now() + timedelta(hours=2)).isoformat()
    run = org.operator.post(f"/scheduler/jobs/{job_id}/send-now", json={"start_at": at}).json
    assert (run["state"], run["start_at"], run["queued_at"]) == ("queued", at, None)
    assert rows("SELECT held_by FROM runs") == [("later",)]
    past = {"start_at": (utc_now() - timedelta(minutes=2)).isoformat()}
    refused = org.operator.post(f"/scheduler/jobs/{job_id}/send-now", json=past)
    assert assert_problem(refused, 422, "start_at")["reason_code"] == "IN_THE_PAST"
    naive = org.operator.post(f"/scheduler/jobs/{job_id}/send-now", json={"start_at": "2199-01-01T00:00:00"})
    assert_problem(naive, 422, "start_at")
    assert one("SELECT count(*) FROM runs") == 1


def test_a_queue_is_paused_for_its_own_org_and_resumed(org: Org, other_org: Org, job_id: UUID) -> None:
    paused = org.operator.post("/queues/default/pause", json={"note": "mail is down"})
    assert paused.status_code == 200
    assert paused.json["paused"] | {"at": None} == {
        "at": None,
        "by": "token operator",
        "note": "mail is down",
    }
    run = org.operator.get(f"/runs/{start(org, job_id)}").json
    assert (run["state"], run["queued_at"]) == ("queued", None)

    def default(of: Org) -> dict[str, object]:
        return next(item for item in of.viewer.get("/queues").json["queues"] if item["name"] == "default")

    assert (default(org)["waiting"], default(other_org)["waiting"]) == (1, 0)
    assert default(org)["paused"] and default(other_org)["paused"] is None
    twice = assert_problem(org.operator.post("/queues/default/pause"), 409)
    assert twice["reason_code"] == "QUEUE_PAUSED"
    assert_problem(org.viewer.post("/queues/default/resume"), 403)
    assert_problem(other_org.operator.post("/queues/default/resume"), 409)
    assert org.operator.post("/queues/default/resume").json["paused"] is None
    assert one("SELECT enqueued_at IS NOT NULL FROM runs")
    lost = assert_problem(org.operator.post("/queues/defalt/pause"), 404)
    assert lost["suggestions"] == ["default"]
