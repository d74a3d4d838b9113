"""What policies decide, with real schedulers, workers and horses."""

from datetime import datetime, timedelta
from pathlib import Path

from redis import Redis
from sqlalchemy import text

from console.core.clock import utc_now
from console.core.jitter import start_of
from console.core.states import RunState
from console.db.session import db
from console.services import runs, wakeups
from console.services.run_views import RunFilter, RunView
from console.services.views import JobView
from tests import factories
from tests.conftest import Servers
from tests.factories import OrgOf, one, rows
from tests.processes import children, eventually, process, unswept_scheduler

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
JITTER = timedelta(seconds=6)
HOURLY = {"type": "interval", "every_seconds": 3600}


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


def come_due() -> datetime:
    """Moves the next slot of every job to this moment, which it answers, and wakes the scheduler."""
    slot = utc_now()
    db.session.execute(text("UPDATE jobs SET next_run_at = :slot"), {"slot": slot})
    wakeups.notify()
    db.session.commit()
    return slot


def test_a_slot_that_waits_begins_the_moment_the_run_before_it_has_ended(
    org: OrgOf, servers: Servers, tmp_path: Path
) -> None:
    """Nothing but the end of that run wakes the scheduler meanwhile."""
    path = tmp_path / "marks"
    args, an_hour_ago = {"path": str(path)}, utc_now() - HOUR
    task = "tests.tasks.mark_until_told"
    factories.job(org, task, args=args, schedule=HOURLY, now=an_hour_ago, overlap="buffer_one")
    environment = servers.environment
    with process(environment, "worker"), process(environment, "worker"), unswept_scheduler(environment):
        eventually(lambda: alive() == 3 and path.exists() and path.read_text())
        for count in (2, 3):
            come_due()
            eventually(lambda count=count: len(found(org)) == count)  # type: ignore[misc]
        states = [run.state for run in found(org)]
        assert states == [RunState.RUNNING, RunState.QUEUED, RunState.SKIPPED]
        assert len(path.read_text().splitlines()) == 1
        Path(f"{path}.end").touch()
        eventually(lambda: one("SELECT count(*) FROM runs WHERE state = 'succeeded'") == 2)
    before, waited, skipped = found(org)
    assert before.finished_at and waited.started_at and before.finished_at <= waited.started_at
    assert waited.decision == "Waited for the run before it to end (overlap buffer_one)."
    assert skipped.reason_code == "OVERLAP"
    assert path.read_text() == f"{before.id} 1\n{waited.id} 1\n"


def test_a_slot_kills_the_horse_of_the_run_before_it_and_is_executed(
    org: OrgOf, servers: Servers, tmp_path: Path
) -> None:
    path = tmp_path / "marks"
    job = marker(org, path, seconds=60, overlap="cancel_other")
    with process(servers.environment, "worker") as worker, unswept_scheduler(servers.environment):
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
    assert first.stop_requested_at <= first.finished_at <= second.started_at
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


def test_a_held_run_survives_a_flushed_redis_and_a_killed_scheduler(
    org: OrgOf, servers: Servers, redis: Redis, tmp_path: Path
) -> None:
    path = tmp_path / "marks"
    job = marker(org, path, seconds=0, jitter_seconds=3600)
    while start_of(job.id, job.next_run_at or utc_now(), HOUR) < utc_now() + HOUR / 6:
        # It would start too soon for what is done below. Deleting it would decide its slot: another held run.
        db.session.execute(text("DELETE FROM jobs WHERE id = :id"), {"id": job.id})
        db.session.commit()
        job = marker(org, path, seconds=0, jitter_seconds=3600)
    with process(servers.environment, "worker"):
        with process(servers.environment, "scheduler") as scheduler:
            eventually(lambda: rows("SELECT 1 FROM runs WHERE held_by = 'jitter'"))
            scheduler.kill()
        redis.flushall()
        soon = utc_now() + 3 * SECOND
        db.session.execute(text("UPDATE runs SET start_after = :soon"), {"soon": soon})
        db.session.commit()
        with process(servers.environment, "scheduler"):
            redis.flushall()
            eventually(lambda: found(org)[0].state is RunState.SUCCEEDED)
    (run,) = found(org)
    assert run.queued_at and run.queued_at >= soon
    assert path.read_text() == f"{run.id} 1\n"


def test_two_schedulers_start_each_jittered_run_once_and_at_its_own_time(
    org: OrgOf, servers: Servers, redis: Redis
) -> None:
    with unswept_scheduler(servers.environment), unswept_scheduler(servers.environment):
        eventually(lambda: alive() == 2)
        for _ in range(100):
            factories.job(org, schedule=HOURLY, jitter_seconds=JITTER.seconds)
        slot = come_due()
        eventually(lambda: one("SELECT count(*) FROM runs WHERE enqueued_at IS NOT NULL") == 100)
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
    assert len({run.queued_at for run in made}) > 3, "each wakes a scheduler, and not one all of them"
    pushed = redis.lrange("rq:queue:default", 0, -1)
    assert len(pushed) == len(set(pushed)) == 100


def start(run: RunView, slot: datetime) -> datetime:
    return start_of(run.job_id, slot, JITTER)


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
