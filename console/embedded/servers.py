"""A server process of our own: started, waited for, and ended with whoever started it."""

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from console.core.process import dying_with_parent
from console.embedded.places import Account, EmbeddedError

START_SECONDS = 60.0


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


def package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            f"the package {name} is not installed: run make run, or pip install -r requirements.txt"
        )
    return Path(spec.submodule_search_locations[0])


def log_file(home: Path, name: str) -> Path:
    (home / "log").mkdir(exist_ok=True)
    return home / "log" / f"{name}.log"


def spawn(
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


def wait(server: Server, ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if server.process.poll() is not None or time.monotonic() > deadline:
            server.stop()
            lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
            raise EmbeddedError(f"{server.name} did not start: {lines[-1]} (all of it in {log})")
        time.sleep(0.01)
