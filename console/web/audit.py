"""The audit trail: entries by filter, whether all of it is whole, and all of it as a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import groupby
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, current_app, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.streams import within
from console.core.tags import Tag
from console.services import audit_files, audit_lists, paging, verifying
from console.services.audit_files import Format
from console.services.audit_lists import AuditFilter, EntryView
from console.web import queries, subjects
from console.web.answers import page
from console.web.identity import actor, moment, wants_fragment, zone
from console.web.queries import PAGE, Query

LONGEST_ID = 300
bp = Blueprint("audit", __name__)

PAGES = {
    "job": ("jobs.show", "job_id"),
    "run": ("runs.show", "run_id"),
    "user": ("people.show", "person_id"),
    "approval": ("approvals.show", "approval_id"),
    "deletion": ("deletions.index", None),
    "token": ("tokens.index", None),
    "session": ("browsers.index", None),
    "queue": ("workers.index", None),
    "org": ("settings.org", None),
}
"""Where each kind of object can be seen: the page, and what its address calls the id."""


@dataclass(frozen=True)
class AuditQuery(Query):
    """What the page of the trail shows; `kind` and `object` are what was changed, `object` its whole id."""

    tag: Tag | None = None
    actor: str | None = None
    kind: str | None = None
    object: str | None = None
    from_: date | None = None
    to: date | None = None
    cursor: str | None = None

    @classmethod
    def read(cls, args: Mapping[str, str], *also: str) -> "AuditQuery":
        """Raises `Invalid` that names the parameter; those in `also` are let pass."""
        cls._check_names(args, also)
        return cls(
            queries._one_of(args, "tag", Tag),
            queries._text(args, "actor"),
            queries._text(args, "kind"),
            queries._text(args, "object", longest=LONGEST_ID),
            queries._day(args, "from"),
            queries._day(args, "to"),
            queries._text(args, "cursor", longest=1000),
        )

    def filter(self, place: ZoneInfo) -> AuditFilter:
        """The filter; both days are meant as the zone has them, and both belong to it."""
        since = datetime.combine(self.from_, time.min, place) if self.from_ else None
        until = datetime.combine(self.to, time.max, place).replace(fold=1) if self.to else None
        return AuditFilter(self.tag, self.actor, self.kind, self.object, since, until)


@dataclass(frozen=True)
class Change:
    """One value of an entry: what it was, and what it became; None where it was not said.

    With `is_said` it did not change, but says what the change was about, such as whose role it is.
    """

    name: str
    old: Any
    new: Any
    is_said: bool


@bp.get("/audit")
def index() -> ResponseReturnValue:
    query = AuditQuery.read(request.args)
    found = audit_lists.page(actor(), query.filter(zone()), cursor=query.cursor, limit=PAGE, now=moment())
    return page(
        "audit/index.html",
        page=found,
        query=query,
        **_proof(),
        tags=_grouped(),
        changes=changes,
        address=address,
        name_of=name_of,
    )


def _proof() -> dict[str, Any]:
    """The newest verification, and the page of the trail that begins with the bad entry or where it was."""
    found = verifying.last(actor())
    number = found.number if found else None
    place = url_for("audit.index", cursor=paging.encode(number + 1)) if number is not None else None
    return {"verified": found, "place": place}


def _grouped() -> list[tuple[str, list[Tag]]]:
    """All tags by what they are about, both in the order of the alphabet."""
    ordered = sorted(Tag, key=lambda tag: (tag.group, tag.label))
    return [(name, list(tags)) for name, tags in groupby(ordered, key=lambda tag: tag.group)]


def changes(entry: EntryView) -> list[Change]:
    """What the entry says of each value, in the order of the names."""
    old, new = _named(entry.old), _named(entry.new)
    return [
        Change(name, old.get(name), new.get(name), bool(old) and name not in old)
        for name in sorted({*old, *new})
    ]


def _named(values: Any) -> Mapping[str, Any]:
    if values is None:
        return {}
    return values if isinstance(values, dict) else {"": values}


def name_of(entry: EntryView, names: Mapping[str, str]) -> str:
    """What its object is called now, or was called then, or its id."""
    said = {**_named(entry.old), **_named(entry.new)}
    then = next(
        (said[name] for name in ("name", "key", "email", "job") if isinstance(said.get(name), str)), None
    )
    return names.get(entry.object_id) or then or entry.object_id


def address(entry: EntryView) -> str | None:
    """Where the object of an entry can be seen, as far as it is still there; None without such a page."""
    endpoint, argument = PAGES.get(entry.object_kind, (None, None))
    if endpoint and argument is None:
        return url_for(endpoint)
    try:
        object_id = UUID(entry.object_id)
    except ValueError:
        return None
    if endpoint and argument:
        values: dict[str, Any] = {argument: object_id}
        return url_for(endpoint, **values)
    return subjects.address(object_id) if entry.object_kind == subjects.noun() else None


@bp.post("/audit/verify")
def verify() -> ResponseReturnValue:
    """Recomputes the trail; the result stands on the page."""
    found = verifying.verify(actor(), now=moment())
    if wants_fragment():
        return page("audit/_verification.html", **_proof())
    flash(f"The trail is whole: {found.entries} entries." if found.ok else "The trail is broken.")
    return redirect(url_for("audit.index"), 303)


@bp.get("/audit/export")
def export() -> ResponseReturnValue:
    kind = queries._one_of(request.args, "format", Format) or Format.JSONL
    query = AuditQuery.read(request.args, "format")
    file = audit_files.export(actor(), query.filter(zone()), kind, now=moment())
    answer = Response(within(current_app.app_context, file.text()), mimetype=kind.mimetype)
    answer.headers["Content-Disposition"] = f'attachment; filename="{file.name}"'
    return answer
