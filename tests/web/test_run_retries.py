"""Failed runs of the list retried together: the boxes, what the dialog says of each, and the deed."""

import re

import pytest
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from console.core.clock import utc_now
from console.core.reasons import Reason
from console.core.states import RunState
from console.services import execution, guarding, jobs
from console.services.run_views import RunView
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import Visitor, change, csrf_of, part, words


def ended(org: OrgOf, name: str, state: RunState = RunState.FAILED) -> RunView:
    run = factories.run(org, factories.job(org, name=name))
    found = execution.claim(run.id, worker="w1", offered=[run.task], now=utc_now())
    assert found is not None
    reason = None if state is RunState.SUCCEEDED else Reason.EXCEPTION
    execution.finish(found, execution.Outcome(state, reason, "no such file", may_retry=False), now=utc_now())
    return run


def post(visitor: Visitor, path: str, runs: list[RunView], htmx: bool = False, **fields: str) -> TestResponse:
    data: MultiDict[str, str] = MultiDict({"csrf_token": csrf_of(visitor.client), **fields})
    data.setlist("selected", [str(run.id) for run in runs])
    headers = {"HX-Request": "true", "HX-Target": "dialog"} if htmx else {}
    return visitor.client.post(path, data=data, headers=headers)


def outcomes(answer: TestResponse) -> list[str]:
    """One line for each run of the dialog, without its time."""
    body = re.search(r"<tbody>.*?</tbody>", answer.text, re.DOTALL)
    assert body is not None
    lines = [words(line) for line in body[0].split("<tr>")[1:]]
    return [re.sub(r" \S*( \S+)? \d\d:\d\d(:\d\d)? ·", " ·", line) for line in lines]


def key_of(answer: TestResponse) -> str:
    found = re.search(r'name="key" value="([^"]+)"', answer.text)
    assert found is not None
    return found[1]


def test_failed_runs_have_boxes_for_those_who_may_retry_them_and_others_have_none(
    operator: Visitor, viewer: Visitor, org: OrgOf
) -> None:
    bad, good = ended(org, "Bad"), ended(org, "Good", RunState.SUCCEEDED)
    shown = operator.get("/runs?state=succeeded")
    assert 'id="bulk"' not in shown.text  # nothing there that could be ticked
    shown = operator.get("/runs")
    assert f'id="run-{bad.id}-pick"' in shown.text and f'id="run-{good.id}-pick"' not in shown.text
    assert "Retry selected…" in words(part(shown, "bulk"))
    assert 'id="bulk"' not in viewer.get("/runs").text and "-pick" not in viewer.get("/runs").text
    assert "-pick" not in part(operator.get(f"/jobs/{bad.job_id}"), "job")
    for path in ("/runs/retries/confirmation", "/runs/retries"):
        assert post(viewer, path, [bad]).status_code == 403
        nothing = post(operator, path, [])
        assert nothing.status_code == 422 and "tick at least one run" in words(nothing)
        assert post(operator, path, [bad], nonsense="1").status_code == 422
    assert one("SELECT count(*) FROM runs") == 2


@pytest.mark.usefixtures("_still")
@pytest.mark.parametrize("htmx", [False, True])
def test_the_dialog_says_what_becomes_of_each_and_the_button_does_it_once(
    operator: Visitor, org: OrgOf, htmx: bool
) -> None:
    factories.live_worker()
    plain, guarded, gone = ended(org, "Plain"), ended(org, "Guarded"), ended(org, "Gone")
    guarding.set_guard(org.admin, guarded.job_id, True, now=utc_now())
    jobs.delete(org.admin, gone.job_id, now=utc_now())
    every = [plain, guarded, gone]
    asked = post(operator, "/runs/retries/confirmation", every, htmx, state="failed")
    assert asked.status_code == 200 and asked.headers.get("HX-Retarget") == ("#dialog" if htmx else None)
    assert ("<html" in asked.text) is not htmx
    said = words(asked)
    assert "Retry 3 runs?" in said and "1 will run again, 1 will be asked for, 1 is left." in said
    assert outcomes(asked) == [
        "Plain · failed will run again",
        "Guarded · failed will be asked for: a second person must approve it",
        "Gone · failed left as it is DELETED The job of this run is deleted.",
    ]
    assert "Retry 2 runs" in words(part(asked, "confirm")) and 'name="state" value="failed"' in asked.text
    assert one("SELECT count(*) FROM runs") == 3

    fields = {"key": key_of(asked), "state": "failed", "note": "disk is back"}
    for _ in range(2):
        done = post(operator, "/runs/retries", every, htmx, **fields)
        notice = done if htmx else operator.get(done.location)
        assert "1 requested once more, 1 waits for a second person, 1 left: " in words(notice)
        assert "The job of this run is deleted" in words(notice)
    if htmx:
        assert (done.headers["HX-Retarget"], done.headers["HX-Trigger-After-Settle"]) == (
            "#notices",
            "jobs-changed",
        )
    else:
        assert (done.status_code, done.location) == (303, "/runs?state=failed")
    assert rows("SELECT cause_id, trigger, state FROM runs WHERE cause_id IS NOT NULL") == [
        (plain.id, "retry", "queued")
    ]
    assert rows("SELECT reason FROM audit_entries WHERE tag = 'run:retried'") == [("disk is back",)]
    assert one("SELECT count(*) FROM approvals") == 1
    again = post(operator, "/runs/retries/confirmation", [plain])
    assert "It was retried before; that run is queued." in words(again)


def test_a_note_that_is_too_long_stays_beside_its_fault_and_nothing_is_retried(
    operator: Visitor, org: OrgOf
) -> None:
    factories.live_worker()
    run, long = ended(org, "Plain"), "x" * 501
    answer = post(operator, "/runs/retries", [run], True, key="k", note=long)
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (422, "#dialog")
    assert long in answer.text and "At most 500 characters" in words(part(answer, "note-error"))
    assert key_of(answer) == "k" and str(run.id) in answer.text
    assert one("SELECT count(*) FROM runs") == 1


def test_all_that_match_can_be_meant_where_one_state_is_shown(operator: Visitor, org: OrgOf) -> None:
    factories.live_worker()
    ended(org, "Other")
    run = ended(org, "Plain")
    columns = "org_id, job_id, task, queue, priority, trigger, state, revision, args, requested_by"
    more = f"INSERT INTO runs ({columns}, requested_at) SELECT {columns}, now() FROM runs"  # noqa: S608
    change(f"{more}, generate_series(1, 51) WHERE id = :id", id=run.id)
    assert "all that match the filter" in words(part(operator.get("/runs?state=failed&q=plain"), "bulk"))
    assert "all that match" not in words(part(operator.get("/runs?q=plain"), "bulk"))
    asked = post(operator, "/runs/retries/confirmation", [], matching="1", state="failed", q="plain")
    assert "Retry 52 runs?" in words(asked) and "Other" not in words(part(asked, "bulk-change"))
    change(f"{more}, generate_series(1, 200) WHERE id = :id", id=run.id)
    many = post(operator, "/runs/retries/confirmation", [], matching="1", state="failed", q="plain")
    assert many.status_code == 422 and "at most 200 runs at once; narrow the filter" in words(many)
