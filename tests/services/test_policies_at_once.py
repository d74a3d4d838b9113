"""Schedulers and workers that get in each other's way, all on the same few jobs."""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random

import pytest
from apiflask import APIFlask
from sqlalchemy import text

from console.core.reasons import Reason
from console.core.states import RunState, Trigger
from console.db.session import db, reading, transaction
from console.services import claims, dispatch, execution, triggers
from console.services.claims import Claim
from console.services.outcomes import Outcome
from console.services.run_requests import Request
from console.services.views import JobView
from tests import factories
from tests.factories import NOON, OrgOf, one, rows

TASK = "tests.tasks.succeed"
SECONDS = 40
HALF = timedelta(seconds=0.5)
END = NOON + timedelta(seconds=SECONDS)
LAST = text("UPDATE jobs SET next_run_at = NULL WHERE next_run_at > :end")
IS_DUE = text("SELECT EXISTS (SELECT FROM jobs WHERE next_run_at IS NOT NULL)")
IS_ACTIVE = text("SELECT EXISTS (SELECT FROM runs WHERE state IN ('queued', 'running', 'retrying'))")
FREE = text("SELECT id, job_id FROM runs WHERE state = 'queued' AND held_by IS NULL LIMIT 8")
RUNNING = text("SELECT count(*) FROM runs WHERE job_id = :job AND state = 'running' AND trigger = 'schedule'")


class Crowd:
    """Two schedulers, one of which moves the clock and clicks now and then, and three workers."""

    def __init__(self, app: APIFlask, org: OrgOf, jobs: Sequence[JobView]) -> None:
        self.app, self.org, self.jobs = app, org, jobs
        self.now = NOON
        self.is_over = False
        self.errors: list[BaseException] = []
        self.most_at_once = 0

    def run(self) -> None:
        steps = (self.tick, self.schedule, self.work, self.work, self.work)
        threads = [
            threading.Thread(target=self._repeat, args=(step, number)) for number, step in enumerate(steps)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert self.errors == []

    def _repeat(self, step: Callable[[Random], None], number: int) -> None:
        random = Random(number)
        try:
            with self.app.app_context():
                while not self.is_over:
                    step(random)
        except BaseException as error:
            self.errors.append(error)
            self.is_over = True

    def schedule(self, _: Random) -> None:
        dispatch.release(now=self.now)
        dispatch.dispatch(scheduler="s", now=self.now)
        dispatch.retry_due(now=self.now)

    def tick(self, random: Random) -> None:
        """Half a second; after the last slot the clock goes on for what is held until then."""
        self.schedule(random)
        with transaction():
            db.session.execute(LAST, {"end": END})
            is_due = db.session.scalar(IS_DUE)
            self.is_over = not is_due and not db.session.scalar(IS_ACTIVE)
        if is_due and random.random() < 0.3:
            click = Request(Trigger.MANUAL)
            triggers.send_now(self.org.admin, random.choice(self.jobs).id, click, now=self.now)
        self.now = min(self.now + HALF, END) if is_due else self.now + HALF

    def work(self, random: Random) -> None:
        with reading():
            free = db.session.execute(FREE).all()
        if not free:
            return
        row = random.choice(free)
        claim = execution.claim(row.id, worker="w", offered=[TASK], now=self.now)
        if claim is not None:
            self._watch(row.job_id)
            self._execute(claim, random)

    def _watch(self, job_id: object) -> None:
        with reading():
            self.most_at_once = max(self.most_at_once, db.session.scalar(RUNNING, {"job": job_id}) or 0)

    def _execute(self, claim: Claim, random: Random) -> None:
        for _ in range(random.randrange(6)):
            stop = claims.stop_asked(claim.run_id, claim.attempt)
            if stop is not None:
                execution.finish(claim, stop, now=self.now)
                return
            claims.renew(claim.run_id, claim.attempt, now=self.now)
        state = random.choice([RunState.SUCCEEDED, RunState.FAILED])
        execution.finish(claim, Outcome(state, Reason.EXCEPTION), now=self.now)


@pytest.mark.parametrize("overlap", ["skip", "buffer_one", "cancel_other"])
def test_however_they_meet_each_slot_has_one_run_and_no_job_is_stuck(
    app: APIFlask, org: OrgOf, overlap: str
) -> None:
    every_second = {"type": "interval", "every_seconds": 1}
    made = [
        factories.job(org, TASK, schedule=every_second, now=NOON, overlap=overlap, jitter_seconds=jitter)
        for jitter in (None, None, 2)
    ]
    crowd = Crowd(app, org, made)
    for _ in range(6):  # nobody works yet, so that the second slot surely meets the run of the first
        crowd.tick(Random(0))
    crowd.run()
    slots = rows("SELECT job_id, count(*), count(DISTINCT slot) FROM runs WHERE slot IS NOT NULL GROUP BY 1")
    assert [(row[1], row[2]) for row in slots] == [(SECONDS, SECONDS)] * len(made)
    assert crowd.most_at_once == 1
    assert one("SELECT count(*) FROM runs WHERE held_by IS NOT NULL") == 0
    assert rows("SELECT DISTINCT status, active_run_id FROM jobs") == [("scheduled", None)]
    assert (
        one("SELECT count(*) FROM runs WHERE state NOT IN ('succeeded', 'failed', 'stopped', 'skipped')") == 0
    )
    states = {row.state for row in rows("SELECT state FROM runs")}
    assert ("stopped" in states) is (overlap == "cancel_other")
