"""Every command and every call stands in the reference."""

from pathlib import Path

from console.cli import console
from tests.api.test_description import CONTRACT

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


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
