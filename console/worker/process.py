"""The RQ worker class: takes run ids from its queues and hands them to a work horse."""

import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from types import FrameType
from typing import Any
from uuid import UUID

import structlog
from flask import Flask
from redis import Redis
from rq.exceptions import NoSuchJobError, StopRequested
from rq.job import Job as RQJob
from rq.queue import Queue
from rq.worker import Worker, WorkerStatus

from console.core.clock import utc_now
from console.core.errors import Unavailable
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.settings import Settings
from console.core.states import Beating, RunState
from console.queue import QueueUnavailable, RefusingSerializer, RunQueue, RunTicket, connect, lanes
from console.services import claims, execution, heartbeats, losing
from console.services.claims import Claim
from console.services.heartbeats import Beat
from console.services.outcomes import Outcome
from console.worker.horse import Died, Ended, Horse, Returned, Started
from console.worker.watch import Watch, outcome_of

TAKE_FOR = 2.0
BEAT_EVERY = timedelta(seconds=3)
LOOK_EVERY = timedelta(seconds=0.5)
"""How often a busy worker looks whether its run is to be stopped."""
STOP_GRACE = timedelta(seconds=4)
WAIT_FOR_SERVERS = 1.0
LAST_WORD = 1.0
log = structlog.get_logger()


class RunWorker(Worker):
    """An RQ worker whose tickets are run ids and whose record is Postgres.

    Its life: 1 it announces its queues and tasks with each heartbeat; 2 it takes a run id; 3 it
    hands it to its horse, a child that stays for many runs, which claims and executes; 4 meanwhile
    it renews the lease, and kills the horse when the task's time is over, when somebody asked for
    the run's stop, when the attempt is no longer its own, or when it was told to stop itself and the
    grace is over; 5 when the horse dies, it records the run as failed, stopped or lost. SIGTERM lets
    the current run end within the grace.
    """

    queue_class = RunQueue
    job_class = RunTicket

    def __init__(
        self,
        app: Flask,
        queues: Sequence[str],
        connection: Redis,
        name: str,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__(
            lanes(queues),
            name=name,
            connection=connection,
            serializer=RefusingSerializer,
            prepare_for_work=False,
        )
        self._app = app
        self._clock = clock
        self._served_queues = list(queues)
        self._horse = Horse(app, name)
        self._born_at = clock()
        self._beaten_at: datetime | None = None
        self._stop_at: datetime | None = None
        self._run_id: UUID | None = None

    # What takes the place of the original's methods ------------------------------------------

    def work(self, burst: bool = False, **_: Any) -> bool:  # type: ignore[override]
        """Works until it is told to stop, or until its queues are empty; answers whether it did anything."""
        self._install_signal_handlers()  # type: ignore[no-untyped-call]
        log.info("the worker begins", action="worker.start", worker=self.name, queues=self._served_queues)
        worked = False
        try:
            while not self._stop_requested:
                self.beat()
                taken = self._take(burst)
                if taken is None and burst:
                    break
                if taken is not None:
                    worked = True
                    self._serve(taken)
        except StopRequested:
            pass
        finally:
            self.teardown()
        return worked

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Ends at once when idle, and after the current run or the grace when busy."""
        self._stop_requested = True
        self._stop_at = self._stop_at or self._clock() + STOP_GRACE
        if self.get_state() != WorkerStatus.BUSY:
            raise StopRequested()

    def _set_state(self, state: str) -> None:
        self._state = state

    def set_state(self, state: str, pipeline: Any = None) -> None:
        """The state is shown out of Postgres, so Redis is not told."""
        self._state = state

    def execute_job(self, job: RQJob, queue: Queue) -> None:
        """Executes the run of a ticket."""
        self._serve(job.id)

    def teardown(self) -> None:
        self._horse.kill()
        with suppress(Unavailable), self._app.app_context():
            heartbeats.stopped(Beating.WORKER, self.name, now=self._clock())
        log.info("the worker has stopped", action="worker.stop", worker=self.name)

    # Its own steps ----------------------------------------------------------------------------

    def beat(self) -> None:
        """Announces itself every 3 s; while Postgres is away it goes on without."""
        now = self._clock()
        if self._beaten_at is not None and timedelta(0) <= now - self._beaten_at < BEAT_EVERY:
            return
        self._announce(now)

    def _announce(self, now: datetime) -> None:
        said = Beat(
            Beating.WORKER,
            self.name,
            socket.gethostname(),
            os.getpid(),
            self._born_at,
            self._served_queues,
            registry.offered(),
            self._run_id,
        )
        try:
            with self._app.app_context():
                heartbeats.beat(said, now=now)
            self._beaten_at = now
        except Unavailable:
            log.warning("Postgres can't be reached; trying again", action="worker.wait", worker=self.name)
            time.sleep(WAIT_FOR_SERVERS)

    def _take(self, burst: bool) -> str | None:
        self._state = WorkerStatus.IDLE
        try:
            return RunQueue.take(lanes(self._served_queues), 0.1 if burst else TAKE_FOR, self.connection)
        except QueueUnavailable:
            log.warning("Redis can't be reached; trying again", action="worker.wait", worker=self.name)
            time.sleep(WAIT_FOR_SERVERS)
            return None

    def _serve(self, ticket: str) -> None:
        try:
            run_id = UUID(RunTicket.fetch(ticket, self.connection).id)
        except NoSuchJobError:
            log.warning("a payload that is no run id was refused", action="worker.refused", worker=self.name)
            return
        self._state = WorkerStatus.BUSY
        self._horse.give(run_id)
        self._watch(run_id)
        self._state = WorkerStatus.IDLE

    def _watch(self, run_id: UUID) -> None:
        """Stays beside the horse until it is done with the run."""
        watch = Watch(run_id, self._clock())
        while True:
            word = self._horse.listen(self._patience(watch.deadline))
            now = self._clock()
            if isinstance(word, Ended):
                self._run_id = None
                return
            if isinstance(word, Died):
                self._settle(watch, outcome_of(word))
                return
            if word is not None:
                watch.hear(word, now)
                self._run_id = run_id
            end = self._reason_to_kill(watch, now)
            if end is not None:
                self._horse.kill()
                self._settle(watch, end)
                return
            if not self._keep(watch, now):
                self._let_go()
                return

    def _keep(self, watch: Watch, now: datetime) -> bool:
        """Renews heartbeat and lease every 3 s; False when the attempt is no longer its own."""
        if now - watch.renewed_at < BEAT_EVERY:
            return True
        watch.renewed_at = now
        self._announce(now)
        return watch.started is None or self._renew(watch.run_id, watch.started, now)

    def _let_go(self) -> None:
        """The attempt is no longer its own: it has ended this very moment, or the scheduler gave it up."""
        self._run_id = None
        word = self._horse.listen(LAST_WORD)
        if isinstance(word, Returned):
            word = self._horse.listen(LAST_WORD)
        if not isinstance(word, Ended):
            self._horse.kill()

    def _patience(self, deadline: datetime | None) -> float:
        ends = [end for end in (deadline, self._stop_at) if end is not None]
        left = min((end - self._clock() for end in ends), default=LOOK_EVERY)
        return min(max(left, timedelta(0)), LOOK_EVERY).total_seconds()

    def _reason_to_kill(self, watch: Watch, now: datetime) -> Outcome | None:
        if watch.started and watch.deadline and now >= watch.deadline:
            seconds = watch.started.timeout
            detail = f"The task took longer than its {seconds} s and did not end when told to."
            return Outcome(RunState.FAILED, Reason.TIMEOUT, detail)
        if self._stop_at and now >= self._stop_at:
            return Outcome(RunState.UNKNOWN, Reason.WORKER_LOST, "Its worker was stopped.")
        return self._stop_asked(watch, now)

    def _stop_asked(self, watch: Watch, now: datetime) -> Outcome | None:
        """How the run is to end, if somebody asked for its stop; a task that has returned is let be."""
        if watch.started is None or watch.has_returned or now - watch.looked_at < LOOK_EVERY:
            return None
        watch.looked_at = now
        with suppress(Unavailable), self._app.app_context():
            return claims.stop_asked(watch.run_id, watch.started.attempt)
        return None

    def _renew(self, run_id: UUID, started: Started, now: datetime) -> bool:
        try:
            with self._app.app_context():
                return claims.renew(run_id, started.attempt, now=now)
        except Unavailable:
            return True

    def _settle(self, watch: Watch, end: Outcome) -> None:
        """Records the end of an attempt whose horse is gone; the scheduler does it if Postgres is away."""
        self._run_id = None
        if watch.started is None:
            return
        with suppress(Unavailable), self._app.app_context():
            found = claims.held(watch.run_id, watch.started.attempt)
            if found is None:
                return
            if end.reason is Reason.WORKER_LOST or _is_doubtful(found, end):
                losing.lose(found, detail=end.detail or "", now=self._clock())
            else:
                execution.finish(found, end, now=self._clock())


def _is_doubtful(found: Claim, end: Outcome) -> bool:
    """Whether a task that sends was cut off by a failure of its process: nobody knows whether it had sent."""
    task = registry.get(found.task)
    return end.state is RunState.FAILED and task is not None and task.sends and not task.idempotent


def main(
    app: Flask, queues: Sequence[str] | None = None, name: str | None = None, *, burst: bool = False
) -> None:
    """Runs a worker until SIGINT or SIGTERM; without `queues` it serves those of all known tasks."""
    settings: Settings = app.extensions["console_settings"]
    worker = RunWorker(
        app,
        list(queues or registry.queues()),
        connect(settings.redis_url, timeout=TAKE_FOR + 3),
        name or f"{socket.gethostname()}-{os.getpid()}",
    )
    worker.work(burst=burst)
