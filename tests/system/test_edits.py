"""Edits while a real scheduler process is at work, is killed, and comes back."""

import signal
import time
from datetime import timedelta

from redis import Redis

from console.core.clock import utc_now
from console.core.hops import THRESHOLDS
from console.core.states import Beating, Light
from console.db.session import transaction
from console.services import edits, job_creation, jobs, workers
from console.services.changes import Change
from console.services.job_creation import NewJob
from tests import factories
from tests.conftest import Servers
from tests.factories import OrgOf, one, rows
from tests.processes import eventually, process, unswept_scheduler

EDITS = 200
RACES = 24


def far(minutes: int = 0) -> dict[str, object]:
    """A daily slot, six hours away and so many minutes more: none comes due while a test runs."""
    at = utc_now() + timedelta(hours=6, minutes=minutes)
    return {"type": "daily", "hour": at.hour, "minute": at.minute}


def test_two_hundred_edits_in_a_row_are_each_acknowledged_and_the_last_one_is_in_force(
    org: OrgOf, servers: Servers
) -> None:
    job = factories.job(org, schedule=far())
    with unswept_scheduler(servers.environment):
        eventually(lambda: one("SELECT applied_revision FROM jobs") == 1)
        for number in range(EDITS):
            change = Change(schedule=far(minutes=number + 1))
            done = edits.edit(org.admin, job.id, change, seen=number + 1, now=utc_now())
            assert done.job.revision == number + 2
            eventually(lambda: one("SELECT applied_revision = revision FROM jobs"))
        soon = utc_now() + timedelta(seconds=1)
        edits.edit(org.admin, job.id, Change(schedule={"type": "once", "at": soon}), now=utc_now())
        eventually(lambda: rows("SELECT 1 FROM runs"))
    (run,) = rows("SELECT slot, revision FROM runs")
    assert (run.slot, run.revision) == (soon, EDITS + 2)


def test_thousands_of_edits_in_one_transaction_are_acknowledged_in_one_go(
    org: OrgOf, servers: Servers
) -> None:
    """One commit rings once, and nothing else wakes the scheduler while this waits."""
    factories.job(org, schedule=far())
    with unswept_scheduler(servers.environment):
        eventually(lambda: one("SELECT applied_revision FROM jobs") == 1)
        task, each = "tests.tasks.succeed", far()
        news = [NewJob(task=task, key=f"k{number}", schedule=each) for number in range(2500)]
        with transaction():
            job_creation.insert_all(org.admin, news, now=utc_now())
        eventually(lambda: one("SELECT count(*) FROM jobs WHERE applied_revision < revision") == 0)
    assert one("SELECT count(*) FROM jobs") == 2501


def test_an_edit_that_races_its_due_slot_loses_none_and_each_runs_under_its_own_revision(
    org: OrgOf, servers: Servers
) -> None:
    with process(servers.environment, "scheduler"):
        warm = factories.job(org, schedule=far())
        eventually(lambda: one("SELECT applied_revision FROM jobs WHERE id = :id", id=warm.id) == 1)
        for number in range(RACES):
            _race(org, timedelta(milliseconds=5 * (number - RACES // 2)))


def _race(org: OrgOf, offset: timedelta) -> None:
    """The edit moves the job to a later instant, `offset` after its slot comes due."""
    slot = utc_now() + timedelta(milliseconds=250)
    job = factories.job(org, schedule={"type": "once", "at": slot})
    time.sleep(max((slot + offset - utc_now()).total_seconds(), 0))
    now = utc_now()
    later = now + timedelta(milliseconds=200)
    edits.edit(org.admin, job.id, Change(schedule={"type": "once", "at": later}), seen=1, now=now)
    eventually(lambda: rows("SELECT 1 FROM runs WHERE job_id = :id AND slot = :slot", id=job.id, slot=later))
    found = [
        tuple(row)
        for row in rows("SELECT slot, revision FROM runs WHERE job_id = :id ORDER BY slot", id=job.id)
    ]
    assert found in ([(slot, 1), (later, 2)], [(later, 2)])
    assert now < slot or len(found) == 2


def test_a_scheduler_that_is_killed_never_shows_an_edit_as_applied(org: OrgOf, servers: Servers) -> None:
    job = factories.job(org, schedule=far())
    with process(servers.environment, "scheduler") as scheduler:
        eventually(lambda: one("SELECT applied_revision FROM jobs") == 1)
        scheduler.send_signal(signal.SIGSTOP)
        done = edits.edit(org.admin, job.id, Change(name="r2"), now=utc_now())
        assert (done.job.revision, done.job.applied_revision) == (2, 1)
        scheduler.send_signal(signal.SIGKILL)
        scheduler.wait(20)
    for number in range(3):
        edits.edit(org.admin, job.id, Change(name=f"later {number}"), now=utc_now())
        assert jobs.get(org.admin, job.id, now=utc_now()).applied_revision == 1
    down = utc_now() + THRESHOLDS[Beating.SCHEDULER][1] + timedelta(seconds=1)
    assert workers.pulse(now=down).scheduler is Light.RED, "which the row shows as: scheduler down"
    with process(servers.environment, "scheduler"):
        eventually(lambda: one("SELECT applied_revision FROM jobs") == 5)


def test_a_scheduler_started_with_an_empty_redis_knows_every_edit(
    org: OrgOf, servers: Servers, redis: Redis
) -> None:
    job = factories.job(org, schedule=far())
    with process(servers.environment, "scheduler"):
        eventually(lambda: one("SELECT applied_revision FROM jobs") == 1)
    soon = utc_now() + timedelta(seconds=2)
    edits.edit(org.admin, job.id, Change(schedule={"type": "once", "at": soon}), now=utc_now())
    redis.flushall()
    assert redis.keys("*") == []
    with process(servers.environment, "scheduler"):
        eventually(lambda: redis.llen("rq:queue:default") == 1)
    assert rows("SELECT slot, revision FROM runs") == [(soon, 2)]
    assert one("SELECT applied_revision FROM jobs") == 2
