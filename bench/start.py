"""How long `make run` takes the second time, beside one command of the same program on the same machine."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.stage import ROOT, timed

BAR = 5.0
CONSOLE = (sys.executable, "-m", "console")


def start(environment: dict[str, str]) -> float:
    """Seconds until the address is printed; it is stopped again."""
    begun = time.perf_counter()
    with subprocess.Popen(
        [*CONSOLE, "up"], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as up:
        assert up.stdout is not None
        for line in up.stdout:
            if "Callboard is running" in line:
                break
        seconds = time.perf_counter() - begun
        up.send_signal(signal.SIGTERM)
        up.stdout.read()
    return seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        environment = {**os.environ, "CONSOLE_HOME": folder, "PORT": "8991"}
        for name in ("DATABASE_URL", "REDIS_URL", "SMTP_URL"):
            environment.pop(name, None)
        first, second = start(environment), start(environment)
        peer = timed(
            lambda: subprocess.run([*CONSOLE, "doctor"], env=environment, cwd=ROOT, capture_output=True)
        )
    word = "met" if second < BAR else "NOT MET"
    print(f"first start {first:.1f} s, second start {second:.1f} s (bar {BAR:g} s: {word})")
    print(f"second start: {second / peer:.1f} times one command ({peer:.1f} s)")


if __name__ == "__main__":
    main()
