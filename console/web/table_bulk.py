"""Many rows of the job table at once: what would become of each is shown, then it is done job by job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid
from console.core.permissions import Permission
from console.core.texts import storable
from console.services import bulk_edits, bulk_plans, bulk_sends, deletions, selections
from console.services.bulk_edits import MOST_SELECTED, Action, BulkResult, Wish
from console.services.bulk_plans import Foreseen
from console.services.deletions import DeletionView
from console.services.selections import Selection
from console.web import sequences
from console.web.answers import page
from console.web.bulk import sentence, whys
from console.web.deletions import sentence as deletion_sentence
from console.web.identity import actor, moment, wants_fragment, zone
from console.web.job_queries import JobQuery
from console.web.moves import FIELDS as MOVE_FIELDS
from console.web.moves import wish_of

CHOICE = ("csrf_token", "selected", "matching", "action")
FIELDS = ("mark", "note", "key", *MOVE_FIELDS)
NOTE_LENGTH = 500
KEY_LENGTH = 64
bp = Blueprint("table_bulk", __name__)


class Act(StrEnum):
    """What can be done to the selected rows."""

    RESCHEDULE = "reschedule"
    PAUSE = "pause"
    RESUME = "resume"
    SEND = "send"
    DELETE = "delete"


@dataclass(frozen=True)
class Words:
    """What an act is called: on its button, in the dialog of what would be, and when it is done."""

    verb: str
    will: str
    same: str
    done: str


WORDS = {
    Act.RESCHEDULE: Words("Reschedule", "will be moved", "at that time already", "moved"),
    Act.PAUSE: Words("Pause", "will be paused", "paused already", "paused"),
    Act.RESUME: Words("Resume", "will be resumed", "not paused", "resumed"),
    Act.SEND: Words("Send now", "will be started now", "", "requested"),
    Act.DELETE: Words("Delete", "will be deleted", "", "deleted"),
}


@bp.post("/jobs/bulk/confirmation")
def confirm() -> ResponseReturnValue:
    """What would become of each selected job; nothing is done yet."""
    selection = _selection()
    if request.form.get("action") == sequences.ACTION:
        return sequences.dialog(selection.ids, _query().params)
    return _preflight(selection)


@bp.post("/jobs/bulk")
def change() -> ResponseReturnValue:
    """Does what was shown; when that would be something else by now, it is shown anew instead."""
    selection, act = _selection(), _act()
    try:
        wish = _wish(act)
    except Invalid as error:
        return _preflight(selection, error.status, error.fields)
    if _mark(selection, wish) != request.form.get("mark"):
        return _preflight(selection, 409, has_moved=True)
    if act is Act.DELETE:
        return _deleted(selection.ids)
    if act is Act.SEND:
        result = bulk_sends.send_selected(actor(), selection.ids, _key(), now=moment())
    else:
        assert wish is not None  # noqa: S101 (every other act is an edit)
        result = bulk_edits.change_selected(actor(), selection.ids, wish, now=moment())
    return _done(act, result)


def _query() -> JobQuery:
    return JobQuery.read(request.form, *CHOICE, *FIELDS)


def _selection() -> Selection:
    """What is ticked or matches; raises `Forbidden`, or `Invalid` when that is nothing or too much."""
    actor().require(Permission.EDIT_JOBS)
    is_matching = request.form.get("matching") == "1"
    found = (
        selections.matching(actor(), _query().filter(zone()))
        if is_matching
        else selections.selected(actor(), _ids())
    )
    if not found.count:
        raise _wrong("selected", "tick at least one job that is still there")
    if found.is_too_large:
        raise _wrong("selected", f"at most {MOST_SELECTED:,} jobs at once; narrow the filter")
    return found


def _ids() -> list[UUID]:
    try:
        return [UUID(text) for text in request.form.getlist("selected")[: MOST_SELECTED + 1]]
    except ValueError:
        raise _wrong("selected", "holds something that is no id") from None


def _act() -> Act:
    try:
        return Act(request.form.get("action", ""))
    except ValueError:
        raise _wrong("action", f"must be one of {', '.join(Act)}") from None


def _wrong(name: str, text: str) -> Invalid:
    return Invalid(f"{name}: {text}", fields={name: [text]})


def _key() -> str:
    """Made with the dialog, so that pressing its button twice is one wish."""
    return request.form.get("key", "")[:KEY_LENGTH] or uuid4().hex


def _wish(act: Act) -> Wish | None:
    """The edit that the act is; None for one that is none. Raises `Invalid` that names the form's field."""
    if act in (Act.SEND, Act.DELETE):
        return None
    if act is Act.RESCHEDULE:
        return wish_of(request.form, zone())
    note = storable(request.form.get("note", "").strip(), NOTE_LENGTH) or None
    return Wish(Action.DISABLE if act is Act.PAUSE else Action.ENABLE, reason=note)


def _mark(selection: Selection, wish: Wish | None) -> str:
    """Of what was shown: these jobs as they are, to be moved so."""
    moves = (wish.minutes, wish.send_at) if wish else ()
    return sha256(f"{selection.mark} {moves}".encode()).hexdigest()[:20]


def _foreseen(act: Act, ids: Sequence[UUID], wish: Wish | None) -> list[Foreseen]:
    if act is Act.DELETE:
        return bulk_plans.of_deletion(actor(), ids, now=moment())
    if wish is None:
        return bulk_plans.of_sending(actor(), ids, now=moment())
    return bulk_plans.of_edit(actor(), ids, wish, now=moment())


def _preflight(
    selection: Selection,
    status: int = 200,
    errors: Mapping[str, Sequence[str]] | None = None,
    *,
    has_moved: bool = False,
) -> ResponseReturnValue:
    """The dialog; with fields that can't be read its status is 422, and nothing is foreseen."""
    context = {"foreseen": None, "mark": "", "errors": errors or {}, "has_moved": has_moved}
    if not errors:
        try:
            context |= _seen(selection)
        except Invalid as error:
            status, context["errors"] = error.status, error.fields
    context |= _dialog(selection)
    if not wants_fragment():
        return page("jobs/bulk.html", status, **context)
    answer = page("jobs/_bulk.html", status, **context)
    if request.headers.get("HX-Target") != "bulk-outcomes":
        answer.headers["HX-Retarget"] = "#dialog"
    return answer


def _seen(selection: Selection) -> dict[str, Any]:
    """What would become of each, and its mark; raises `Invalid` that names the form's field."""
    wish = _wish(_act())
    return {"foreseen": _foreseen(_act(), selection.ids, wish), "mark": _mark(selection, wish)}


def _dialog(selection: Selection) -> dict[str, Any]:
    return {
        "act": _act(),
        "words": WORDS[_act()],
        "selection": selection,
        "key": _key(),
        "query": _query(),
        "form": request.form,
        "zone_name": str(zone()),
        "longest_note": NOTE_LENGTH,
    }


def _done(act: Act, result: BulkResult) -> ResponseReturnValue:
    """Back to the table, with what became of each."""
    counts = _counts(act, result)
    if not wants_fragment():
        flash(sentence(counts, result))
        return _table()
    unnamed = result.left - len(result.named)
    return _notice("jobs/_bulk_done.html", act=act, outcome=counts, whys=whys(result), unnamed=unnamed)


def _counts(act: Act, result: BulkResult) -> str:
    words = WORDS[act]
    parts = [f"{result.changed:,} {words.done}"]
    if result.unchanged:
        parts.append(f"{result.unchanged:,} {words.same}")
    if result.left:
        parts.append(f"{result.left:,} left")
    return ", ".join(parts)


def _deleted(ids: Sequence[UUID]) -> ResponseReturnValue:
    done = deletions.delete_selected(actor(), ids, now=moment())
    text = _deletion(done, selections.selected(actor(), ids))
    if not wants_fragment():
        flash(text)
        return redirect(url_for("deletions.index"), 303)
    return _notice("deletions/_done.html", done=done, text=text)


def _deletion(done: DeletionView, left: Selection) -> str:
    """`12 jobs deleted. 1 running was left: Hamlet · Reminder.`"""
    text = deletion_sentence(done)
    if not left.count:
        return text
    more = f" and {left.count - len(left.names):,} more" if left.count > len(left.names) else ""
    return f"{text.removesuffix('.')}: {', '.join(left.names)}{more}."


def _notice(name: str, **context: Any) -> ResponseReturnValue:
    answer = page(name, **context)
    answer.headers["HX-Retarget"] = "#notices"
    answer.headers["HX-Reswap"] = "innerHTML"
    answer.headers["HX-Trigger-After-Settle"] = "jobs-changed"
    return answer


def _table() -> ResponseReturnValue:
    params: dict[str, Any] = dict(_query().params)
    return redirect(url_for("jobs.index", **params), 303)
