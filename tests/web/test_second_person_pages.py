"""What waits for a second person shows where its job does; that nobody could approve, before it matters."""

import re

import pytest
from apiflask import APIFlask
from werkzeug.test import TestResponse

from console.core.clock import utc_now
from console.core.states import Role
from console.services import approving, guarding, people
from console.services.approvers import ALONE
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import Visitor, change, part, visit, words

WAITS, NEEDS = "waits for a second person", "needs a second person"


@pytest.fixture
def admin(app: APIFlask, org: OrgOf) -> Visitor:
    return visit(app, factories.person(org, Role.ADMIN, "bob@example.com"))


def version(answer: TestResponse) -> str:
    """What the heartbeat brings along of the page that it watches."""
    found = re.search(r'name="version" value="([^"]+)"', answer.text)
    assert found is not None
    return found[1]


def mark(shown: str) -> str:
    """What the row, or the head of the page, says of a second person; it says it once."""
    (said,) = re.findall(r'class="guarded\b.*?</(?:a|span)>', shown, re.DOTALL)
    return words(f"<a {said}")


def told(visitor: Visitor, watch: str, shown: TestResponse) -> bool:
    """Whether the page's heartbeat says that what it shows has changed."""
    answer = visitor.get(f"/fragments/pulse?watch={watch}&version={version(shown)}")
    return "jobs-changed" in answer.headers.get("HX-Trigger", "")


def test_row_and_page_say_what_waits_and_follow_the_decision_by_themselves(
    admin: Visitor, operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, "tests.tasks.critical", name="Open the trap door")
    row, of_job = f"job-{job.id}", f"job&job={job.id}"
    table, page = operator.get("/"), operator.get(f"/jobs/{job.id}")
    assert mark(part(table, row)) == mark(part(page, "job")) == NEEDS

    operator.post(f"/jobs/{job.id}/send-now", {"idempotency_key": "mine"})
    ((asked_id, state),) = rows("SELECT id, state FROM approvals")
    assert state == "pending"
    link = f'href="/approvals/{asked_id}"'
    # Each of them hears of it without being touched, the table that nothing runs in too.
    assert told(operator, "jobs", table) and told(operator, of_job, page)
    table, page = operator.get("/"), operator.get(f"/jobs/{job.id}")
    for shown in (part(table, row), part(page, "job")):
        assert mark(shown) == WAITS and link in shown
    assert not told(operator, "jobs", table) and not told(operator, of_job, page)
    assert mark(part(admin.get("/"), row)) == WAITS

    approving.approve(admin.actor, asked_id, now=utc_now())
    assert one("SELECT active_run_id FROM jobs") == one("SELECT run_id FROM approvals")
    assert told(operator, "jobs", table) and told(operator, of_job, page)
    table, page = operator.get("/"), operator.get(f"/jobs/{job.id}")
    for shown in (part(table, row), part(page, "job")):
        assert "Queued" in words(shown) and mark(shown) == NEEDS
    asked = operator.get(f"/fragments/approvals/{asked_id}?version=as-it-was-pending")
    run_id = one("SELECT id FROM runs")
    assert "Approved" in words(asked) and f'href="/runs/{run_id}"' in asked.text


@pytest.mark.parametrize("end", ["rejected", "withdrawn", "expired", "expired, not marked"])
def test_the_sign_goes_with_the_request_however_it_ends(
    admin: Visitor, operator: Visitor, org: OrgOf, end: str
) -> None:
    job = factories.job(org, name="Open the trap door")
    asked = factories.approval(org, job, actor=operator.actor)
    table, page = operator.get("/"), operator.get(f"/jobs/{job.id}")
    assert mark(part(table, f"job-{job.id}")) == mark(part(page, "job")) == WAITS

    if end == "rejected":
        approving.reject(admin.actor, asked.id, note="not today", now=utc_now())
    elif end == "withdrawn":
        approving.reject(operator.actor, asked.id, now=utc_now())
    elif end == "expired":
        assert approving.expire(asked.expires_at) == 1
    else:
        change("UPDATE approvals SET expires_at = now() - interval '1 s'")

    assert told(operator, f"job&job={job.id}", page)
    assert told(operator, "jobs", table) is (end != "expired, not marked")  # the watcher marks it in a moment
    for path in ("/", f"/jobs/{job.id}"):
        assert WAITS not in words(operator.get(path)) and "guarded" not in operator.get(path).text
    assert one("SELECT count(*) FROM runs") == 0


def test_a_click_on_what_waits_already_is_told_so_and_goes_on(
    admin: Visitor, operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, "tests.tasks.log_much", name="Open the trap door", args={"size": 5})
    assert "waits already" not in words(operator.get(f"/fragments/jobs/{job.id}/send-now"))
    asked = factories.approval(org, job, actor=operator.actor)
    guarding.set_guard(org.admin, job.id, True, now=utc_now())

    for path in (f"/fragments/jobs/{job.id}/send-now", f"/jobs/{job.id}/send-now"):
        dialog = admin.get(path)
        said = words(part(dialog, "pending-request"))
        assert f"A request for this job waits already: {operator.actor.name} asked" in said
        assert f'href="/approvals/{asked.id}"' in part(dialog, "pending-request")
        assert "disabled" not in part(dialog, "confirm")
    same = admin.post(f"/jobs/{job.id}/send-now", {"idempotency_key": "mine"}, htmx=True)
    assert same.status_code == 202 and f"{operator.actor.name} has asked for it" in words(same)
    assert one("SELECT count(*) FROM approvals") == 1
    guarding.set_guard(org.admin, job.id, False, now=utc_now())
    ran = admin.post(f"/jobs/{job.id}/send-now", {"idempotency_key": "another"}, htmx=True)
    assert ran.status_code == 200
    assert (one("SELECT count(*) FROM runs"), one("SELECT state FROM approvals")) == (1, "pending")
    # What it runs beside is said where a run is tried again, too.
    change("UPDATE runs SET state = 'failed', started_at = now(), finished_at = now()")
    run_id = one("SELECT id FROM runs")
    again = admin.get(f"/fragments/runs/{run_id}/retry")
    assert "waits already" in words(part(again, "pending-request"))


def test_where_nobody_else_could_approve_it_is_said_before_it_is_asked_for_and_after(
    admin: Visitor, operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, name="Open the trap door")
    page = admin.get(f"/jobs/{job.id}")
    assert ALONE in words(part(page, "guarding"))
    assert admin.post(f"/jobs/{job.id}/guard", {"needs_approval": "1"}).status_code == 303
    assert ALONE in words(part(admin.get(f"/jobs/{job.id}"), "notices"))
    dialog = admin.get(f"/fragments/jobs/{job.id}/send-now")
    assert ALONE in words(part(dialog, "send-now")) and "disabled" not in part(dialog, "confirm")
    # He is somebody else for her.
    assert ALONE not in words(operator.get(f"/fragments/jobs/{job.id}/send-now"))
    assert ALONE not in words(operator.get("/approvals"))
    empty = admin.get("/approvals")
    assert ALONE in words(empty) and "user create ADDRESS --role admin" in words(empty)
    assert 'href="/settings/people/new?role=admin"' in empty.text
    form = admin.get("/settings/people/new?role=admin")
    assert re.search(r'value="admin"[^>]*\bselected', form.text)
    assert admin.get("/settings/people/new?role=king").status_code == 200

    answer = admin.post(f"/jobs/{job.id}/send-now", {"idempotency_key": "mine"}, htmx=True)
    assert answer.status_code == 202 and ALONE in words(answer)
    asked_id = one("SELECT id FROM approvals WHERE state = 'pending'")
    assert ALONE in words(operator.get(f"/approvals/{asked_id}"))
    shown = operator.get("/approvals")
    assert "nobody else in this org can approve" in words(part(shown, f"approval-{asked_id}"))

    poll = re.search(r'hx-get="(/fragments/approvals/table[^"]*)"', admin.get("/approvals").text)
    assert poll is not None and admin.get(poll[1]).status_code == 204
    carl = factories.person(org, Role.ADMIN, "carl@example.com")
    fresh = admin.get(poll[1])  # the page hears of the second person by itself
    assert fresh.status_code == 200 and "obody else in this org" not in words(fresh)
    for path in (f"/approvals/{asked_id}", f"/jobs/{job.id}", f"/fragments/jobs/{job.id}/send-now"):
        assert ALONE not in words(part(admin.get(path), "main") if path[1] != "f" else admin.get(path))
    people.set_active(org.admin, "carl@example.com", False, now=utc_now())
    assert ALONE in words(admin.get("/approvals"))
    people.set_active(org.admin, "carl@example.com", True, now=utc_now())
    assert approving.approve(carl, asked_id, now=utc_now()).run_id is not None


def test_a_request_that_was_taken_back_is_nowhere_called_rejected(
    admin: Visitor, operator: Visitor, org: OrgOf
) -> None:
    asked = factories.approval(org, factories.job(org), actor=operator.actor)
    dialog = words(operator.get(f"/fragments/approvals/{asked.id}/reject"))
    assert "Withdraw" in dialog and "Reject" not in dialog
    assert "withdrawn." in words(operator.post(f"/approvals/{asked.id}/reject", htmx=True))
    assert rows("SELECT state, note FROM approvals") == [("rejected", "withdrawn by the requester")]
    for page in (
        part(operator.get(f"/approvals/{asked.id}"), "approval"),
        part(admin.get("/approvals?tab=decided"), f"approval-{asked.id}"),
    ):
        assert "Withdrawn" in words(page) and "ejected" not in words(page)
        assert "withdrawn by the requester" not in words(page)  # its word says as much
    late = words(admin.post(f"/approvals/{asked.id}/approve", htmx=True))
    assert f"{operator.actor.name} has withdrawn it at" in late and "rejected" not in late
    trail = words(part(admin.get(f"/audit?kind=approval&object={asked.id}"), "trail"))
    assert "Approval withdrawn" in trail and "pproval rejected" not in trail
    (entry,) = rows("SELECT new ->> 'state', reason FROM audit_entries WHERE tag = 'approval:withdrawn'")
    assert tuple(entry) == ("withdrawn", "withdrawn by the requester")
