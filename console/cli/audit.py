"""`audit`: the trail, whether it is whole, and all of it as a file."""

from dataclasses import asdict
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

import click

from console.cli.context import acting, json_option, org_option, print_json, print_table
from console.cli.group import Suggesting

if TYPE_CHECKING:
    from console.core.actor import Actor
    from console.services.audit_lists import AuditFilter, EntryView

PAGE = 200


@click.group(cls=Suggesting)
def audit() -> None:
    """The audit trail: who did what, and whether all of it is there."""


@audit.command("list")
@click.option("--tag", metavar="TAG", help="Only what happened so, such as job:changed.")
@click.option("--actor", metavar="TEXT", help="Only by whose name holds this, or whose id it is.")
@click.option("--since", metavar="WHEN", help="Not before this date or ISO instant.")
@click.option("--until", metavar="WHEN", help="Not after this date or ISO instant.")
@click.option("--limit", type=click.IntRange(1), default=PAGE, show_default=True, help="How many at most.")
@json_option
@org_option
def list_entries(
    tag: str | None,
    actor: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    as_json: bool,
    org: str | None,
) -> None:
    """List entries, newest first."""
    with acting(org) as person:
        found = _newest(person, _filter(person, tag, actor, since, until), limit)
        rows = [_row(entry, person.zone) for entry in found]
    if as_json:
        print_json([asdict(entry) | {"at": entry.at.isoformat()} for entry in found])
        return
    print_table(
        ("NUMBER", "AT", "TAG", "BY", "OBJECT", "ADDRESS", "SEALED AS"), rows, "There are no such entries."
    )


def _newest(person: "Actor", wanted: "AuditFilter", limit: int) -> list["EntryView"]:
    from console.core.clock import utc_now
    from console.services import audit_lists

    found: list[EntryView] = []
    cursor: str | None = None
    while len(found) < limit:
        size = min(PAGE, limit - len(found))
        page = audit_lists.page(person, wanted, cursor=cursor, limit=size, now=utc_now())
        found += page.entries
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


def _filter(
    person: "Actor", tag: str | None, actor: str | None, since: str | None, until: str | None
) -> "AuditFilter":
    from console.api.schemas.common import since as first
    from console.api.schemas.common import until as last
    from console.core.tags import Tag
    from console.services.audit_lists import AuditFilter

    if tag is not None and tag not in set(Tag):
        raise click.BadParameter(f"{tag!r} is none; they are {', '.join(Tag)}", param_hint="--tag")
    begin = first(_moment(since, "--since"), person.zone)
    end = last(_moment(until, "--until"), person.zone)
    return AuditFilter(Tag(tag) if tag else None, actor, since=begin, until=end)


def _moment(text: str | None, option: str) -> Any:
    """A date or an instant with its offset."""
    from pydantic import TypeAdapter, ValidationError

    from console.api.schemas.common import NO_MOMENT, Moment

    if text is None:
        return None
    try:
        return TypeAdapter(Moment).validate_python(text)
    except ValidationError:
        raise click.BadParameter(NO_MOMENT, param_hint=option) from None


def _row(entry: "EntryView", zone: str) -> tuple[object, ...]:
    about = f"{entry.object_kind} {entry.object_id}"
    place = entry.position if entry.position is not None else "not yet"
    return entry.number, _local(entry.at, zone), entry.tag, entry.actor_name, about, entry.address, place


def _local(at: datetime, zone: str) -> str:
    from zoneinfo import ZoneInfo

    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S %Z}"


@audit.command()
@json_option
@org_option
def verify(as_json: bool, org: str | None) -> int:
    """Recompute the whole trail; exit 1 when an entry is not as it was, and name the first."""
    with acting(org) as person:
        from console.core.clock import utc_now
        from console.services import verifying

        found = verifying.verify(person, now=utc_now())
    bad = found.first_bad
    if as_json:
        shown = {**asdict(bad), "problem": bad.problem.value} if bad else None
        print_json({"ok": found.ok, "entries": found.entries, "first_bad": shown})
    elif bad is None:
        click.echo(f"The trail of {person.org_name} is whole: {found.entries} entries.")
    else:
        click.echo(f"BROKEN after {found.entries} good entries: {bad.sentence}")
    return 0 if found.ok else 1


@audit.command()
@click.option("--format", "kind", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option("--since", metavar="WHEN", help="Not before this date or ISO instant.")
@click.option("--until", metavar="WHEN", help="Not after this date or ISO instant.")
@click.option("--output", type=click.File("w", encoding="utf-8", lazy=True), default="-", help="The file.")
@org_option
def export(kind: str, since: str | None, until: str | None, output: IO[str], org: str | None) -> None:
    """Write entries to a file, oldest first; who took it stands on the trail."""
    with acting(org) as person:
        from console.core.clock import utc_now
        from console.services import audit_files
        from console.services.audit_files import Format

        wanted = _filter(person, None, None, since, until)
        file = audit_files.export(person, wanted, Format(kind), now=utc_now())
        for piece in file.text():
            output.write(piece)
