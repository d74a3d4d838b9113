"""Events as a CSV file: first the rows and what each of them will do, then all of it at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.permissions import Permission
from console.plugins.messages import event_import
from console.plugins.messages.event_import import Action, Plan, PlannedRow
from console.plugins.messages.event_rows import COLUMNS, MOST_NAMED, BadFile
from console.plugins.messages.outcomes import became
from console.plugins.messages.pages.event_words import FIELDS, in_words
from console.plugins.messages.pages.uploads import (
    LONGEST_REASON,
    FieldInWords,
    given,
    let_files_through,
    reason,
)
from console.web.answers import page
from console.web.identity import actor, moment
from console.web.parameters import check_names

MOST_SHOWN = 200
EXAMPLE = """\
name,venue,starts_at,timezone,contact_email,crew
Hamlet,Main Stage,2026-11-28 19:30,Europe/Berlin,ana@northside.example,lee@northside.example kim@b.example"""
bp = Blueprint("event_imports", __name__)
let_files_through(bp)


@dataclass(frozen=True)
class RowInWords:
    """What one row will do; `event_id` is None for a new event."""

    line: int
    name: str
    event_id: UUID | None
    fields: Sequence[FieldInWords]


@bp.get("/events/import")
def index() -> ResponseReturnValue:
    actor().require(Permission.EDIT_EVENTS)
    check_names(request.args)
    return _page("")


@bp.post("/events/import/plan")
def plan() -> ResponseReturnValue:
    """What each row would do; nothing is changed."""
    actor().require(Permission.EDIT_EVENTS)
    text = request.form.get("text", "")
    try:
        text = given()
        return _page(text, plan=event_import.plan(actor(), text, now=moment()))
    except BadFile as error:
        return _page(text, error.status, problem=error)


@bp.post("/events/import")
def apply() -> ResponseReturnValue:
    """Imports what was shown; when the rows would do something else now, that is shown instead."""
    actor().require(Permission.EDIT_EVENTS)
    text, seen = request.form.get("text", ""), request.form.get("mark", "")
    try:
        done = event_import.apply(actor(), text, expected=seen, reason=reason(), now=moment())
    except event_import.PlanMoved:
        return _page(text, 409, plan=event_import.plan(actor(), text, now=moment()), has_moved=True)
    except BadFile as error:
        return _page(text, error.status, problem=error)
    flash(_outcome(done))
    return redirect(url_for("events.index"), 303)


def _page(text: str, status: int = 200, **context: Any) -> ResponseReturnValue:
    found: Plan | None = context.get("plan")
    changed = [row for row in found.rows if row.action is not Action.UNCHANGED] if found else []
    shown = {
        "text": text,
        "example": EXAMPLE,
        "columns": COLUMNS,
        "plan": None,
        "problem": None,
        "most_named": MOST_NAMED,
        "has_moved": False,
        "longest_reason": LONGEST_REASON,
        "rows": [_in_words(row) for row in changed[:MOST_SHOWN]],
        "changed": len(changed),
        "created": found.count(Action.CREATE) if found else 0,
        "unchanged": found.count(Action.UNCHANGED) if found else 0,
        "mark": found.mark if found else "",
    }
    return page("events/import.html", status, **shown | context)


def _in_words(row: PlannedRow) -> RowInWords:
    """The fields that change; of a new event, those that say something beside its name."""
    before: Mapping[str, Any] | None = row.before
    names = [name for name, value in row.after.items() if before is not None or (value and name != "name")]
    zone = str((before or {}).get("timezone") or row.timezone)
    found = [
        FieldInWords(
            FIELDS[name],
            in_words(name, before[name], zone) if before is not None else None,
            in_words(name, row.after[name], row.timezone),
        )
        for name in names
    ]
    return RowInWords(row.line, row.name, row.event_id, found)


def _outcome(done: Plan) -> str:
    created, updated = done.count(Action.CREATE), done.count(Action.UPDATE)
    if not created and not updated:
        return "The file says what is there already; nothing was changed."
    said = (
        f"Imported: {created:,} created, {updated:,} changed, {done.count(Action.UNCHANGED):,} as they were."
    )
    return f"{said} {became(done.planned)}" if done.planned else said
