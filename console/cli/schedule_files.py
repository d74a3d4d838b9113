"""`schedule export|plan|import`: all schedules as one file, compared and put in force."""

import os
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from console.cli.context import acting, json_option, org_option, print_json, printable
from console.cli.errors import CommandFailed
from console.cli.schedule_words import change_text, value_text
from console.core.reasons import Reason

if TYPE_CHECKING:
    from console.services.schedule_files import Plan
    from console.services.schedule_steps import PlannedChange

FILE = click.File("rb")


@click.command()
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Instead of standard output.",
)
@org_option
def export(output: Path | None, org: str | None) -> None:
    """Write all schedules as one YAML file, which import takes back."""
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import schedule_files

        text = schedule_files.export(actor, now=utc_now())
    if output is None:
        click.echo(text, nl=False)
        return
    _write(output, text)
    click.echo(f"The schedules are written to {printable(output)}.")


def _write(path: Path, text: str) -> None:
    """Whole or not at all; a file that is there keeps its rights. Raises `CommandFailed`."""
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            file.write(text)
        os.chmod(file.name, path.stat().st_mode & 0o777 if path.exists() else 0o600)
        os.replace(file.name, path)
    except OSError as error:
        raise CommandFailed(f"{path} can't be written: {error.strerror}") from error


@click.command()
@click.argument("file", type=FILE)
@json_option
@org_option
def plan(file: IO[bytes], as_json: bool, org: str | None) -> None:
    """Show what a file (- for standard input) would change, and change nothing."""
    text = _read(file)
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import schedule_files

        found = schedule_files.plan(actor, text, now=utc_now())
    _report(found, as_json, is_done=False)


@click.command("import")
@click.argument("file", type=FILE)
@click.option("--reason", metavar="TEXT", help="Why; kept in history and audit trail.")
@json_option
@org_option
def import_schedules(file: IO[bytes], reason: str | None, as_json: bool, org: str | None) -> None:
    """Put a file (- for standard input) in force: all of it, or nothing when any of it is wrong."""
    text = _read(file)
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import schedule_files

        done = schedule_files.apply(actor, text, reason=reason, now=utc_now())
    _report(done, as_json, is_done=True)


COMMANDS = (export, plan, import_schedules)


def _read(file: IO[bytes]) -> str:
    """The text of a file, not more of it than a file may have; raises `CommandFailed`."""
    from console.services.schedule_entries import LARGEST

    try:
        return file.read(LARGEST + 1).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandFailed(
            "The file is not UTF-8 text. Nothing was changed.", Reason.INVALID_SCHEDULE
        ) from error
    except OSError as error:
        raise CommandFailed(f"The file can't be read: {error.strerror}") from error


def _report(plan: "Plan", as_json: bool, *, is_done: bool) -> None:
    for change in plan.changes:
        for caution in change.cautions:
            click.echo(f"warning: {change.name}: {printable(caution.text)}", err=True)
    if as_json:
        from console.api.schemas.schedule_files import PlanOut

        print_json(PlanOut.of(plan).model_dump(mode="json"))
        return
    for change in plan.changes:
        _show(change)
    for line in _summary(plan, is_done):
        click.echo(line)


def _show(change: "PlannedChange") -> None:
    click.echo(f"{'~' if change.before is not None else '+'} {change.name}")
    for name, new in change.after.items():
        if change.before is not None:
            said = change_text(name, change.before[name], new)
        elif new is None or new == {}:
            continue
        else:
            said = value_text(name, new)
        click.echo(f"    {name}: {printable(said)}")


def _summary(plan: "Plan", is_done: bool) -> list[str]:
    new = sum(change.action == "create" for change in plan.changes)
    edited = len(plan.changes) - new
    same = f"{plan.unchanged} {'are' if plan.unchanged != 1 else 'is'} as in the file"
    stay = f"{plan.not_in_file} not in the file {'stay' if plan.not_in_file != 1 else 'stays'} as it is"
    rest = f"{same}; {stay}." if plan.not_in_file else f"{same}."
    if not plan.changes:
        return [f"Nothing to change: {rest}"]
    if is_done:
        return [f"{new} created, {edited} changed; {rest}"]
    return [
        f"{new} to create, {edited} to change; {rest}",
        "Nothing was changed: `schedule import` puts it in force.",
    ]
