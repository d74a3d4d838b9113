"""A run's page: every state, its way in hops, its log, its result or its error, and who saw it end."""

import re
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest

from console.core.clock import utc_now
from console.core.reasons import Reason
from console.core.states import RunState
from console.services import edits, runs
from console.services.changes import Change
from console.worker import RunWorker
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import Visitor, change, part, words

STATES = {
    RunState.QUEUED: ("enqueued_at = requested_at", "Queued"),
    RunState.RUNNING: ("started_at = now(), worker = 'w1', beat_at = now(), attempt = 1", "Running"),
    RunState.RETRYING: (
        "attempt = 1, retry_at = now() + interval '60 s', reason_code = 'EXCEPTION'",
        "Retrying",
    ),
    RunState.SUCCEEDED: ("started_at = requested_at, finished_at = now(), attempt = 1", "Done"),
    RunState.FAILED: ("started_at = requested_at, finished_at = now(), reason_code = 'TIMEOUT'", "Failed"),
    RunState.STOPPED: ("finished_at = now(), reason_code = 'STOPPED_BY_OPERATOR'", "Stopped"),
    RunState.SKIPPED: ("finished_at = now(), reason_code = 'WEEKEND', slot = now()", "Skipped"),
    RunState.MISSED: ("finished_at = now(), reason_code = 'OUTSIDE_CATCHUP_WINDOW', slot = now()", "Missed"),
    RunState.UNKNOWN: ("finished_at = now(), reason_code = 'OUTCOME_UNKNOWN'", "Unknown"),
}


def test_every_state_is_known_here() -> None:
    assert set(STATES) == set(RunState)


@pytest.mark.parametrize("state", RunState)
def test_every_state_has_its_page_its_badge_and_what_to_do(
    operator: Visitor, org: OrgOf, state: RunState
) -> None:
    run = factories.run(org, factories.job(org, name="Sweep the stage"))
    values, badge = STATES[state]
    change(f"UPDATE runs SET state = '{state}', {values}")  # noqa: S608
    answer = operator.get(f"/runs/{run.id}")
    assert answer.status_code == 200
    shown = words(part(answer, "run"))
    assert shown.startswith(f"Sweep the stage {badge}")
    code = one("SELECT reason_code FROM runs")
    if code and state is not RunState.SUCCEEDED:
        assert f"{code} {Reason(code).advice}" in shown
    assert ("every 1s" in answer.text) is not state.is_terminal
    assert ('http-equiv="refresh"' in answer.text) is not state.is_terminal
    listed = operator.get(f"/runs?state={state}")
    assert badge in words(part(listed, f"run-{run.id}"))
    assert f"run-{run.id}" in operator.get(f"/jobs/{run.job_id}").text


def test_a_run_names_the_revision_that_it_ran_under_and_leads_to_it(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org)
    factories.live_worker()
    edits.edit(org.admin, job.id, Change(name="Renamed"), reason="clearer", now=utc_now())
    run = factories.run(org, job)
    edits.edit(org.admin, job.id, Change(name="Renamed again"), now=utc_now())
    shown = operator.get(f"/runs/{run.id}").text
    address = f"/jobs/{job.id}/revisions?before=3"
    assert f'<a href="{address}#r2">r2</a>' in shown
    history = operator.get(address).text
    assert 'id="r2"' in history and "clearer" in history and 'id="r3"' not in history


def test_a_run_that_was_decided_against_shows_no_hops_that_never_were(operator: Visitor, org: OrgOf) -> None:
    run = factories.run(org, factories.job(org))
    change("UPDATE runs SET state = 'skipped', finished_at = now(), reason_code = 'OVERLAP'")
    timeline = words(operator.get(f"/runs/{run.id}").text.split('aria-label="Timeline"')[1].split("</ol>")[0])
    assert "finished" in timeline and "started" not in timeline


def test_the_way_is_shown_hop_by_hop_with_what_each_took(operator: Visitor, org: OrgOf) -> None:
    run = factories.run(org, factories.job(org))
    change(
        "UPDATE runs SET state = 'succeeded', attempt = 1, worker = 'w1', "
        "enqueued_at = requested_at + interval '0.02 s', started_at = requested_at + interval '1.42 s', "
        "finished_at = requested_at + interval '43 s', seen_at = requested_at + interval '45 s'"
    )
    shown = words(operator.get(f"/runs/{run.id}"))
    for text in ("+0.02 s", "+1.4 s on w1", "+42 s", "+2.0 s", "Took42 s"):
        assert text in shown


def test_seen_is_recorded_by_the_first_look_at_the_end_and_by_no_other(
    operator: Visitor, viewer: Visitor, stranger: Visitor, org: OrgOf
) -> None:
    run = factories.run(org, factories.job(org))
    operator.get(f"/runs/{run.id}")
    assert one("SELECT seen_at FROM runs") is None
    change("UPDATE runs SET state = 'failed', finished_at = now()")
    stranger.get(f"/runs/{run.id}")
    runs.get(org.admin, run.id, now=utc_now())
    assert one("SELECT seen_at FROM runs") is None
    first = operator.get(f"/runs/{run.id}")
    seen_at = one("SELECT seen_at FROM runs")
    assert seen_at is not None
    assert f"{seen_at:%H:%M:%S}" in words(first.text.split("<b>seen</b>")[1].split("</li>")[0])
    viewer.get(f"/runs/{run.id}")
    operator.get(f"/fragments/runs/{run.id}")
    assert one("SELECT seen_at FROM runs") == seen_at


def test_the_job_table_sees_what_ended_just_now(operator: Visitor, org: OrgOf, worker: RunWorker) -> None:
    factories.run(org, factories.job(org))
    operator.get("/")
    assert one("SELECT seen_at FROM runs") is None
    worker.work(burst=True)
    operator.get("/")
    seen_at = one("SELECT seen_at FROM runs")
    assert seen_at is not None
    operator.get("/")
    assert one("SELECT seen_at FROM runs") == seen_at


def test_what_a_task_raised_is_shown_as_text_with_its_traceback(
    operator: Visitor, org: OrgOf, worker: RunWorker
) -> None:
    run = factories.run(org, factories.job(org, "tests.tasks.explode"))
    worker.work(burst=True)
    answer = operator.get(f"/runs/{run.id}")
    assert one("SELECT state FROM runs") == "failed"
    assert "<b>boom</b>" not in answer.text
    shown = words(answer)
    assert "ValueError: <b>boom</b>" in shown
    assert "EXCEPTION" in shown and Reason.EXCEPTION.advice in shown
    assert "Traceback (most recent call last)" in shown and "in explode" in shown
    assert "EXCEPTION" not in words(operator.get("/")) and "Failed" in words(operator.get("/"))


def test_log_result_and_changes_of_a_task_are_shown(
    operator: Visitor, org: OrgOf, worker: RunWorker, tmp_path: Path
) -> None:
    job = factories.job(org, "tests.tasks.talk", args={"path": str(tmp_path)})
    run = factories.run(org, job)
    worker.work(burst=True)
    shown = words(operator.get(f"/runs/{run.id}"))
    first, second = shown.index(" first"), shown.index(" second")
    assert first < second
    assert "Result said it" in shown
    assert "lightoffon" in shown.replace(" ", "")
    assert f'"path": "{tmp_path}"' in shown


def test_log_lines_are_text_and_the_last_five_hundred_stand_there(operator: Visitor, org: OrgOf) -> None:
    run = factories.run(org, factories.job(org))
    change(
        "INSERT INTO run_logs (run_id, attempt, at, message) "
        "SELECT :id, 1, now(), '<i>line ' || n || '</i>' FROM generate_series(1, 501) n",
        id=run.id,
    )
    log = part(operator.get(f"/runs/{run.id}"), "run-log")
    assert "<i>" not in log
    assert "<i>line 501</i>" in words(log) and "<i>line 2</i>" in words(log)
    assert "<i>line 1</i>" not in words(log)
    assert "The newest 500 lines; the file has all of them." in words(log)


@pytest.mark.parametrize(
    ("progress", "shown"),
    [
        ('{"done": 3, "total": 12, "note": "at 3"}', "3 of 12 (25 %) · at 3 · about 30 s left"),
        ('{"done": 7, "total": null, "note": null}', "7"),
        ('{"done": 0, "total": 5, "note": null}', "0 of 5 (0 %)"),
        ('{"done": 0, "total": 0, "note": "nothing to do"}', "0 · nothing to do"),
    ],
)
def test_progress_shows_how_far_it_is_and_how_long_is_left(
    operator: Visitor, org: OrgOf, progress: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = utc_now()
    run = factories.run(org, factories.job(org))
    change(
        "UPDATE runs SET state = 'running', attempt = 1, beat_at = :now, started_at = :began, "
        "progress = :progress",
        now=now,
        began=now - timedelta(seconds=10),
        progress=progress,
    )
    monkeypatch.setattr("console.web.identity.utc_now", lambda: now)
    answer = operator.get(f"/runs/{run.id}")
    assert words(answer.text.split("</progress>")[1].split("</div>")[0]) == shown


def test_results_of_any_shape_are_shown(operator: Visitor, org: OrgOf) -> None:
    run = factories.run(org, factories.job(org))
    for result in ('"text"', "[1, 2]", "0", "{}", '{"summary": "", "data": null}', '{"other": "<b>"}'):
        change("UPDATE runs SET state = 'succeeded', finished_at = now(), result = :result", result=result)
        answer = operator.get(f"/runs/{run.id}")
        assert answer.status_code == 200
        assert "<b></" not in answer.text


def test_the_list_of_runs_is_newest_first_and_pages_through_all(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org)
    first = factories.run(org, job)
    change(
        "INSERT INTO runs "
        "(org_id, job_id, task, queue, trigger, state, revision, requested_by, requested_at) "
        "SELECT org_id, job_id, task, queue, 'api', 'succeeded', 1, 'x', requested_at FROM runs, "
        "generate_series(1, 119)"
    )
    for page in ("/runs", f"/jobs/{job.id}"):
        seen: list[str] = []
        path = page
        while path:
            text = operator.get(path).text
            seen += re.findall(r'id="run-([0-9a-f-]{36})"', text)
            found = re.search(r'id="next-page"\s+rel="next"\s+href="([^"]+)"', text)
            path = unescape(found[1]) if found else ""
        assert len(seen) == len(set(seen)) == 120
        assert seen == sorted(seen, reverse=True)
    assert str(first.id) not in operator.get("/runs?trigger=api").text
    assert f"run-{first.id}" in operator.get("/runs?state=queued&trigger=manual").text


def test_an_empty_list_teaches_and_a_filter_without_a_find_leads_back(operator: Visitor, org: OrgOf) -> None:
    assert "No runs yet" in words(operator.get("/runs"))
    factories.run(org, factories.job(org))
    assert "No such runs" in words(operator.get("/runs?state=failed"))
    assert "Never run" in words(operator.get(f"/jobs/{factories.job(org).id}"))


def test_a_run_that_was_due_says_when_and_how_late(operator: Visitor, org: OrgOf) -> None:
    run = factories.run(org, factories.job(org))
    change(
        "UPDATE runs SET trigger = 'schedule', slot = requested_at - interval '5 min', "
        "started_at = requested_at, state = 'succeeded', finished_at = requested_at"
    )
    assert "5 min 0 s late" in words(operator.get(f"/runs/{run.id}"))
    assert rows("SELECT trigger FROM runs") == [("schedule",)]
