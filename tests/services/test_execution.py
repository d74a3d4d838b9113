"""What a worker makes of good and bad tasks, each time followed by a good one."""

import signal
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from apiflask import APIFlask
from redis import Redis
from sqlalchemy import text

from console.core.clock import utc_now
from console.core.states import RunState
from console.db.session import db, transaction
from console.services import execution, jobs, runs
from console.services.claims import Claim
from console.services.outcomes import Outcome
from console.services.run_views import RunView
from console.worker import RunWorker
from console.worker.execute import _record
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.processes import eventually


def finish(org: OrgOf, worker: RunWorker, task: str, **args: object) -> RunView:
    """Runs the task once by hand and answers its run; the same worker then does a good one."""
    job = factories.job(org, f"tests.tasks.{task}", args=args)
    good = factories.job(org)
    run = factories.run(org, job)
    next_run = factories.run(org, good)
    worker.work(burst=True)
    assert runs.get(org.admin, next_run.id, now=utc_now()).state is RunState.SUCCEEDED
    return runs.get(org.admin, run.id, now=utc_now())


def test_a_good_task_succeeds_and_its_result_is_recorded(org: OrgOf, worker: RunWorker) -> None:
    run = finish(org, worker, "succeed")
    assert (run.state, run.attempt, run.worker) == (RunState.SUCCEEDED, 1, "worker-1")
    assert run.result == {"summary": "all is well", "attempt": 1}
    assert run.requested_at <= run.queued_at <= run.started_at <= run.finished_at
    job = jobs.get(org.admin, run.job_id, now=utc_now())
    assert job.active_run is None
    assert job.last_run and (job.last_run.id, job.last_run.state) == (run.id, RunState.SUCCEEDED)
    assert job.last_run.note == "all is well"


def test_a_task_that_raises_fails_with_its_traceback(org: OrgOf, worker: RunWorker) -> None:
    run = finish(org, worker, "explode")
    assert (run.state, run.reason_code) == (RunState.FAILED, "EXCEPTION")
    assert run.error and run.error["type"] == "ValueError" and run.error["message"] == "<b>boom</b>"
    assert "in explode" in run.error["traceback"]


@pytest.mark.parametrize(("task", "word"), [("leave", "exit code 3"), ("exit_politely", "exit")])
def test_a_task_that_exits_the_process_is_a_failed_run(
    org: OrgOf, worker: RunWorker, task: str, word: str
) -> None:
    run = finish(org, worker, task)
    assert (run.state, run.reason_code) == (RunState.FAILED, "EXCEPTION")
    assert word in (run.reason or "")


def test_a_task_whose_process_is_killed_is_unknown_as_it_may_not_be_repeated(
    org: OrgOf, worker: RunWorker
) -> None:
    run = finish(org, worker, "die")
    assert (run.state, run.reason_code) == (RunState.UNKNOWN, "OUTCOME_UNKNOWN")
    assert f"signal {int(signal.SIGKILL)}" in (run.reason or "")


@pytest.mark.parametrize("task", ["never_end", "never_end_whatever"])
def test_a_task_that_never_ends_is_ended_by_its_timeout(org: OrgOf, worker: RunWorker, task: str) -> None:
    """Left to itself it would take an hour."""
    run = finish(org, worker, task)
    assert (run.state, run.reason_code) == (RunState.FAILED, "TIMEOUT")
    assert run.duration is not None and run.duration < timedelta(minutes=30)


def test_a_result_that_json_cannot_hold_is_a_failed_run(org: OrgOf, worker: RunWorker) -> None:
    run = finish(org, worker, "return_an_object")
    assert (run.state, run.reason_code) == (RunState.FAILED, "EXCEPTION")
    assert "JSON" in (run.reason or "")


def test_text_that_postgres_cannot_hold_is_made_fit(org: OrgOf, worker: RunWorker) -> None:
    run = finish(org, worker, "return_nul")
    assert run.state is RunState.SUCCEEDED
    assert run.result == {"summary": "a\ufffdb", "lone": "?"}


def test_what_has_run_is_not_run_again_because_its_outcome_cannot_be_stored(
    app: APIFlask, org: OrgOf
) -> None:
    factories.live_worker()
    run = factories.run(org, factories.job(org, "tests.tasks.flaky"))
    claim = execution.claim(run.id, worker="w", offered=[run.task], now=utc_now())
    assert claim
    nul = Outcome(RunState.SUCCEEDED, result={"x": "\x00"})
    assert _record(app, claim, nul, utc_now) is RunState.FAILED
    (row,) = rows("SELECT state, reason_code, reason FROM runs")
    assert (row.state, row.reason_code) == ("failed", "EXCEPTION")
    assert "its outcome could not be stored" in row.reason


@pytest.mark.parametrize("lines", [1, 1000])
def test_a_task_that_logs_a_megabyte_is_a_failed_run(org: OrgOf, worker: RunWorker, lines: int) -> None:
    run = finish(org, worker, "log_much", lines=lines)
    assert (run.state, run.reason_code) == (RunState.FAILED, "EXCEPTION")
    assert "512 KiB of log" in (run.reason or "")
    assert one("SELECT coalesce(sum(length(message)), 0) FROM run_logs") <= 512 * 1024


def test_log_and_changes_are_kept_in_their_order(org: OrgOf, worker: RunWorker, tmp_path: Path) -> None:
    run = finish(org, worker, "talk", path=str(tmp_path / "x"))
    assert [line.message for line in runs.log(org.admin, run.id)] == ["first", "second"]
    assert run.progress == {"done": 2, "total": 2, "note": None}
    assert run.changes == [{"subject": "light", "before": "off", "after": "on", "url": None}]


def test_a_ticket_that_is_no_run_id_is_refused(
    org: OrgOf, worker: RunWorker, redis: Redis, tmp_path: Path
) -> None:
    from rq import Queue

    for name in ("default", "default:high"):
        Queue(name, connection=redis).enqueue("os.system", f"touch {tmp_path}/owned")
    redis.rpush("rq:queue:default", b"\xff\xfe", "os.system", "../../x", "")
    good = factories.run(org, factories.job(org))
    worker.work(burst=True)
    assert runs.get(org.admin, good.id, now=utc_now()).state is RunState.SUCCEEDED
    assert not (tmp_path / "owned").exists()
    assert redis.llen("rq:queue:default") == 0


def test_a_crafted_hash_under_a_real_run_id_changes_nothing_of_what_is_executed(
    org: OrgOf, worker: RunWorker, redis: Redis, tmp_path: Path
) -> None:
    from rq.job import Job

    run = factories.run(org, factories.job(org))
    Job.create("os.system", args=(f"touch {tmp_path}/owned",), id=str(run.id), connection=redis).save()
    worker.work(burst=True)
    assert runs.get(org.admin, run.id, now=utc_now()).result == {"summary": "all is well", "attempt": 1}
    assert not (tmp_path / "owned").exists()


def test_a_run_that_is_pushed_many_times_starts_once(
    org: OrgOf, worker: RunWorker, redis: Redis, tmp_path: Path
) -> None:
    path = tmp_path / "marks"
    run = factories.run(org, factories.job(org, "tests.tasks.mark", args={"path": str(path)}))
    redis.rpush("rq:queue:default", *[str(run.id)] * 20)
    worker.work(burst=True)
    assert path.read_text() == f"{run.id} 1\n"
    assert one("SELECT attempt FROM runs") == 1


def test_a_run_of_a_deleted_job_is_skipped_with_its_reason(org: OrgOf, worker: RunWorker) -> None:
    job = factories.job(org)
    run = factories.run(org, job)
    jobs.delete(org.admin, job.id, now=utc_now())
    worker.work(burst=True)
    assert runs.get(org.admin, run.id, now=utc_now()).reason_code == "DELETED"
    said = one("SELECT new FROM audit_entries WHERE tag = 'TASK_EXECUTION_FAILED'")
    assert (said["state"], said["reason_code"]) == ("skipped", "DELETED")


def test_two_runs_of_one_job_that_end_at_once_leave_it_without_an_active_one(
    app: APIFlask, org: OrgOf
) -> None:
    """The end that waits for the job's row began when the other run was still active."""
    job = factories.job(org)
    first, second = (begin(factories.run(org, job)) for _ in range(2))

    def finish() -> None:
        with app.app_context():
            execution.finish(second, Outcome(RunState.SUCCEEDED), now=utc_now())

    ending = threading.Thread(target=finish)
    with transaction():
        execution._write(first, Outcome(RunState.SUCCEEDED), utc_now())
        ending.start()
        eventually(lambda: waiting_for_locks() > 0)
    ending.join()
    assert rows("SELECT state FROM runs") == [("succeeded",), ("succeeded",)]
    assert jobs.get(org.admin, job.id, now=utc_now()).active_run is None
    assert one("SELECT active_run_id FROM jobs") is None


def begin(run: RunView) -> Claim:
    claim = execution.claim(run.id, worker="w", offered=[run.task], now=utc_now())
    assert claim is not None
    return claim


def waiting_for_locks() -> int:
    with db.engine.connect() as connection:
        found = connection.execute(
            text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        )
        return int(found.scalar() or 0)
