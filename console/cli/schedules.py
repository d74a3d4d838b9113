"""`schedule`: when jobs are due, and what became of each schedule."""

from typing import TYPE_CHECKING

import click

from console.cli.context import acting, json_option, org_option, print_fields, print_json, print_table
from console.cli.group import Suggesting
from console.cli.schedule_words import change_text, instant_text, is_paused, origin_text, revision_text
from console.core.states import JobStatus, Kind

if TYPE_CHECKING:
    from console.core.actor import Actor
    from console.core.slots import Slot
    from console.services.revisions import RevisionView
    from console.services.views import JobView

LISTED = 200
MOST_SLOTS = 400


@click.group(cls=Suggesting)
def schedule() -> None:
    """Schedules: when jobs are due, who changed it, and all of it as one file."""


@schedule.command("list")
@click.option("--status", type=click.Choice([status.value for status in JobStatus]))
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]))
@click.option("--q", metavar="TEXT", help="Search name, key, task, subject and recipient.")
@click.option("--limit", type=click.IntRange(1), default=LISTED, show_default=True, help="How many at most.")
@json_option
@org_option
def list_schedules(
    status: str | None, kind: str | None, q: str | None, limit: int, as_json: bool, org: str | None
) -> None:
    """List schedules, nearest next run first."""
    with acting(org) as actor:
        from console.cli.jobs import job_json, matching
        from console.services.views import JobFilter

        wanted = JobFilter(q, JobStatus(status) if status else None, Kind(kind) if kind else None)
        found = matching(actor, wanted, limit)
        if as_json:
            print_json([job_json(job) for job in found])
            return
        rows = [_row(job) for job in found]
    print_table(
        ("KEY", "SCHEDULE", "ZONE", "STATUS", "NEXT RUN", "REVISION"), rows, "There are no such jobs."
    )


def _row(job: "JobView") -> tuple[object, ...]:
    due = None if is_paused(job) else instant_text(job.next_run_at, job.timezone)
    return job.key, job.schedule_text, job.timezone, job.status.value, due, revision_text(job)


@schedule.command()
@click.argument("name")
@json_option
@org_option
def show(name: str, as_json: bool, org: str | None) -> None:
    """Show the schedule of one job, by id, key or task in any spelling."""
    with acting(org) as actor:
        from console.cli.jobs import job_json

        job = find(actor, name)
        if as_json:
            print_json(job_json(job))
            return
        (newest,) = _revisions(actor, job, 1)
    print_fields(_fields(job, newest))


def find(actor: "Actor", name: str) -> "JobView":
    """The job that a name means; raises `NotFound`, also for a task that has no job yet."""
    from console.core.clock import utc_now
    from console.services import schedules

    return schedules.find(actor, name, now=utc_now())


def _fields(job: "JobView", newest: "RevisionView") -> dict[str, object]:
    where = f"({origin_text(newest.origin)})"
    who = newest.actor if newest.actor.endswith(where) else f"{newest.actor} {where}"
    shape = ", ".join(f"{name} {value}" for name, value in job.schedule.items() if name != "type")
    return {
        "key": job.key,
        "name": job.name,
        "task": job.task,
        "schedule": f"{job.schedule_text} ({' '.join((str(job.schedule['type']), shape)).strip()})",
        "timezone": job.timezone,
        "status": job.status.value,
        "status_note": job.status_note,
        "next_run": None if is_paused(job) else instant_text(job.next_run_at, job.timezone),
        "overlap": job.overlap,
        "catch_up": job.catch_up,
        "catch_up_window_seconds": job.catch_up_window_seconds,
        "jitter_seconds": job.jitter_seconds,
        "revision": revision_text(job),
        "changed": f"{instant_text(newest.created_at, job.timezone)} by {who}",
        "reason": newest.reason,
    }


@schedule.command("next")
@click.argument("name")
@click.option("--count", type=click.IntRange(1, MOST_SLOTS), default=5, show_default=True)
@json_option
@org_option
def next_slots(name: str, count: int, as_json: bool, org: str | None) -> None:
    """Show the next slots of a job, in its zone and in UTC, and what daylight saving does to them."""
    with acting(org) as actor:
        from console.services import previews

        job = find(actor, name)
        slots = previews.upcoming(actor, job.id, count=count)
        if as_json:
            from console.api.schemas.schedules import SlotsOut

            print_json(SlotsOut.of(slots).model_dump(mode="json"))
            return
    if is_paused(job) and slots:
        click.echo(f"{job.key} is paused: none of these will run.")
    rows = [_slot(slot) for slot in slots]
    print_table(("LOCAL", "UTC", "MARK"), rows, f"{job.key} has no slot to come: {job.schedule_text}.")


def _slot(slot: "Slot") -> tuple[object, ...]:
    mark = f"{slot.mark}: {slot.note}" if slot.mark else None
    return f"{slot.local:%a %Y-%m-%d %H:%M:%S %Z}", f"{slot.at:%Y-%m-%d %H:%M:%S}", mark


@schedule.command()
@click.argument("name")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many at most.")
@json_option
@org_option
def history(name: str, limit: int, as_json: bool, org: str | None) -> None:
    """Show who changed a job, when, from where and why, newest first."""
    with acting(org) as actor:
        job = find(actor, name)
        found = _revisions(actor, job, limit)
        if as_json:
            from console.api.schemas.schedules import RevisionOut

            print_json([RevisionOut.of(revision).model_dump(mode="json") for revision in found])
            return
    rows = [_revision(revision, job.timezone) for revision in found]
    print_table(("REVISION", "WHEN", "WHO", "FROM", "WHAT", "WHY"), rows, "There is no history.")


def _revisions(actor: "Actor", job: "JobView", limit: int) -> list["RevisionView"]:
    from console.core.clock import utc_now
    from console.services import revisions

    found: list[RevisionView] = []
    before: int | None = None
    while len(found) < limit:
        size = min(LISTED, limit - len(found))
        page = revisions.page(actor, job.id, before=before, limit=size, now=utc_now())
        found += page.revisions
        before = page.next_before
        if before is None:
            break
    return found


def _revision(revision: "RevisionView", zone: str) -> tuple[object, ...]:
    mark = ", in force" if revision.is_applied else ", newest" if revision.is_current else ""
    what = "; ".join(
        f"{change.name}: {change_text(change.name, change.old, change.new)}" for change in revision.changes
    )
    when = instant_text(revision.created_at, zone)
    who, where = revision.actor, origin_text(revision.origin)
    return f"r{revision.revision}{mark}", when, who, where, what or "created", revision.reason
