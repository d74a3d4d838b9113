"""Schedulers and workers that get in each other's way, all on the same few jobs."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest
from apiflask import APIFlask
from sqlalchemy import text

from console.core.reasons import Reason
from console.core.states import RunState
from console.db.session import db, reading, transaction
from console.services import dispatch, execution, triggers
from console.services.triggers import Request, Trigger
from tests import factories
from tests.factories import NOON, OrgOf, one, rows

TASK = "tests.tasks.succeed"
SECONDS = 40
SECOND = timedelta(seconds=1)
END = NOON + SECONDS * SECOND
LEFT = text(
    "SELECT EXISTS (SELECT FROM runs WHERE state IN ('queued', 'running', 'retrying')) "
    "OR EXISTS (SELECT FROM jobs WHERE next_run_at IS NOT NULL)"
)
LAST = text("UPDATE jobs SET next_run_at = NULL WHERE next_run_at > :end")
RUNNING = text("SELECT count(*) FROM runs WHERE job_id = :job AND state = 'running' AND trigger = 'schedule'")


class Crowd:
    """Threads that go on until the clock has reached its end and nothing is active any more."""

    def __init__(self, app: APIFlask) -> None:
        self.app = app
        self.now = NOON
        self.errors: list[BaseException] = []
        self.crowded = 0

    def run(self, *steps: Callable[[Random], None]) -> None:
        threads = [
            threading.Thread(target=self._repeat, args=(step, number)) for number, step in enumerate(steps)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in threads)
        assert self.errors == []

    def _repeat(self, step: Callable[[Random], None], number: int) -> None:
        random = Random(number)
        try:
            with self.app.app_context():
                while not self.errors and not self._is_over():
                    step(random)
        except BaseException as error:
            self.errors.append(error)

    def _is_over(self) -> bool:
        with reading():
            return not db.session.scalar(LEFT)

    def schedule(self, random: Random) -> None:
        now = self.now
        dispatch.release(now=now)
        dispatch.dispatch(scheduler="s", now=now)
        dispatch.retry_due(now=now)
        dispatch.recover(now=now)

    def tick(self, random: Random) -> None:
        """Half a second; at the end of all slots the clock goes on for what is held until then."""
        self.schedule(random)
        with transaction():
            db.session.execute(LAST, {"end": END})
            has_slots = db.session.scalar(
                text("SELECT EXISTS (SELECT FROM jobs WHERE next_run_at <= :end)"), {"end": END}
            )
        self.now = min(self.now + SECOND / 2, END) if has_slots else self.now + SECOND / 2

    def work(self, random: Random) -> None:
        with reading():
            wanted = text("SELECT id, job_id FROM runs WHERE state = 'queued' AND held_by IS NULL LIMIT 8")
            free = db.session.execute(wanted).all()
        if not free:
            return
        row = random.choice(free)
        claim = execution.claim(row.id, worker="w", offered=[TASK], now=self.now)
        if claim is None:
            return
        with reading():
            self.crowded = max(self.crowded, db.session.scalar(RUNNING, {"job": row.job_id}) or 0)
        for _ in range(random.randrange(6)):
            stop = execution.stop_asked(claim.run_id, claim.attempt)
            if stop is not None:
                execution.finish(claim, stop, now=self.now)
                return
            execution.renew(claim.run_id, claim.attempt, now=self.now)
        state = random.choice([RunState.SUCCEEDED, RunState.FAILED])
        execution.finish(claim, execution.Outcome(state, Reason.EXCEPTION), now=self.now)


@pytest.mark.parametrize("overlap", ["skip", "buffer_one", "cancel_other"])
def test_however_they_meet_each_slot_has_one_run_and_no_job_is_stuck(
    app: APIFlask, org: OrgOf, overlap: str
) -> None:
    every_second = {"type": "interval", "every_seconds": 1}
    made = [
        factories.job(org, TASK, schedule=every_second, now=NOON, overlap=overlap, jitter_seconds=jitter)
        for jitter in (None, None, 2)
    ]
    crowd = Crowd(app)

    clicks = iter(range(30))

    def click(random: Random) -> None:
        if next(clicks, None) is not None:
            triggers.send_now(org.admin, random.choice(made).id, Request(Trigger.MANUAL), now=crowd.now)
        time.sleep(0.05)

    crowd.run(crowd.tick, crowd.schedule, crowd.work, crowd.work, crowd.work, click)
    slots = rows("SELECT job_id, count(*), count(DISTINCT slot) FROM runs WHERE slot IS NOT NULL GROUP BY 1")
    assert {(row[1], row[2]) for row in slots} == {(SECONDS, SECONDS)} and len(slots) == len(made)
    assert crowd.crowded == 1
    assert one("SELECT count(*) FROM runs WHERE held_by IS NOT NULL") == 0
    assert one("SELECT count(*) FROM jobs WHERE active_run_id IS NOT NULL") == 0
    assert one("SELECT count(*) FROM jobs WHERE status <> 'scheduled'") == 0
    assert (
        one("SELECT count(*) FROM runs WHERE state NOT IN ('succeeded', 'failed', 'stopped', 'skipped')") == 0
    )
