"""Selected rows one after the other: a dialog that shows their order, lets it be changed, and starts them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid, Refused
from console.core.permissions import Permission
from console.core.states import Trigger
from console.services import sequences
from console.services.sequences import SequenceView
from console.web.answers import page
from console.web.errors import problem_of
from console.web.identity import actor, moment, wants_fragment
from console.web.job_queries import JobQuery

FORM = ("csrf_token", "job", "move", "key")
KEY_LENGTH = 64
ACTION = "sequence"
"""What the bar above the table calls it."""
bp = Blueprint("sequences", __name__)


@bp.post("/jobs/sequence/confirmation")
def confirm() -> ResponseReturnValue:
    """The order as it is after a move; nothing is started yet."""
    actor().require(Permission.RUN_JOBS)
    return dialog(_moved(_ids(), request.form.get("move", "")), _params())


@bp.post("/jobs/sequence")
def start() -> ResponseReturnValue:
    """Starts what was shown, in the order in which it was shown."""
    actor().require(Permission.RUN_JOBS)
    params = _params()  # one that can't be read is refused before anything is started
    ids, key = _ids(), request.form.get("key", "")[:KEY_LENGTH] or uuid4().hex
    try:
        found = sequences.start(actor(), ids, key=key, trigger=Trigger.MANUAL, now=moment())
    except (Refused, Invalid) as refusal:
        return dialog(ids, params, key=key, problem=refusal)
    return _started(found, params)


def dialog(
    ids: Sequence[UUID],
    params: Mapping[str, str],
    *,
    key: str | None = None,
    problem: Refused | Invalid | None = None,
) -> ResponseReturnValue:
    """Each job in its place with what speaks against it; `params` are those of the table behind it."""
    steps = sequences.foresee(actor(), ids, now=moment())
    context = {
        "steps": steps,
        "refused": [step for step in steps if step.is_refused],
        "params": params,
        "key": key or uuid4().hex,
        "problem": problem_of(problem) if problem else None,
    }
    status = problem.status if problem else 200
    if not wants_fragment():
        return page("sequences/confirm.html", status, **context)
    answer = page("sequences/_confirm.html", status, **context)
    answer.headers["HX-Retarget"] = "#dialog"
    return answer


def _ids() -> list[UUID]:
    try:
        return [UUID(text) for text in request.form.getlist("job")[: sequences.MOST + 1]]
    except ValueError:
        raise _wrong("job", "holds something that is no id") from None


def _moved(ids: list[UUID], move: str) -> list[UUID]:
    """The order after `up:<id>`, `down:<id>` or `drop:<id>`; a job that is not in it changes nothing."""
    word, _, text = move.partition(":")
    at = next((place for place, job_id in enumerate(ids) if str(job_id) == text), None)
    if at is None:
        return ids
    rest = ids[:at] + ids[at + 1 :]
    if word == "drop":
        return rest
    to = {"up": max(at - 1, 0), "down": at + 1}.get(word)
    if to is None:
        raise _wrong("move", "must be up, down or drop, and the id of a job")
    return [*rest[:to], ids[at], *rest[to:]]


def _wrong(name: str, text: str) -> Invalid:
    return Invalid(f"{name}: {text}", fields={name: [text]})


def _params() -> Mapping[str, str]:
    """The filter of the table to go back to; raises `Invalid` that names the field."""
    return JobQuery.read(request.form, *FORM).params


def _started(found: SequenceView, params: Mapping[str, Any]) -> ResponseReturnValue:
    names = ", then ".join(run.job_name for run in found.runs[:5])
    more = f" and {len(found.runs) - 5} more" if len(found.runs) > 5 else ""
    text = f"{len(found.runs)} runs in sequence: {names}{more}. Each begins when the one before it succeeded."
    if not wants_fragment():
        flash(text)
        return redirect(url_for("jobs.index", **params), 303)
    answer = page("sequences/_started.html", text=text, first=found.runs[0])
    answer.headers["HX-Retarget"] = "#notices"
    answer.headers["HX-Reswap"] = "innerHTML"
    answer.headers["HX-Trigger-After-Settle"] = "jobs-changed"
    return answer
