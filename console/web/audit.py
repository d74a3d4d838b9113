"""The audit trail: entries by filter, whether all of it is whole, and all of it as a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, current_app, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Refused
from console.core.streams import within
from console.core.tags import Tag
from console.core.trail import Flaw
from console.services import audit_files, audit_lists, paging, verifying
from console.services.audit_files import Format
from console.services.audit_lists import AuditFilter, EntryPage, EntryView
from console.services.verifying import PastVerification, Step, Verification
from console.web import parameters, subjects
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
            parameters.one_of(args, "tag", Tag),
            parameters.text(args, "actor"),
            parameters.text(args, "kind"),
            parameters.text(args, "object", longest=LONGEST_ID),
            parameters.day(args, "from"),
            parameters.day(args, "to"),
            parameters.cursor(args),
        )

    def filter(self, place: ZoneInfo) -> AuditFilter:
        """The filter; both days are meant as the zone has them, and both belong to it."""
        since, until = parameters.begin(self.from_, place), parameters.end(self.to, place)
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
    return _index(AuditQuery.read(request.args))


def _index(query: AuditQuery, step: Step | None = None) -> ResponseReturnValue:
    return page("audit/index.html", **_table(query), **_proof(step), tags=_grouped())


@bp.get("/fragments/audit/table")
def table() -> ResponseReturnValue:
    """The entries; read again when a verification has added one, and perhaps found a bad one."""
    return page("audit/_table.html", **_table(AuditQuery.read(request.args)))


def _table(query: AuditQuery) -> dict[str, Any]:
    found = audit_lists.page(actor(), query.filter(zone()), cursor=query.cursor, limit=PAGE, now=moment())
    last = verifying.last(actor())
    return {
        "page": found,
        "query": query,
        "bad": last.number if last else None,
        "gap": _gap(found, query, last),
        "changes": changes,
        "address": address,
        "name_of": name_of,
    }


@dataclass(frozen=True)
class Gap:
    """Where an entry that is gone stood: above the entry of the number `above`, or below all of the page."""

    number: int
    above: int | None


def _gap(found: EntryPage, query: AuditQuery, last: PastVerification | None) -> Gap | None:
    """None unless the first bad entry is one that is gone, and stood on this page."""
    if last is None or last.number is None or last.problem is not Flaw.DELETED:
        return None
    begin = int(str(paging.decode(query.cursor, "n")[0])) if query.cursor else None
    above = next((entry.number for entry in found.entries if entry.number < last.number), None)
    is_here = begin is None or last.number < begin
    is_here = is_here and (above is not None or found.next_cursor is None)
    return Gap(last.number, above) if is_here else None


def _proof(step: Step | None = None, problem: str | None = None) -> dict[str, Any]:
    """The newest verification, and where its bad entry stands or stood; or one that is on its way."""
    found = verifying.last(actor())
    number = found.number if found else None
    place = None
    if number is not None:
        place = url_for("audit.index", cursor=paging.encode(number + 1), _anchor=f"entry-{number}")
    return {"verified": found, "place": place, "step": step, "problem": problem}


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
    """Recomputes the trail, or the next slice of a long one; progress and result stand on the page."""
    checkpoint = request.form.get("checkpoint")
    if not checkpoint:
        return _verified(verifying.begin(actor(), now=moment()))
    try:
        return _verified(verifying.go_on(actor(), checkpoint, now=moment()))
    except Refused as refusal:
        if not wants_fragment():
            raise
        return page("audit/_verification.html", refusal.status, **_proof(problem=refusal.detail))


def _verified(found: Step | Verification) -> ResponseReturnValue:
    if isinstance(found, Step):
        return page("audit/_verification.html", **_proof(found)) if wants_fragment() else _underway(found)
    if wants_fragment():
        answer = page("audit/_verification.html", **_proof())
        answer.headers["HX-Trigger-After-Settle"] = "audit-changed"
        return answer
    flash(f"The trail is whole: {found.entries} entries." if found.ok else "The trail is broken.")
    return redirect(url_for("audit.index"), 303)


def _underway(step: Step) -> ResponseReturnValue:
    """Without JavaScript: the whole page, with a button that goes on."""
    return _index(AuditQuery(), step)


@bp.get("/audit/export")
def export() -> ResponseReturnValue:
    kind = parameters.one_of(request.args, "format", Format) or Format.JSONL
    query = AuditQuery.read(request.args, "format")
    file = audit_files.export(actor(), query.filter(zone()), kind, now=moment())
    answer = Response(within(current_app.app_context, file.text()), mimetype=kind.mimetype)
    answer.headers["Content-Disposition"] = f'attachment; filename="{file.name}"'
    return answer
