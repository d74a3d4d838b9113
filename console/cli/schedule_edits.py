"""`schedule set|enable|disable|undo`: edits, and whether the scheduler acts on them yet."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from console.cli.context import acting, json_option, org_option, print_json, printable
from console.cli.errors import CommandFailed
from console.cli.schedule_words import (
    applied_text,
    change_text,
    instant_text,
    is_paused,
    schedule_text,
)
from console.cli.schedules import find
from console.core.hops import NEXT_TICK, Clock
from console.core.states import CatchUp, Overlap

if TYPE_CHECKING:
    from console.core.actor import Actor
    from console.services.conflicts import Conflict
    from console.services.edits import Edited
    from console.services.views import JobView

Command = TypeVar("Command", bound=Callable[..., Any])
ACKNOWLEDGED_WITHIN = 2.0
LOOK_EVERY = 0.05
CLOCK = ("hour", "minute", "weekday")
POLICIES = {
    "name": "new_name",
    "timezone": "timezone",
    "overlap": "overlap",
    "catch_up": "catch_up",
    "catch_up_window_seconds": "window",
    "jitter_seconds": "jitter",
}


def edit_options(command: Command) -> Command:
    """What every edit takes."""
    for option in (
        click.option("--reason", metavar="TEXT", help="Why; kept in history and audit trail."),
        click.option(
            "--revision", type=click.IntRange(1), help="The revision that you saw; a newer one refuses."
        ),
        click.option("--no-wait", is_flag=True, help="Don't wait for the scheduler."),
        json_option,
        org_option,
    ):
        command = option(command)
    return command


@click.command("set")
@click.argument("name")
@click.option("--cron", metavar="E", help="Five fields, such as '15 9 * * 1-5'.")
@click.option("--every", type=int, metavar="SECONDS")
@click.option("--hour", type=int, metavar="H", help="Daily at H and --minute.")
@click.option("--minute", type=int, metavar="M")
@click.option("--weekday", type=int, metavar="D", help="Weekly; Monday is 0.")
@click.option("--at", metavar="ISO", help="Once, at an instant with its offset.")
@click.option("--manual", is_flag=True, help="Never due by itself.")
@click.option("--timezone", metavar="Z", help="The IANA zone in which the times are meant.")
@click.option("--enable", is_flag=True)
@click.option("--disable", is_flag=True)
@click.option("--overlap", type=click.Choice([value.value for value in Overlap]))
@click.option("--catch-up", type=click.Choice([value.value for value in CatchUp]))
@click.option(
    "--window", type=int, metavar="SECONDS", help="How old a slot may be to be caught up; 0 for any."
)
@click.option("--jitter", type=int, metavar="SECONDS", help="Start up to so much later; 0 for none.")
@click.option("--name", "new_name", metavar="TEXT", help="What people call the job.")
@edit_options
def set_schedule(
    name: str,
    reason: str | None,
    revision: int | None,
    no_wait: bool,
    as_json: bool,
    org: str | None,
    **given: Any,
) -> None:
    """Change what is given of a job's schedule; a task that has no job gets one."""
    wanted = _wanted(given)
    with acting(org) as actor, _explained():
        from console.core.clock import utc_now
        from console.services import schedules
        from console.services.changes import Change

        change = Change(**wanted, note=_note(wanted, reason))
        done = schedules.put(actor, name, change, seen=revision, reason=reason, now=utc_now())
        _report(actor, done.edited, as_json=as_json, no_wait=no_wait, is_new=done.is_new)


def _wanted(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the edit; raises `UsageError` for options that contradict each other."""
    if given["enable"] and given["disable"]:
        raise click.UsageError("give either --enable or --disable, not both")
    wanted = {field: given[option] for field, option in POLICIES.items() if given[option] is not None}
    if wanted.get("catch_up_window_seconds") == 0:
        wanted["catch_up_window_seconds"] = None
    shape = _shape(given)
    if shape is not None:
        wanted["schedule"] = shape
    if given["enable"] or given["disable"]:
        wanted["enabled"] = given["enable"]
    if not wanted:
        raise click.UsageError("say what to set, such as --hour 9 --minute 15, --every 600 or --disable")
    return wanted


def _shape(given: Mapping[str, Any]) -> dict[str, Any] | None:
    clock = {name: given[name] for name in CLOCK if given[name] is not None}
    shapes: dict[str, dict[str, Any]] = {
        "--cron": {"type": "cron", "cron": given["cron"]},
        "--every": {"type": "interval", "every_seconds": given["every"]},
        "--hour": {"type": "weekly" if "weekday" in clock else "daily", **clock},
        "--at": {"type": "once", "at": given["at"]},
        "--manual": {"type": "manual"},
    }
    is_given = {"--hour": bool(clock), "--manual": given["manual"]}
    chosen = [name for name in shapes if is_given.get(name, given.get(name[2:]) is not None)]
    if len(chosen) > 1:
        raise click.UsageError(f"give one schedule, not {' and '.join(chosen)} together")
    if clock and not {"hour", "minute"} <= clock.keys():
        raise click.UsageError("--hour and --minute belong together; --weekday needs both")
    return shapes[chosen[0]] if chosen else None


def _note(wanted: Mapping[str, Any], reason: str | None) -> str | None:
    """Who pauses a job says why on its row too."""
    return reason if wanted.get("enabled") is False else None


@click.command()
@click.argument("name")
@edit_options
def enable(name: str, **given: Any) -> None:
    """Put a job back on its schedule."""
    _switch(name, True, **given)


@click.command()
@click.argument("name")
@edit_options
def disable(name: str, **given: Any) -> None:
    """Take a job out of its schedule; --reason shows on its row."""
    _switch(name, False, **given)


def _switch(
    name: str,
    enabled: bool,
    *,
    reason: str | None,
    revision: int | None,
    no_wait: bool,
    as_json: bool,
    org: str | None,
) -> None:
    with acting(org) as actor, _explained():
        from console.core.clock import utc_now
        from console.services import edits
        from console.services.changes import Change

        change = Change(enabled=enabled, note=None if enabled else reason)
        job = find(actor, name)
        done = edits.edit(actor, job.id, change, seen=revision, reason=reason, now=utc_now())
        _report(actor, done, as_json=as_json, no_wait=no_wait)


@click.command()
@click.argument("name")
@click.option(
    "--to", type=click.IntRange(1), metavar="N", help="The revision to restore; else the one before."
)
@edit_options
def undo(
    name: str,
    to: int | None,
    reason: str | None,
    revision: int | None,
    no_wait: bool,
    as_json: bool,
    org: str | None,
) -> None:
    """Restore an earlier revision of a job, which makes a new one."""
    with acting(org) as actor, _explained():
        from console.core.clock import utc_now
        from console.services import revisions

        job = find(actor, name)
        now = utc_now()
        if to is None:
            done = revisions.undo(actor, job.id, seen=revision, reason=reason, now=now)
        else:
            done = revisions.restore(actor, job.id, to, seen=revision, reason=reason, now=now)
        _report(actor, done, as_json=as_json, no_wait=no_wait)


COMMANDS = (set_schedule, enable, disable, undo)


# What came of it ----------------------------------------------------------------------------------


def _report(actor: "Actor", done: "Edited", *, as_json: bool, no_wait: bool, is_new: bool = False) -> None:
    job = done.job if no_wait else _acknowledged(actor, done.job)
    for caution in done.cautions:
        click.echo(f"warning: {printable(caution.text)}", err=True)
    if as_json:
        from console.api.schemas.jobs import JobChangedOut

        print_json(JobChangedOut.of_edit(replace(done, job=job)).model_dump(mode="json"))
        return
    if not is_new and not done.is_changed:
        click.echo(f"{job.key} is so already: r{job.revision}. Nothing was changed.")
        return
    click.echo(_headline(job, is_new))
    for change in done.changes:
        click.echo(f"  {change.name}: {printable(change_text(change.name, change.old, change.new))}")
    click.echo(_next_text(job, done, is_new))
    click.echo(_in_force_text(job, done.job.revision))


def _headline(job: "JobView", is_new: bool) -> str:
    made = f": a new job of the task {job.task}, {schedule_text(job.schedule)}" if is_new else ""
    return printable(f"{job.name} ({job.key}){made}")


def _next_text(job: "JobView", done: "Edited", is_new: bool) -> str:
    before = instant_text(done.next_before, job.timezone) or "none"
    was = "" if is_new else f" (before: {before})"
    if is_paused(job):
        return f"no next run: the job is paused{was}"
    return f"next run {instant_text(job.next_run_at, job.timezone) or 'none'}{was}"


def _in_force_text(job: "JobView", saved: int) -> str:
    if job.applied_revision >= saved:
        return f"r{saved}, in force"
    clock = _clock()
    if clock is Clock.DOWN:
        return f"saved r{saved}; the scheduler is down: start it with `python -m console scheduler`"
    if clock is Clock.EXTERNAL_CRON:
        return f"saved r{saved}; {NEXT_TICK}"
    return f"saved r{saved}; {applied_text(job)}"


def _acknowledged(actor: "Actor", saved: "JobView") -> "JobView":
    """The job as soon as the scheduler acts on this revision, or after 2 s, or at once when none is alive."""
    from console.core.clock import utc_now
    from console.services import jobs

    job, until = saved, time.monotonic() + ACKNOWLEDGED_WITHIN
    if job.applied_revision >= saved.revision or _clock() not in (Clock.SCHEDULER, Clock.SILENT):
        return job
    while job.applied_revision < saved.revision and time.monotonic() < until:
        time.sleep(LOOK_EVERY)
        job = jobs.get(actor, saved.id, now=utc_now())
    return job


def _clock() -> Clock:
    from console.core.clock import utc_now
    from console.services import workers

    return workers.pulse(now=utc_now()).clock


@contextmanager
def _explained() -> Iterator[None]:
    """A refusal of a stale edit says what they changed."""
    from console.services.conflicts import StaleRevision

    try:
        yield
    except StaleRevision as error:
        raise CommandFailed(_conflict_text(error.conflict), error.reason) from error


def _conflict_text(conflict: "Conflict") -> str:
    theirs = [
        f"{field.name}: {change_text(field.name, field.base, field.theirs)}"
        for field in conflict.fields
        if field.theirs != field.base
    ]
    why = f" (“{conflict.reason}”)" if conflict.reason else ""
    what = "; ".join(theirs) or "and it is again as you saw it"
    newest = conflict.current.revision
    return (
        f"{conflict.saved_by} saved r{newest}{why} after r{conflict.seen}, which you saw: {what}. "
        f"Nothing was changed; to save all the same, give --revision {newest}."
    )
