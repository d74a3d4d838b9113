"""Child processes kept alive: started, heard, started again when they die, stopped in order.

Everything happens in the main thread, because the kernel's wish to end a child with its parent is
bound to the thread that started it, and because forking beside threads is unsafe.
"""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from console.core.process import dying_with_parent

LONGEST_BACKOFF = 30.0
HEALTHY_AFTER = 30.0
LONGEST_LINE = 64 * 1024

Say = Callable[[str], None]


@dataclass
class Child:
    """One program to keep alive. It runs; it dies; it waits `backoff` seconds; it runs again."""

    name: str
    command: Sequence[str]
    grace: float
    """Seconds that it gets between being asked to stop and being made to."""
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    due: float = 0.0
    tail: bytes = field(default=b"", repr=False)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def died(self, now: float) -> float:
        """Note a death at `now` (monotonic seconds); returns the wait before the next start."""
        self.failures = 1 if now - self.started > HEALTHY_AFTER else self.failures + 1
        backoff = min(0.25 * 2.0**self.failures, LONGEST_BACKOFF)
        self.process, self.due = None, now + backoff
        return backoff


class Supervisor:
    """Runs children with one environment and prints their lines behind their names.

    `add` starts a child; `tick`, called over and over, passes on what children say and starts again
    those that died; `stop` ends all of them within the longest grace among them.
    """

    def __init__(self, environment: Mapping[str, str], say: Say) -> None:
        self._environment = dict(environment)
        self._say = say
        self._children: list[Child] = []
        self._selector = selectors.DefaultSelector()

    def add(self, name: str, *command: str, grace: float) -> None:
        child = Child(name, command, grace)
        self._children.append(child)
        self._start(child)

    def tick(self, seconds: float = 0.2) -> None:
        """Wait up to `seconds` for something to happen, then see to it."""
        self._listen(seconds)
        now = time.monotonic()
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._mourn(child, now)
            elif child.process is None and now >= child.due:
                self._start(child)

    def stop(self) -> None:
        """Ask all, in the order in which they were added; make those stop whose grace is over."""
        begun = time.monotonic()
        for child in self._children:
            _signal(child, signal.SIGTERM)
        while any(child.running for child in self._children):
            self._listen(0.05)
            for child in self._children:
                if time.monotonic() - begun > child.grace:
                    _signal(child, signal.SIGKILL)
        self._listen(0)
        self._children.clear()

    def _start(self, child: Child) -> None:
        child.process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
            child.command,
            env=self._environment,
            preexec_fn=dying_with_parent(),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        child.started = time.monotonic()
        assert child.process.stdout is not None  # noqa: S101 - a pipe was asked for
        os.set_blocking(child.process.stdout.fileno(), False)
        self._selector.register(child.process.stdout, selectors.EVENT_READ, child)

    def _mourn(self, child: Child, now: float) -> None:
        code = child.process.returncode if child.process else 0
        backoff = child.died(now)
        self._say(f"{child.name} ended ({_how(code)}); it starts again in {backoff:g} s")

    def _listen(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            self._read(key.fileobj, key.data)  # type: ignore[arg-type]

    def _read(self, pipe: IO[bytes], child: Child) -> None:
        chunk = os.read(pipe.fileno(), LONGEST_LINE)
        if not chunk:
            self._selector.unregister(pipe)
            pipe.close()
        *lines, child.tail = (child.tail + chunk).split(b"\n")
        if child.tail and (not chunk or len(child.tail) > LONGEST_LINE):
            lines, child.tail = [*lines, child.tail], b""
        for line in lines:
            self._say(f"{child.name:<10}| {line.decode(errors='replace')}")


def say(text: str) -> None:
    """Print one line at once; a terminal that has gone away is no reason to stop."""
    try:
        print(text, file=sys.stdout, flush=True)
    except OSError:
        pass


def _signal(child: Child, sign: signal.Signals) -> None:
    """To the whole session of the child, so that what it started is reached too, once by force."""
    if child.process is None or child.process.poll() is not None:
        return
    if sign == signal.SIGKILL:
        os.killpg(child.process.pid, sign)
    else:
        child.process.send_signal(sign)


def _how(code: int) -> str:
    return f"exit {code}" if code >= 0 else signal.Signals(-code).name
