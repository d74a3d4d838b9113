"""`run`: what ran, how it ended, and what it wrote."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from console.cli.context import acting, json_option, org_option, print_fields, print_json, print_table
from console.cli.group import Suggesting
from console.core.states import RunState

if TYPE_CHECKING:
    from console.core.actor import Actor
    from console.services.run_views import LogLine, RunFilter, RunView

PAGE = 200
LINES = 500


@click.group(cls=Suggesting)
def run() -> None:
    """Runs: what was asked for, how it ended, and what it wrote."""


@run.command("list")
@click.option("--job", "job_name", metavar="NAME", help="Only of this job: its id or key.")
@click.option("--state", type=click.Choice([state.value for state in RunState]))
@click.option("--limit", type=click.IntRange(1), default=PAGE, show_default=True, help="How many at most.")
@json_option
@org_option
def list_runs(job_name: str | None, state: str | None, limit: int, as_json: bool, org: str | None) -> None:
    """List runs, newest first."""
    with acting(org) as actor:
        from console.api.naming import job_of
        from console.core.clock import utc_now
        from console.services.run_views import RunFilter

        job_id = job_of(actor, job_name, now=utc_now()) if job_name is not None else None
        found = _all(actor, RunFilter(job_id, RunState(state) if state else None), limit)
        if as_json:
            print_json([_run_json(run) for run in found])
            return
        rows = [_row(run, actor.zone) for run in found]
    print_table(("ID", "JOB", "STATE", "REASON", "REQUESTED", "SECONDS"), rows, "There are no such runs.")


def _all(actor: "Actor", wanted: "RunFilter", limit: int) -> list["RunView"]:
    from console.core.clock import utc_now
    from console.services import runs

    found: list[RunView] = []
    cursor: str | None = None
    while len(found) < limit:
        size = min(PAGE, limit - len(found))
        page = runs.page(actor, wanted, cursor=cursor, limit=size, now=utc_now())
        found += page.runs
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


@run.command()
@click.argument("run_id", metavar="ID", type=click.UUID)
@json_option
@org_option
def show(run_id: UUID, as_json: bool, org: str | None) -> None:
    """Show one run."""
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import runs

        shape = _run_json(runs.get(actor, run_id, now=utc_now()))
    if as_json:
        print_json(shape)
    else:
        print_fields(shape)


@run.command()
@click.argument("run_id", metavar="ID", type=click.UUID)
@json_option
@org_option
def log(run_id: UUID, as_json: bool, org: str | None) -> None:
    """Print what a run's task wrote."""
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import runs

        runs.get(actor, run_id, now=utc_now())
        lines = _lines(actor, run_id)
    if as_json:
        print_json(
            [{"id": x.id, "at": x.at.isoformat(), "attempt": x.attempt, "message": x.message} for x in lines]
        )
        return
    for line in lines:
        click.echo(_printable(line.message))


def _lines(actor: "Actor", run_id: UUID) -> list["LogLine"]:
    """All of them, from the first; to `runs.log` after=0 would mean the newest."""
    from console.services import runs

    found: list[LogLine] = []
    after = -1
    while True:
        lines = runs.log(actor, run_id, after=after, limit=LINES)
        found += lines
        if len(lines) < LINES:
            return found
        after = lines[-1].id


def _printable(message: str) -> str:
    """Without control characters that a terminal would obey."""
    return "".join(letter if letter.isprintable() or letter in "\t\n" else "?" for letter in message)


def _run_json(run: "RunView") -> dict[str, Any]:
    from console.api.schemas.runs import RunOut

    return RunOut.of(run).model_dump(mode="json")


def _row(run: "RunView", zone: str) -> tuple[object, ...]:
    from zoneinfo import ZoneInfo

    asked = run.requested_at.astimezone(ZoneInfo(zone))
    seconds = f"{run.duration.total_seconds():.1f}" if run.duration is not None else None
    reason = run.reason_code.value if run.reason_code else None
    return run.id, run.job_key, run.state.value, reason, f"{asked:%Y-%m-%d %H:%M:%S %Z}", seconds
