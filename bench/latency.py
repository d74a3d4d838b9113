"""How long a slot, a click and an edit take on an idle system, beside one small commit there."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text

from bench.stage import Stage, percentile, stage, timed
from console.core.clock import utc_now
from console.core.states import Trigger
from console.db.session import db
from console.services import edits, job_creation, jobs, runs, triggers
from console.services.changes import Change
from console.services.job_creation import NewJob
from console.services.run_requests import Request
from tests.factories import one, rows

ROUNDS = 60
EDITS = 200


@contextmanager
def processes(on: Stage, *names: str) -> Iterator[None]:
    started = [on.command(name) for name in names]
    time.sleep(4)
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(10)


def due_to_pushed(on: Stage) -> list[float]:
    """Seconds from each slot of a job due every second to its push, by Postgres' clock."""
    shape = {"type": "interval", "every_seconds": 1}
    job = job_creation.create(
        on.actor, NewJob(task="nothing", key="beat", schedule=shape, overlap="allow_all"), now=utc_now()
    )
    time.sleep(ROUNDS + 2)
    jobs.delete(on.actor, job.id, now=utc_now())
    found = rows(
        "SELECT extract(epoch FROM enqueued_at - slot) FROM runs "
        "WHERE job_id = :id AND enqueued_at IS NOT NULL",
        id=job.id,
    )
    return [float(row[0]) for row in found]


def click_to_finished(on: Stage) -> tuple[list[float], list[float]]:
    """Seconds from a click to its answer (the run is visible as queued), and to its visible end."""
    job = job_creation.create(on.actor, NewJob(task="nothing", key="click"), now=utc_now())
    answered, finished = [], []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        run = triggers.send_now(on.actor, job.id, Request(Trigger.MANUAL), now=utc_now())
        answered.append(time.perf_counter() - begun)
        runs.wait(on.actor, run.id, seconds=10, clock=utc_now)
        finished.append(time.perf_counter() - begun)
    return answered, finished


def edit_to_applied(on: Stage) -> list[float]:
    """Seconds from a saved edit of a job's time to its acknowledgement by the scheduler, one by one."""
    job = job_creation.create(
        on.actor,
        NewJob(task="nothing", key="edit", schedule={"type": "daily", "hour": 1, "minute": 1}),
        now=utc_now(),
    )
    found = []
    for number in range(EDITS):
        shape = {"type": "daily", "hour": 2 + number // 60, "minute": number % 60}
        done = edits.edit(on.actor, job.id, Change(schedule=shape), seen=revision_of(job.id), now=utc_now())
        begun = time.perf_counter()
        while one("SELECT applied_revision FROM jobs WHERE id = :id", id=job.id) < done.job.revision:
            time.sleep(0.001)
        found.append(time.perf_counter() - begun)
    return found


def revision_of(job_id: UUID) -> int:
    return int(one("SELECT revision FROM jobs WHERE id = :id", id=job_id))


def peer() -> float:
    """Seconds of one small commit, the median: what the machine's disk allows."""

    def commit() -> None:
        db.session.execute(text("UPDATE orgs SET name = name"))
        db.session.commit()

    return percentile([timed(commit) for _ in range(ROUNDS)], 0.5)


def line(name: str, values: list[float], share: float, bar: timedelta, commit: float) -> None:
    value = percentile(values, share)
    word = "met" if value <= bar.total_seconds() else "NOT MET"
    print(
        f"{name}: p50 {percentile(values, 0.5) * 1000:.1f} ms, p{share * 100:.0f} {value * 1000:.1f} ms, "
        f"{value / commit:.0f} commits (bar {bar.total_seconds():g} s: {word}; {len(values)} samples)",
        flush=True,
    )


def main() -> None:
    with stage() as on, processes(on, "scheduler", "worker"):
        commit = peer()
        print(f"one commit: {commit * 1000:.2f} ms")
        line("due → pushed", due_to_pushed(on), 0.95, timedelta(milliseconds=50), commit)
        answered, finished = click_to_finished(on)
        line("click → visible as queued", answered, 0.95, timedelta(milliseconds=500), commit)
        line("click → finished", finished, 0.95, timedelta(milliseconds=2500), commit)
        line("edit → applied", edit_to_applied(on), 0.99, timedelta(seconds=1), commit)


if __name__ == "__main__":
    main()
