"""What policies decide, with real schedulers, workers and horses."""

from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import text

from console.core.clock import utc_now
from console.core.jitter import start_of
from console.core.states import RunState
from console.db.session import db
from console.services import jobs, runs
from console.services.views import JobView, RunFilter, RunView
from tests import factories
from tests.conftest import Servers
from tests.factories import OrgOf, one, rows
from tests.processes import children, eventually, process

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
BELL = timedelta(seconds=2.5)
"""Below the scheduler's own 3 s: only a bell can be so quick."""


def marker(org: OrgOf, path: Path, *, seconds: float, every: int = 3600, **fields: object) -> JobView:
    """A job whose runs mark a file and then take their time; its first slot is due at once."""
    schedule = {"type": "interval", "every_seconds": every}
    args = {"path": str(path), "seconds": seconds}
    first = utc_now() - timedelta(seconds=every)
    return factories.job(org, "tests.tasks.mark", args=args, schedule=schedule, now=first, **fields)


def found(org: OrgOf) -> list[RunView]:
    """All runs in the order of their slots."""
    page = runs.page(org.admin, RunFilter(), cursor=None, limit=200, now=utc_now())
    return sorted(page.runs, key=lambda run: run.slot or run.requested_at)


def alive() -> int:
    """How many processes have been heard of; none of them is still on its way up then."""
    return int(one("SELECT count(*) FROM heartbeats WHERE stopped_at IS NULL"))


def come_due() -> None:
    """Moves the next slot of every job to this moment, and wakes the scheduler."""
    db.session.execute(text("UPDATE jobs SET next_run_at = now()"))
    db.session.execute(text("SELECT pg_notify('callboard_scheduler', '')"))
    db.session.commit()


@pytest.mark.alone
def test_a_slot_that_waits_begins_the_moment_the_run_before_it_has_ended(
    org: OrgOf, servers: Servers, tmp_path: Path
) -> None:
    environment = servers.environment
    with (
        process(environment, "worker"),
        process(environment, "worker"),
        process(environment, "scheduler"),
    ):
        eventually(lambda: alive() == 3)
        marker(org, tmp_path / "marks", seconds=3, every=1, overlap="buffer_one")
        eventually(lambda: one("SELECT count(*) FROM runs WHERE state = 'succeeded'") >= 2, 30)
    executed = [run for run in found(org) if run.started_at]
    for before, after in pairwise(executed):
        assert before.finished_at and after.started_at
        assert timedelta(0) <= after.started_at - before.finished_at < BELL
        assert after.decision == "Waited for the run before it to end (overlap buffer_one)."
    skipped = [run for run in found(org) if run.state is RunState.SKIPPED]
    assert skipped and {run.reason_code for run in skipped} == {"OVERLAP"}
    slots = [run.slot for run in found(org)]
    assert slots == [(slots[0] or utc_now()) + number * SECOND for number in range(len(slots))]


@pytest.mark.alone
def test_a_slot_kills_the_horse_of_the_run_before_it_and_is_executed(
    org: OrgOf, servers: Servers, tmp_path: Path
) -> None:
    path = tmp_path / "marks"
    job = marker(org, path, seconds=60, overlap="cancel_other")
    with process(servers.environment, "worker") as worker, process(servers.environment, "scheduler"):
        eventually(path.exists)
        horses = children(worker.pid)
        db.session.execute(text("UPDATE jobs SET args = jsonb_set(args, '{seconds}', '0')"))
        db.session.commit()
        come_due()
        eventually(lambda: found(org)[-1].state is RunState.SUCCEEDED)
        assert not set(horses) & set(children(worker.pid))
    first, second = found(org)
    assert (first.state, first.reason_code, first.attempt) == (RunState.STOPPED, "OVERLAP", 1)
    assert second.slot and f"{second.slot:%H:%M:%S}" in (first.reason or "")
    assert first.finished_at and first.stop_requested_at and second.started_at
    assert first.finished_at - first.stop_requested_at < 2 * SECOND
    assert timedelta(0) <= second.started_at - first.finished_at < BELL
    assert path.read_text() == f"{first.id} 1\n{second.id} 1\n"
    assert rows("SELECT status, active_run_id, last_run_state FROM jobs WHERE id = :id", id=job.id) == [
        ("scheduled", None, "succeeded")
    ]


def test_a_slot_is_executed_although_the_worker_of_the_run_before_it_is_dead(
    org: OrgOf, servers: Servers, tmp_path: Path
) -> None:
    path = tmp_path / "marks"
    marker(org, path, seconds=60, overlap="cancel_other")
    with process(servers.environment, "scheduler"):
        with process(servers.environment, "worker", "--name", "w1") as worker:
            eventually(path.exists)
            worker.kill()
        db.session.execute(text("UPDATE jobs SET args = jsonb_set(args, '{seconds}', '0')"))
        db.session.commit()
        come_due()
        with process(servers.environment, "worker", "--name", "w2"):
            eventually(lambda: found(org)[-1].state is RunState.SUCCEEDED, 60)
    first, second = found(org)
    assert (first.state, first.reason_code, first.attempt) == (RunState.STOPPED, "OVERLAP", 1)
    assert (second.worker, second.attempt) == ("w2", 1)


@pytest.mark.alone
def test_a_held_run_survives_a_flushed_redis_and_a_killed_scheduler(
    org: OrgOf, servers: Servers, redis: Redis, tmp_path: Path
) -> None:
    path = tmp_path / "marks"
    job = marker(org, path, seconds=0, jitter_seconds=3600)
    while start_of(job.id, job.next_run_at or utc_now(), HOUR) < utc_now() + 20 * SECOND:
        jobs.delete(org.admin, job.id, now=utc_now())  # it would start too soon for what is done below
        job = marker(org, path, seconds=0, jitter_seconds=3600)
    with process(servers.environment, "worker"):
        with process(servers.environment, "scheduler") as scheduler:
            eventually(lambda: rows("SELECT 1 FROM runs WHERE held_by = 'jitter'"))
            scheduler.kill()
        redis.flushall()
        soon = utc_now() + 4 * SECOND
        db.session.execute(text("UPDATE runs SET start_after = :soon"), {"soon": soon})
        db.session.commit()
        with process(servers.environment, "scheduler"):
            redis.flushall()
            eventually(lambda: found(org)[0].state is RunState.SUCCEEDED)
    (run,) = found(org)
    assert run.queued_at and run.queued_at >= soon
    assert path.read_text() == f"{run.id} 1\n"


@pytest.mark.alone
def test_two_schedulers_start_each_jittered_run_once_and_at_its_own_time(
    org: OrgOf, servers: Servers, redis: Redis
) -> None:
    with process(servers.environment, "scheduler"), process(servers.environment, "scheduler"):
        eventually(lambda: alive() == 2)
        slot = utc_now() + 8 * SECOND
        hourly = {"type": "interval", "every_seconds": 3600}
        for _ in range(100):
            factories.job(org, schedule=hourly, now=slot - HOUR, jitter_seconds=4)
        assert utc_now() < slot, "all jobs stand before their slot comes"
        eventually(lambda: one("SELECT count(*) FROM runs WHERE enqueued_at IS NOT NULL") == 100, 30)
    made = found(org)
    assert {run.slot for run in made} == {slot}
    # One whose own time had come when its slot was decided is not held at all.
    starts = {run.id: start(run, slot) for run in made}
    assert all(
        run.start_after == starts[run.id] or (run.start_after is None and starts[run.id] <= run.requested_at)
        for run in made
    )
    late = [run.queued_at - starts[run.id] for run in made if run.queued_at]
    assert len(late) == 100 and min(late) >= timedelta(0)
    assert sorted(late)[50] < SECOND / 2
    pushed = redis.lrange("rq:queue:default", 0, -1)
    assert len(pushed) == len(set(pushed)) == 100


def start(run: RunView, slot: datetime) -> datetime:
    return start_of(run.job_id, slot, 4 * SECOND)


def test_a_scheduler_that_was_away_for_six_hours_says_so_on_each_run(org: OrgOf, servers: Servers) -> None:
    now = utc_now() - timedelta(hours=6, minutes=10)
    schedule = {"type": "interval", "every_seconds": 3600}
    for policy in ("latest", "all", "none"):
        factories.job(org, key=policy, schedule=schedule, now=now, catch_up=policy, overlap="allow_all")
    with process(servers.environment, "scheduler"):
        eventually(lambda: one("SELECT count(*) FROM runs") == 18)
    counted = {
        policy: {
            (state, code): count
            for state, code, count in rows(
                "SELECT state, coalesce(runs.reason_code, decision_code), count(*) FROM runs "
                "JOIN jobs ON jobs.id = runs.job_id WHERE key = :key GROUP BY 1, 2",
                key=policy,
            )
        }
        for policy in ("latest", "all", "none")
    }
    missed, late = ("missed", "OUTSIDE_CATCHUP_WINDOW"), ("queued", "SCHEDULER_DOWN")
    assert counted == {"latest": {missed: 5, late: 1}, "all": {late: 6}, "none": {missed: 6}}
