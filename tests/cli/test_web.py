"""`web`: the server answers, stops when asked, and leaves nothing behind however it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from apiflask import APIFlask

from tests.conftest import Servers
from tests.processes import free_port


def until(condition: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/api/v1/openapi.json", timeout=5) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def web(app: APIFlask, servers: Servers, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "console", "web", "--port", str(port)]
    with subprocess.Popen(command, env=servers.environment) as process:
        try:
            # One worker may answer before the other one is there.
            until(lambda: answers(port) and len(children(process.pid)) == 2)
            yield process
        finally:
            process.kill()


def test_sigterm_ends_it_soon(web: "subprocess.Popen[bytes]") -> None:
    workers = children(web.pid)
    web.terminate()
    assert web.wait(60) == 0
    assert not any(lives(pid) for pid in workers)


def test_a_killed_master_takes_its_workers_along(web: "subprocess.Popen[bytes]", port: int) -> None:
    workers = children(web.pid)
    os.kill(web.pid, signal.SIGKILL)
    web.wait(60)
    until(lambda: not any(lives(pid) for pid in workers))
    assert not answers(port)
