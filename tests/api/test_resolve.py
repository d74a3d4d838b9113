"""Settling an unknown run, for programs."""

from uuid import UUID, uuid4

import pytest
from apiflask import APIFlask
from sqlalchemy import text

from console.db.session import db

from .conftest import Org, assert_problem, make_job

UNKNOWN = "UPDATE runs SET state = 'unknown', reason_code = 'OUTCOME_UNKNOWN', finished_at = requested_at"


@pytest.fixture
def run_id(app: APIFlask, org: Org) -> UUID:
    """A run whose end is unknown."""
    job_id = make_job(app, org)
    found = UUID(org.operator.post(f"/scheduler/jobs/{job_id}/send-now").json["id"])
    with app.app_context():
        db.session.execute(text(UNKNOWN))
        db.session.commit()
    return found


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_an_operator_settles_a_run_once(org: Org, run_id: UUID, outcome: str) -> None:
    assert org.viewer.get(f"/runs/{run_id}").json["resolved"] is None
    answer = org.operator.post(f"/runs/{run_id}/resolve", json={"outcome": outcome, "note": "looked"})
    assert (answer.status_code, answer.json["state"]) == (200, outcome)
    resolved = answer.json["resolved"]
    assert set(resolved) == {"at", "by", "note"} and resolved["note"] == "looked" and resolved["by"]
    seen = org.viewer.get(f"/runs/{run_id}").json
    assert (seen["resolved"], seen["finished_at"]) == (resolved, answer.json["requested_at"])
    again = org.operator.post(f"/runs/{run_id}/resolve", json={"outcome": "failed"})
    assert_problem(again, 409)
    assert "settled this run already" in again.json["detail"]
    assert org.viewer.get(f"/runs/{run_id}").json == seen


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "outcome"),
        ({"outcome": "perhaps"}, "outcome"),
        ({"outcome": "failed", "note": "x" * 501}, "note"),
        ({"outcome": "failed", "why": "so"}, "why"),
    ],
)
def test_a_bad_body_names_its_field_and_settles_nothing(
    org: Org, run_id: UUID, body: dict[str, str], field: str
) -> None:
    answer = org.operator.post(f"/runs/{run_id}/resolve", json=body)
    assert_problem(answer, 422)
    assert list(answer.json["errors"]) == [field]
    assert org.viewer.get(f"/runs/{run_id}").json["state"] == "unknown"


def test_viewers_and_other_orgs_settle_nothing(org: Org, other_org: Org, run_id: UUID) -> None:
    said = {"outcome": "failed"}
    refused = assert_problem(org.viewer.post(f"/runs/{run_id}/resolve", json=said), 403)
    assert refused["reason_code"] == "FORBIDDEN"
    assert_problem(other_org.admin.post(f"/runs/{run_id}/resolve", json=said), 404)
    assert_problem(org.operator.post(f"/runs/{uuid4()}/resolve", json=said), 404)
    assert org.viewer.get(f"/runs/{run_id}").json["state"] == "unknown"
