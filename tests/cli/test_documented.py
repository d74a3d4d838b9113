"""Every command and every call stands in the reference."""

import re
import shlex
from pathlib import Path

import click
import pytest

from console.cli import console
from tests.api.test_description import CONTRACT

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


def test_every_command_is_documented() -> None:
    text = (REFERENCE / "cli.md").read_text()
    for name, command in console.commands.items():
        if command.hidden:
            continue
        for inner in getattr(command, "commands", {None: None}):
            words = f"`{name} {inner}" if inner else f"`{name}"
            assert words in text, words


def test_every_option_is_documented() -> None:
    text = (REFERENCE / "cli.md").read_text()
    for command in console.commands.values():
        for one in getattr(command, "commands", {"": command}).values():
            for option in (o for p in one.params if not getattr(p, "hidden", False) for o in p.opts):
                assert not option.startswith("--") or option in text, option


def test_every_call_of_the_api_is_documented() -> None:
    text = (REFERENCE / "api.md").read_text()
    for method, path in CONTRACT:
        short = (
            path.removeprefix("/api/v1")
            .replace("{job_id}", "{id}")
            .replace("{run_id}", "{id}")
            .replace("{event_id}", "{id}")
            .replace("{channel_id}", "{id}")
            .replace("{rule_id}", "{id}")
            .replace("{approval_id}", "{id}")
            .replace("{person_id}", "{id}")
            .replace("{token_id}", "{id}")
            .replace("{session_id}", "{id}")
            .replace("{message_type}", "{type}")
            .replace("{number}", "{n}")
        )
        assert f"`{method.upper()} {short}" in text, (method, short)


def shown_commands() -> list[str]:
    """Each command line of README and how-tos, as it is to be typed behind `python -m console`."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs" / "how-to").glob("*.md"))]
    found = (re.findall(r"python -m console ([a-z][^`|)\n]*)", page.read_text()) for page in pages)
    return sorted({line.strip() for lines in found for line in lines})


@pytest.mark.parametrize("line", shown_commands())
def test_a_command_line_of_the_docs_can_be_typed_as_it_stands(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "schedules.yaml").touch()
    monkeypatch.chdir(tmp_path)
    command: click.Command = console
    words = shlex.split(line, comments=True)
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    if words:
        with command.make_context("console", words):
            pass  # which opens and closes what it names


@pytest.mark.parametrize(
    "line", [line for line in shown_commands() if re.match(r"job (chain|sequence)|schedule (set|next)", line)]
)
def test_a_command_line_of_the_docs_names_tasks_that_are_there(line: str) -> None:
    words = shlex.split(line, comments=True)[2:]
    names = [name for word in words if re.fullmatch(r"[a-z_,]+_[a-z_,]+", word) for name in word.split(",")]
    source = "".join(path.read_text() for path in (ROOT / "console" / "plugins").glob("*/tasks.py"))
    assert names and [name for name in names if f"\ndef {name}(" not in source] == []
