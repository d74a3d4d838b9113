"""`run stop` and `run retry`."""

from uuid import UUID

import click

from console.cli.asking import telling
from console.cli.context import acting, json_option, org_option, print_json
from console.cli.jobs import WAIT, arguments
from console.cli.run_reports import not_ended, report


@click.command()
@click.argument("run_id", metavar="ID", type=click.UUID)
@click.option("--note", help="Why; its record says so.")
@json_option
@org_option
def stop(run_id: UUID, note: str | None, as_json: bool, org: str | None) -> None:
    """Stop a run: one that has not begun ends at once, one that runs within about a second."""
    with acting(org) as actor:
        from console.api.schemas.runs import RunOut
        from console.core.clock import utc_now
        from console.services import run_control

        run = run_control.stop(actor, run_id, note, now=utc_now())
        shape = RunOut.of(run).model_dump(mode="json")
    if as_json:
        print_json(shape)
        return
    word = run.state.value if run.state.is_terminal else "told to stop"
    click.echo(f"{run.task_title}: {word} (run {run.id})")


@click.command()
@click.argument("run_id", metavar="ID", type=click.UUID)
@click.option("--args", "args_json", metavar="JSON", help="Arguments instead of the run's own.")
@click.option("--note", help="Why; kept in the audit trail.")
@click.option("--wait", type=WAIT, metavar="SECONDS", help="Wait for the outcome.")
@json_option
@org_option
def retry(
    run_id: UUID, args_json: str | None, note: str | None, wait: float | None, as_json: bool, org: str | None
) -> None:
    """Make another run of the same job, with the arguments of this one unless told otherwise."""
    args = arguments(args_json)
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import run_control, runs

        with telling(as_json):
            again = run_control.retry(actor, run_id, args, key=None, note=note, now=utc_now())
        if wait is not None:
            again = runs.wait(actor, again.id, seconds=wait, clock=utc_now)
        report(again, as_json)
        if wait is not None and not again.state.is_terminal:
            raise not_ended(again, wait)


COMMANDS = (stop, retry)
