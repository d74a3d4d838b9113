"""`job`: the job table at the shell."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from console.cli.asking import telling
from console.cli.context import acting, json_option, org_option, print_fields, print_json, print_table
from console.cli.group import Suggesting
from console.cli.run_reports import not_ended, report
from console.core.states import JobStatus, Kind
from console.core.texts import storable

if TYPE_CHECKING:
    from console.core.actor import Actor
    from console.services.run_views import RunView
    from console.services.views import JobFilter, JobView

PAGE = 200
LONGEST_NOTE = 500
WAIT = click.FloatRange(0, 24 * 3600)


@click.group(cls=Suggesting)
def job() -> None:
    """Jobs: a task, its arguments and its schedule."""


@job.command("list")
@click.option("--status", type=click.Choice([status.value for status in JobStatus]))
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]))
@click.option("--category")
@click.option("--q", metavar="TEXT", help="Search name, key, task, subject and recipient.")
@click.option("--limit", type=click.IntRange(1), default=PAGE, show_default=True, help="How many at most.")
@json_option
@org_option
def list_jobs(
    status: str | None,
    kind: str | None,
    category: str | None,
    q: str | None,
    limit: int,
    as_json: bool,
    org: str | None,
) -> None:
    """List jobs, nearest next run first."""
    with acting(org) as actor:
        from console.services.views import JobFilter

        wanted = JobFilter(q, JobStatus(status) if status else None, Kind(kind) if kind else None, category)
        found = matching(actor, wanted, limit)
        if as_json:
            print_json([job_json(job) for job in found])
            return
        rows = [_row(job, actor.zone) for job in found]
    print_table(("KEY", "NAME", "KIND", "STATUS", "NEXT RUN", "LAST RUN"), rows, "There are no such jobs.")


def matching(actor: "Actor", wanted: "JobFilter", limit: int) -> list["JobView"]:
    """The nearest jobs that match, at most `limit`, read page by page."""
    from console.core.clock import utc_now
    from console.services import jobs

    found: list[JobView] = []
    cursor: str | None = None
    while len(found) < limit:
        size = min(PAGE, limit - len(found))
        page = jobs.page(actor, wanted, cursor=cursor, limit=size, now=utc_now())
        found += page.jobs
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


@job.command()
@click.argument("name")
@json_option
@org_option
def show(name: str, as_json: bool, org: str | None) -> None:
    """Show one job, by id, key or task in any spelling."""
    with acting(org) as actor:
        found = find(actor, name)
        shape = job_json(found)
    if as_json:
        print_json(shape)
        return
    print_fields(shape | {"args": dict(found.args)})


@job.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Show what it would change, and change nothing.")
@click.option("--again", is_flag=True, help="Send what was sent before, or may have been, once more.")
@click.option("--args", "args_json", metavar="JSON", help="Arguments instead of the job's own.")
@click.option("--at", metavar="ISO", help="Start it at this instant; give its offset.")
@click.option("--wait", type=WAIT, metavar="SECONDS", help="Wait for the outcome.")
@click.option("--note", help="Why; for the audit trail, and for a second person who decides.")
@json_option
@org_option
def run(
    name: str,
    dry_run: bool,
    again: bool,
    args_json: str | None,
    at: str | None,
    wait: float | None,
    note: str | None,
    as_json: bool,
    org: str | None,
) -> None:
    """Run a job or task now, or at a later time, by any spelling of its name."""
    args, start_at = arguments(args_json), _instant(at)
    with acting(org) as actor:
        with telling(as_json):
            started = _trigger(actor, name, args, dry_run, again, start_at, note)
        if wait is not None:
            from console.core.clock import utc_now
            from console.services import runs

            started = runs.wait(actor, started.id, seconds=wait, clock=utc_now)
        report(started, as_json)
        if wait is not None and not started.state.is_terminal:
            raise not_ended(started, wait)


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    from console.api.schemas.common import NO_INSTANT

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(NO_INSTANT, param_hint="--at") from None
    if found.tzinfo is None:
        raise click.BadParameter(NO_INSTANT, param_hint="--at")
    return found


def arguments(text: str | None) -> dict[str, Any] | None:
    """The arguments of `--args`, a JSON object; raises `BadParameter`."""
    if text is None:
        return None
    from console.api import strict

    try:
        args = strict.parse(text)
    except ValueError as error:
        raise click.BadParameter(f"is not JSON: {error}", param_hint="--args") from None
    if not isinstance(args, dict):
        raise click.BadParameter('must be a JSON object, such as {"days": 30}', param_hint="--args")
    strict.check_storable(args)
    return args


def _trigger(
    actor: "Actor",
    name: str,
    args: dict[str, Any] | None,
    dry_run: bool,
    again: bool,
    start_at: datetime | None,
    note: str | None,
) -> "RunView":
    from console.core.clock import utc_now
    from console.core.states import Trigger
    from console.services import triggers
    from console.services.run_requests import Request

    given = storable(note or "", LONGEST_NOTE) or None
    request = Request(Trigger.CLI, None, args, dry_run, again, start_at, note=given)
    return triggers.manual_trigger(actor, name, request, now=utc_now())


@job.command()
@click.argument("name")
@click.option("--note", help="Why; kept in the audit trail.")
@org_option
def pause(name: str, note: str | None, org: str | None) -> None:
    """Take a job out of its schedule."""
    _set_paused(name, True, note, org)


@job.command()
@click.argument("name")
@click.option("--note", help="Why; kept in the audit trail.")
@org_option
def resume(name: str, note: str | None, org: str | None) -> None:
    """Put a job back on its schedule."""
    _set_paused(name, False, note, org)


def _set_paused(name: str, paused: bool, note: str | None, org: str | None) -> None:
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import edits

        changed = edits.set_paused(actor, find(actor, name).id, paused, note=note, now=utc_now())
    click.echo(f"{changed.name} ({changed.key}) is {changed.status}.")


@job.command()
@click.argument("name")
@click.argument("status", type=click.Choice([status.value for status in JobStatus]))
@click.option("--note", help="Why; to mark a job as sent takes one. Its row and its history show it.")
@org_option
def status(name: str, status: str, note: str | None, org: str | None) -> None:
    """Give a job a status by hand: scheduled, paused, sent or skipped, as far as it makes sense."""
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import edits
        from console.services.changes import Change

        change = Change(status=JobStatus(status), note=note)
        changed = edits.edit(actor, find(actor, name).id, change, now=utc_now()).job
    click.echo(f"{changed.name} ({changed.key}) is {changed.status}.")


@job.command()
@click.argument("name")
@org_option
def delete(name: str, org: str | None) -> None:
    """Delete a job; its runs stay."""
    with acting(org) as actor:
        from console.core.clock import utc_now
        from console.services import jobs

        found = find(actor, name)
        cuts = jobs.delete(actor, found.id, now=utc_now())
    click.echo(f"{found.name} ({found.key}) is deleted.")
    for cut in cuts.named:
        click.echo(f"Until that is undone, {cut.text}")
    if cuts.left_out:
        click.echo(f"And {cuts.left_out} more links of chains are cut.")


def find(actor: "Actor", name: str) -> "JobView":
    """The job of this id, key or task in any spelling; raises `NotFound` with suggestions."""
    from console.core.clock import utc_now
    from console.services import job_names

    return job_names.find(actor, name, now=utc_now())


def job_json(job: "JobView") -> dict[str, Any]:
    """The job in the API's shape."""
    from console.api.schemas.jobs import JobOut

    return JobOut.of(job).model_dump(mode="json")


def _row(job: "JobView", zone: str) -> tuple[object, ...]:
    from zoneinfo import ZoneInfo

    due = job.next_run_at.astimezone(ZoneInfo(zone)) if job.next_run_at else None
    last = job.last_run.state.value if job.last_run else "never run"
    shown = f"{due:%Y-%m-%d %H:%M:%S %Z}" if due else None
    return job.key, job.name, job.kind.value, job.status.value, shown, last
