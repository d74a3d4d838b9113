"""The page of an unknown run asks what happened, and the rows lead to the question."""

from datetime import timedelta

import pytest
from apiflask import APIFlask

from console.core.clock import utc_now
from console.services import mail
from console.services.run_views import RunView
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import Visitor, change, part, words


@pytest.fixture
def lost(org: OrgOf) -> RunView:
    """A run of a message whose worker died in the middle."""
    factories.live_worker()
    at = utc_now() + timedelta(days=1)
    job = factories.job(
        org,
        "tests.tasks.post",
        schedule={"type": "once", "at": at},
        recipient="crew@x.example",
        name="Ask Zoë",
    )
    run = factories.run(org, job)
    change(
        "UPDATE runs SET state = 'unknown', reason_code = 'OUTCOME_UNKNOWN', reason = 'Killed by signal 9.', "
        "worker = 'w7', started_at = requested_at, finished_at = now(), attempt = 1"
    )
    change(
        "UPDATE jobs SET active_run_id = NULL, last_run_id = :run, last_run_state = 'unknown', "
        "status = 'failed', status_reason = 'OUTCOME_UNKNOWN', last_run_at = now(), "
        "last_run_reason = 'OUTCOME_UNKNOWN'",
        run=run.id,
    )
    change(
        "INSERT INTO run_logs (run_id, attempt, at, message) VALUES (:run, 1, now(), 'Posting <b>now</b>.')",
        run=run.id,
    )
    return run


def test_the_page_shows_what_is_known_and_what_to_look_for(operator: Visitor, lost: RunView) -> None:
    shown = words(part(operator.get(f"/runs/{lost.id}"), "question"))
    assert shown.startswith("Did the message arrive? It began at ")
    for word in ("on w7.", "“Posting <b>now</b>.”", mail.message_id(str(lost.id)), "crew@x.example"):
        assert word in shown
    assert shown.endswith("Yes, it arrived No, it did not")
    for path in ("/", f"/jobs/{lost.job_id}"):
        assert f'href="/runs/{lost.id}#question"' in operator.get(path).text


def test_without_javascript_a_yes_settles_it_and_says_so(operator: Visitor, lost: RunView) -> None:
    answer = operator.post(f"/runs/{lost.id}/resolve", {"outcome": "succeeded", "note": "seen in the <log>"})
    assert (answer.status_code, answer.location) == (303, f"/runs/{lost.id}")
    assert one("SELECT status FROM jobs") == "sent"
    page = operator.get(f"/runs/{lost.id}")
    assert "Settled: it arrived." in words(page) and 'id="question"' not in page.text
    settled = words(part(page, "resolved"))
    assert f"{operator.actor.name} said so at" in settled and "“seen in the <log>”" in settled
    assert "Before that its end was unknown: Killed by signal 9." in settled
    assert "#question" not in operator.get("/").text


def test_with_htmx_a_no_frees_send_now_in_the_same_fragment(operator: Visitor, lost: RunView) -> None:
    answer = operator.post(f"/runs/{lost.id}/resolve", {"outcome": "failed", "note": ""}, htmx=True)
    assert answer.status_code == 200 and "<html" not in answer.text
    assert "did not arrive. Send now is free again." in words(part(answer, "resolved"))
    assert "Settled: it did not arrive." in words(part(answer, "notices"))
    assert f'hx-get="/fragments/jobs/{lost.job_id}/send-now?region=run"' in answer.text
    assert rows("SELECT state, resolved_by FROM runs") == [("failed", operator.actor.name)]
    assert operator.get(f"/jobs/{lost.job_id}/send-now").text.count("would be refused") == 0


@pytest.mark.parametrize("htmx", [False, True])
def test_what_can_t_be_used_is_named_beside_its_field_and_nothing_typed_is_lost(
    operator: Visitor, lost: RunView, htmx: bool
) -> None:
    long = "n" * 501
    answer = operator.post(f"/runs/{lost.id}/resolve", {"outcome": "failed", "note": long}, htmx=htmx)
    assert answer.status_code == 422 and ("<html" in answer.text) is not htmx
    form = part(answer, "question")
    assert f'value="{long}"' in form and 'aria-invalid="true"' in form
    assert "At most 500 characters; there are 501" in words(form)
    answer = operator.post(f"/runs/{lost.id}/resolve", {"note": "kept"}, htmx=htmx)
    assert answer.status_code == 422 and 'value="kept"' in answer.text
    assert "Say what became of it" in words(part(answer, "question"))
    assert one("SELECT state FROM runs") == "unknown"


@pytest.mark.parametrize("htmx", [False, True])
def test_the_second_to_answer_sees_what_the_first_has_said(
    operator: Visitor, lost: RunView, htmx: bool
) -> None:
    operator.post(f"/runs/{lost.id}/resolve", {"outcome": "succeeded"})
    answer = operator.post(f"/runs/{lost.id}/resolve", {"outcome": "failed"}, htmx=htmx)
    assert answer.status_code == 409
    assert f"{operator.actor.name} has settled this run already: it is succeeded." in words(answer)
    assert one("SELECT state FROM runs") == "succeeded"


def test_a_viewer_sees_the_question_and_why_the_answer_is_not_theirs(
    viewer: Visitor, stranger: Visitor, lost: RunView
) -> None:
    form = part(viewer.get(f"/runs/{lost.id}"), "question")
    assert form.count("disabled aria-describedby") == 2 and "needs the role operator" in words(form)
    assert viewer.post(f"/runs/{lost.id}/resolve", {"outcome": "failed"}).status_code == 403
    assert stranger.post(f"/runs/{lost.id}/resolve", {"outcome": "failed"}).status_code == 404
    assert one("SELECT state FROM runs") == "unknown"


def test_a_task_that_sends_nothing_is_asked_otherwise(app: APIFlask, operator: Visitor, org: OrgOf) -> None:
    run = factories.run(org, factories.job(org))
    change("UPDATE runs SET state = 'unknown', reason_code = 'OUTCOME_UNKNOWN', finished_at = now()")
    shown = words(part(operator.get(f"/runs/{run.id}"), "question"))
    assert "Did it happen? It left no word in its log." in shown and str(run.id) in shown
    assert "Message-ID" not in shown
