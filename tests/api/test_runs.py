"""Runs and their logs for programs."""

from uuid import UUID

import pytest
from apiflask import APIFlask
from sqlalchemy import text

from console.db.session import db
from console.worker.execute import execute
from tests.factories import UNKNOWN_ID

from .conftest import Org, assert_problem, make_job

RUN_FIELDS = {
    "id", "job_id", "task", "trigger", "state", "reason_code", "reason", "slot", "requested_at",
    "queued_at", "started_at", "finished_at", "duration_seconds", "attempt", "dry_run", "args", "result",
    "error", "progress", "changes", "executed_by", "revision",
    "decision", "resolved", "cause_id", "start_at", "stop_requested_at", "approval_id", "approved_by", "hops",
    "sequence_id",
}  # fmt: skip


def start(org: Org, job_id: UUID) -> UUID:
    return UUID(org.operator.post(f"/scheduler/jobs/{job_id}/send-now").json["id"])


@pytest.fixture
def run_id(app: APIFlask, org: Org, job_id: UUID) -> UUID:
    """A run that has succeeded."""
    run_id = start(org, job_id)
    execute(app, run_id, worker="tester")
    return run_id


def test_a_run_has_the_fields_of_the_contract(org: Org, run_id: UUID) -> None:
    run = org.viewer.get(f"/runs/{run_id}").json
    assert set(run) == RUN_FIELDS
    assert (run["state"], run["attempt"], run["trigger"]) == ("succeeded", 1, "api")
    assert run["progress"] == {"done": 1, "total": 2, "note": "half way"}
    assert run["changes"] == [{"subject": "greeting", "before": None, "after": "world", "url": None}]
    assert run["error"] is None
    assert run["duration_seconds"] >= 0


def test_the_job_shows_its_last_run(org: Org, job_id: UUID, run_id: UUID) -> None:
    last = org.viewer.get(f"/scheduler/jobs/{job_id}").json["last_run"]
    assert set(last) == {"id", "state", "finished_at", "reason_code"}
    assert (last["id"], last["state"]) == (str(run_id), "succeeded")


def test_a_failed_run_shows_its_error(app: APIFlask, org: Org) -> None:
    run_id = start(org, make_job(app, org, "always_fails"))
    execute(app, run_id, worker="tester")
    run = org.viewer.get(f"/runs/{run_id}").json
    assert (run["state"], run["reason_code"]) == ("failed", "EXCEPTION")
    assert set(run["error"]) == {"type", "message", "traceback"}
    assert run["error"]["message"] == "no way"


def test_the_log_is_read_line_by_line(org: Org, run_id: UUID) -> None:
    log = org.viewer.get(f"/runs/{run_id}/log").json
    assert [line["message"] for line in log["lines"]] == ["hello world", "and goodbye"]
    first = log["lines"][0]["id"]
    rest = org.viewer.get(f"/runs/{run_id}/log?after={first}").json
    assert [line["message"] for line in rest["lines"]] == ["and goodbye"]
    end = org.viewer.get(f"/runs/{run_id}/log?after={rest['next_after']}").json
    assert (end["lines"], end["next_after"]) == ([], rest["next_after"])


@pytest.mark.parametrize("after", ["-1", "x", str(2**63)])
def test_a_place_in_the_log_that_cannot_be_is_named(org: Org, run_id: UUID, after: str) -> None:
    assert_problem(org.viewer.get(f"/runs/{run_id}/log?after={after}"), 422, "after")


def test_the_newest_run_comes_first_and_pages_follow(org: Org, job_id: UUID) -> None:
    made = [str(start(org, job_id)) for _ in range(3)]
    first = org.viewer.get("/runs?limit=2").json
    second = org.viewer.get(f"/runs?limit=2&cursor={first['next_cursor']}").json
    assert [run["id"] for run in first["runs"] + second["runs"]] == made[::-1]
    assert second["next_cursor"] is None


def test_filters_narrow_the_list(app: APIFlask, org: Org, job_id: UUID, run_id: UUID) -> None:
    other = make_job(app, org, key="other")
    waiting = str(start(org, other))

    def ids(query: str) -> list[str]:
        return [run["id"] for run in org.viewer.get(f"/runs?{query}").json["runs"]]

    assert ids("state=queued") == [waiting]
    assert ids(f"job={job_id}") == [str(run_id)]
    assert ids("job=greet_somebody") == ids("job=Greet-Somebody") == [str(run_id)]
    assert ids("job=other") == [waiting]
    assert ids("trigger=schedule") == []
    assert ids("trigger=api") == [waiting, str(run_id)]
    assert ids("to=2020-01-01") == []
    assert ids("from=2020-01-01") == [waiting, str(run_id)]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=0001-01-01T00:00:00%2B14:00", "from"),
        ("to=9999-12-31T23:59:59-14:00", "to"),
        ("to=2201-01-01", "to"),
        ("job=" + "x" * 201, "job"),
        ("state=done", "state"),
        ("trigger=me", "trigger"),
        ("page=2", "page"),
        ("cursor=x", "cursor"),
    ],
)
def test_a_filter_that_cannot_be_used_is_named(org: Org, query: str, field: str) -> None:
    assert_problem(org.viewer.get(f"/runs?{query}"), 422, field)


def test_another_orgs_run_is_not_found(other_org: Org, run_id: UUID) -> None:
    assert_problem(other_org.admin.get(f"/runs/{run_id}"), 404)
    assert_problem(other_org.admin.get(f"/runs/{run_id}/log"), 404)
    assert other_org.admin.get("/runs").json["runs"] == []


@pytest.mark.parametrize("run", [UNKNOWN_ID, "nonsense"])
def test_an_unknown_run_is_not_found(org: Org, run: str) -> None:
    assert_problem(org.viewer.get(f"/runs/{run}"), 404)
    assert_problem(org.viewer.get(f"/runs/{run}/log"), 404)


@pytest.mark.parametrize("job", ["greet_somebdy", UNKNOWN_ID])
def test_an_unknown_job_is_not_found_and_gets_suggestions(org: Org, run_id: UUID, job: str) -> None:
    problem = assert_problem(org.viewer.get(f"/runs?job={job}"), 404, "job")
    assert problem["reason_code"] == "UNKNOWN_TASK"
    assert ("greet_somebody" in problem["suggestions"]) == (job == "greet_somebdy")


def test_a_deleted_jobs_runs_are_found_by_its_id(org: Org, job_id: UUID, run_id: UUID) -> None:
    org.operator.call("DELETE", f"/scheduler/jobs/{job_id}")
    assert [run["id"] for run in org.viewer.get(f"/runs?job={job_id}").json["runs"]] == [str(run_id)]
    assert_problem(org.viewer.get("/runs?job=greet_somebody"), 404, "job")


def test_another_orgs_job_has_no_runs_here(other_org: Org, job_id: UUID, run_id: UUID) -> None:
    assert_problem(other_org.viewer.get(f"/runs?job={job_id}"), 404, "job")


def test_a_run_whose_clock_ran_backwards_took_no_time(org: Org, run_id: UUID) -> None:
    db.session.execute(text("UPDATE runs SET started_at = finished_at + interval '5 s'"))
    db.session.commit()
    assert org.viewer.get(f"/runs/{run_id}").json["duration_seconds"] == 0
