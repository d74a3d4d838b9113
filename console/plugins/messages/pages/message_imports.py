"""Message jobs out of a file: first the rows and what each of them will do, then all of it at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.permissions import Permission
from console.plugins.messages import message_import
from console.plugins.messages.event_rows import MOST_NAMED, BadFile
from console.plugins.messages.message_import import Action, Plan, PlannedRow
from console.plugins.messages.pages.uploads import (
    LONGEST_REASON,
    FieldInWords,
    given,
    let_files_through,
    reason,
)
from console.services.job_files import COLUMNS
from console.web.answers import page
from console.web.identity import actor, moment
from console.web.parameters import check_names

MOST_SHOWN = 200
LABELS = {
    "message_type": "Type",
    "event": "Event",
    "recipient": "To",
    "subject": "About",
    "send_at": "Goes out",
    "timezone": "Zone",
    "status": "Status",
    "message_subject": "Subject",
    "message_text": "Text",
}
EXAMPLE = """\
message_type,event,recipient,send_at
REMINDER,Hamlet,lee@northside.example,2026-11-27 10:00"""
bp = Blueprint("message_imports", __name__)
let_files_through(bp)


@dataclass(frozen=True)
class RowInWords:
    """What one row will do; `job_id` is None for a new message."""

    line: int
    name: str
    job_id: UUID | None
    is_conflict: bool
    revision: int | None
    fields: Sequence[FieldInWords]


@bp.get("/messages/import")
def index() -> ResponseReturnValue:
    actor().require(Permission.EDIT_JOBS)
    check_names(request.args)
    return _page("")


@bp.post("/messages/import/plan")
def plan() -> ResponseReturnValue:
    """What each row would do; nothing is changed."""
    actor().require(Permission.EDIT_JOBS)
    text = request.form.get("text", "")
    try:
        text = given()
        return _page(text, plan=message_import.plan(actor(), text, now=moment()))
    except BadFile as error:
        return _page(text, error.status, problem=error)


@bp.post("/messages/import")
def apply() -> ResponseReturnValue:
    """Imports what was shown; when the rows would do something else now, that is shown instead."""
    actor().require(Permission.EDIT_JOBS)
    text, seen = request.form.get("text", ""), request.form.get("mark", "")
    try:
        done = message_import.apply(actor(), text, expected=seen, reason=reason(), now=moment())
    except (message_import.PlanMoved, message_import.Conflicts):
        return _page(text, 409, plan=message_import.plan(actor(), text, now=moment()), has_moved=True)
    except BadFile as error:
        return _page(text, error.status, problem=error)
    flash(_outcome(done))
    return redirect(url_for("jobs.index"), 303)


def _page(text: str, status: int = 200, **context: Any) -> ResponseReturnValue:
    found: Plan | None = context.get("plan")
    shown = {
        "text": text,
        "example": EXAMPLE,
        "columns": COLUMNS,
        "plan": None,
        "problem": None,
        "most_named": MOST_NAMED,
        "has_moved": False,
        "longest_reason": LONGEST_REASON,
    }
    return page("messages/import.html", status, **shown | (_counted(found) if found else {}) | context)


def _counted(found: Plan) -> dict[str, Any]:
    changed = [row for row in found.rows if row.action is not Action.UNCHANGED]
    first = sorted(changed, key=lambda row: row.action is not Action.CONFLICT)[:MOST_SHOWN]
    return {
        "rows": [_in_words(row) for row in first],
        "changed": len(changed),
        "created": found.count(Action.CREATE),
        "updated": found.count(Action.UPDATE),
        "unchanged": found.count(Action.UNCHANGED),
        "conflicts": len(found.conflicts),
        "mark": found.mark,
    }


def _in_words(row: PlannedRow) -> RowInWords:
    before: Mapping[str, Any] = row.before or {}
    found = [
        FieldInWords(LABELS[name], str(before[name]) if before.get(name) else None, str(value or "nobody"))
        for name, value in row.after.items()
        if name in LABELS
    ]
    return RowInWords(row.line, row.name, row.job_id, row.action is Action.CONFLICT, row.revision, found)


def _outcome(done: Plan) -> str:
    created, updated = done.count(Action.CREATE), done.count(Action.UPDATE)
    if not created and not updated:
        return "The file says what is there already; nothing was changed."
    return (
        f"Imported: {created:,} created, {updated:,} changed, {done.count(Action.UNCHANGED):,} as they were."
    )
