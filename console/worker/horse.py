"""The work horse: a forked child that executes run after run, until it is sent home or dies."""

import json
import os
import select
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import structlog
from flask import Flask

from console.core.process import die_with_parent
from console.services.claims import Claim
from console.services.connections import forget_connections
from console.worker.execute import execute

RUNS_PER_HORSE = 1000
log = structlog.get_logger()


@dataclass(frozen=True)
class Started:
    """The horse has claimed a run: the attempt, and its timeout in seconds."""

    attempt: int
    timeout: int


@dataclass(frozen=True)
class Returned:
    """The task's function has returned; what is left is to record it, however long that takes."""


@dataclass(frozen=True)
class Ended:
    """The horse is done with what it was given."""


@dataclass(frozen=True)
class Died:
    """The horse is gone: by its own exit (`exit_code`) or by a signal."""

    exit_code: int | None
    signal: int | None

    @property
    def sentence(self) -> str:
        if self.signal is not None:
            return f"The process that executed it was killed by signal {self.signal}."
        return f"The task ended the process that executed it, with exit code {self.exit_code}."


class Horse:
    """The parent's side: starts the child, hands it run ids, and hears of claims and ends."""

    def __init__(self, app: Flask, worker: str) -> None:
        self._app = app
        self._worker = worker
        self._pid = 0
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._served = 0

    @property
    def pid(self) -> int:
        return self._pid

    def give(self, run_id: UUID) -> None:
        """Hands over a run id; starts a child when there is none."""
        if self._socket is None or self._served >= RUNS_PER_HORSE:
            self.dismiss()
            self._fork()
        assert self._socket is not None  # noqa: S101  (for the type checker)
        self._served += 1
        try:
            self._socket.sendall(run_id.bytes)
        except OSError:  # it died while idle, so nothing was begun
            self._reap()
            self._fork()
            self._socket.sendall(run_id.bytes)

    def listen(self, seconds: float) -> Started | Returned | Ended | Died | None:
        """The next word of the child; None when it says nothing for so long."""
        if b"\n" not in self._buffer and not self._receive(seconds):
            return None
        if b"\n" not in self._buffer:
            return self._reap()
        line, _, self._buffer = self._buffer.partition(b"\n")
        word = json.loads(line)
        if "timeout" in word:
            return Started(word["attempt"], word["timeout"])
        if "returned" in word:
            return Returned()
        return Ended()

    def _receive(self, seconds: float) -> bool:
        if self._socket is None or not select.select([self._socket], [], [], seconds)[0]:
            return False
        try:
            self._buffer += self._socket.recv(4096)
        except ConnectionResetError:
            pass
        return True

    def kill(self) -> None:
        """Kills the child and all that it started."""
        if self._pid:
            try:
                os.killpg(self._pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self._reap()

    def dismiss(self) -> None:
        """Sends an idle child home."""
        if self._socket is not None:
            self._socket.close()
            self._reap()

    def _reap(self) -> Died:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._buffer, self._served = None, b"", 0
        pid, self._pid = self._pid, 0
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            return Died(None, os.WTERMSIG(status))
        return Died(os.waitstatus_to_exitcode(status), None)

    def _fork(self) -> None:
        mine, its = socket.socketpair()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            mine.close()
            _live(self._app, self._worker, its, parent)
        its.close()
        self._pid, self._socket = pid, mine


def _live(app: Flask, worker: str, line: socket.socket, parent: int) -> None:
    """The child's whole life; never returns."""
    code = 1
    try:
        os.setpgid(0, 0)
        die_with_parent()
        if os.getppid() != parent:
            os._exit(1)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        forget_connections(app)
        _serve(app, worker, line)
        code = 0
    except BaseException:
        log.exception("the work horse broke", action="horse.broke", worker=worker)
    finally:
        os._exit(code)


def _serve(app: Flask, worker: str, line: socket.socket) -> None:
    announce = _announcer(line)

    def returned() -> None:
        _say(line, {"returned": True})

    while True:
        given = line.recv(16, socket.MSG_WAITALL)
        if len(given) < 16:
            return
        execute(app, UUID(bytes=given), worker=worker, announce=announce, returned=returned)
        _say(line, {"ended": True})


def _announcer(line: socket.socket) -> Callable[[Claim, int], None]:
    def announce(claim: Claim, timeout: int) -> None:
        _say(line, {"attempt": claim.attempt, "timeout": timeout})

    return announce


def _say(line: socket.socket, word: dict[str, object]) -> None:
    line.sendall(json.dumps(word).encode() + b"\n")
