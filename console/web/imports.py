"""Schedules as a file: taken out, and brought back after the difference has been looked at."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from console.core.errors import Invalid
from console.core.permissions import Permission
from console.core.texts import storable
from console.services import schedule_files
from console.services.schedule_entries import MOST_NAMED
from console.services.schedule_files import Plan
from console.services.schedule_steps import PlannedChange
from console.web import words
from console.web.answers import page
from console.web.identity import actor, moment

FILE_NAME = "schedules.yaml"
MIMETYPE = "application/yaml"
LONGEST = 400_000
LONGEST_REASON = 500
EXAMPLE = """\
version: 1
schedules:
  - key: morning_intelligence_report
    schedule: {type: daily, hour: 9, minute: 15}
    timezone: Asia/Ho_Chi_Minh"""
ENTRY = re.compile(r"\[(\d+)\]", re.ASCII)
USUAL: Mapping[str, Any] = {"args": {}, "enabled": True, "overlap": "skip", "catch_up": "latest"}
bp = Blueprint("imports", __name__)


@dataclass(frozen=True)
class FieldInWords:
    """One field that differs; `before` is None for a job that does not exist yet."""

    label: str
    before: str | None
    after: str


@dataclass(frozen=True)
class ChangeInWords:
    """What would become of one job, and what gives pause about it."""

    name: str
    is_new: bool
    fields: Sequence[FieldInWords]
    cautions: Sequence[str]


@bp.get("/schedules/export")
def export() -> ResponseReturnValue:
    """All schedules of the org as one file."""
    answer = Response(schedule_files.export(actor(), now=moment()), mimetype=MIMETYPE)
    answer.headers["Content-Disposition"] = f'attachment; filename="{FILE_NAME}"'
    return answer


@bp.get("/schedules/import")
def index() -> ResponseReturnValue:
    actor().require(Permission.EDIT_JOBS)
    return _page("")


@bp.post("/schedules/import/plan")
def plan() -> ResponseReturnValue:
    """The difference between the file and what is in force; nothing is changed."""
    actor().require(Permission.EDIT_JOBS)
    text = ""
    try:
        text = _given()
        return _page(text, plan=_plan(text))
    except Invalid as error:
        return _page(text, error.status, problem=error)


@bp.post("/schedules/import")
def apply() -> ResponseReturnValue:
    """Makes the file true; when that means something else than what was shown, that is shown instead."""
    actor().require(Permission.EDIT_JOBS)
    text = request.form.get("text", "")
    try:
        seen = request.form.get("mark", "")
        done = schedule_files.apply(actor(), text, expected=seen, reason=_reason(), now=moment())
    except schedule_files.PlanMoved:
        return _page(text, 409, plan=_plan(text), has_moved=True)
    except Invalid as error:
        return _page(text, error.status, problem=error)
    flash(_outcome(done))
    return redirect(url_for("schedules.index"), 303)


def _plan(text: str) -> Plan:
    return schedule_files.plan(actor(), text, now=moment())


def _given() -> str:
    """The chosen file, or what was pasted; raises `Invalid`."""
    file = request.files.get("file")
    text = _read(file) if file and file.filename else request.form.get("text", "")
    if not text.strip():
        raise _wrong("file", "choose a file, or paste one below")
    if len(text.encode(errors="replace")) > LONGEST:
        text = f"is larger than the {LONGEST // 1000} kB that a page carries; use the command line or the API"
        raise _wrong("file", text)
    return text


def _read(file: FileStorage) -> str:
    try:
        return file.stream.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _wrong("file", "is no text in UTF-8") from None


def _wrong(name: str, text: str) -> Invalid:
    return Invalid(f"{name}: {text}", fields={name: [text]})


def _reason() -> str | None:
    return storable(request.form.get("reason", "").strip(), LONGEST_REASON) or None


def _page(text: str, status: int = 200, **context: Any) -> ResponseReturnValue:
    found: Plan | None = context.get("plan")
    problem: Invalid | None = context.get("problem")
    places = sorted(problem.fields.items(), key=_entry) if problem else []
    shown = {
        "text": text,
        "example": EXAMPLE,
        "plan": None,
        "problem": None,
        "places": places,
        "is_cut": sum(len(texts) for _, texts in places) >= MOST_NAMED,
        "most_named": MOST_NAMED,
        "has_moved": False,
        "longest_reason": LONGEST_REASON,
        **context,
        "changes": [in_words(item) for item in found.changes] if found else [],
        "mark": found.mark if found else "",
    }
    return page("schedules/import.html", status, **shown)


def _entry(place: tuple[str, Sequence[str]]) -> int:
    """The number of the file's entry that a place such as `schedules[2].cron` lies in; -1 for its head."""
    found = ENTRY.search(place[0])
    return int(found[1]) if found else -1


def in_words(item: PlannedChange) -> ChangeInWords:
    """The fields that differ, old and new as a person reads them; of a new job, those that are not usual."""
    before = item.before
    names = [name for name in item.after if before is not None or item.after[name] != USUAL.get(name)]
    found = [FieldInWords(_label(name), _said(name, before), _said(name, item.after) or "") for name in names]
    return ChangeInWords(item.name, before is None, found, [caution.text for caution in item.cautions])


def _label(name: str) -> str:
    return words.FIELDS.get(name, name.capitalize())


def _said(name: str, held: Mapping[str, Any] | None) -> str | None:
    if held is None:
        return None
    return words.value(name, held.get(name), str(held.get("timezone") or actor().zone))


def _outcome(done: Plan) -> str:
    created = sum(item.action == "create" for item in done.changes)
    updated = len(done.changes) - created
    if not done.changes:
        return "The file says what is in force already; nothing was changed."
    return f"Imported: {created:,} created, {updated:,} changed, {done.unchanged:,} as they were."
