"""Real worker processes that are killed, and a Redis that forgets."""

import os
import signal
from pathlib import Path

from redis import Redis

from console.core.clock import utc_now
from console.core.states import RunState
from console.services import jobs, runs
from console.services.run_views import RunView
from tests import factories
from tests.conftest import Servers
from tests.factories import OrgOf, one, rows
from tests.processes import children, eventually, is_alive, process


def begin(org: OrgOf, task: str, path: Path, seconds: float = 60) -> RunView:
    """A run of a task that marks a file and then takes its time."""
    args = {"path": str(path), "seconds": seconds}
    return factories.run(org, factories.job(org, f"tests.tasks.{task}", args=args))


def tell_to_end(path: Path) -> None:
    """To the task that marks this file and then waits for another beside it."""
    Path(f"{path}.end").touch()


def now_of(org: OrgOf, run: RunView) -> RunView:
    return runs.get(org.admin, run.id, now=utc_now())


def test_a_killed_parent_takes_its_horse_along_and_the_run_ends_unknown(
    org: OrgOf, servers: Servers, tmp_path: Path
) -> None:
    with process(servers.environment, "scheduler"):
        with process(servers.environment, "worker", "--name", "w1") as worker:
            run = begin(org, "mark", tmp_path / "marks")
            eventually((tmp_path / "marks").exists)
            (horse,) = children(worker.pid)
            worker.kill()
            eventually(lambda: not is_alive(horse))
        seen = now_of(org, run)
        assert seen.state is RunState.RUNNING
        lost = eventually(lambda: now_of(org, run).state.is_terminal and now_of(org, run), 60)
    assert lost and (lost.state, lost.reason_code) == (RunState.UNKNOWN, "OUTCOME_UNKNOWN")
    assert (tmp_path / "marks").read_text().count("\n") == 1
    job = jobs.get(org.admin, run.job_id, now=utc_now())
    assert job.last_run and job.last_run.state is RunState.UNKNOWN


def test_an_idempotent_task_whose_worker_is_killed_starts_again_on_another(
    org: OrgOf, servers: Servers, tmp_path: Path
) -> None:
    with process(servers.environment, "scheduler"):
        with process(servers.environment, "worker", "--name", "w1") as worker:
            run = begin(org, "mark_idempotent", tmp_path / "marks")
            eventually((tmp_path / "marks").exists)
            worker.kill()
        with process(servers.environment, "worker", "--name", "w2"):
            eventually(lambda: now_of(org, run).state is RunState.SUCCEEDED, 60)
    seen = now_of(org, run)
    assert (seen.attempt, seen.worker) == (2, "w2")
    assert (tmp_path / "marks").read_text() == f"{run.id} 1\n{run.id} 2\n"


def test_a_killed_horse_is_noticed_at_once_and_the_worker_takes_the_next(
    org: OrgOf, servers: Servers, tmp_path: Path
) -> None:
    with process(servers.environment, "worker", "--name", "w1") as worker:
        run = begin(org, "mark", tmp_path / "marks")
        eventually((tmp_path / "marks").exists)
        (horse,) = children(worker.pid)
        os.kill(horse, signal.SIGKILL)
        eventually(lambda: now_of(org, run).state is RunState.UNKNOWN)
        good = factories.run(org, factories.job(org))
        eventually(lambda: now_of(org, good).state is RunState.SUCCEEDED)


def test_a_worker_told_to_stop_lets_a_short_run_end_and_takes_no_more(
    org: OrgOf, servers: Servers, tmp_path: Path
) -> None:
    with process(servers.environment, "worker") as worker:
        run = begin(org, "mark_until_told", tmp_path / "marks", seconds=0)
        eventually((tmp_path / "marks").exists)
        next_run = factories.run(org, factories.job(org))
        worker.terminate()
        tell_to_end(tmp_path / "marks")
        assert worker.wait(20) == 0
    assert now_of(org, run).state is RunState.SUCCEEDED
    assert now_of(org, next_run).state is RunState.QUEUED
    assert one("SELECT count(*) FROM heartbeats WHERE stopped_at IS NOT NULL") == 1


def test_a_worker_told_to_stop_ends_a_long_run_within_ten_seconds_and_says_what_became_of_it(
    org: OrgOf, servers: Servers, tmp_path: Path
) -> None:
    with process(servers.environment, "worker") as worker:
        run = begin(org, "mark", tmp_path / "marks")
        eventually((tmp_path / "marks").exists)
        worker.terminate()
        assert worker.wait(10) == 0
    assert now_of(org, run).reason_code == "OUTCOME_UNKNOWN"
    assert now_of(org, run).reason == "Its worker was stopped."


def test_flushall_with_two_hundred_queued_runs_loses_none_and_doubles_none(
    org: OrgOf, servers: Servers, redis: Redis, tmp_path: Path
) -> None:
    path = tmp_path / "marks"
    job = factories.job(org, "tests.tasks.mark", args={"path": str(path)})
    made = {str(factories.run(org, job).id) for _ in range(200)}
    with process(servers.environment, "worker"), process(servers.environment, "worker"):
        redis.flushall()
        with process(servers.environment, "scheduler"):
            eventually(lambda: one("SELECT count(*) FROM runs WHERE state = 'succeeded'") > 20)
            redis.flushall()
            eventually(lambda: one("SELECT count(*) FROM runs WHERE state = 'succeeded'") == 200)
    lines = path.read_text().split("\n")[:-1]
    assert sorted(lines) == sorted(f"{run_id} 1" for run_id in made)


def test_progress_and_log_are_visible_while_a_task_runs(org: OrgOf, servers: Servers, tmp_path: Path) -> None:
    with process(servers.environment, "worker"):
        run = begin(org, "talk", tmp_path / "x", seconds=50)
        eventually(lambda: now_of(org, run).progress is not None)
        seen = now_of(org, run)
        assert (seen.state, seen.progress) == (
            RunState.RUNNING,
            {"done": 1, "total": 2, "note": "halfway"},
        )
        assert [line.message for line in runs.log(org.admin, run.id)] == ["first"]
        tell_to_end(tmp_path / "x")
        eventually(lambda: now_of(org, run).state is RunState.SUCCEEDED)


def test_a_worker_announces_its_queues_and_tasks_and_serves_no_other(org: OrgOf, servers: Servers) -> None:
    elsewhere = factories.run(org, factories.job(org, "tests.tasks.on_another_queue"))
    with process(servers.environment, "worker", "--queues", "default,messages", "--name", "w1"):
        found = eventually(lambda: rows("SELECT queues, tasks FROM heartbeats WHERE name = 'w1'"))
        assert found[0].queues == ["default", "messages"]
        assert "tests.tasks.succeed" in found[0].tasks
        here = factories.run(org, factories.job(org))
        eventually(lambda: now_of(org, here).state is RunState.SUCCEEDED)
        assert now_of(org, elsewhere).state is RunState.QUEUED
    with process(servers.environment, "worker"):
        eventually(lambda: now_of(org, elsewhere).state is RunState.SUCCEEDED)
