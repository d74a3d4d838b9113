"""What a save answers, wherever it was asked for: the changed place, and a notice with the way back."""

import json
from collections.abc import Mapping
from typing import Any

from flask import Response, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.cautions import CautionCode
from console.core.errors import Invalid
from console.services.edits import Edited
from console.web import words
from console.web.answers import page
from console.web.identity import wants_fragment
from console.web.jobs import context_of

REGIONS = ("row", "job", "schedules")
PLACES = {"row": "#job-{id}", "job": "#job", "schedules": "#editor-{id}"}


def region() -> str:
    """Where the editor stands: a row of either table, a job's page, or a page of its own."""
    region = request.values.get("region", "")
    return region if region in REGIONS else "page"


def seen_revision() -> int:
    """The revision that the form was made for; raises `Invalid`."""
    found = revision_of(request.form, "revision")
    if found is None:
        raise Invalid("revision: is missing", fields={"revision": ["is missing"]})
    return found


def revision_of(form: Mapping[str, str], name: str) -> int | None:
    text = form.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def saved(done: Edited, verb: str = "Saved", *, opener: str | None = None) -> ResponseReturnValue:
    """What the save did; without JavaScript on the job's page, else where the editor was.

    `opener` is the id of what had opened the editor, to which focus goes back; the pencil without one.
    """
    text = words.saved(done, verb)
    if not wants_fragment():
        flash(f"{done.job.name}: {text}")
        for caution in done.cautions:
            flash(caution.text)
        return redirect(url_for("jobs.show", job_id=done.job.id), 303)
    return _saved_fragment(done, text, opener or f"job-{done.job.id}-edit")


def _saved_fragment(done: Edited, text: str, opener: str) -> Response:
    place = region()
    if place == "page":
        return Response(headers={"HX-Redirect": url_for("jobs.show", job_id=done.job.id)})
    context = context_of(done.job.id) if place == "job" else _in_row(done)
    answer = page("schedules/_saved.html", region=place, done=done, text=text, **context)
    answer.headers["HX-Retarget"] = PLACES[place].format(id=done.job.id)
    answer.headers["HX-Reswap"] = "outerHTML"
    events = {"jobs-changed": {}, "schedule-saved": {"job": str(done.job.id), "opener": opener}}
    answer.headers["HX-Trigger-After-Settle"] = json.dumps(events)
    return answer


def _in_row(done: Edited) -> dict[str, Any]:
    """What the row says of a save that has just been made, and its next looks after it."""
    said = [caution.text for caution in done.cautions if caution.code is CautionCode.RULE]
    return {
        "job": done.job,
        "awaited": frozenset([str(done.job.id)]) if done.is_changed else frozenset(),
        "foretold": {done.job.id: said[0]} if said else {},
    }


def told(done: Edited, verb: str) -> ResponseReturnValue:
    """As `saved`, from outside of an editor: a notice, and the page reads itself again."""
    if not wants_fragment():
        return saved(done, verb)
    answer = page(
        "schedules/_notice.html", region=region(), done=done, text=words.saved(done, verb), job=done.job
    )
    answer.headers["HX-Retarget"] = "#notices"
    answer.headers["HX-Reswap"] = "innerHTML"
    answer.headers["HX-Trigger-After-Settle"] = "jobs-changed"
    return answer
