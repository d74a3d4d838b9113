"""`run stop`, `run retry`, `job run --at` and `queue` at the shell."""

import json
from datetime import UTC, timedelta

from apiflask import APIFlask

from console.core.clock import utc_now
from console.worker.execute import execute
from tests import factories
from tests.factories import OrgOf, one, rows

from .conftest import Console


def test_a_run_is_stopped_and_retried_with_other_arguments(
    app: APIFlask, console: Console, org: OrgOf
) -> None:
    job = factories.job(org, "tests.tasks.mark", key="mark", args={"path": "/no/such/place"})
    waiting = str(factories.run(org, job).id)
    assert console("run", "stop", waiting, "--note", "not now").out == f"Mark: stopped (run {waiting})\n"
    assert "stopped it: not now" in one("SELECT reason FROM runs")
    assert console("run", "stop", waiting).failed(1, "it is stopped")
    again = json.loads(console("run", "retry", waiting, "--args", '{"path": "/dev/null"}', "--json").out)
    assert (again["cause_id"], again["args"]) == (waiting, {"path": "/dev/null"})
    assert console("run", "retry", again["id"]).failed(1, "[OVERLAP]", "Stop it, or wait for its end")
    assert console("run", "retry", waiting, "--args", "[]").failed(2, "--args")
    execute(app, factories.run(org, job).id, worker="tester")
    assert console("run", "retry", waiting, "--wait", "0").failed(1, "not ended within 0 s")


def test_a_job_is_run_at_a_time_to_come(console: Console, org: OrgOf) -> None:
    factories.job(org, key="sweep")
    at = utc_now() + timedelta(hours=3)
    done = console("job", "run", "sweep", "--at", at.isoformat()).out
    assert "queued" in done
    assert done.rstrip().endswith(f"it starts {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")
    assert rows("SELECT held_by, start_after FROM runs") == [("later", at)]
    past = (utc_now() - timedelta(hours=3)).isoformat()
    assert console("job", "run", "sweep", "--at", past).failed(1, "[IN_THE_PAST]", "start_at")
    for wrong in ("noon", "2199-01-01T00:00:00"):
        assert console("job", "run", "sweep", "--at", wrong).failed(2, "--at", "offset")
    assert one("SELECT count(*) FROM runs") == 1


def test_a_queue_is_listed_paused_and_resumed(console: Console, org: OrgOf) -> None:
    factories.run(org, factories.job(org))
    said = console("queue", "pause", "default", "--note", "mail is down").out
    assert said == "Queue default is paused; 1 wait, 0 run on.\n"
    assert console("queue", "pause", "default").failed(1, "[QUEUE_PAUSED]", "mail is down")
    (line,) = [line for line in console("queue", "list").out.splitlines() if line.startswith("default")]
    assert line.split()[1:5] == ["1", "0", "0", "by"] and line.endswith(": mail is down")
    shapes = {item["name"]: item for item in json.loads(console("queue", "list", "--json").out)}
    assert shapes["default"]["paused"]["note"] == "mail is down"
    assert console("queue", "resume", "default").out == "Queue default is resumed; 1 waited.\n"
    assert console("queue", "resume", "default").failed(1, "is not paused")
    assert console("queue", "pause", "defalt").failed(1, "Did you mean default?")
