"""Why, with real processes: what is explained is brought about by killing, stopping and starting them."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from redis import Redis

from console.core.clock import utc_now
from console.core.explaining import Explanation, Verdict
from console.services import edits, explain, queue_pauses, resolving, run_control
from console.services.edits import Change
from console.services.run_views import RunView
from console.services.views import JobView
from tests import factories
from tests.factories import OrgOf, one
from tests.processes import ROOT, eventually, process
from tests.services.explain.asking import codes, expect, said
from tests.system.test_outages import Machine, begin, heard, machine, marks, one_machine, org

__all__ = ["machine", "one_machine", "org"]

ELSEWHERE = {"CONSOLE_TASKS": "console.plugins.examples.tasks"}
"""A process that was started without the module of the tests' tasks."""


def ask(of: OrgOf, job_id: UUID, run: RunView | None = None, *, later: float = 0) -> Explanation:
    """For the minute in which the run was asked for, or without one for now; `later` seconds from now."""
    at = run.requested_at if run else None
    return explain.explain(of.admin, job_id, at, now=utc_now() + timedelta(seconds=later))


def state_of(run: RunView) -> str:
    return str(one("SELECT state FROM runs WHERE id = :id", id=run.id))


def becomes(run: RunView, state: str) -> None:
    eventually(lambda: state_of(run) == state, 60)


def overdue(of: OrgOf, seconds: int, every: int, **fields: Any) -> JobView:
    """A recurring job whose first slot came so many seconds ago, and that nobody has decided."""
    made = utc_now() - timedelta(seconds=seconds + every)
    return factories.job(of, schedule={"type": "interval", "every_seconds": every}, now=made, **fields)


def explained_by(environment: dict[str, str], job_id: UUID) -> dict[str, Any]:
    """What a process of the product of its own says at the shell."""
    command = [sys.executable, "-m", "console", "explain", str(job_id), "--json"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def frozen(*processes: "subprocess.Popen[bytes]") -> Iterator[None]:
    """They hang: they are there, and answer nothing."""
    for item in processes:
        item.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for item in processes:
            item.send_signal(signal.SIGCONT)


def test_what_a_real_worker_made_of_it_and_that_it_was_killed_or_lacks_the_module(
    machine: Machine, org: OrgOf, tmp_path: Path
) -> None:
    path = tmp_path / "marks"
    with machine.running("scheduler"):
        with machine.running("worker", "--name", "w1") as worker:
            heard(1)
            done, burst = (factories.run(org, factories.job(org, f"tests.tasks.{name}")) for name in OUTCOMES)
            becomes(done, "succeeded")
            expect(ask(org, done.job_id, done), Verdict.RAN, [], "all is well", "+", source=f"run {done.id}")
            becomes(burst, "failed")
            found = ask(org, burst.job_id, burst)
            expect(found, Verdict.RAN, ["EXCEPTION"], "The run failed", "boom", source=f"run {burst.id}")

            halted = begin(org, "mark", tmp_path / "halted", seconds=60)
            eventually(lambda: marks(tmp_path / "halted"))
            run_control.stop(org.admin, halted.id, note="wrong stage", now=utc_now())
            becomes(halted, "stopped")
            found = ask(org, halted.job_id, halted)
            words = ("The run was stopped", "wrong stage")
            expect(found, Verdict.RAN, ["STOPPED_BY_OPERATOR"], *words, source=f"run {halted.id}")

            run = begin(org, "mark", path, seconds=60)
            eventually(lambda: marks(path))
            expect(
                ask(org, run.job_id, run), Verdict.WAITING, [], "is going on since", source=f"run {run.id}"
            )
            present = ask(org, run.job_id)
            expect(present, Verdict.WAITING, [], "is going on since", " on w1", source=f"run {run.id}")
            worker.send_signal(signal.SIGKILL)
            worker.wait(20)
        becomes(run, "unknown")
        lost = ask(org, run.job_id, run)
        words = ("Nobody knows whether the run took effect", "heard of its worker")
        expect(lost, Verdict.UNKNOWN, ["OUTCOME_UNKNOWN"], *words, source=f"run {run.id}")
        resolving.resolve(org.admin, run.id, succeeded=True, note="it stands", now=utc_now())
        settled = ask(org, run.job_id, run)
        expect(settled, Verdict.RAN, [], "The run succeeded", "it stands", source=f"run {run.id}")

        gone = ask(org, run.job_id, later=20)
        words = ("no live worker serves queue default", "none is alive at all")
        expect(gone, Verdict.BLOCKED, ["NO_LIVE_WORKER"], *words, source="heartbeats of workers")
        with process({**machine.environment, **ELSEWHERE}, "worker", "--name", "w2"):
            # Of the killed one nothing was heard for longer than a live worker is silent.
            eventually(lambda: codes(ask(org, run.job_id)) == ["NOT_REGISTERED"], 60)
            found = ask(org, run.job_id)
            words = ("no live worker offers tests.tasks.mark", "alive is w2")
            expect(found, Verdict.BLOCKED, ["NOT_REGISTERED"], *words, source="heartbeats of workers")
            told = explained_by({**machine.environment, **ELSEWHERE}, run.job_id)
            assert (told["verdict"], told["evidence"][0]["reason_code"]) == ("blocked", "NOT_REGISTERED")
            assert told["evidence"][0]["source"] == "CONSOLE_TASKS"
            assert "the console itself does not know tests.tasks.mark" in told["summary"]


OUTCOMES = ("succeed", "explode")


def test_the_scheduler_stops_and_what_came_due_is_decided_when_it_is_back(
    machine: Machine, org: OrgOf
) -> None:
    with machine.running("worker", "--name", "w1"):
        with machine.running("scheduler"):
            heard(1)
        late, let_go, paused = (
            overdue(org, 100, 3600, key="late"),
            overdue(org, 100, 3600, key="let_go", catch_up="none"),
            overdue(org, 100, 3600, key="paused"),
        )
        then = utc_now() - timedelta(seconds=200)
        edits.set_paused(org.admin, paused.id, True, note="the hall is closed", now=then)
        slots = {
            job.id: one("SELECT next_run_at FROM jobs WHERE id = :id", id=job.id)
            for job in (late, let_go, paused)
        }
        now = ask(org, late.id)
        words = ("is not decided yet", "The scheduler is down", "was stopped on")
        expect(now, Verdict.LATE, ["SCHEDULER_DOWN"], *words, source="jobs")
        assert now.advice == "Start the scheduler; what came due meanwhile is decided then."

        def at_slot(job: JobView) -> Explanation:
            return explain.explain(org.admin, job.id, slots[job.id], now=utc_now())

        expect(
            at_slot(late),
            Verdict.WAITING,
            ["SCHEDULER_DOWN"],
            "the scheduler is down",
            source="heartbeat of ",
        )
        with machine.running("scheduler"):
            ended = "SELECT count(*) FROM runs WHERE finished_at IS NOT NULL AND slot IS NOT NULL"
            eventually(lambda: one(ended) == 3)
        words = ("late, for its slot of", "no scheduler came to it sooner", "all is well")
        expect(at_slot(late), Verdict.LATE, ["SCHEDULER_DOWN"], *words, source="run ")
        words = ("It was missed", "late slots are let go (catch-up none)")
        expect(at_slot(let_go), Verdict.MISSED, ["OUTSIDE_CATCHUP_WINDOW"], *words, source="run ")
        words = ("the job was paused when it came due", "the hall is closed")
        expect(at_slot(paused), Verdict.SKIPPED, ["PAUSED"], *words, source="run ", revision=2)


def test_redis_hangs_then_stops_and_comes_back_and_a_queue_is_paused(machine: Machine, org: OrgOf) -> None:
    job, idle = factories.job(org), factories.job(org)
    with machine.running("scheduler"), machine.running("worker", "--name", "w1") as worker:
        heard(1)
        with frozen(worker):
            run = factories.run(org, job)
            eventually(lambda: one("SELECT enqueued_at FROM runs WHERE id = :id", id=run.id))
            with frozen(machine.valkey.process):
                without = ask(org, idle.id, later=20)
                words = ("Redis can't be reached", "it can't be known which workers are alive")
                expect(without, Verdict.BLOCKED, [], *words, source="Redis")
                hangs = ask(org, job.id, run, later=20)
                words = (
                    "Redis can't be reached; whether a worker is alive can't be known",
                    "A run is queued",
                )
                expect(hangs, Verdict.WAITING, [], *words, source=f"run {run.id}")
            silent = ask(org, job.id, run, later=20)
            words = ("no worker is alive; nothing is there to execute it",)
            expect(silent, Verdict.WAITING, ["NO_LIVE_WORKER"], *words, source=f"run {run.id}")
        becomes(run, "succeeded")

        machine.valkey.stop()
        expect(ask(org, job.id), Verdict.BLOCKED, [], "Redis can't be reached", source="Redis")
        run = factories.run(org, job)
        waiting = ask(org, job.id, run, later=12)
        words = ("not in Redis yet; Redis can't be reached, it goes there when Redis is back",)
        expect(waiting, Verdict.WAITING, [], *words, source=f"run {run.id}")
        machine.start_valkey()
        becomes(run, "succeeded")
        assert ask(org, job.id, run).verdict is Verdict.RAN

        queue_pauses.pause(org.admin, "default", "the printer is on fire", now=utc_now())
        words = ("queue default is paused by tests", "the printer is on fire")
        expect(ask(org, job.id), Verdict.BLOCKED, ["QUEUE_PAUSED"], *words, source="queue pauses")
        paused = factories.run(org, job)
        with Redis.from_url(machine.valkey.url) as redis:
            redis.flushall()
        held = ask(org, job.id, paused)
        expect(held, Verdict.WAITING, ["QUEUE_PAUSED"], *words, source=f"run {paused.id}")
        edits.edit(org.admin, job.id, Change(name="Another name"), now=utc_now())
        queue_pauses.resume(org.admin, "default", now=utc_now())
        becomes(paused, "succeeded")
        assert ask(org, job.id, paused).verdict is Verdict.RAN
        # Who resumes pushes it, so it may have run before the scheduler came to the edit.
        eventually(lambda: "r2 is in force" in said(ask(org, job.id)))
