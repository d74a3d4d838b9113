"""The scheduler: rq-scheduler's `Scheduler` with Postgres as its only schedule."""

import gc
import os
import select
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from types import FrameType

import structlog
from flask import Flask
from redis import Redis
from rq_scheduler import Scheduler

from console.core.clock import utc_now
from console.core.errors import Unavailable
from console.core.settings import Settings
from console.core.states import Beating
from console.queue import RunQueue, connect
from console.services import dispatch, heartbeats, passes
from console.services.claims import LEASE
from console.services.heartbeats import Beat
from console.services.wakeups import Bell

SHORTEST_WAIT = timedelta(milliseconds=10)
"""So that rows which another scheduler is deciding are not asked for without a pause."""
SWEEP_EVERY = timedelta(seconds=3)
BEAT_EVERY = timedelta(seconds=5)
RETRY_AFTER = 1.0
LANES = 2
log = structlog.get_logger()


class DatabaseScheduler(Scheduler):
    """Turns due slots into runs and pushes them to RQ.

    Its life: 1 it listens on Postgres; 2 it acknowledges the revisions that it finds, and lets go
    what was held until now; 3 it decides the due slots in batches, each in a transaction of its own
    that locks the rows it decides, so that any number of schedulers may run; 4 it pushes the tickets
    of each batch after its commit; 5 every few seconds it pushes what a crash kept from Redis and
    settles runs whose worker fell silent; 6 it waits for the bell, the next slot, the start of a held
    run, a signal, or 3 s, and begins again.

    Nothing about a schedule is kept in Redis or in memory. The lock and the birth key of the
    original have no part here, for row locks and heartbeats in Postgres take their place.
    """

    def __init__(
        self, app: Flask, connection: Redis, name: str, clock: Callable[[], datetime] = utc_now
    ) -> None:
        super().__init__(connection=connection, name=name, queue_class=RunQueue)
        settings: Settings = app.extensions["console_settings"]
        self._app = app
        self._database_url = settings.database_url
        self._clock = clock
        self._is_stopping = False
        self._born_at = clock()
        self._reached_at: datetime | None = None
        self._swept_at: datetime | None = None
        self._beaten_at: datetime | None = None
        self._has_held = False
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_writer, False)
        # What is loaded by now stays for good. To look through it again and again, as each batch made the
        # collector do, took a quarter of a pass.
        gc.freeze()

    # What takes the place of the original's methods ------------------------------------------

    def acquire_lock(self) -> bool:
        """Row locks keep schedulers apart; there is no lock that could outlive its holder."""
        return True

    def remove_lock(self) -> None:
        """There is none."""

    def register_birth(self) -> None:
        """Heartbeats in Postgres take the place of the key in Redis."""

    def register_death(self) -> None:
        with suppress(Unavailable):
            heartbeats.stopped(Beating.SCHEDULER, self.name, now=self._clock())

    def enqueue_jobs(self) -> int:
        """One pass over all that is due: batch after batch, each pushed after its commit; how many jobs.

        When the first batch is full, two lanes share what is left, so that one decides while the
        other waits for Postgres.
        """
        passes.acknowledge()
        passes.retry(now=self._clock())
        self._release()
        due = self._batch()
        if due == dispatch.BATCH:
            with ThreadPoolExecutor(LANES, thread_name_prefix="lane") as pool:
                due += sum(pool.map(lambda _: self._drain(), range(LANES)))
        if self._has_held:
            self._release()
        return due

    def _release(self) -> None:
        """Stops what gives way to a held run, and lets go what need not be held any longer."""
        self._has_held = False
        passes.release(now=self._clock())

    def heartbeat(self) -> None:
        now = self._clock()
        if self._beaten_at is None or now - self._beaten_at >= BEAT_EVERY or now < self._beaten_at:
            heartbeats.beat(
                Beat(Beating.SCHEDULER, self.name, socket.gethostname(), os.getpid(), self._born_at),
                now=now,
            )
            self._beaten_at = now

    def _install_signal_handlers(self) -> None:
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGTERM, self._stop)

    def _stop(self, _signum: int, _frame: FrameType | None) -> None:
        self._is_stopping = True
        with suppress(BlockingIOError):
            os.write(self._wake_writer, b"x")

    def run(self, burst: bool = False) -> None:
        """Works until a signal comes, or for one pass; waits and goes on while Postgres is away."""
        self._install_signal_handlers()
        log.info("the scheduler begins", action="scheduler.start", scheduler=self.name)
        while not self._is_stopping:
            try:
                with Bell(self._database_url) as bell:
                    self._work(bell, burst)
            except Unavailable:
                self._reached_at = self._beaten_at = None
                log.warning("Postgres can't be reached; trying again", action="scheduler.wait")
                self._pause(RETRY_AFTER)
            if burst:
                break
        self.register_death()
        log.info("the scheduler has stopped", action="scheduler.stop", scheduler=self.name)

    # Its own steps ----------------------------------------------------------------------------

    def _work(self, bell: Bell, burst: bool) -> None:
        self._reached_at = self._clock()
        while not self._is_stopping:
            self.heartbeat()
            self.enqueue_jobs()
            self._sweep()
            if burst:
                return
            self._sleep(bell)

    def _batch(self) -> int:
        """Decides and pushes one batch; answers how many jobs were due."""
        done = passes.decide(scheduler=self.name, now=self._clock())
        self._has_held = self._has_held or done.held > 0
        return done.due

    def _drain(self) -> int:
        with self._app.app_context():
            total = 0
            while not self._is_stopping and (due := self._batch()):
                total += due
            return total

    def _sweep(self) -> None:
        """Pushes again what Redis lost, and settles lost runs.

        After an outage of Postgres the workers first get the time of a lease to say that they live.
        """
        now = self._clock()
        if self._swept_at is not None and timedelta(0) <= now - self._swept_at < SWEEP_EVERY:
            return
        self._swept_at = now
        has_waited = self._reached_at is not None and now - self._reached_at > LEASE
        passes.sweep(now=now, may_recover=has_waited)

    def _sleep(self, bell: Bell) -> None:
        due = dispatch.next_due(now=self._clock())
        wait = SWEEP_EVERY if due is None else min(max(due, SHORTEST_WAIT), SWEEP_EVERY)
        select.select([bell.fileno(), self._wake_reader], [], [], wait.total_seconds())
        bell.drain()

    def _pause(self, seconds: float) -> None:
        select.select([self._wake_reader], [], [], seconds)


def main(app: Flask) -> None:
    """Runs a scheduler until SIGINT or SIGTERM."""
    settings: Settings = app.extensions["console_settings"]
    name = f"{socket.gethostname()}-{os.getpid()}"
    with app.app_context():
        DatabaseScheduler(app, connect(settings.redis_url), name).run()
