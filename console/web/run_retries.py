"""Many runs of the list at once: what retrying each would come to is shown, then it is done run by run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid
from console.core.permissions import Permission
from console.core.texts import storable
from console.services import bulk_retries
from console.services.bulk_retries import MOST, LeftRun, Retried
from console.web.answers import page
from console.web.identity import actor, moment, wants_fragment, zone
from console.web.run_queries import RunQuery

FORM = ("csrf_token", "selected", "matching", "key", "note")
KEY_LENGTH = 64
NOTE_TYPED = 2000
FLASHED = 3
LONGEST_FLASHED = 120
bp = Blueprint("run_retries", __name__)


@dataclass(frozen=True)
class Why:
    """One reason, and the runs that were left for it."""

    text: str
    runs: Sequence[LeftRun]


@bp.post("/runs/retries/confirmation")
def confirm() -> ResponseReturnValue:
    """What would become of each selected run; nothing is done yet."""
    return _dialog(_ids())


@bp.post("/runs/retries")
def retry() -> ResponseReturnValue:
    """Retries what was shown; pressed twice, it is one wish."""
    ids, note = _ids(), request.form.get("note", "")
    try:
        done = bulk_retries.retry_selected(actor(), ids, _key(), note=note, now=moment())
    except Invalid as error:
        if "note" not in error.fields:
            raise
        return _dialog(ids, error)
    return _done(done)


def _query() -> RunQuery:
    return RunQuery.read(request.form, *FORM)


def _ids() -> Sequence[UUID]:
    """What is ticked or matches; raises `Forbidden`, or `Invalid` that names the field."""
    actor().require(Permission.CONTROL_RUNS)
    query = _query()  # one that can't be read is refused before anything is done
    if request.form.get("matching") == "1":
        return bulk_retries.matching(actor(), query.filter(zone()), now=moment())
    try:
        return [UUID(text) for text in request.form.getlist("selected")[: MOST + 1]]
    except ValueError:
        word = "holds something that is no id"
        raise Invalid(f"selected: {word}", fields={"selected": [word]}) from None


def _key() -> str:
    """Made with the dialog, so that pressing its button twice is one wish."""
    return request.form.get("key", "")[:KEY_LENGTH] or uuid4().hex


def _dialog(ids: Sequence[UUID], error: Invalid | None = None) -> ResponseReturnValue:
    context: dict[str, Any] = {
        "foreseen": bulk_retries.foresee(actor(), ids, now=moment()),
        "key": _key(),
        "query": _query(),
        "note": request.form.get("note", "")[:NOTE_TYPED],
        "faults": error.fields if error else {},
    }
    status = error.status if error else 200
    if not wants_fragment():
        return page("runs/retries.html", status, **context)
    answer = page("runs/_retries.html", status, **context)
    answer.headers["HX-Retarget"] = "#dialog"
    return answer


def _done(done: Retried) -> ResponseReturnValue:
    """Back to the list, with what became of each."""
    if not wants_fragment():
        flash(_sentence(done))
        params: dict[str, Any] = dict(_query().params)
        return redirect(url_for("runs.index", **params), 303)
    answer = page("runs/_retries_done.html", outcome=_counts(done), whys=_whys(done), made=done.made)
    answer.headers["HX-Retarget"] = "#notices"
    answer.headers["HX-Reswap"] = "innerHTML"
    answer.headers["HX-Trigger-After-Settle"] = "jobs-changed"
    return answer


def _counts(done: Retried) -> str:
    """`2 requested once more, 1 waits for a second person, 3 left`."""
    parts = [f"{done.made} requested once more"]
    if done.asked:
        parts.append(f"{done.asked} {'waits' if done.asked == 1 else 'wait'} for a second person")
    if done.left:
        parts.append(f"{len(done.left)} left")
    return ", ".join(parts)


def _whys(done: Retried) -> list[Why]:
    """Most runs are left for the same few reasons, each of which is said once."""
    found: dict[str, list[LeftRun]] = {}
    for item in done.left:
        found.setdefault(f"{item.reason or ''} {item.text}".strip(), []).append(item)
    return [Why(text, runs) for text, runs in found.items()]


def _sentence(done: Retried) -> str:
    """All on one line; a cookie carries it, so only the first few are named."""
    said = [
        f"{_names(why.runs)}: {storable(why.text, LONGEST_FLASHED).rstrip('.')}"
        for why in _whys(done)[:FLASHED]
    ]
    return f"{_counts(done)}{': ' if said else ''}{'; '.join(said)}."


def _names(runs: Sequence[LeftRun]) -> str:
    names = list(dict.fromkeys(storable(run.name, LONGEST_FLASHED) for run in runs))
    more = f" and {len(names) - FLASHED} more" if len(names) > FLASHED else ""
    return ", ".join(names[:FLASHED]) + more
