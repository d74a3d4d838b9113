"""`up` as its users meet it: one process to start, everything running, and nothing left when it ends."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from console.embedded import start_postgres, start_valkey
from tests.processes import children, eventually, free_port

ROOT = Path(__file__).parents[2]
OURS = (
    "DATABASE_URL",
    "REDIS_URL",
    "SMTP_URL",
    "SECRET_KEY",
    "CONSOLE_ADMIN_PASSWORD",
    "CONSOLE_ADMIN_EMAIL",
)
READY = "Callboard is running"


@pytest.fixture
def home() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="cb-up-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def environment(home: Path, **more: str) -> dict[str, str]:
    bare = {name: value for name, value in os.environ.items() if name not in OURS}
    return {**bare, "CONSOLE_HOME": str(home), "PORT": str(free_port()), "CONSOLE_WORKERS": "1", **more}


class Up:
    """One running `up`, its output so far, and every process that carries its home in the environment."""

    def __init__(self, env: dict[str, str], *prefix: str) -> None:
        self.env, self.home = env, Path(env["CONSOLE_HOME"])
        self.log = self.home / "up.out"
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "console", "up"],
                cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def ready(self, seconds: float = 120) -> float:
        begun = time.monotonic()
        while READY not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() - begun < seconds, self.output
            time.sleep(0.05)
        return time.monotonic() - begun

    @property
    def output(self) -> str:
        return self.log.read_text()

    def status(self, path: str) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.env['PORT']}{path}", timeout=30) as answer:
            return int(answer.status)

    def is_ready(self) -> bool:
        try:
            return self.status("/readyz") == 200
        except OSError:
            return False

    def end(self, sign: signal.Signals) -> float:
        """Send the signal; returns the seconds until the last process was gone."""
        begun = time.monotonic()
        self.process.send_signal(sign)
        self.process.wait(60)
        eventually(lambda: not processes_of(self.home))
        return time.monotonic() - begun


def processes_of(home: Path) -> dict[int, str]:
    """Every live process that was given this home, by environment or by argument."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            if entry.name.isdigit() and os.fsencode(home) in text:
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    return found


@contextmanager
def running(env: dict[str, str]) -> Iterator[Up]:
    up = Up(env)
    try:
        up.ready()
        yield up
    finally:
        if up.process.poll() is None:
            up.process.terminate()
            up.process.wait(60)


def console(env: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "console", *arguments],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def job_ids(listing: str) -> list[str]:
    found = json.loads(listing)
    return [job["id"] for job in (found["jobs"] if isinstance(found, dict) else found)]


def kinds(home: Path) -> list[str]:
    commands = " ".join(processes_of(home).values())
    return [kind for kind in ("postgres", "valkey", "scheduler", "worker", "catcher") if kind in commands]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_whatever_ends_it_nothing_is_left(home: Path, sign: signal.Signals) -> None:
    with running(environment(home)) as up:
        assert up.status("/readyz") == 200
        assert kinds(home) == ["postgres", "valkey", "scheduler", "worker", "catcher"]
        assert up.end(sign) < 10
    assert (home / "run.json").exists() == (sign == signal.SIGKILL)


def test_the_password_is_told_once(home: Path) -> None:
    env = environment(home)
    with running(env) as up:
        told = [line for line in up.output.splitlines() if "assword" in line]
        assert told
        up.end(signal.SIGTERM)
    with running(env) as up:
        assert told[0] not in up.output.splitlines()


@pytest.mark.alone
def test_the_second_start_finds_its_data_and_is_quicker_than_the_first(home: Path) -> None:
    """`bench/start.py` prints the seconds; here the peer is the first start on the same machine."""
    env = environment(home)
    begun = time.monotonic()
    with running(env) as up:
        first = time.monotonic() - begun
        before = console(env, "job", "list", "--json").stdout
        up.end(signal.SIGTERM)
    up, later = Up(env), []
    try:
        later.append(up.ready())
        after = console(env, "job", "list", "--json").stdout
        assert sorted(job_ids(after)) == sorted(job_ids(before)) != [], "what was sent meanwhile sorts last"
        up.end(signal.SIGTERM)
        up = Up(env)
        later.append(up.ready())
        assert min(later) < first, "another's work on the machine only ever adds"
    finally:
        up.end(signal.SIGTERM)


def test_a_second_one_on_the_same_home_refuses_in_one_line(home: Path) -> None:
    with running(environment(home)) as up:
        second = console(environment(home), "up")
        assert second.returncode == 1
        assert second.stderr.strip().endswith("stop that one, or choose another CONSOLE_HOME")
        assert len(second.stderr.strip().splitlines()) == 1
        assert up.status("/readyz") == 200


def test_a_port_in_use_is_said_in_one_line(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = console(environment(home, PORT=str(port)), "up")
    assert refused.returncode == 1
    assert f"port {port} can't be used" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert processes_of(home) == {}


def test_a_wrong_setting_stops_the_start_with_its_name(home: Path) -> None:
    refused = console(environment(home, CONSOLE_TIMEZONE="Mars/Olympus"), "up")
    assert refused.returncode == 1
    assert "CONSOLE_TIMEZONE" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_other_commands_find_the_running_servers(home: Path) -> None:
    env = environment(home)
    with running(env):
        assert (home / "run.json").stat().st_mode & 0o777 == 0o600
        listed = console(env, "job", "list", "--json")
        assert listed.returncode == 0, listed.stderr
        json.loads(listed.stdout)
    nothing = console(env, "job", "list", "--json")
    assert nothing.returncode != 0
    assert "nothing is running on" in nothing.stderr


def test_with_servers_of_its_own_choosing_nothing_embedded_starts(home: Path) -> None:
    elsewhere = Path(tempfile.mkdtemp(prefix="cb-ext-"))
    elsewhere.chmod(0o755)
    postgres, valkey = start_postgres(elsewhere), start_valkey(elsewhere)
    urls = {"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url, "SMTP_URL": "smtp://127.0.0.1:9"}
    try:
        with running(environment(home, **urls)) as up:
            assert up.status("/readyz") == 200
            assert kinds(home) == ["scheduler", "worker"]
            assert not (home / "postgres").exists()
    finally:
        valkey.stop()
        postgres.stop()
        shutil.rmtree(elsewhere)


def test_a_process_that_dies_is_started_again(home: Path) -> None:
    with running(environment(home)) as up:
        (victim,) = [pid for pid, command in processes_of(home).items() if "console scheduler" in command]
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: "scheduler ended (SIGKILL)" in up.output)
        eventually(lambda: "console scheduler" in " ".join(processes_of(home).values()))


@pytest.mark.parametrize("name", ["valkey-server", "/postgres "])
def test_an_embedded_server_that_dies_is_started_again_on_its_data(home: Path, name: str) -> None:
    env = environment(home)
    with running(env) as up:
        found = [pid for pid, command in processes_of(home).items() if name in command]
        (victim,) = [pid for pid in found if not any(pid in children(other) for other in found)]
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: "ended; it starts again" in up.output)
        eventually(lambda: up.is_ready())
        done = console(env, "job", "run", "count_slowly", "--args", '{"to": 1}', "--wait", "60")
        assert done.returncode == 0, done.stdout + done.stderr


def test_when_make_is_killed_everything_ends(home: Path) -> None:
    """`--with-parent`, with a shell in the place of make."""
    env = environment(home)
    command = f"{sys.executable} -m console up --with-parent & wait"
    with (home / "up.out").open("w") as output:
        parent = subprocess.Popen(["sh", "-c", command], cwd=ROOT, env=env, stdout=output, stderr=output)
    eventually(lambda: READY in (home / "up.out").read_text(), 120)
    parent.kill()
    parent.wait()
    eventually(lambda: not processes_of(home))
