"""The voice of a running task: its progress and log lines reach Postgres while it runs."""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from flask import Flask

from console.core.errors import Unavailable
from console.core.task import Change, LogLimitExceeded
from console.core.texts import own_path, storable
from console.services import execution
from console.services.claims import Claim

FLUSH_EVERY = 0.25
PATIENCE = 2.0
LOG_LIMIT = 512 * 1024
LINE_LIMIT = 8 * 1024
NOTE_LIMIT = 300
CHANGE_LIMIT = 1000
CHANGE_TEXT_LIMIT = 1000


class Voice:
    """Takes a task's words and stores them four times a second, from a thread of its own.

    The task's own session and transaction are left alone: what it says is visible at once, also
    when its work is rolled back.
    """

    def __init__(self, app: Flask, claim: Claim, clock: Callable[[], datetime]) -> None:
        self._app = app
        self._claim = claim
        self._clock = clock
        self._lock = threading.Lock()
        self._lines: list[tuple[datetime, str]] = []
        self._progress: Mapping[str, Any] | None = None
        self._changes: list[Change] = []
        self._untold = 0
        self._size = 0
        self._ended = threading.Event()
        self._said_something = threading.Event()
        self._in_haste = threading.Event()
        self._stored = threading.Condition()
        self._asked = self._answered = 0
        self._thread: threading.Thread | None = None

    @property
    def changes(self) -> list[dict[str, Any]]:
        """All that was kept; the last one says how many more there were."""
        more = [Change(f"and {self._untold} more", None, None)] if self._untold else []
        return [
            {"subject": item.subject, "before": item.before, "after": item.after, "url": item.url}
            for item in [*self._changes, *more]
        ]

    def log(self, message: str) -> None:
        """Raises `LogLimitExceeded` beyond 512 KiB in one attempt."""
        message = str(message)
        self._size += len(message) + 1
        if self._size > LOG_LIMIT:
            raise LogLimitExceeded(f"The run wrote more than {LOG_LIMIT // 1024} KiB of log.")
        with self._lock:
            self._lines.append((self._clock(), storable(message, LINE_LIMIT)))
        self._wake()

    def progress(self, done: int, total: int | None, note: str | None) -> None:
        text = storable(str(note), NOTE_LIMIT) if note else None
        with self._lock:
            self._progress = {
                "done": int(done),
                "total": int(total) if total is not None else None,
                "note": text,
            }
        self._wake()

    def changed(self, change: Change) -> None:
        """Keeps what JSON and a page can hold of it, and the first thousand; links lead nowhere else."""
        if len(self._changes) >= CHANGE_LIMIT:
            self._untold += 1
            return
        before, after, url = map(_text, (change.before, change.after, change.url))
        self._changes.append(Change(_text(change.subject) or "", before, after, own_path(url)))

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, daemon=True, name="voice")
            self._thread.start()
        self._said_something.set()

    def flush(self) -> None:
        """Waits until all that was said so far is stored, for 2 s at most: what comes next may be cut off."""
        if self._thread is None:
            return
        with self._stored:
            self._asked += 1
            wanted = self._asked
            self._in_haste.set()
            self._said_something.set()
            self._stored.wait_for(lambda: self._answered >= wanted, PATIENCE)

    def close(self) -> None:
        """Stores what is left; the attempt's end is recorded after it."""
        self._ended.set()
        self._in_haste.set()
        self._said_something.set()
        if self._thread is not None:
            self._thread.join()
            self._flush()

    def _follow(self) -> None:
        while not self._ended.is_set():
            self._said_something.wait()
            self._said_something.clear()
            asked = self._asked
            self._flush()
            with self._stored:
                self._answered = asked
                self._stored.notify_all()
            self._in_haste.wait(FLUSH_EVERY)
            self._in_haste.clear()

    def _flush(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
            progress, self._progress = self._progress, None
        if not lines and progress is None:
            return
        try:
            with self._app.app_context():
                execution.note(self._claim, lines=lines, progress=progress)
        except Unavailable:
            with self._lock:
                self._lines = lines + self._lines
                self._progress = self._progress or progress


def _text(value: object) -> str | None:
    return None if value is None else storable(str(value), CHANGE_TEXT_LIMIT)
