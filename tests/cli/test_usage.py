"""Wrong usage ends with 2 and one line, before anything is started or read."""

import os
import subprocess
import sys

import pytest

from console.cli import console
from console.cli.errors import run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["jbo"], "Did you mean job"),
        (["job", "lst"], "Did you mean list"),
        (["job", "list", "--jsn"], "--json"),
        (["job", "list", "--status", "sleeping"], "sleeping"),
        (["job", "list", "--limit", "0"], "--limit"),
        (["job", "run"], "NAME"),
        (["job", "run", "x", "--args", "{"], "--args"),
        (["job", "run", "x", "--args", "[]"], "--args"),
        (["job", "run", "x", "--wait", "soon"], "--wait"),
        (["job", "run", "x", "--wait", "-1"], "--wait"),
        (["token", "create", "--name", "ci"], "--role"),
        (["user", "create", "a@b.example", "--role", "king"], "king"),
        (["web", "--port", "0"], "--port"),
        (["worker", "--queues", ","], "--queues"),
        (["seed"], "--demo"),
        (["run", "show", "x"], "x"),
        (["run", "list", "--state", "sleeping"], "sleeping"),
        (["job", "show", "\udcff"], "UTF-8"),
    ],
)
def test_wrong_usage_is_named_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run(console, arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert words in printed.err


@pytest.mark.parametrize("arguments", [["--help"], ["job", "--help"], ["job", "run", "--help"]])
def test_help_is_no_error(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(console, arguments) == 0
    assert "Usage: python -m console" in capsys.readouterr().out


def test_every_command_says_what_it_does() -> None:
    for name, command in console.commands.items():
        assert command.help, name
        for inner, sub in getattr(command, "commands", {}).items():
            assert sub.help, f"{name} {inner}"


def test_help_comes_at_once_for_it_loads_neither_flask_nor_sqlalchemy() -> None:
    """What takes long to load would be most of the time that it takes."""
    heavy = "{'flask', 'sqlalchemy', 'rq', 'gunicorn'}"
    program = f"import atexit, sys, console.cli; atexit.register(lambda: print({heavy} & set(sys.modules))); "
    done = subprocess.run(
        [sys.executable, "-c", program + "console.cli.main()", "--help"],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ,
    )
    assert done.stdout.startswith("Usage:") and done.stdout.endswith("\nset()\n")
