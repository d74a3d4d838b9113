"""Approvals as people see them: the request, the decision, and why a button can't be pressed."""

import re
from datetime import timedelta

import pytest
from apiflask import APIFlask
from werkzeug.test import TestResponse

from console.core.clock import utc_now
from console.core.states import Role
from console.services import approving, edits, org_settings
from console.services.changes import Change
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import Visitor, change, part, visit, words


@pytest.fixture
def admin(app: APIFlask, org: OrgOf) -> Visitor:
    return visit(app, factories.person(org, Role.ADMIN, "bob@example.com"))


def button(answer: TestResponse, element_id: str) -> str:
    found = re.search(rf'<button[^>]*id="{element_id}"[^>]*>', answer.text)
    assert found is not None, f"no button {element_id}"
    return found[0]


def waiting(answer: TestResponse) -> str:
    return words(part(answer, "waiting-approvals"))


@pytest.mark.parametrize("htmx", [False, True])
def test_a_click_that_needs_a_second_person_leads_to_its_request(
    operator: Visitor, org: OrgOf, htmx: bool
) -> None:
    job = factories.job(org, "tests.tasks.critical", name="Open the trap door")
    dialog = operator.get(f"/fragments/jobs/{job.id}/send-now")
    assert "A second person must approve this run. Nothing starts now" in words(dialog)
    assert "disabled" not in button(dialog, "confirm") and "Ask for approval" in words(dialog)
    sent = {"idempotency_key": "mine", "note": "before the show"}
    answer = operator.post(f"/jobs/{job.id}/send-now", sent, htmx=htmx)
    ((asked_id, reason, key),) = rows("SELECT id, reason, idempotency_key FROM approvals")
    assert (reason, key) == ("before the show", "mine")
    assert one("SELECT count(*) FROM runs") == 0
    if htmx:
        assert (answer.status_code, answer.headers["HX-Retarget"]) == (202, "#notices")
        assert answer.headers["HX-Trigger-After-Settle"] == "jobs-changed, approvals-changed"
        assert f'href="/approvals/{asked_id}"' in answer.text
    else:
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/approvals/{asked_id}")
        answer = operator.get(f"/approvals/{asked_id}")
    assert "A second person must approve this run: you have asked for it, until" in words(answer)


@pytest.mark.usefixtures("_still")
def test_the_list_says_who_asks_for_what_and_why_one_may_not_decide(
    admin: Visitor, operator: Visitor, viewer: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, "tests.tasks.log_much", name="Open the trap door", args={"size": 5})
    asked = factories.approval(org, job, actor=operator.actor, note="before the show")
    row = f"approval-{asked.id}"
    for visitor, why in ((operator, "you asked for it yourself"), (viewer, "needs the role admin")):
        page = visitor.get("/approvals")
        assert "disabled" in button(page, f"{row}-approve")
        assert why in words(page)
        assert waiting(page) == "1 waiting for others"
    assert "disabled" not in button(operator.get("/approvals"), f"{row}-reject")
    assert "Withdraw" in words(operator.get("/approvals"))
    assert "disabled" in button(viewer.get("/approvals"), f"{row}-reject")
    page = admin.get("/approvals")
    assert "disabled" not in button(page, f"{row}-approve") + button(page, f"{row}-reject")
    said = words(part(page, row))
    for text in ("Open the trap door", operator.actor.name, "“before the show”", "size"):
        assert text in said
    assert waiting(page) == "1 for you to decide"
    shown = words(admin.get(f"/approvals/{asked.id}"))
    assert '"size": 5' in shown and "Expires tomorrow" in shown and "r1" in shown


def test_the_list_says_when_a_run_would_start_that_is_asked_for_a_time_to_come(
    admin: Visitor, org: OrgOf
) -> None:
    job, at = factories.job(org, "tests.tasks.critical"), utc_now() + timedelta(days=3)
    for start_at in (None, at):
        factories.approval(org, job, start_at=start_at)
    page = admin.get("/approvals")
    said = {
        row[1]: "starts" in words(part(page, f"approval-{row[0]}"))
        for row in rows("SELECT id, start_at IS NOT NULL FROM approvals")
    }
    assert said == {False: False, True: True}


def test_a_message_is_shown_as_it_goes_out_and_a_changed_one_is_said_to_be(
    admin: Visitor, operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, "send_test_email_to_self")
    asked = factories.approval(org, job, actor=operator.actor)
    change(
        "UPDATE approvals SET shown = jsonb_build_object('recipient', 'a@x.example', 'message', "
        "jsonb_build_object('recipient', 'a@x.example', 'subject', 'Load-in', 'text', 'At nine?'), "
        "'rules', jsonb_build_object('reason', 'WEEKEND', 'detail', ''))"
    )
    shown = words(admin.get(f"/approvals/{asked.id}"))
    for text in ("a@x.example", "Load-in", "At nine?", "it would be skipped: WEEKEND"):
        assert text in shown
    assert "What would go out has changed" in words(admin.get(f"/fragments/approvals/{asked.id}/approve"))


def test_an_approval_by_form_makes_the_run_and_both_names_stand_on_it(
    admin: Visitor, operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, name="Open the trap door")
    asked = factories.approval(org, job, actor=operator.actor)
    assert "asked" in words(operator.get(f"/jobs/{job.id}"))
    answer = admin.post(f"/approvals/{asked.id}/approve", {"note": "go on"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/approvals/{asked.id}")
    run_id = one("SELECT run_id FROM approvals")
    page = words(admin.get(f"/approvals/{asked.id}"))
    assert "Open the trap door: approved; its run is on its way." in page
    assert "Approved by bob@example.com" in page and "“go on”" not in page and "go on" in page
    run = operator.get(f"/runs/{run_id}")
    assert f"Asked for by {operator.actor.name}" in words(run)
    assert "Approved by bob@example.com" in words(run) and f'href="/approvals/{asked.id}"' in run.text
    assert "approved by bob@example.com" in words(operator.get(f"/jobs/{job.id}"))
    decided = operator.get("/approvals?tab=decided")
    assert "Approved" in words(part(decided, f"approval-{asked.id}")) and f"/runs/{run_id}" in decided.text
    assert waiting(decided) == ""


@pytest.mark.parametrize("htmx", [False, True])
def test_a_rejection_wants_a_reason_and_keeps_what_was_typed(
    admin: Visitor, operator: Visitor, org: OrgOf, htmx: bool
) -> None:
    asked = factories.approval(org, factories.job(org), actor=operator.actor)
    long = "x" * 501
    for note, fault in (("", "Say why, for whoever asked"), (long, "At most 500 characters")):
        answer = admin.post(f"/approvals/{asked.id}/reject", {"note": note}, htmx=htmx)
        assert answer.status_code == 422
        assert fault in words(answer) and f'value="{note}"' in answer.text
        assert 'aria-describedby="decision-note-fault"' in answer.text
    assert one("SELECT state FROM approvals") == "pending"
    answer = admin.post(f"/approvals/{asked.id}/reject", {"note": "not today"}, htmx=htmx)
    assert answer.status_code == (200 if htmx else 303)
    assert rows("SELECT state, note FROM approvals") == [("rejected", "not today")]
    assert "not today" in words(operator.get(f"/approvals/{asked.id}"))


def test_a_decision_that_comes_too_late_is_told_who_was_first(
    admin: Visitor, operator: Visitor, org: OrgOf
) -> None:
    asked = factories.approval(org, factories.job(org), actor=operator.actor)
    carl = factories.person(org, Role.ADMIN, "carl@example.com")
    approving.approve(carl, asked.id, now=utc_now())
    answer = admin.post(f"/approvals/{asked.id}/approve", htmx=True)
    assert answer.status_code == 409
    assert "carl@example.com has approved it at" in words(answer) and "try again" not in words(answer)
    assert "disabled" in button(answer, "confirm")
    assert one("SELECT count(*) FROM runs") == 1


def test_a_job_that_was_edited_since_says_so_before_and_at_the_click(
    admin: Visitor, operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org)
    asked = factories.approval(org, job, actor=operator.actor)
    edits.edit(org.admin, job.id, Change(name="Another"), now=utc_now())
    assert "the job was edited since" in words(admin.get("/approvals"))
    dialog = admin.get(f"/fragments/approvals/{asked.id}/approve")
    assert "asked for of r1, and the job is at r2" in words(dialog) and "disabled" in button(
        dialog, "confirm"
    )
    answer = admin.post(f"/approvals/{asked.id}/approve", htmx=True)
    assert answer.status_code == 409 and "STALE_REVISION" in words(answer)
    assert one("SELECT state FROM approvals") == "pending"


def test_one_that_expires_during_the_click_says_so_and_keeps_the_note(
    admin: Visitor, operator: Visitor, org: OrgOf
) -> None:
    asked = factories.approval(org, factories.job(org), actor=operator.actor)
    change("UPDATE approvals SET expires_at = now() - interval '1 s'")
    answer = admin.post(f"/approvals/{asked.id}/approve", {"note": "go ahead"}, htmx=True)
    assert answer.status_code == 409 and 'value="go ahead"' in answer.text
    assert "nothing was started. Ask again." in words(answer)
    assert "Ask somebody" not in words(answer), "who approves is not told to find somebody who may"
    assert one("SELECT count(*) FROM runs") == 0


def test_the_number_beside_the_link_follows_by_the_heartbeat(
    admin: Visitor, operator: Visitor, org: OrgOf
) -> None:
    assert waiting(admin.get("/help")) == ""
    factories.approval(org, factories.job(org), actor=operator.actor)
    told = admin.get("/fragments/pulse?waiting=0.0")
    assert told.headers["HX-Trigger"] == "approvals-changed"
    assert waiting(admin.get("/fragments/approvals/waiting")) == "1 for you to decide"
    assert "HX-Trigger" not in admin.get("/fragments/pulse?waiting=1.1").headers
    assert "HX-Trigger" in operator.get("/fragments/pulse?waiting=1.1").headers
    change("UPDATE approvals SET expires_at = now() - interval '1 s'")
    assert waiting(admin.get("/help")) == ""
    assert "Expired" in words(admin.get("/approvals?tab=decided"))


def test_an_admin_guards_a_job_on_its_page_and_others_see_why_they_may_not(
    admin: Visitor, operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, name="Open the trap door")
    page = operator.get(f"/jobs/{job.id}")
    assert "disabled" in button(page, "guard") and "needs the role admin" in words(page)
    assert operator.post(f"/jobs/{job.id}/guard", {"needs_approval": "1"}).status_code == 403
    assert admin.post(f"/jobs/{job.id}/guard", {"needs_approval": "1", "note": "loud"}).status_code == 303
    page = admin.get(f"/jobs/{job.id}")
    assert "needs a second person" in words(page) and "Let clicks run at once" in words(page)
    assert "needs a second person" in words(part(operator.get("/"), f"job-{job.id}"))
    assert one("SELECT reason FROM audit_entries WHERE tag = 'job:guarded'") == "loud"
    assert admin.post(f"/jobs/{job.id}/guard", {"needs_approval": "0"}).status_code == 303
    assert one("SELECT needs_approval FROM jobs") is False
    critical = factories.job(org, "tests.tasks.critical")
    assert "Its task is critical" in words(admin.get(f"/jobs/{critical.id}"))


def test_what_may_be_asked_for_is_not_decided_by_a_role_alone(app: APIFlask, org: OrgOf) -> None:
    judge = visit(app, factories.person(org, Role.ADMIN))
    asked = factories.approval(org, factories.job(org), actor=judge.actor)
    answer = judge.post(f"/approvals/{asked.id}/approve", htmx=True)
    assert answer.status_code == 403 and "You asked for it yourself" in words(answer)
    assert judge.post(f"/approvals/{asked.id}/reject").status_code == 303
    assert rows("SELECT state, note FROM approvals") == [("rejected", "withdrawn by the requester")]
    listed = words(part(judge.get("/approvals?tab=decided"), f"approval-{asked.id}"))
    assert "Withdrawn" in listed and "Rejected" not in listed


def test_the_org_says_how_long_a_request_waits(operator: Visitor, admin: Visitor, org: OrgOf) -> None:
    org_settings.change(admin.actor, "North", "UTC", 2, now=utc_now())
    now = utc_now()
    asked = factories.approval(org, factories.job(org), actor=operator.actor, now=now)
    assert asked.expires_at - now == timedelta(hours=2)
    assert "Expires in 1 h" in words(admin.get(f"/approvals/{asked.id}"))
