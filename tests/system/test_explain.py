"""Why, with real processes: worker killed, scheduler and Redis stopped, queue paused, module gone."""

import signal
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from redis import Redis

from console.core.clock import utc_now
from console.core.explaining import Explanation, Verdict
from console.services import edits, explain, queue_pauses
from console.services.edits import Change
from console.services.views import JobView, RunView
from tests import factories
from tests.factories import OrgOf, one
from tests.processes import eventually, process
from tests.system.test_outages import Machine, begin, heard, machine, marks, one_machine, org

__all__ = ["machine", "one_machine", "org"]

EVERY_MINUTE = {"type": "interval", "every_seconds": 60}


def ask(of: OrgOf, job_id: UUID, run: RunView | None = None, *, later: float = 0) -> Explanation:
    """For the minute in which the run was asked for, or without one for now; `later` seconds from now."""
    at = run.requested_at if run else None
    return explain.explain(of.admin, job_id, at, now=utc_now() + timedelta(seconds=later))


def first(found: Explanation) -> tuple[Verdict, str | None]:
    return found.verdict, found.evidence[0].reason_code


def codes(found: Explanation) -> list[str]:
    return [str(item.reason_code) for item in found.evidence if item.reason_code]


def said(found: Explanation) -> str:
    return " ".join([found.summary, *(item.text for item in found.evidence)])


def has_ended(run: RunView, state: str) -> bool:
    return bool(one("SELECT state FROM runs WHERE id = :id", id=run.id) == state)


def overdue(of: OrgOf) -> JobView:
    """A job whose slot came 40 seconds ago, and that nobody decides."""
    return factories.job(of, schedule=EVERY_MINUTE, now=utc_now() - timedelta(seconds=100))


def test_a_killed_worker_a_stopped_scheduler_and_a_module_that_is_gone(
    machine: Machine, org: OrgOf, tmp_path: Path
) -> None:
    path = tmp_path / "marks"
    with machine.running("scheduler") as scheduler:
        with machine.running("worker", "--name", "w1") as worker:
            heard(1)
            run = begin(org, "mark", path, seconds=60)
            eventually(lambda: marks(path))
            assert first(ask(org, run.job_id, run)) == (Verdict.WAITING, None)
            present = said(ask(org, run.job_id))
            assert "is going on since" in present and " on w1" in present
            worker.send_signal(signal.SIGKILL)
            worker.wait(20)
        eventually(lambda: has_ended(run, "unknown"), 60)
        lost = ask(org, run.job_id, run)
        assert first(lost) == (Verdict.UNKNOWN, "OUTCOME_UNKNOWN")
        assert "Nobody knows whether the run took effect" in lost.summary
        gone = ask(org, run.job_id, later=20)
        assert first(gone) == (Verdict.BLOCKED, "NO_LIVE_WORKER") and "none is alive at all" in said(gone)
        with process({**machine.environment, "CONSOLE_TASKS": "console.plugins.examples.tasks"}, "worker"):
            other = factories.job(org)
            # Of the killed one nothing was heard for longer than a live worker is silent.
            eventually(lambda: codes(ask(org, other.id)) == ["NOT_REGISTERED"])
            assert "No live worker offers tests.tasks.succeed" in said(ask(org, other.id))
        scheduler.terminate()
        scheduler.wait(20)
    job = overdue(org)
    now = ask(org, job.id)
    assert now.verdict is Verdict.LATE and "was stopped on" in said(now)
    assert "SCHEDULER_DOWN" in codes(now)
    slot = one("SELECT next_run_at FROM jobs WHERE id = :id", id=job.id)
    then = explain.explain(org.admin, job.id, slot, now=utc_now())
    assert first(then) == (Verdict.WAITING, "SCHEDULER_DOWN")
    decided = "SELECT count(*) FROM runs WHERE job_id = :id AND slot = :slot"
    with machine.running("scheduler"):
        eventually(lambda: one(decided, id=job.id, slot=slot))
    assert "was decided by" in said(explain.explain(org.admin, job.id, slot, now=utc_now()))


def test_redis_stops_and_comes_back_and_a_queue_is_paused(machine: Machine, org: OrgOf) -> None:
    job = factories.job(org)
    with machine.running("scheduler"), machine.running("worker", "--name", "w1"):
        heard(1)
        machine.valkey.stop()
        without = ask(org, job.id)
        assert first(without) == (Verdict.BLOCKED, None) and "Redis can't be reached" in without.summary
        run = factories.run(org, job)
        waiting = ask(org, job.id, run, later=12)
        assert waiting.verdict is Verdict.WAITING
        assert "not queued yet; Redis can't be reached, it is queued when Redis is back" in waiting.summary
        machine.start_valkey()
        eventually(lambda: has_ended(run, "succeeded"), 40)
        assert first(ask(org, job.id, run)) == (Verdict.RAN, None)

        queue_pauses.pause(org.admin, "default", "the printer is on fire", now=utc_now())
        paused = factories.run(org, job)
        with Redis.from_url(machine.valkey.url) as redis:
            redis.flushall()
        held = ask(org, job.id, paused)
        assert first(held) == (Verdict.WAITING, "QUEUE_PAUSED") and "the printer is on fire" in held.summary
        edits.edit(org.admin, job.id, Change(name="Another name"), now=utc_now())
        queue_pauses.resume(org.admin, "default", now=utc_now())
        eventually(lambda: has_ended(paused, "succeeded"), 40)
        ran = ask(org, job.id, paused)
        assert ran.verdict is Verdict.RAN and "on w1" not in ran.summary
