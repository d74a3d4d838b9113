"""One edit of many schedules: chosen on the page, confirmed in a dialog, told in a notice."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from flask import Blueprint, flash, redirect, request
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid
from console.core.permissions import Permission
from console.core.texts import storable
from console.services import bulk_edits, selections
from console.services.bulk_edits import MOST_SELECTED, Action, BulkResult, Left, Wish
from console.services.selections import Selection
from console.web.answers import page
from console.web.identity import actor, moment, wants_fragment
from console.web.job_queries import ScheduleQuery
from console.web.schedules import address

CHOICE = ("csrf_token", "selected", "matching", "action")
FIELDS = ("mark", "minutes", "direction", "timezone", "reason")
ACTIONS = (Action.ENABLE, Action.DISABLE, Action.SHIFT, Action.SET_ZONE)
REASON_LENGTH = 500
FLASHED = 3
FIELD = re.compile(r"^(schedule|send_at|status): ")
UNCHANGED = "Nothing was changed."
LONGEST_NAME = 60
LONGEST_WHY = 150
bp = Blueprint("bulk", __name__)


@bp.post("/schedules/bulk/confirmation")
def confirm() -> ResponseReturnValue:
    """What would be changed, and the fields that the action needs; nothing is changed yet."""
    return _confirmation(_selection())


@bp.post("/schedules/bulk")
def change() -> ResponseReturnValue:
    """Changes what was confirmed; when that has changed meanwhile, it is shown anew instead."""
    selection = _selection()
    if selection.mark != request.form.get("mark"):
        return _confirmation(selection, 409, has_moved=True)
    try:
        result = _change(_wish())
    except Invalid as error:
        return _confirmation(selection, error.status, errors=error.fields)
    return _done(result)


def _query() -> ScheduleQuery:
    return ScheduleQuery.read(request.form, *CHOICE, *FIELDS)


def _is_matching() -> bool:
    return request.form.get("matching") == "1"


def _ids() -> list[UUID]:
    """The jobs that are ticked; raises `Invalid` that names `selected`."""
    try:
        return [UUID(text) for text in request.form.getlist("selected")[: MOST_SELECTED + 1]]
    except ValueError:
        raise _wrong("selected", "holds something that is no id") from None


def _selection() -> Selection:
    """What is ticked or matches; raises `Forbidden`, or `Invalid` when that is nothing or too much."""
    actor().require(Permission.EDIT_JOBS)
    query = _query()
    found = (
        selections.matching(actor(), query.filter) if _is_matching() else selections.selected(actor(), _ids())
    )
    if not found.count:
        raise _wrong("selected", "tick at least one schedule first")
    if found.is_too_large:
        count = bulk_edits.count(actor(), query.filter)
        raise _wrong(
            "selected",
            f"{count:,} match, and at most {MOST_SELECTED:,} can be changed at once here. "
            "Narrow the filter, or export the schedules, edit the file and import it",
        )
    return found


def _action() -> Action:
    text = request.form.get("action", "")
    if text not in ACTIONS:
        raise _wrong("action", f"must be one of {', '.join(ACTIONS)}")
    return Action(text)


def _wish() -> Wish:
    action = _action()
    return Wish(
        action,
        minutes=_minutes() if action is Action.SHIFT else None,
        timezone=request.form.get("timezone", "").strip() if action is Action.SET_ZONE else None,
        reason=storable(request.form.get("reason", "").strip(), REASON_LENGTH) or None,
    )


def _minutes() -> int:
    try:
        count = int(request.form.get("minutes", ""))
    except ValueError:
        raise _wrong("minutes", "must be a whole number, such as 15") from None
    return -count if request.form.get("direction") == "earlier" else count


def _wrong(name: str, text: str) -> Invalid:
    return Invalid(f"{name}: {text}", fields={name: [text]})


def _change(wish: Wish) -> BulkResult:
    if _is_matching():
        return bulk_edits.change_matching(actor(), _query().filter, wish, now=moment())
    return bulk_edits.change_selected(actor(), _ids(), wish, now=moment())


def _confirmation(
    selection: Selection,
    status: int = 200,
    *,
    errors: Mapping[str, Sequence[str]] | None = None,
    has_moved: bool = False,
) -> ResponseReturnValue:
    action = _action()
    context: dict[str, Any] = {
        "selection": selection,
        "action": action,
        "ids": [] if _is_matching() else _ids(),
        "is_matching": _is_matching(),
        "query": _query(),
        "form": request.form,
        "errors": errors or {},
        "has_moved": has_moved,
        "zones": sorted(available_timezones()) if action is Action.SET_ZONE else (),
        "longest_reason": REASON_LENGTH,
    }
    if not wants_fragment():
        return page("schedules/bulk.html", status, **context)
    answer = page("schedules/_bulk.html", status, **context)
    answer.headers["HX-Retarget"] = "#dialog"
    return answer


def _done(result: BulkResult) -> ResponseReturnValue:
    """Back to the list, with what became of each."""
    if not wants_fragment():
        flash(_sentence(result))
        return redirect(address(_query()), 303)
    unnamed = result.left - len(result.named)
    answer = page("schedules/_bulk_done.html", outcome=_counts(result), whys=whys(result), unnamed=unnamed)
    answer.headers["HX-Retarget"] = "#notices"
    answer.headers["HX-Reswap"] = "innerHTML"
    answer.headers["HX-Trigger-After-Settle"] = "jobs-changed"
    return answer


DONE = {Action.ENABLE: "turned on", Action.DISABLE: "turned off", Action.SHIFT: "shifted"}


def _counts(result: BulkResult) -> str:
    action = _action()
    done = DONE.get(action) or f"moved to {request.form.get('timezone', '').strip()}"
    parts = [f"{result.changed:,} {done}"]
    if result.unchanged:
        parts.append(f"{result.unchanged:,} already so")
    if result.left:
        parts.append(f"{result.left:,} left")
    return ", ".join(parts)


@dataclass(frozen=True)
class Why:
    """One reason, and the jobs that were left for it."""

    text: str
    jobs: Sequence[Left]


def whys(result: BulkResult) -> list[Why]:
    """Most jobs are left for the same few reasons, each of which is said once."""
    found: dict[str, list[Left]] = {}
    for item in result.named:
        text = FIELD.sub("", item.text).removesuffix(UNCHANGED).rstrip(". ")
        found.setdefault(text, []).append(item)
    return [Why(text, jobs) for text, jobs in found.items()]


def _sentence(result: BulkResult) -> str:
    return sentence(_counts(result), result)


def sentence(counts: str, result: BulkResult) -> str:
    """All on one line; a cookie carries it, so only the first few are named."""
    said = [f"{_names(why.jobs)}: {storable(why.text, LONGEST_WHY)}" for why in whys(result)[:FLASHED]]
    return f"{counts}{': ' if said else ''}{'; '.join(said)}."


def _names(jobs: Sequence[Left]) -> str:
    named = ", ".join(storable(item.name, LONGEST_NAME) for item in jobs[:FLASHED])
    return f"{named} and {len(jobs) - FLASHED} more" if len(jobs) > FLASHED else named
