"""Chains with real processes: three steps one after the other, and a worker that dies between two of them."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from apiflask import APIFlask

from console.core.clock import utc_now
from console.core.states import Condition, RunState, Trigger
from console.services import chains, execution, sequences
from console.services.outcomes import Outcome
from console.services.views import JobView
from tests import factories
from tests.conftest import Servers
from tests.factories import OrgOf, one, rows
from tests.processes import eventually, process


@pytest.fixture
def steps(app: APIFlask, org: OrgOf, tmp_path: Path) -> list[JobView]:
    """Three jobs in a chain, each of which leaves a line in one file."""
    tmp_path.chmod(0o777)
    path = str(tmp_path / "marks")
    made = [
        factories.job(org, "tests.tasks.mark", key=f"step_{number}", args={"path": path})
        for number in (1, 2, 3)
    ]
    for before, after in ((made[0], made[1]), (made[1], made[2])):
        chains.add(org.admin, before.id, Condition.SUCCESS, str(after.id), now=utc_now())
    return made


@pytest.fixture
def scheduler(app: APIFlask, servers: Servers) -> Iterator[None]:
    with process(servers.environment, "scheduler"):
        yield


def ended(count: int) -> bool:
    return bool(one("SELECT count(*) FROM runs WHERE state = 'succeeded'") == count)


@pytest.mark.usefixtures("scheduler")
def test_three_steps_run_one_after_the_other_each_once(
    org: OrgOf, servers: Servers, steps: list[JobView], tmp_path: Path
) -> None:
    with process(servers.environment, "worker"), process(servers.environment, "worker", "--name", "second"):
        eventually(lambda: one("SELECT count(*) FROM heartbeats WHERE kind = 'worker'") == 2)
        factories.run(org, steps[0])
        eventually(lambda: ended(3))
    found = rows("SELECT job_id, cause_id, trigger, started_at, finished_at, id FROM runs ORDER BY id")
    assert [row.job_id for row in found] == [job.id for job in steps]
    assert [row.trigger for row in found] == ["manual", "chain", "chain"]
    assert [row.cause_id for row in found[1:]] == [found[0].id, found[1].id]
    assert found[0].finished_at <= found[1].started_at and found[1].finished_at <= found[2].started_at
    marks = (tmp_path / "marks").read_text().splitlines()
    assert [mark.split()[0] for mark in marks] == [str(row.id) for row in found]


def test_a_worker_killed_right_after_the_commit_loses_no_follower(
    app: APIFlask, org: OrgOf, servers: Servers, steps: list[JobView]
) -> None:
    """A child ends the run and is killed at the door to Redis; the scheduler pushes what it left behind."""
    factories.live_worker()
    run = factories.run(org, steps[0])
    child = os.fork()
    if child == 0:
        _end_and_die(app, run.id)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    (follower,) = rows("SELECT id, state, enqueued_at FROM runs WHERE cause_id = :id", id=run.id)
    assert (follower.state, follower.enqueued_at) == ("queued", None)
    with process(servers.environment, "scheduler"), process(servers.environment, "worker"):
        eventually(lambda: ended(3))
    assert one("SELECT count(*) FROM runs") == 3


def _end_and_die(app: APIFlask, run_id: object) -> None:
    from console.db.session import db, forget_connections
    from console.queue import RunQueues

    RunQueues.push = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment,method-assign]
    db.session.remove()
    forget_connections(app)
    with app.app_context():
        claim = execution.claim(run_id, worker="doomed", offered=["tests.tasks.mark"], now=utc_now())  # type: ignore[arg-type]
        assert claim is not None
        execution.finish(claim, Outcome(RunState.SUCCEEDED), now=utc_now())
    os._exit(3)


@pytest.mark.usefixtures("scheduler")
def test_a_sequence_goes_on_at_once_and_is_given_up_where_one_fails(
    app: APIFlask, org: OrgOf, servers: Servers
) -> None:
    tasks = ("succeed", "succeed", "explode", "succeed")
    row = [factories.job(org, f"tests.tasks.{name}", key=f"row_{place}") for place, name in enumerate(tasks)]
    with process(servers.environment, "worker"):
        eventually(lambda: one("SELECT count(*) FROM heartbeats WHERE kind = 'worker'") == 1)
        sequences.start(org.admin, [job.id for job in row], trigger=Trigger.MANUAL, now=utc_now())
        states = "SELECT state FROM runs ORDER BY id"
        wanted = ["succeeded", "succeeded", "failed", "skipped"]
        eventually(lambda: [row[0] for row in rows(states)] == wanted)
    assert one("SELECT reason_code FROM runs WHERE state = 'skipped'") == "BLOCKED"
