"""Real processes of the product, and waiting for what they do."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
CONSOLE = ("-m", "console")
UNSWEPT = """
from datetime import timedelta
from console import cli, scheduler
scheduler.SWEEP_EVERY = timedelta(minutes=10)
cli.main()
"""
"""The console whose scheduler, unless it is woken, next looks up after ten minutes and not after 3 s."""


@contextmanager
def unswept_scheduler(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A scheduler that only a bell, or a time that it knows of, can wake while a test waits.

    So a test shows what woke it without a stopwatch, on a busy machine too.
    """
    with process(environment, "scheduler", program=("-c", UNSWEPT)) as started:
        yield started


@contextmanager
def process(
    environment: dict[str, str],
    *command: str,
    output: IO[bytes] | None = None,
    program: tuple[str, str] = CONSOLE,
) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m console …` until the end of the block; killed if it doesn't end on SIGTERM."""
    started = subprocess.Popen(
        [sys.executable, *program, *command],
        env=environment,
        cwd=ROOT,
        start_new_session=True,
        stdout=output,
        stderr=output,
    )
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            started.send_signal(signal.SIGCONT)
            started.terminate()
        try:
            started.wait(20)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def eventually(ask: Callable[[], T], seconds: float = 60.0) -> T:
    """The first true answer; the last answer stands in the error when there is none in time.

    The time is for a machine that is busy with other things: it is no promise of the product's.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s; the last answer was {answer!r}")
        time.sleep(0.05)


def free_port() -> int:
    """A port for a server that starts in a moment.

    It lies below those that the kernel gives to whoever asks for any, and where no other worker of pytest
    looks: until the server listens, nobody else takes it.
    """
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
    while True:
        port = 20_000 + number * 1500 + secrets.randbelow(1500)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def children(pid: int) -> list[int]:
    """The processes whose parent is `pid`."""
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in found.stdout.split()]


def is_alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False
