"""Stop, retry and queues on the pages: what is asked, what is answered, and what one sees afterwards."""

import re
from datetime import timedelta
from html import unescape

import pytest

from console.core.clock import utc_now
from console.core.reasons import Reason
from console.core.states import RunState, Trigger
from console.services import claims, execution, jobs, run_control, sequences
from console.services.outcomes import Outcome
from console.services.run_views import RunView
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import Visitor, change, part, words

NOTE_TOO_LONG = "x" * 501


def started(org: OrgOf, task: str = "succeed") -> RunView:
    run = factories.run(org, factories.job(org, f"tests.tasks.{task}", name="Sweep the stage"))
    execution.claim(run.id, worker="w1", offered=[run.task], now=utc_now())
    return run


def failed(org: OrgOf, task: str = "mark", **fields: object) -> RunView:
    run = factories.run(org, factories.job(org, f"tests.tasks.{task}", name="Sweep the stage", **fields))
    found = execution.claim(run.id, worker="w1", offered=[run.task], now=utc_now())
    assert found is not None
    end = Outcome(RunState.FAILED, Reason.EXCEPTION, "no such file", may_retry=False)
    execution.finish(found, end, now=utc_now())
    return run


# Stop ----------------------------------------------------------------------------------------------


def test_without_javascript_a_page_says_what_a_stop_does_and_the_run_page_what_it_did(
    operator: Visitor, org: OrgOf
) -> None:
    run = started(org)
    assert f'action="/runs/{run.id}/stop"' in part(operator.get(f"/runs/{run.id}"), "run")
    asked = words(operator.get(f"/runs/{run.id}/stop"))
    assert "Stop this run of Sweep the stage?" in asked and "running for" in asked and "on w1" in asked
    assert "Its process is killed within about a second" in asked
    answer = operator.post(f"/runs/{run.id}/stop", {"note": "wrong one"})
    assert (answer.status_code, answer.location) == (303, f"/runs/{run.id}")
    shown = words(operator.get(f"/runs/{run.id}"))
    assert "Sweep the stage: told to stop." in shown
    assert "It was told to stop at" in shown and f"{operator.actor.name} stopped it: wrong one" in shown
    assert f'action="/runs/{run.id}/stop"' not in operator.get(f"/runs/{run.id}").text
    assert one("SELECT reason FROM audit_entries WHERE tag = 'run:stop_requested'") == "wrong one"


@pytest.mark.parametrize("region", ["run", "job", "row"])
def test_with_htmx_the_run_its_job_or_its_row_is_changed_in_its_place(
    operator: Visitor, viewer: Visitor, org: OrgOf, region: str
) -> None:
    run = factories.run(org, factories.job(org, name="Sweep the stage"))
    page = {"run": f"/runs/{run.id}", "job": f"/jobs/{run.job_id}", "row": "/"}[region]
    place = f"job-{run.job_id}" if region == "row" else region
    dialog = f"/fragments/runs/{run.id}/stop?region={region}"
    assert dialog in operator.get(page).text and dialog not in viewer.get(page).text
    answer = operator.post(f"/runs/{run.id}/stop", {"region": region}, htmx=True)
    assert answer.status_code == 200
    assert (answer.headers["HX-Retarget"], answer.headers["HX-Reswap"]) == (f"#{place}", "outerHTML")
    assert f'id="{place}"' in answer.text and "Sweep the stage: stopped." in words(answer)
    assert one("SELECT state FROM runs") == "stopped"
    assert dialog not in operator.get(page).text


def test_a_row_offers_a_stop_once_and_then_says_that_it_was_told(operator: Visitor, org: OrgOf) -> None:
    run = started(org)
    row = part(operator.get("/"), f"job-{run.job_id}")
    assert f'id="job-{run.job_id}-stop"' in row and "Stop the run of Sweep the stage" in words(row)
    told = operator.post(f"/runs/{run.id}/stop", {"region": "row"}, htmx=True)
    assert "told to stop" in words(part(told, f"job-{run.job_id}"))
    assert f'id="job-{run.job_id}-stop"' not in told.text
    assert one("SELECT state FROM runs WHERE stop_requested_at IS NOT NULL") == "running"


def test_of_a_message_it_says_that_it_may_have_gone_out(operator: Visitor, org: OrgOf) -> None:
    run = started(org, "post")
    asked = words(operator.get(f"/fragments/runs/{run.id}/stop"))
    assert "What it sends may have gone out by then: the run ends as unknown" in asked


@pytest.mark.parametrize("htmx", [False, True])
def test_a_note_that_is_too_long_stays_beside_its_fault_and_nothing_is_stopped(
    operator: Visitor, org: OrgOf, htmx: bool
) -> None:
    run = started(org)
    answer = operator.post(f"/runs/{run.id}/stop", {"note": NOTE_TOO_LONG}, htmx=htmx)
    assert answer.status_code == 422
    form = part(answer, "stop-run")
    assert NOTE_TOO_LONG in form and 'aria-invalid="true"' in form
    assert "At most 500 characters; there are 501" in words(part(answer, "note-error"))
    assert one("SELECT stop_requested_at FROM runs") is None


def test_one_that_has_ended_meanwhile_says_so(operator: Visitor, org: OrgOf) -> None:
    run = failed(org, args={"path": "x"})
    assert "This run has ended already: it is failed." in words(operator.get(f"/runs/{run.id}/stop"))
    answer = operator.post(f"/runs/{run.id}/stop", htmx=True)
    assert answer.status_code == 409
    assert "it is failed. Nothing was changed." in words(answer)


def test_a_viewer_sees_the_buttons_and_why_they_are_not_theirs(viewer: Visitor, org: OrgOf) -> None:
    going, over = started(org), failed(org, args={"path": "x"})
    shown = words(part(viewer.get(f"/runs/{going.id}"), "run"))
    assert "Stop the run needs the role operator" in shown
    assert "Retry needs the role operator" in words(part(viewer.get(f"/runs/{over.id}"), "run"))
    for path in (f"/runs/{going.id}/stop", f"/runs/{over.id}/retry", "/queues/default/pause"):
        assert viewer.get(path).status_code == 403
        assert viewer.post(path).status_code == 403
    assert "needs the role operator" in words(part(viewer.get("/workers"), "queue-default"))


# Retry ---------------------------------------------------------------------------------------------


def test_a_failed_run_is_retried_with_edited_arguments_and_both_pages_name_the_other(
    operator: Visitor, org: OrgOf
) -> None:
    run = failed(org, args={"path": "/nowhere"})
    form = part(operator.get(f"/runs/{run.id}/retry"), "retry-run")
    assert 'value="/nowhere"' in form and "no such file" in words(form)
    fields = {"idempotency_key": "k", "args": "1", "args.path": "/tmp", "args.seconds": "2.5"}  # noqa: S108
    answer = operator.post(f"/runs/{run.id}/retry", fields)
    again_id, args, trigger = rows("SELECT id, args, trigger FROM runs WHERE cause_id = :id", id=run.id)[0]
    assert (args, trigger) == ({"path": "/tmp", "seconds": 2.5}, "retry")  # noqa: S108
    assert (answer.status_code, answer.location) == (303, f"/runs/{again_id}")
    shown = operator.get(f"/runs/{again_id}")
    assert "requested once more" in words(shown)
    assert f'href="/runs/{run.id}"' in part(shown, "run") and "Retry of the run of" in words(shown)
    first = operator.get(f"/runs/{run.id}")
    assert f'href="/runs/{again_id}"' in part(first, "run") and "Retried as the run of" in words(first)
    twice = operator.post(f"/runs/{run.id}/retry", fields, htmx=True)
    assert twice.headers["HX-Redirect"] == f"/runs/{again_id}"
    assert one("SELECT count(*) FROM runs") == 2


@pytest.mark.parametrize("htmx", [False, True])
def test_arguments_that_can_t_be_used_stay_as_typed_beside_their_faults(
    operator: Visitor, org: OrgOf, htmx: bool
) -> None:
    run = failed(org, args={"path": "/nowhere"})
    fields = {"args": "1", "args.path": "/<b>here", "args.seconds": "soon", "note": "try & see"}
    answer = operator.post(f"/runs/{run.id}/retry", fields, htmx=htmx)
    assert answer.status_code == 422
    form = unescape(part(answer, "retry-run"))
    assert 'value="/<b>here"' in form and 'value="soon"' in form and 'value="try & see"' in form
    assert 'aria-invalid="true"' in form
    assert one("SELECT count(*) FROM runs") == 1


def test_what_can_t_be_retried_says_why_and_what_to_do(operator: Visitor, org: OrgOf) -> None:
    run = failed(org, args={"path": "x"})
    change("UPDATE runs SET state = 'unknown', reason_code = 'OUTCOME_UNKNOWN'")
    assert 'id="retry"' not in operator.get(f"/runs/{run.id}").text
    asked = words(operator.get(f"/runs/{run.id}/retry"))
    assert "OUTCOME_UNKNOWN It would be refused." in asked and "settle it first" in asked
    answer = operator.post(f"/runs/{run.id}/retry", htmx=True)
    assert answer.status_code == 409 and "OUTCOME_UNKNOWN" in words(answer)
    assert one("SELECT count(*) FROM runs") == 1


def test_a_run_whose_job_is_deleted_has_a_button_that_says_so(operator: Visitor, org: OrgOf) -> None:
    run = failed(org, args={"path": "x"})
    jobs.delete(org.admin, run.job_id, now=utc_now())
    assert "Retry its job is deleted" in words(part(operator.get(f"/runs/{run.id}"), "run"))
    assert operator.post(f"/runs/{run.id}/retry").status_code == 409


def test_what_a_sequence_leaves_behind_is_said_before_its_run_is_stopped_or_retried(
    operator: Visitor, org: OrgOf
) -> None:
    factories.live_worker()
    row = [factories.job(org, name=name).id for name in ("Sweep", "Mop", "Polish")]
    first, _, last = sequences.start(org.admin, row, trigger=Trigger.MANUAL, now=utc_now()).runs
    asked = words(part(operator.get(f"/runs/{first.id}/stop"), "stop-run"))
    assert "It is 1 of 3 in a sequence: what waits behind it, Mop first, is skipped with it." in asked
    assert "in a sequence" not in words(part(operator.get(f"/runs/{last.id}/stop"), "stop-run"))
    found = execution.claim(first.id, worker="w1", offered=[first.task], now=utc_now())
    assert found is not None
    end = execution.Outcome(RunState.FAILED, Reason.EXCEPTION, "no such file", may_retry=False)
    execution.finish(found, end, now=utc_now())
    change("UPDATE runs SET state = 'skipped', held_by = NULL WHERE id <> :id", id=first.id)
    asked = words(part(operator.get(f"/runs/{first.id}/retry"), "retry-rest"))
    assert "what was to follow it was given up: Mop, then Polish. A retry runs this one alone" in asked
    assert operator.post(f"/runs/{first.id}/retry").status_code == 303
    assert rows("SELECT state, sequence_id FROM runs WHERE cause_id = :id", id=first.id) == [("queued", None)]


def test_a_run_of_a_chain_says_once_that_it_follows(operator: Visitor, org: OrgOf) -> None:
    run = started(org)
    change("UPDATE runs SET trigger = 'chain', requested_by = 'chain (Open the house)'")
    assert words(part(operator.get("/runs"), f"run-{run.id}")).endswith("chain the end of Open the house")
    assert "Asked for by the end of Open the house chain" in words(operator.get(f"/runs/{run.id}"))
    assert "the end of Open the house, " in words(operator.get(f"/runs/{run.id}/stop"))


# Later ---------------------------------------------------------------------------------------------


def test_a_run_for_later_says_when_and_who_asked_on_every_page(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, name="Sweep the stage")
    run = factories.run(org, job, actor=operator.actor, start_at=utc_now() + timedelta(hours=5))
    said = f"(asked for by {operator.actor.name})"
    for page in (f"/runs/{run.id}", f"/jobs/{job.id}", "/", "/runs"):
        shown = words(operator.get(page))
        assert re.search(r"runs (today|\w{3} \d+ \w{3}) .*" + re.escape(said), shown), page
        assert "waiting for" not in shown
    row = part(operator.get("/"), f"job-{job.id}")
    assert "a run is on its way" not in words(row) and f"job-{job.id}-send" in row
    run_control.stop(org.admin, run.id, None, now=utc_now())
    assert "asked for by" not in words(part(operator.get("/"), f"job-{job.id}"))


# Queues --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_still")
def test_a_queue_is_paused_and_resumed_and_whatever_waits_says_by_whom(operator: Visitor, org: OrgOf) -> None:
    factories.live_worker()
    job = factories.job(org, name="Sweep the stage")
    run = factories.run(org, job)
    asked = words(operator.get("/queues/default/pause"))
    assert "1 run, which stays and begins when it is resumed" in asked
    answer = operator.post("/queues/default/pause", {"note": "<b>mail</b> is down"})
    assert (answer.status_code, answer.location) == (303, "/workers#queues")
    table = part(operator.get("/workers"), "queue-default")
    assert f"by {operator.actor.name}" in words(table).replace(" @", "@") and "<b>mail</b> is down" in words(
        table
    )
    for page in ("/", f"/jobs/{job.id}", f"/runs/{run.id}", "/runs"):
        shown = words(operator.get(page))
        assert f"ueue default is paused by {operator.actor.name} since" in shown, page
        assert "<b>mail</b> is down" in shown and "QUEUE_PAUSED" in shown
    dialog = words(operator.get(f"/jobs/{factories.job(org).id}/send-now"))
    assert "It is accepted and waits: queue default is paused by" in dialog
    assert operator.post("/queues/default/resume").location == "/workers#queues"
    assert "Open" in words(part(operator.get("/workers"), "queue-default"))
    assert "is paused" not in words(operator.get(f"/runs/{run.id}"))


@pytest.mark.parametrize("htmx", [False, True])
def test_a_queue_that_was_paused_before_and_a_note_too_long_are_said_in_the_form(
    operator: Visitor, org: OrgOf, htmx: bool
) -> None:
    long = operator.post("/queues/default/pause", {"note": NOTE_TOO_LONG}, htmx=htmx)
    assert long.status_code == 422 and NOTE_TOO_LONG in part(long, "pause-queue")
    assert one("SELECT count(*) FROM queue_pauses") == 0
    assert operator.post("/queues/default/pause", htmx=htmx).status_code in (200, 303)
    twice = operator.post("/queues/default/pause", htmx=htmx)
    assert twice.status_code == 409
    assert f"Queue default is paused by {operator.actor.name}" in words(twice)
    assert operator.get("/queues/nowhere/pause").status_code == 404


# The log -------------------------------------------------------------------------------------------


def write(run: RunView, *lines: str, attempt: int = 1) -> None:
    for line in lines:
        change(
            "INSERT INTO run_logs (run_id, attempt, at, message) VALUES (:id, :attempt, now(), :line)",
            id=run.id,
            attempt=attempt,
            line=line,
        )


def next_of(text: str) -> str:
    """The address from which the log asks for more."""
    found = re.search(r'id="log-next".*?hx-get="([^"]+)"', text, re.DOTALL)
    assert found is not None
    return unescape(found[1])


def test_a_log_asks_for_what_is_new_alone_and_parts_its_attempts(operator: Visitor, org: OrgOf) -> None:
    run = started(org)
    write(run, "one", "<b>two</b>")
    page = operator.get(f"/runs/{run.id}")
    assert 'role="log"' in page.text and "<b>two</b>" in words(part(page, "run-log"))
    assert "Attempt 1" not in words(part(page, "run-log"))
    assert operator.get(next_of(page.text)).status_code == 204
    write(run, "three", attempt=2)
    added = operator.get(next_of(page.text))
    assert words(added).startswith("Attempt 2") and words(added).endswith("three")
    assert "one" not in words(added) and 'id="run-log"' not in added.text
    write(run, "four", attempt=2)
    more = operator.get(next_of(added.text))
    assert words(more).endswith("four") and "Attempt" not in words(more)
    found = claims.held(run.id, 1)
    assert found is not None
    execution.finish(found, Outcome(RunState.SUCCEEDED), now=utc_now())
    last = operator.get(next_of(more.text))
    assert (last.status_code, words(last)) == (200, "")
    assert "hx-get" not in last.text


def test_ten_thousand_lines_come_five_hundred_at_a_time_and_none_is_lost(
    operator: Visitor, org: OrgOf
) -> None:
    run = started(org)
    write(run, "the first")
    asked = next_of(operator.get(f"/runs/{run.id}").text)
    change(
        "INSERT INTO run_logs (run_id, attempt, at, message) "
        "SELECT :id, 1, now(), 'line ' || n FROM generate_series(1, 1200) n",
        id=run.id,
    )
    seen: list[str] = []
    answers = []
    while (answer := operator.get(asked)).status_code == 200:
        seen += re.findall(r"line \d+", words(answer))
        answers.append(answer.text)
        asked = next_of(answer.text)
    assert seen == [f"line {number}" for number in range(1, 1201)]
    assert ["load delay" in text for text in answers] == [True, True, False]


def test_the_polled_part_of_a_run_does_not_hold_the_log(operator: Visitor, org: OrgOf) -> None:
    run = started(org)
    write(run, "said")
    assert "said" not in words(operator.get(f"/fragments/runs/{run.id}"))
    assert "said" in words(operator.get(f"/fragments/runs/{run.id}/log"))
