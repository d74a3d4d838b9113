"""What pages say around runs and requests: nothing was sent that was not, and nothing is asked in vain."""

import re

import pytest
from apiflask import APIFlask

from console.core.clock import utc_now
from console.core.states import ActorKind, Role
from console.services import claims, edits, execution, jobs, people
from console.services.approvers import ALONE
from console.services.changes import Change
from console.worker.execute import execute
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import Visitor, change, part, visit, words

SEEN = re.compile(r'name="seen" value="(\w+)"')
SENDS = "console.plugins.messages.tasks.send_test_email_to_self"


@pytest.fixture(autouse=True)
def _live(app: APIFlask) -> None:
    factories.live_worker()


@pytest.fixture
def admin(app: APIFlask, org: OrgOf) -> Visitor:
    return visit(app, factories.person(org, Role.ADMIN, "bob@example.com"))


# Dry runs ------------------------------------------------------------------------------------------


def test_a_dry_run_that_went_well_is_nowhere_said_to_have_sent_anything(
    app: APIFlask, operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, SENDS, name="Post")
    dry = factories.run(org, job, actor=operator.actor, dry_run=True)
    with app.app_context():
        execute(app, dry.id, worker="w1")
    places = {
        f"/runs/{dry.id}": "run",
        f"/fragments/runs/{dry.id}/rehearsal": "rehearsal",
        "/runs?dry=only": f"run-{dry.id}",
        f"/jobs/{job.id}": f"run-{dry.id}",
    }
    for path, place in places.items():
        said = words(part(operator.get(path), place))
        assert "Succeeded" in said and "ry run" in said and "would be sent to" in said, path
        assert "Sent" not in said, path
    real = factories.run(org, job, actor=operator.actor)
    change("UPDATE runs SET state = 'succeeded', finished_at = now() WHERE NOT dry_run")
    said = words(part(operator.get("/runs"), f"run-{real.id}"))
    assert "Sent" in said and "dry run" not in said
    assert rows("SELECT dry_run, state FROM runs ORDER BY dry_run") == [
        (False, "succeeded"),
        (True, "succeeded"),
    ]


@pytest.mark.parametrize("begun", [False, True])
def test_a_dry_run_is_stopped_out_of_its_dialog_which_follows_it_to_its_end(
    operator: Visitor, viewer: Visitor, org: OrgOf, begun: bool
) -> None:
    run = factories.run(org, factories.job(org, name="Sweep"), actor=operator.actor, dry_run=True)
    claim = execution.claim(run.id, worker="w1", offered=[run.task], now=utc_now()) if begun else None
    dialog = operator.get(f"/fragments/runs/{run.id}/rehearsal?region=job")
    assert f'hx-post="/runs/{run.id}/stop"' in part(dialog, "rehearsal")
    seen = viewer.get(f"/fragments/runs/{run.id}/rehearsal")
    assert "hx-post" not in seen.text and "needs the role operator" in words(part(seen, "rehearsal-stop-why"))
    if begun:
        asked = words(operator.get(f"/runs/{run.id}/stop"))
        assert "it is a dry run, and nothing of it stays" in asked

    sent = {"dialog": "rehearsal", "region": "job"}
    told = operator.post(f"/runs/{run.id}/stop", sent, htmx=True)
    assert told.status_code == 200 and told.text.lstrip().startswith('<section id="rehearsal"')
    assert "HX-Retarget" not in told.headers and 'id="rehearsal-stop"' not in told.text
    if claim is None:
        assert "Dry run: Sweep Stopped" in words(told) and "data-poll" not in told.text
        assert rows("SELECT state, reason_code FROM runs") == [("stopped", "STOPPED_BY_OPERATOR")]
        again = operator.post(f"/runs/{run.id}/stop", sent, htmx=True)
        assert again.status_code == 409 and "it is stopped. Nothing was changed." in words(again)
        assert again.text.lstrip().startswith('<section id="rehearsal"')
    else:
        assert "It was told to stop at" in words(told) and "region=job" in told.text
        assert claims.stop_asked(run.id, claim.attempt) is not None
    assert one("SELECT count(*) FROM audit_entries WHERE tag LIKE 'run:stop%'") == 1


def test_a_real_run_that_is_looked_at_in_that_dialog_is_not_stopped_without_a_question(
    operator: Visitor, org: OrgOf
) -> None:
    run = factories.run(org, factories.job(org, name="Sweep"), actor=operator.actor)
    for path in (f"/fragments/runs/{run.id}/rehearsal", f"/runs/{run.id}/rehearsal"):
        shown = part(operator.get(path), "rehearsal")
        assert "Run: Sweep" in words(shown) and 'id="rehearsal-stop"' not in shown
        assert f'href="/runs/{run.id}"' in shown  # whose page has the button that asks
    assert rows("SELECT state, stop_requested_at FROM runs") == [("queued", None)]


# Requests ------------------------------------------------------------------------------------------


def test_what_was_edited_since_stands_beside_what_would_run_and_is_only_in_the_way_where_it_matters(
    admin: Visitor, operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org, schedule={"type": "daily", "hour": 7, "minute": 0})
    asked = factories.approval(org, job, actor=operator.actor)
    edits.set_paused(org.admin, job.id, True, note="not this week", now=utc_now())
    assert "edited since" not in words(admin.get("/approvals"))
    dialog = admin.get(f"/fragments/approvals/{asked.id}/approve")
    assert "r1, and the job is at r2 by now, which changes nothing of this run" in words(dialog)
    assert "Switch: on → became off" in words(part(dialog, "edited-since"))
    assert "disabled" not in part(dialog, "confirm")

    edits.edit(org.admin, job.id, Change(name="Another"), now=utc_now())
    assert "the job was edited since" in words(admin.get("/approvals"))
    dialog = admin.get(f"/fragments/approvals/{asked.id}/approve")
    assert "which changes nothing" not in words(dialog) and "with another name. Reject it" in words(dialog)
    assert "became Another" in words(part(dialog, "edited-since"))
    edits.edit(org.admin, job.id, Change(name=job.name), now=utc_now())
    done = admin.post(f"/approvals/{asked.id}/approve", htmx=True)
    assert done.status_code == 200 and "approved; its run is on its way" in words(done)
    assert one("SELECT count(*) FROM runs") == 1


def test_a_message_that_became_another_one_while_its_dialog_stood_open_is_shown_first(
    admin: Visitor, operator: Visitor, org: OrgOf
) -> None:
    event = factories.event(org, venue="Great Hall")
    job_id = one("SELECT id FROM jobs WHERE message_type = 'REMINDER'")
    asked = factories.approval(org, jobs.get(org.admin, job_id, now=utc_now()), actor=operator.actor)
    address = f"/approvals/{asked.id}/approve"
    first = SEEN.findall(admin.get(f"/fragments{address}").text)
    change("UPDATE events SET venue = 'Small Hall' WHERE id = :id", id=event.id)

    told = admin.post(address, {"seen": first[0], "note": "go on"}, htmx=True)
    assert told.status_code == 409
    said = words(part(told, "decision"))
    assert "What would go out has changed since you were shown it. Nothing was started." in said
    assert "save again" not in said and 'value="go on"' in told.text
    assert "Small Hall" in said and "Great Hall" not in said and "disabled" not in part(told, "confirm")
    assert rows("SELECT state FROM approvals") == [("pending",)] and one("SELECT count(*) FROM runs") == 0
    assert one("SELECT new->>'reason_code' FROM audit_entries WHERE tag = 'run:refused'") == "STALE_REVISION"

    second = SEEN.findall(told.text)
    assert len(first) == len(second) == 1 and first != second
    assert admin.post(address, {"seen": second[0]}, htmx=True).status_code == 200
    assert rows("SELECT approval_id FROM runs") == [(asked.id,)]


def test_that_nobody_else_could_approve_is_said_of_the_requests_of_which_it_is_true(
    admin: Visitor, org: OrgOf
) -> None:
    assert ALONE in words(admin.get("/approvals"))  # nothing waits: what holds of whatever the reader asks
    shell = people.cli_actor(None, login="root")
    assert (shell.kind, shell.org_id) == (ActorKind.CLI, org.id)
    other = factories.approval(org, factories.job(org), actor=shell)
    page = admin.get("/approvals")
    assert "obody else in this org" not in words(part(page, "approvals"))
    assert f"/approvals/{other.id}/approve" in part(page, f"approval-{other.id}")
    own = factories.approval(org, factories.job(org), actor=admin.actor)
    page = admin.get("/approvals")
    assert ALONE not in words(part(page, "approvals"))
    assert "nobody else in this org can approve" in words(part(page, f"approval-{own.id}"))
    assert "nobody else in this org can approve" not in words(part(page, f"approval-{other.id}"))
    assert one("SELECT count(*) FROM approvals WHERE state = 'pending'") == 2
    assert admin.post(f"/approvals/{other.id}/approve").status_code == 303
    assert ALONE in words(part(admin.get("/approvals"), "approvals"))


def test_each_tab_has_its_name_and_the_word_of_the_api_leads_to_it(admin: Visitor, org: OrgOf) -> None:
    asked = factories.approval(org, factories.job(org), actor=factories.person(org))
    for query, is_there in (("", True), ("?tab=pending", True), ("?tab=decided", False)):
        page = admin.get(f"/approvals{query}")
        assert page.status_code == 200 and (f'id="approval-{asked.id}"' in page.text) is is_there
        assert page.text.count('aria-current="page">Decided') == (not is_there)
    wrong = admin.get("/approvals?state=decided")
    assert wrong.status_code == 422
    assert "state: is not known here; take tab=pending for what waits, tab=decided for all else" in words(
        wrong
    )
    assert "known are tab, cursor" in words(admin.get("/approvals?status=decided"))
    assert "must be one of pending, decided" in words(admin.get("/approvals?tab=open"))


# Jobs ----------------------------------------------------------------------------------------------


def test_a_jobs_page_names_its_queue_and_leads_to_it(viewer: Visitor, org: OrgOf) -> None:
    run = factories.run(org, factories.job(org, "tests.tasks.on_another_queue"))
    for path, place in ((f"/jobs/{run.job_id}", "job-queue"), (f"/runs/{run.id}", "run-queue")):
        link = part(viewer.get(path), place)
        assert 'href="/workers#queue-elsewhere"' in link and words(link) == "elsewhere"
    assert 'id="queue-elsewhere"' in viewer.get("/workers").text
    assert one("SELECT queue FROM runs") == "elsewhere"
    change("UPDATE jobs SET task = 'tests.tasks.gone'")
    assert 'id="job-queue"' not in viewer.get(f"/jobs/{run.job_id}").text


def test_where_nothing_would_be_deleted_nothing_is_asked_to_be_confirmed(
    operator: Visitor, org: OrgOf
) -> None:
    job = factories.job(org)
    for path in ("/fragments/deletions/new?q=nowhere", "/fragments/deletions/count?q=nowhere"):
        shown = operator.get(path)
        assert "Nothing matches: there is nothing to delete." in words(part(shown, "delete-count"))
        assert 'class="is-nothing"' in shown.text and "to confirm." not in words(shown)
    for number in ("0", "", "1"):
        answer = operator.post("/deletions", {"q": "nowhere", "number": number}, htmx=True)
        assert answer.status_code == 422
        assert words(part(answer, "number-error")) == (
            "Nothing matches: there is nothing to delete. Nothing was deleted."
        )
    run = factories.run(org, job)
    execution.claim(run.id, worker="w1", offered=[run.task], now=utc_now())
    busy = words(operator.get("/fragments/deletions/new"))
    assert "All that match (1) are running now and are left" in busy and "to confirm." not in busy
    assert (one("SELECT count(*) FROM deletions"), one("SELECT deleted_at FROM jobs")) == (0, None)
