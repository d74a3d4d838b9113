"""What commands share: the app, the person at the shell, and how lists are printed."""

import getpass
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from apiflask import APIFlask

    from console.core.actor import Actor

Command = TypeVar("Command", bound=Callable[..., Any])


def org_option(command: Command) -> Command:
    return click.option("--org", metavar="SLUG", help="The org; the first one when left out.")(command)


def json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def make_app() -> "APIFlask":
    """The app with the settings of this environment; raises `SettingsError`."""
    from console.core.settings import load_settings

    settings = load_settings()
    from console.app import create_app

    return create_app(settings)


@contextmanager
def application() -> Iterator["APIFlask"]:
    """The app with its context pushed, as services need it."""
    app = make_app()
    with app.app_context():
        yield app


@contextmanager
def acting(org: str | None) -> Iterator["Actor"]:
    """The person at this shell, inside the app's context; raises `NotFound` without an org."""
    from console.services import people

    with application():
        yield people.cli_actor(org, login=_login())


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def base_url() -> str:
    """How browsers reach the console, without a slash at the end; inside the app's context."""
    from flask import current_app

    return str(current_app.extensions["console_settings"].base_url)


def print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def print_table(heads: Sequence[str], rows: Sequence[Sequence[object]], nothing: str) -> None:
    """Columns as wide as their longest word; `nothing` when there is no row."""
    if not rows:
        click.echo(nothing)
        return
    lines = [heads, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_fields(values: Mapping[str, object]) -> None:
    """One line for each name and its value."""
    width = max(map(len, values))
    for name, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        click.echo(f"{name:<{width}} {'-' if value is None else printable(text)}")


def instant(at: datetime | None) -> str | None:
    """An instant to the second, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at else None


def printable(cell: object) -> str:
    """A word on one line, without control characters that a terminal would obey; a dash for nothing."""
    text = "-" if cell is None or cell == "" else str(cell)
    return "".join(letter if letter.isprintable() else "?" for letter in text)
