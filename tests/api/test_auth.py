"""Who may call: a bearer token in force, of a role that suffices, and nothing else."""

from datetime import timedelta

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from console.core.clock import utc_now
from console.core.states import Role
from console.services import people
from tests.factories import one

from .conftest import Caller, Org, assert_problem


def test_a_call_without_a_token_is_asked_for_one(client: FlaskClient) -> None:
    response = client.get("/api/v1/runs")
    assert_problem(response, 401)
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="callboard"'


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer cb_é", "Basic YTpi", "Bearer", "nonsense"])
def test_a_wrong_token_is_refused(client: FlaskClient, header: str) -> None:
    response = client.get("/api/v1/runs", headers={"Authorization": header})
    assert_problem(response, 401)
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")


def test_a_token_in_a_cookie_or_query_counts_for_nothing(client: FlaskClient, org: Org) -> None:
    client.set_cookie("callboard", org.admin.token)
    client.set_cookie("Authorization", f"Bearer {org.admin.token}")
    assert_problem(client.get("/api/v1/runs"), 401)
    assert_problem(client.get(f"/api/v1/runs?access_token={org.admin.token}"), 401)


def test_a_revoked_token_ends_at_once(app: APIFlask, org: Org) -> None:
    with app.app_context():
        made = people.create_token(org.actor, "brief", Role.VIEWER, now=utc_now())
    caller = Caller(app, made.secret)
    assert caller.get("/runs").status_code == 200
    with app.app_context():
        people.revoke_token(org.actor, made.token.id, now=utc_now())
    assert_problem(caller.get("/runs"), 401)


def test_a_token_of_a_disabled_owner_ends_at_once(app: APIFlask, org: Org) -> None:
    assert org.admin.get("/runs").status_code == 200
    with app.app_context():
        people.create_user(org.actor, "deputy@harbour.example", Role.ADMIN, password=None, now=utc_now())
        people.set_active(org.actor, "owner@harbour.example", False, now=utc_now())
    assert_problem(org.admin.get("/runs"), 401)


def test_an_expired_token_is_refused(app: APIFlask, org: Org) -> None:
    with app.app_context():
        now, ago = utc_now(), utc_now() - timedelta(days=1)
        made = people.create_token(org.actor, "old", Role.ADMIN, now=ago, expires_at=now)
    assert_problem(Caller(app, made.secret).get("/runs"), 401)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/scheduler/jobs/{job}/send-now", {}),
        ("POST", "/scheduler/manual-trigger", {"task_name": "greet_somebody"}),
        ("POST", "/scheduler/jobs", {"task": "greet_somebody", "key": "another"}),
        ("PATCH", "/scheduler/jobs/{job}", {"status": "paused"}),
        ("DELETE", "/scheduler/jobs/{job}", None),
        ("POST", "/scheduler/jobs/{job}/revisions/1/restore", {}),
        ("PUT", "/schedules/greet_somebody", {"type": "daily", "hour": 9, "minute": 15}),
        ("POST", "/schedules/bulk", {"action": "disable", "filter": {}}),
    ],
)
def test_a_viewer_may_change_nothing(org: Org, job_id: object, method: str, path: str, body: object) -> None:
    before = org.viewer.get("/scheduler/jobs").json["jobs"]
    problem = assert_problem(org.viewer.call(method, path.format(job=job_id), json=body), 403)
    assert problem["reason_code"] == "FORBIDDEN"
    after = org.viewer.get("/scheduler/jobs").json["jobs"]
    assert [{**job, "as_of": 0} for job in before] == [{**job, "as_of": 0} for job in after]
    assert one("SELECT count(*) FROM runs") == 0
