"""Status and heartbeat for programs."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
import time_machine
from apiflask import APIFlask

from console.core.clock import utc_now
from console.core.registry import registry
from console.core.states import Beating
from console.queue import QueueUnavailable, queues
from console.services import heartbeats
from console.services.heartbeats import Beat
from console.worker.execute import execute

from .conftest import Org


@pytest.fixture(autouse=True)
def _still() -> Iterator[None]:
    """The clock stands still, for a light is green for seconds alone."""
    with time_machine.travel(utc_now(), tick=False):
        yield


def beat(app: APIFlask, kind: Beating, age: timedelta = timedelta(0)) -> None:
    now = utc_now() - age
    tasks = registry.paths() if kind is Beating.WORKER else ()
    queues = registry.queues() if kind is Beating.WORKER else ()
    with app.app_context():
        heartbeats.beat(Beat(kind, f"{kind}-1", "host", 1, now, queues=queues, tasks=tasks), now=now)


def test_a_task_that_never_ran_says_so(org: Org, job_id: UUID) -> None:
    status = org.viewer.get("/scheduler/status").json
    assert set(status) == {"tasks", "heartbeat", "as_of"}
    (task,) = status["tasks"]
    assert set(task) == {
        "schedule_name", "task_path", "name", "category", "status", "is_registered",
        "next_run_at", "last_run",
    }  # fmt: skip
    assert task["schedule_name"] == "greet_somebody"
    assert task["last_run"]["timestamp"] is None
    assert task["last_run"]["relative_time"] == "Never run"


def test_a_run_is_shown_even_when_its_job_is_gone(app: APIFlask, org: Org, job_id: UUID) -> None:
    run = org.operator.post(f"/scheduler/jobs/{job_id}/send-now").json
    execute(app, UUID(run["id"]), worker="tester")
    (task,) = org.viewer.get("/scheduler/status").json["tasks"]
    assert task["last_run"]["status"] == "succeeded"
    assert task["last_run"]["timestamp"] is not None
    org.operator.call("DELETE", f"/scheduler/jobs/{job_id}")
    (task,) = org.viewer.get("/scheduler/status").json["tasks"]
    assert task["last_run"]["status"] == "succeeded"


def test_the_status_of_another_org_is_its_own(other_org: Org, job_id: UUID) -> None:
    assert other_org.viewer.get("/scheduler/status").json["tasks"] == []


def test_nothing_that_lives_is_red(org: Org) -> None:
    heartbeat = org.viewer.get("/scheduler/heartbeat").json
    assert set(heartbeat) == {"status", "last_seen", "age_seconds", "components"}
    assert (heartbeat["status"], heartbeat["last_seen"]) == ("red", None)
    assert heartbeat["components"]["scheduler"]["status"] == "red"
    assert heartbeat["components"]["redis"]["status"] == "green"


def test_all_that_beats_is_green(app: APIFlask, org: Org) -> None:
    beat(app, Beating.SCHEDULER)
    beat(app, Beating.WORKER)
    heartbeat = org.viewer.get("/scheduler/heartbeat").json
    assert heartbeat["status"] == "green"
    assert heartbeat["age_seconds"] == 0
    worker = heartbeat["components"]["worker"]
    assert (worker["status"], [process["name"] for process in worker["processes"]]) == ("green", ["worker-1"])


@pytest.mark.parametrize(("seconds", "light"), [(60, "yellow"), (300, "red")])
def test_a_silent_scheduler_loses_its_colour(app: APIFlask, org: Org, seconds: int, light: str) -> None:
    beat(app, Beating.WORKER)
    beat(app, Beating.SCHEDULER, timedelta(seconds=seconds))
    heartbeat = org.viewer.get("/scheduler/heartbeat").json
    assert heartbeat["components"]["scheduler"]["status"] == light
    assert heartbeat["status"] == light
    assert heartbeat["age_seconds"] == seconds


def test_without_redis_nothing_is_green(app: APIFlask, org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise QueueUnavailable("gone")

    beat(app, Beating.SCHEDULER)
    beat(app, Beating.WORKER)
    monkeypatch.setattr(queues, "ping", gone)
    heartbeat = org.viewer.get("/scheduler/heartbeat").json
    assert (heartbeat["status"], heartbeat["components"]["redis"]["status"]) == ("red", "red")


def test_the_whole_is_as_bad_as_its_worst_part(app: APIFlask, org: Org) -> None:
    worst = ["green", "yellow", "red"]
    beat(app, Beating.SCHEDULER)
    for seconds in (400, 45, 20, 12, 0):
        beat(app, Beating.WORKER, timedelta(seconds=seconds))
        heartbeat = org.viewer.get("/scheduler/heartbeat").json
        parts = [part["status"] for part in heartbeat["components"].values()]
        assert heartbeat["status"] == max(parts, key=worst.index)
