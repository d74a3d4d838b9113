"""What the shell says of a run: how it stands, how it ended, and what it changed."""

import json
from typing import TYPE_CHECKING

import click

from console.cli.context import base_url, instant, print_json, print_table
from console.cli.errors import CommandFailed
from console.core.states import Hold, RunState

if TYPE_CHECKING:
    from console.services.run_views import RunView


def not_ended(run: "RunView", seconds: float) -> CommandFailed:
    """What is said of a run that was waited for in vain; inside the app's context."""
    address = f"{base_url()}/runs/{run.id}"
    return CommandFailed(f"not ended within {seconds:g} s; its state is {run.state}; follow it at {address}")


def report(run: "RunView", as_json: bool) -> None:
    """Prints the run; raises `CommandFailed` when it has ended in any way but success."""
    if as_json:
        from console.api.schemas.runs import RunOut

        print_json(RunOut.of(run).model_dump(mode="json"))
    else:
        later = f"; it starts {instant(run.start_after)}" if run.held_by is Hold.LATER else ""
        click.echo(f"{run.task_title}: {run.state} (run {run.id}){later}")
        _report_result(run.result)
        if run.state.is_terminal:
            report_changes(run)
    if run.state.is_terminal and run.state is not RunState.SUCCEEDED:
        message = (run.error or {}).get("message")
        why = run.reason or (run.reason_code.text if run.reason_code else "It did not succeed.")
        raise CommandFailed(f"{why} ({message})" if message and message not in why else why, run.reason_code)


def report_changes(run: "RunView") -> None:
    """What the run changed, or a dry run would have changed, as a table."""
    if run.changes or run.dry_run:
        names = ("subject", "before", "after")
        rows = [[change[name] for name in names] for change in run.changes]
        print_table(("WHAT", "BEFORE", "AFTER"), rows, "Its task reports no change.")
    if run.dry_run:
        click.echo("Nothing was changed: this was a dry run.")


def _report_result(result: object) -> None:
    if isinstance(result, dict) and result.get("summary"):
        click.echo(result["summary"])
    elif result is not None:
        click.echo(json.dumps(result, ensure_ascii=False))
