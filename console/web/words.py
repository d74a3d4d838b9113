"""What a definition's fields and their values are called on a page: editor, history and conflict share it."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from flask import Flask

from console.core.chain import said
from console.core.errors import Invalid
from console.core.explaining import Clocks
from console.core.reasons import Reason
from console.core.schedule import Schedule, describe, parse
from console.core.spans import span_text
from console.core.states import ActorKind, CatchUp, JobStatus, Kind, Overlap
from console.services.edits import Edited
from console.services.orgs import zone as zone_of
from console.services.revisions import RevisionView
from console.services.views import JobView
from console.web.filters import due
from console.web.identity import moment, zone

FIELDS = {
    "name": "Name",
    "task": "Task",
    "subject": "About",
    "recipient": "To",
    "args": "Arguments",
    "schedule": "Schedule",
    "timezone": "Zone",
    "enabled": "Switch",
    "overlap": "When one is still running",
    "catch_up": "When it came due while nothing could act",
    "catch_up_window_seconds": "Catching up",
    "jitter_seconds": "Jitter",
    "closed": "Over without a run",
    "note": "Note",
    "then": "What follows",
}
OVERLAPS = {
    Overlap.SKIP: "the next is skipped",
    Overlap.BUFFER_ONE: "one waits until it has ended; any more are skipped",
    Overlap.ALLOW_ALL: "the next starts beside it",
    Overlap.CANCEL_OTHER: "the running one is stopped, then the next starts",
}
CATCH_UPS = {
    CatchUp.LATEST: "the latest one is run",
    CatchUp.ALL: "each one is run",
    CatchUp.NONE: "it is let go",
}
ORIGINS = {
    ActorKind.PERSON: "on a page",
    ActorKind.TOKEN: "through the API",
    ActorKind.CLI: "from the command line",
}
STATUSES = {status.value: status.value.capitalize() for status in JobStatus}
WORDS: Mapping[str, Mapping[Any, str]] = {"overlap": OVERLAPS, "catch_up": CATCH_UPS}
NOTHING = "none"
WEEK = 7


def origin(kind: str) -> str:
    """From where a revision was made."""
    return ORIGINS.get(ActorKind(kind), "by the console itself")


def sentence(text: str) -> str:
    """The text with a capital letter in front; the rest stays."""
    return text[:1].upper() + text[1:]


def local(at: datetime, zone_name: str, seconds: bool = False) -> str:
    """`Mon 23 Nov 09:15`, as the clocks of that zone show it."""
    place = zone_of(zone_name)
    shown, today = at.astimezone(place), moment().astimezone(place)
    year = f" {shown.year}" if shown.year != today.year else ""
    return f"{shown:%a} {shown.day} {shown:%b}{year} {shown:{'%H:%M:%S' if seconds else '%H:%M'}}"


def beside(at: datetime, zone_name: str) -> str:
    """As `local`, behind the same instant on the page's clocks: the time alone on the same day."""
    there = at.astimezone(zone_of(zone_name))
    is_same_day = there.date() == at.astimezone(zone()).date()
    return f"{there:%H:%M}" if is_same_day else local(at, zone_name)


def value(name: str, held: Any, zone_name: str) -> str:
    """A field's value in words; `zone_name` is the zone in which a schedule's times are meant."""
    if name == "schedule":
        return schedule(held, zone_name)
    if name == "catch_up_window_seconds":
        return f"up to {span(held)} late" if held else "however late"
    if name == "jitter_seconds":
        return (
            f"starts up to {span(held)} after its time, the same for the same slot"
            if held
            else "starts at its time"
        )
    if name == "enabled":
        return "on" if held else "off"
    if name == "then":
        return said(held)
    if name == "closed" and held:
        return closed(held)
    if isinstance(held, str):
        return WORDS.get(name, {}).get(held, held)
    return _plain(held)


def closed(held: Mapping[str, Any]) -> str:
    """`sent`, marked so by hand, or `skipped: the load-in time is already known`."""
    code = held.get("reason_code")
    return f"{held['status']}: {Reason(code).text}" if code else f"marked as {held['status']} by hand"


def _plain(held: Any) -> str:
    if held is None or held == {}:
        return NOTHING
    return held if isinstance(held, str) else json.dumps(held, ensure_ascii=False)


def zone_before(revision: RevisionView) -> str:
    """The zone in which a revision's old schedule was meant."""
    old = [change.old for change in revision.changes if change.name == "timezone"]
    return str(old[0] if old else revision.definition.get("timezone") or "UTC")


def span(seconds: int) -> str:
    """`15 min`, `1 h 30 min`."""
    return span_text(timedelta(seconds=seconds))


def schedule(shape: Any, zone_name: str) -> str:
    """`daily at 09:15`, or `once on Mon 23 Nov 2026 at 09:15`; what can't be read stays as it was given."""
    try:
        found = parse(shape)
    except (Invalid, AttributeError):
        return _plain(shape)
    if found.at is not None:
        return f"once on {_day(found.at.astimezone(zone_of(zone_name)))}"
    return _with_expression(found)


def _with_expression(found: Schedule) -> str:
    """Words for a cron of one's own may be vague; its expression never is."""
    text = describe(found)
    is_own = found.kind is Kind.CRON and not text.startswith(("daily", "monthly")) and found.type == "cron"
    return f"{text} ({found.expression})" if is_own else text


def _day(local: datetime) -> str:
    return f"{local:%a} {local.day} {local:%b %Y} at {local:%H:%M}"


# What a save has done ------------------------------------------------------------------------------


def saved(done: Edited, verb: str = "Saved") -> str:
    """`Saved r2. Next run: Mon 23 Nov 09:15 (was Mon 07:00).`"""
    if not done.is_changed:
        return f"Nothing to change: r{done.job.revision} says this already."
    return f"{verb} r{done.job.revision}. {next_run(done.job, done.next_before)}"


def next_run(job: JobView, before: datetime | None) -> str:
    """When the job runs next, in its own zone, and when it would have run."""
    if job.closed_by is not None:
        return f"Marked as {job.status} by hand: nothing goes out by itself."
    if job.status is JobStatus.PAUSED:
        return "Switched off: nothing starts by its schedule until it is switched on."
    if job.next_run_at is None:
        return f"No run to come{_was(job, before)}."
    if job.next_run_at == before:
        return f"Next run: {_when(job, job.next_run_at)}, as before."
    return f"Next run: {_when(job, job.next_run_at)}{_was(job, before)}."


def _when(job: JobView, at: datetime) -> str:
    place = f" {job.timezone}" if is_elsewhere(at, job.timezone) else ""
    return f"{local(at, job.timezone)}{place}"


def is_elsewhere(at: datetime, zone_name: str) -> bool:
    """Whether the clocks of that zone show another time than those of the page's own."""
    return not Clocks(zone_of(zone_name), zone()).agree(at)


def goes_out(job: JobView) -> str:
    """`goes out Fri 27 Nov 10:00 (in 4 days)`, of a job that runs once and is to come."""
    if job.next_run_at is None:
        return "nothing goes out"
    verb = "goes out" if job.verb == "Send now" else "runs"
    return f"{verb} {_when(job, job.next_run_at)} ({_distance(job.next_run_at)})"


def _distance(at: datetime) -> str:
    """`in 4 days` beyond one, else as the table says it."""
    days = (at.astimezone(zone()).date() - moment().astimezone(zone()).date()).days
    return f"in {days} days" if days > 1 else due(at, moment(), zone())


def send_time(job: JobView) -> datetime | None:
    """When a job that runs once is, or was, to run."""
    return parse(job.schedule).at if job.kind is Kind.ONCE else None


def spoken(job: JobView) -> str:
    """The job's name for what is heard rather than seen: messages of one name differ by whom they go to."""
    return f"{job.name}, to {job.recipient}" if job.message_type and job.recipient else job.name


def _was(job: JobView, before: datetime | None) -> str:
    """In short when it was to be within a week."""
    if before is None:
        return ""
    place = zone_of(job.timezone)
    days = (before.astimezone(place).date() - moment().astimezone(place).date()).days
    text = f"{before.astimezone(place):%a %H:%M}" if 0 <= days < WEEK else local(before, job.timezone)
    return f" (was {text})"


def register(app: Flask) -> None:
    """The words, for the templates."""
    app.jinja_env.globals.update(
        field_labels=FIELDS,
        overlap_words=OVERLAPS,
        catch_up_words=CATCH_UPS,
        in_words=value,
        zone_before=zone_before,
        status_words=STATUSES,
        goes_out=goes_out,
        send_time=send_time,
        spoken=spoken,
        org_zone=lambda: zone().key,
        is_elsewhere=is_elsewhere,
    )
    app.add_template_filter(origin, "origin")
    app.add_template_filter(sentence, "sentence")
    app.add_template_filter(local, "local")
    app.add_template_filter(beside, "beside")
