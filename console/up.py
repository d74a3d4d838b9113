"""Everything on one machine: servers out of wheels, migrations, the demonstration, processes.

The life of an `up`: lock the home → check the port → start what no URL was given for → leave a note for
other commands → start the web process, with migrations and seed beside it → start the rest → say the address
→ keep all alive → stop all in order.
"""

import fcntl
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from console.core import runfile
from console.core.errors import SettingsError
from console.core.process import die_with_parent, dying_with_parent
from console.core.settings import Environment, load_environment, secret_key
from console.embedded import EmbeddedError, Server, start_postgres, start_valkey
from console.supervisor import Supervisor, say

READY_SECONDS = 60.0
REVIVE_SECONDS = 3.0
CONSOLE = (sys.executable, "-m", "console")
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class UpError(Exception):
    """This machine can't run Callboard now; the text is one line that says why and what to do."""


def up(with_parent: bool = False) -> int:
    """Run everything until SIGINT, SIGTERM or SIGHUP; returns the exit code. Main thread only.

    `with_parent`: stop as well when the process that started this one is gone.
    """
    if with_parent:
        die_with_parent(signal.SIGTERM)
    for sign in STOPPING:
        signal.signal(sign, signal.default_int_handler)
    try:
        _run(load_environment())
    except KeyboardInterrupt:
        return 0
    except (UpError, EmbeddedError, SettingsError) as error:
        print(f"callboard: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


class Kept:
    """An embedded server that is started again, on the same data and the same socket, when it dies."""

    def __init__(self, start: Callable[[Path], Server], home: Path) -> None:
        self._start = start
        self._home = home
        self._again_at = 0.0
        self.server = start(home)

    def revive(self) -> None:
        """Look whether it lives; a start that fails is tried again after a while."""
        if self.server.process.poll() is None or time.monotonic() < self._again_at:
            return
        say(f"{self.server.name} ended; it starts again")
        self._again_at = time.monotonic() + REVIVE_SECONDS
        try:
            self.server = self._start(self._home)
        except EmbeddedError as error:
            say(f"callboard: {error}")

    def stop(self) -> None:
        self.server.stop(1.5)


def _run(given: Environment) -> None:
    with ExitStack() as stack:
        stack.enter_context(_locked(given.home))
        _check_port(given.port)
        kept: list[Kept] = []
        urls = _servers(given, stack, kept)
        environment = _environment(given, urls)
        where = (urls["DATABASE_URL"], urls["REDIS_URL"], urls["SMTP_URL"])
        runfile.write(given.home, *where, ",".join(given.task_modules), _address(given))
        stack.callback(runfile.remove, given.home)
        supervisor = Supervisor(environment, say)
        stack.callback(_stop, supervisor)
        _serve(supervisor, given, urls, environment)
        while True:
            supervisor.tick()
            for server in kept:
                server.revive()


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Hold the home against a second `up`; the kernel lets go when this process ends, however it ends."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / "up.lock").open("a")
    except OSError as error:
        raise UpError(f"CONSOLE_HOME {home} can't be used: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UpError(
                f"already running on {home}: stop that one, or choose another CONSOLE_HOME"
            ) from None
        yield


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise UpError(
                f"port {port} can't be used ({error.strerror}): stop what uses it, or set PORT"
            ) from None


def _servers(given: Environment, stack: ExitStack, kept: list[Kept]) -> dict[str, str]:
    """Start a server for each URL that was not given; they stop when the stack unwinds."""
    urls = {"DATABASE_URL": given.database_url, "REDIS_URL": given.redis_url, "SMTP_URL": given.smtp_url}
    if not given.database_url:
        urls["DATABASE_URL"] = _keep(start_postgres, given, stack, kept)
    if not given.redis_url:
        urls["REDIS_URL"] = _keep(start_valkey, given, stack, kept)
    if not given.smtp_url:
        urls["SMTP_URL"] = f"smtp://127.0.0.1:{_free_port()}"
    return {name: url for name, url in urls.items() if url}


def _keep(start: Callable[[Path], Server], given: Environment, stack: ExitStack, kept: list[Kept]) -> str:
    server = Kept(start, given.home)
    stack.callback(server.stop)
    kept.append(server)
    return server.server.url


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(given: Environment, urls: dict[str, str]) -> dict[str, str]:
    """What the children see: the same variables, with nothing left for them to find out."""
    return {
        **os.environ,
        **urls,
        "CONSOLE_HOME": str(given.home),
        "CONSOLE_OUTBOX": "0" if given.smtp_url else "1",
        "PYTHONUNBUFFERED": "1",
        "SECRET_KEY": given.secret_key or secret_key(given.home),
    }


def _command(environment: dict[str, str], *arguments: str) -> str:
    """Run `python -m console …` to its end; returns what it printed. Raises UpError when it fails."""
    done = subprocess.run(  # noqa: S603 - our own program, no shell
        [*CONSOLE, *arguments],
        env=environment,
        preexec_fn=dying_with_parent(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise UpError(f"{arguments[0]} failed; what it said stands above")
    return done.stdout.strip()


def _serve(
    supervisor: Supervisor, given: Environment, urls: dict[str, str], environment: dict[str, str]
) -> None:
    """Start web, greet as soon as it is ready, and start the rest.

    Each process costs more than a second of computing to begin, so the page comes before the rest.
    """
    supervisor.add("web", *CONSOLE, "web", grace=2)
    welcome = _command(environment, "seed", "--demo", "--migrate")
    try:
        _await_ready(supervisor, given.port)
        _start_rest(supervisor, given, urls)
    finally:  # a stop before that must not swallow the password that was shown to nobody yet
        _greet(given, welcome)


def _start_rest(supervisor: Supervisor, given: Environment, urls: dict[str, str]) -> None:
    for number in range(1, given.workers + 1):
        supervisor.add(f"worker {number}", *CONSOLE, "worker", "--name", f"worker-{number}", grace=6)
    supervisor.add("scheduler", *CONSOLE, "scheduler", grace=3)
    supervisor.add("watcher", *CONSOLE, "watcher", grace=3)
    if not given.smtp_url:
        port = urls["SMTP_URL"].rpartition(":")[2]
        supervisor.add("catcher", *CONSOLE, "catcher", "--port", port, grace=6.5)


def _await_ready(supervisor: Supervisor, port: int) -> None:
    patience = time.monotonic() + READY_SECONDS
    while not _ready(port):
        supervisor.tick(0.05)
        if time.monotonic() > patience:
            say("callboard: still not ready; the lines above say what is missing. It goes on trying.")
            patience += READY_SECONDS


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _address(given: Environment) -> str:
    return given.base_url or f"http://localhost:{given.port}"


def _greet(given: Environment, welcome: str) -> None:
    say(f"\n  Callboard is running: {_address(given)}")
    account = given.admin_email or "the account that was printed at the first start"
    for line in (welcome or f"Sign in with {account}.").splitlines():
        say(f"  {line}")
    say("  Ctrl-C stops it.\n")


def _stop(supervisor: Supervisor) -> None:
    """Stop the children; a second signal meanwhile changes nothing, all of it ends within 10 s anyway."""
    for sign in STOPPING:
        signal.signal(sign, signal.SIG_IGN)
    say("callboard: stopping")
    supervisor.stop()
