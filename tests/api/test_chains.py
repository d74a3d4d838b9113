"""Chains and sequences by API."""

from typing import Any
from uuid import UUID

import pytest
from apiflask import APIFlask

from tests.factories import one, rows

from .conftest import Org, assert_problem, make_job


@pytest.fixture
def ids(app: APIFlask, org: Org) -> list[UUID]:
    return [make_job(app, org, key=f"job_{number}", name=f"Job {number}") for number in range(3)]


def chain(org: Org, job_id: UUID, **body: Any) -> Any:
    return org.operator.put(f"/scheduler/jobs/{job_id}/chain", json=body)


def test_a_chain_is_read_and_replaced_as_a_whole(org: Org, ids: list[UUID]) -> None:
    a, b, c = ids
    assert chain(org, a, on_success=[str(b)], on_failure=[str(c)]).status_code == 200
    key = one("SELECT key FROM jobs WHERE id = :id", id=c)
    done = chain(org, a, on_success=[key, str(b)])
    assert done.json == org.viewer.get(f"/scheduler/jobs/{a}/chain").json
    assert [job["id"] for job in done.json["on_success"]] == [str(b), str(c)]
    assert done.json["on_failure"] == []
    assert [row.condition for row in rows("SELECT condition FROM job_links")] == ["success"] * 2


def test_a_deletion_says_what_it_cuts_and_the_links_to_deleted_jobs_are_listed_and_removed(
    org: Org, ids: list[UUID]
) -> None:
    a, b, c = ids
    chain(org, a, on_success=[str(b)])
    done = org.operator.call("DELETE", f"/scheduler/jobs/{b}")
    text = "Job 1 runs after success of Job 0: it will be skipped."
    assert (done.status_code, done.json) == (200, {"cut_links": 1, "cuts": [text]})
    assert org.operator.call("DELETE", f"/scheduler/jobs/{c}").status_code == 204
    found = org.viewer.get(f"/scheduler/jobs/{a}/chain").json
    assert found["on_success"] == [] and [(job["id"], job["on"]) for job in found["deleted"]] == [
        (str(b), "success")
    ]
    assert chain(org, a).json["deleted"] == found["deleted"], "only whoever says so removes them"
    assert chain(org, a, drop_deleted=True).json["deleted"] == []
    assert one("SELECT count(*) FROM job_links") == 0


def test_a_circle_and_a_name_that_finds_nothing_name_their_field(org: Org, ids: list[UUID]) -> None:
    a, b, _ = ids
    chain(org, a, on_success=[str(b)])
    problem = assert_problem(chain(org, b, on_failure=[str(a)]), 422)
    assert "circle" in problem["errors"]["on_failure"][0] and "→" in problem["detail"]
    problem = assert_problem(chain(org, a, on_success=["nothing of the kind"]), 422)
    assert "no job is called" in problem["errors"]["on_success"][0]
    answer = org.viewer.put(f"/scheduler/jobs/{a}/chain", json={})
    assert_problem(answer, 403)
    assert one("SELECT count(*) FROM job_links") == 1


def test_a_sequence_is_accepted_once_and_as_a_whole(org: Org, ids: list[UUID]) -> None:
    body = {"jobs": [str(job_id) for job_id in ids]}
    headers = {"Idempotency-Key": "nightly"}
    path = "/scheduler/jobs/run-in-sequence"
    answers = [org.operator.post(path, json=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    first, again = (answer.json for answer in answers)
    assert first["sequence_id"] == again["sequence_id"]
    assert [run["job_id"] for run in first["runs"]] == body["jobs"]
    assert {run["sequence_id"] for run in first["runs"]} == {first["sequence_id"]}
    assert one("SELECT count(*) FROM runs") == 3
    problem = assert_problem(org.operator.post(path, json={"jobs": body["jobs"][:1] * 2}), 422)
    assert problem["errors"]["jobs"] == ["each job may stand in it once"]
    assert_problem(org.viewer.post(path, json=body), 403)
