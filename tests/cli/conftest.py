"""Runs the command line, inside this process or as a person at a shell does."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from apiflask import APIFlask

from console.cli import console as commands
from console.cli import context, doctor
from console.cli.errors import run
from tests.conftest import Servers


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    def failed(self, code: int, *words: str) -> bool:
        """Whether it ended with this code and one line on standard error that has these words."""
        assert self.code == code, self
        assert self.err.count("\n") == 1, self.err
        assert self.err.startswith("error"), self.err
        return all(word in self.err for word in words)


Console = Callable[..., Done]


@pytest.fixture
def console(app: APIFlask, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Console:
    """`console("job", "list")` is `python -m console job list`, inside this process to save its start."""
    monkeypatch.setattr(context, "make_app", lambda: app)
    monkeypatch.setattr(doctor, "make_app", lambda: app)

    def in_process(*arguments: str) -> Done:
        capsys.readouterr()
        code = run(commands, list(arguments))
        printed = capsys.readouterr()
        return Done(code, printed.out, printed.err)

    return in_process


@pytest.fixture
def shell(app: APIFlask, servers: Servers) -> Console:
    """As `console`, as a process of its own, with changes to its environment by name."""

    def in_shell(*arguments: str, **environment: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "console", *arguments],
            env={**servers.environment, **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return in_shell
