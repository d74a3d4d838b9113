"""Approvals for programs: a call that needs a second person answers with the request, not with a run."""

import re
from uuid import UUID

import pytest
from apiflask import APIFlask

from console.core.clock import utc_now
from console.core.states import Role
from console.services import people
from console.services.approvers import ALONE
from tests import factories
from tests.factories import OrgOf, one, rows

from .conftest import Caller, Org, assert_problem, make_job


@pytest.fixture
def job_id(app: APIFlask, org: Org) -> UUID:
    return make_job(app, org, "tests.tasks.critical")


@pytest.fixture
def second(app: APIFlask, org: Org) -> Caller:
    """The token of another admin: all those of the org belong to its first one."""
    of = OrgOf(org.actor.org_id, org.actor)
    with app.app_context():
        return Caller(
            app, factories.token(of, Role.ADMIN, factories.person(of, Role.ADMIN, "bob@example.com"))
        )


def test_a_call_that_needs_a_second_person_answers_202_with_the_request(
    app: APIFlask, org: Org, job_id: UUID
) -> None:
    send, headers = f"/scheduler/jobs/{job_id}/send-now", {"Idempotency-Key": "k"}
    answer = org.operator.post(send, json={"note": "before the show"}, headers=headers)
    assert answer.status_code == 202
    asked = answer.json["approval"]
    assert answer.json == {
        "approval": asked,
        "reason_code": "APPROVAL_REQUIRED",
        "text": answer.json["text"],
    }
    assert "you have asked for it, until" in answer.json["text"] and answer.json["text"].endswith(ALONE)
    assert set(asked) == {"id", "state", "expires_at"} and asked["state"] == "pending"
    assert answer.headers["Location"] == f"/api/v1/approvals/{asked['id']}"
    assert org.operator.post(send, json={}, headers=headers).json == answer.json
    named = org.operator.post("/scheduler/manual-trigger", json={"task_name": "critical"})
    assert (named.status_code, named.json["approval"]["id"]) == (202, asked["id"])
    assert one("SELECT count(*) FROM runs") == 0
    found = org.viewer.get(f"/approvals/{asked['id']}").json
    assert (found["reason"], found["trigger"], found["job_id"]) == ("before the show", "api", str(job_id))
    assert found["why_not"] == "you asked for it yourself"  # one owner, whatever the token's role
    with app.app_context():
        factories.person(OrgOf(org.actor.org_id, org.actor), Role.ADMIN)
    assert ALONE not in org.operator.post(send, json={}, headers=headers).json["text"]


def test_another_persons_token_approves_and_the_run_is_there(org: Org, second: Caller, job_id: UUID) -> None:
    send = f"/scheduler/jobs/{job_id}/send-now"
    asked = org.operator.post(send, headers={"Idempotency-Key": "k"}).json["approval"]
    (pending,) = second.get("/approvals?state=pending").json["approvals"]
    assert (pending["id"], pending["why_not"], pending["run_id"]) == (asked["id"], None, None)
    done = second.post(f"/approvals/{asked['id']}/approve", json={"note": "go on"})
    assert done.status_code == 200
    assert (done.json["state"], done.json["note"], done.json["decided_by"]) == (
        "approved",
        "go on",
        one("SELECT approved_by FROM runs"),
    )
    run = org.viewer.get(f"/runs/{done.json['run_id']}").json
    assert (run["approval_id"], run["executed_by"], run["trigger"]) == (asked["id"], "token operator", "api")
    again = org.operator.post(send, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json["id"]) == (202, run["id"])
    problem = assert_problem(second.post(f"/approvals/{asked['id']}/reject", json={"note": "no"}), 409)
    assert re.search(r"has approved it at .* already", problem["detail"])
    assert second.get("/approvals?state=pending").json["approvals"] == []


def test_decisions_are_refused_with_their_reason(
    org: Org, second: Caller, job_id: UUID, other_org: Org
) -> None:
    asked = org.operator.post(f"/scheduler/jobs/{job_id}/send-now").json["approval"]["id"]
    assert_problem(org.admin.post(f"/approvals/{asked}/approve"), 403)
    assert_problem(org.operator.post(f"/approvals/{asked}/approve"), 403)
    assert_problem(other_org.admin.post(f"/approvals/{asked}/approve"), 404)
    assert_problem(other_org.admin.get(f"/approvals/{asked}"), 404)
    assert_problem(second.post(f"/approvals/{asked}/reject", json={}), 422, "note")
    assert_problem(second.post(f"/approvals/{asked}/approve", json={"note": "x" * 501}), 422, "note")
    assert_problem(second.get("/approvals?state=waiting"), 422, "state")
    second.patch(f"/scheduler/jobs/{job_id}", json={"name": "Another"})
    assert assert_problem(second.post(f"/approvals/{asked}/approve"), 409)["reason_code"] == "STALE_REVISION"
    assert second.post(f"/approvals/{asked}/reject", json={"note": "ask again"}).json["state"] == "rejected"
    assert one("SELECT count(*) FROM runs") == 0


def test_an_admin_guards_a_job_and_a_viewer_and_operator_do_not(app: APIFlask, org: Org) -> None:
    job_id = make_job(app, org)
    path = f"/scheduler/jobs/{job_id}/guard"
    assert_problem(org.operator.post(path, json={"needs_approval": True}), 403)
    assert_problem(org.admin.post(path, json={}), 422, "needs_approval")
    guarded = org.admin.post(path, json={"needs_approval": True, "note": "loud"})
    assert (guarded.status_code, guarded.json["needs_approval"]) == (200, True)
    assert "approval" in org.operator.post(f"/scheduler/jobs/{job_id}/send-now").json
    assert org.admin.post(path, json={"needs_approval": False}).json["needs_approval"] is False
    assert rows("SELECT tag, reason FROM audit_entries WHERE tag LIKE '%guarded' ORDER BY number") == [
        ("job:guarded", "loud"),
        ("job:unguarded", None),
    ]


def test_a_retry_needs_a_second_person_as_well(app: APIFlask, org: Org, second: Caller) -> None:
    job_id = make_job(app, org, "tests.tasks.explode")
    failed = org.operator.post(f"/scheduler/jobs/{job_id}/send-now").json["id"]
    with app.app_context():
        from tests.web.conftest import change

        change("UPDATE runs SET state = 'failed', started_at = now(), finished_at = now()")
        change("UPDATE jobs SET active_run_id = NULL, needs_approval = true")
    asked = org.operator.post(f"/runs/{failed}/retry", json={"note": "mended"})
    assert (asked.status_code, asked.json["reason_code"]) == (202, "APPROVAL_REQUIRED")
    done = second.post(f"/approvals/{asked.json['approval']['id']}/approve").json
    assert (done["cause_id"], done["trigger"]) == (failed, "retry")
    assert org.viewer.get(f"/runs/{done['run_id']}").json["cause_id"] == failed


def test_a_disabled_owner_loses_the_token_and_the_request(
    app: APIFlask, org: Org, second: Caller, job_id: UUID
) -> None:
    of = OrgOf(org.actor.org_id, org.actor)
    with app.app_context():
        ann = factories.person(of, Role.ADMIN, "ann@example.com")
        caller = Caller(app, factories.token(of, Role.OPERATOR, ann))
    asked = caller.post(f"/scheduler/jobs/{job_id}/send-now").json["approval"]["id"]
    with app.app_context():
        people.set_active(org.actor, "ann@example.com", False, now=utc_now())
    problem = assert_problem(second.post(f"/approvals/{asked}/approve"), 409)
    assert problem["reason_code"] == "FORBIDDEN" and "may not run jobs any more" in problem["detail"]
    assert one("SELECT count(*) FROM runs") == 0
