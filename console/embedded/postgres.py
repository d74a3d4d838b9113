"""The Postgres of a home."""

import signal
import time
from pathlib import Path
from urllib.parse import quote

import psycopg

from console.core.process import started_at
from console.embedded.cluster import initdb, password_of, programs_for
from console.embedded.places import (
    NAME,
    Account,
    EmbeddedError,
    account_of_postgres,
    place_of,
    private_directory,
)
from console.embedded.servers import Server, log_file, spawn, wait

SETTINGS = (
    "listen_addresses=",
    "timezone=UTC",
    "log_timezone=UTC",
    "shared_buffers=128MB",
    "max_connections=200",
    "password_encryption=scram-sha-256",
)


def start_postgres(home: Path) -> Server:
    """Start Postgres on the data of this home, made on the first start. Raises EmbeddedError.

    Its URL is `postgresql+psycopg://…`. Up to 60 s when it has to recover from a crash.
    """
    account = account_of_postgres()
    programs = programs_for(account)
    place = place_of(home, account)
    data = place / "postgres"
    password = password_of(home, data)
    if not data.exists():
        initdb(programs, data, password, account)
    _clear_stale_pid(data)
    sockets = private_directory(place / "pg", ".s.PGSQL.5432.lock", account)
    return _launch_postgres(programs, data, sockets, password, home, account)


def _launch_postgres(
    programs: Path, data: Path, sockets: Path, password: str, home: Path, account: Account
) -> Server:
    if data.stat().st_uid != account.uid:
        raise EmbeddedError(f"the data in {data} belong to another user: start as that user")
    command = [str(programs / "postgres"), "-D", str(data), "-k", str(sockets)]
    for setting in SETTINGS:
        command += ["-c", setting]
    log = log_file(home, "postgres")
    process = spawn(command, signal.SIGINT, log, account)
    server = Server("Postgres", _postgres_url(sockets, password, NAME), process, signal.SIGINT)
    wait(server, lambda: _is_ready(data, process.pid), log)
    _create_database(_postgres_url(sockets, password, "postgres"))
    return server


def _postgres_url(sockets: Path, password: str, database: str) -> str:
    return f"postgresql+psycopg://{NAME}:{password}@/{database}?host={quote(str(sockets))}"


def _is_ready(data: Path, pid: int) -> bool:
    """Whether *this* server says that it is ready; the file of a dead one says so too."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _create_database(maintenance_url: str) -> None:
    url = maintenance_url.replace("+psycopg", "", 1)
    with psycopg.connect(url, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
            connection.execute("CREATE DATABASE callboard")


def _clear_stale_pid(data: Path) -> None:
    """Wait for a predecessor that is still shutting down or was just killed; forget one that is gone.

    Postgres itself would refuse to start when the old pid now belongs to any other process of its user, and
    as long as a child of a killed server has not noticed yet and holds its memory.
    """
    deadline = time.monotonic() + 10
    while pid := _at_work(data):
        if time.monotonic() > deadline:
            raise EmbeddedError(f"another Postgres (process {pid}) is running on {data}: stop it first")
        time.sleep(0.05)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _at_work(data: Path) -> int | None:
    """A process of a Postgres on these data, be it the server or a child that has outlived it."""
    pids = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    return next((pid for pid in pids if _serves(pid, data)), None)


def _serves(pid: int, data: Path) -> bool:
    """Postgres works in its data directory, so that is how one is told from any other."""
    process = Path(f"/proc/{pid}")
    try:
        is_postgres = (process / "comm").read_text() == "postgres\n"
        return is_postgres and started_at(pid) is not None and (process / "cwd").samefile(data)
    except OSError:
        return False
