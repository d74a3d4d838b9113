"""The watcher: seals the audit trail, ends what has expired, and sends alerts, apart from all runs."""

import os
import select
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Event, Thread
from types import FrameType

import structlog
from flask import Flask

from console.core.clock import utc_now
from console.core.errors import Unavailable
from console.core.states import Beating
from console.services import heartbeats, watching
from console.services.heartbeats import Beat

EVERY = 2.0
BEAT_EVERY = timedelta(seconds=5)
GOODBYE = 1.0
"""Seconds for the messages that are on their way when the watcher stops."""
log = structlog.get_logger()


class Watcher:
    """Does the steps of `services.watching` every two seconds.

    Its life: 1 it says that it lives; 2 it does the steps; 3 it waits, and begins again. A thread beside
    it sends alerts, so that a slow receiver holds up nothing else. While Postgres is away it goes on trying.
    SIGINT and SIGTERM let the current step end; a message that is cut off goes out again. Any number of
    watchers may run.
    """

    def __init__(self, app: Flask, name: str, clock: Callable[[], datetime] = utc_now) -> None:
        self.name = name
        self._app = app
        self._clock = clock
        self._born_at = clock()
        self._beaten_at: datetime | None = None
        self._is_stopping = False
        self._stopping = Event()
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_writer, False)

    def run(self) -> None:
        """Works until a signal comes."""
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGTERM, self._stop)
        log.info("the watcher begins", action="watcher.start", watcher=self.name)
        sender = Thread(target=self._send, name="alerts", daemon=True)
        sender.start()
        while not self._is_stopping:
            try:
                self.step()
            except Unavailable:
                self._beaten_at = None
                log.warning("Postgres can't be reached; trying again", action="watcher.wait")
            select.select([self._wake_reader], [], [], EVERY)
        self._stopping.set()
        sender.join(GOODBYE)
        with suppress(Unavailable):
            heartbeats.stopped(Beating.WATCHER, self.name, now=self._clock())
        log.info("the watcher has stopped", action="watcher.stop", watcher=self.name)

    def step(self) -> int:
        """One round; answers how much was done."""
        now = self._clock()
        self._beat(now)
        return watching.watch(now=now)

    def _send(self) -> None:
        """Sends what is due until the end, in a session of its own."""
        with self._app.app_context():
            while not self._stopping.is_set():
                done = 0
                with suppress(Unavailable):  # which the other loop tells
                    done = watching.send(now=self._clock())
                if not done:
                    self._stopping.wait(EVERY)

    def _beat(self, now: datetime) -> None:
        if self._beaten_at is not None and timedelta(0) <= now - self._beaten_at < BEAT_EVERY:
            return
        host, pid = socket.gethostname(), os.getpid()
        heartbeats.beat(Beat(Beating.WATCHER, self.name, host, pid, self._born_at), now=now)
        self._beaten_at = now

    def _stop(self, _signum: int, _frame: FrameType | None) -> None:
        self._is_stopping = True
        with suppress(BlockingIOError):
            os.write(self._wake_writer, b"x")


def main(app: Flask) -> None:
    """Runs a watcher until SIGINT or SIGTERM."""
    with app.app_context():
        Watcher(app, f"{socket.gethostname()}-{os.getpid()}").run()
