"""Real scheduler processes on real Postgres and Valkey."""

import time
from datetime import timedelta

from redis import Redis

from console.core.clock import utc_now
from console.db.session import db
from console.services import edits, jobs
from tests import factories
from tests.conftest import Servers
from tests.factories import OrgOf, one, rows
from tests.processes import eventually, process, unswept_scheduler

EVERY_HOUR = {"type": "interval", "every_seconds": 3600}


def due_jobs(org: OrgOf, count: int) -> None:
    """`count` jobs that come due an hour after they were made, which is now."""
    now = utc_now() - timedelta(hours=1)
    for number in range(count):
        factories.job(org, key=f"due_{number}", schedule=EVERY_HOUR, now=now)


def test_two_schedulers_race_over_a_thousand_due_slots_and_double_none(
    org: OrgOf, servers: Servers, redis: Redis
) -> None:
    due_jobs(org, 1000)
    with process(servers.environment, "scheduler"), process(servers.environment, "scheduler"):
        eventually(lambda: one("SELECT count(*) FROM runs WHERE enqueued_at IS NOT NULL") == 1000)
        eventually(lambda: one("SELECT count(*) FROM heartbeats") == 2)
    assert one("SELECT count(DISTINCT (job_id, slot)) FROM runs") == 1000
    pushed = redis.lrange("rq:queue:default", 0, -1)
    assert len(pushed) == len(set(pushed)) == 1000
    assert one("SELECT count(*) FROM heartbeats WHERE stopped_at IS NOT NULL") == 2


def test_a_scheduler_killed_between_commit_and_push_loses_nothing(
    org: OrgOf, servers: Servers, redis: Redis
) -> None:
    due_jobs(org, 300)
    for _ in range(4):
        with process(servers.environment, "scheduler") as scheduler:
            time.sleep(1.3)
            scheduler.kill()
    with process(servers.environment, "scheduler"):
        eventually(lambda: one("SELECT count(*) FROM runs WHERE enqueued_at IS NOT NULL") == 300)
    assert one("SELECT count(DISTINCT job_id) FROM runs") == 300
    assert {item.decode() for item in redis.lrange("rq:queue:default", 0, -1)} == {
        str(row.id) for row in rows("SELECT id FROM runs")
    }


def test_an_edit_wakes_the_scheduler_at_once_and_shows_as_unapplied_while_none_runs(
    org: OrgOf, servers: Servers
) -> None:
    job = factories.job(org, schedule=EVERY_HOUR)
    assert jobs.get(org.admin, job.id, now=utc_now()).applied_revision == 0
    with unswept_scheduler(servers.environment):
        eventually(lambda: jobs.get(org.admin, job.id, now=utc_now()).applied_revision == 1)
        edits.set_paused(org.admin, job.id, True, note=None, now=utc_now())
        eventually(lambda: jobs.get(org.admin, job.id, now=utc_now()).applied_revision == 2)
    after = edits.set_paused(org.admin, job.id, False, note=None, now=utc_now())
    assert (after.revision, after.applied_revision) == (3, 2)


def test_a_job_with_a_slot_each_second_has_a_run_for_each_and_does_not_drift(
    org: OrgOf, servers: Servers
) -> None:
    """It wakes for each by itself; a slot that it comes to after the next one is due has its run too."""
    schedule = {"type": "interval", "every_seconds": 1}
    job = factories.job(org, schedule=schedule, overlap="allow_all", catch_up="all")
    with unswept_scheduler(servers.environment):
        eventually(lambda: one("SELECT count(*) FROM runs WHERE enqueued_at IS NOT NULL") >= 10)
    slots = [row.slot for row in rows("SELECT slot FROM runs ORDER BY slot")]
    assert slots == [job.next_run_at + timedelta(seconds=number) for number in range(len(slots))]
    assert rows("SELECT DISTINCT state, enqueued_at >= slot FROM runs") == [("queued", True)]


def test_a_flushed_redis_costs_a_starting_scheduler_nothing(
    org: OrgOf, servers: Servers, redis: Redis
) -> None:
    due_jobs(org, 3)
    redis.flushall()
    with process(servers.environment, "scheduler"):
        eventually(lambda: redis.llen("rq:queue:default") == 3)
    assert db.session.get(jobs.Job, rows("SELECT id FROM jobs LIMIT 1")[0].id) is not None


def test_a_scheduler_that_starts_on_a_flushed_redis_knows_every_schedule(
    org: OrgOf, servers: Servers, redis: Redis
) -> None:
    with process(servers.environment, "scheduler") as scheduler:
        made = [factories.job(org, schedule={"type": "interval", "every_seconds": 4}) for _ in range(5)]
        eventually(lambda: one("SELECT count(*) FROM jobs WHERE applied_revision = revision") == 5)
        scheduler.kill()
    redis.flushall()
    with process(servers.environment, "scheduler"):
        eventually(lambda: one("SELECT count(DISTINCT job_id) FROM runs WHERE enqueued_at IS NOT NULL") == 5)
    first = {row.job_id: row.slot for row in rows("SELECT job_id, min(slot) AS slot FROM runs GROUP BY 1")}
    assert first == {job.id: job.next_run_at for job in made}
