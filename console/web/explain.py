"""Why: what became of a job in any minute, and what stands in its way now."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, Flask, current_app, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid
from console.core.explaining import Link, Verdict, when
from console.core.local_time import LOCAL, Twice, instant_of, twice_of
from console.services import explain
from console.web.answers import page
from console.web.identity import actor, moment
from console.web.parameters import check_names

LONGEST = 60
SPACED_OFFSET = re.compile(r" (\d\d:?\d\d)$")
TONES = {
    Verdict.RAN: ("ok", "check-circle-fill"),
    Verdict.SKIPPED: ("quiet", "skip-forward-circle"),
    Verdict.LATE: ("warn", "clock-history"),
    Verdict.MISSED: ("warn", "slash-circle"),
    Verdict.NOT_DUE: ("quiet", "calendar"),
    Verdict.WAITING: ("active", "hourglass-split"),
    Verdict.BLOCKED: ("bad", "sign-stop-fill"),
    Verdict.UNKNOWN: ("bad", "question-circle-fill"),
}
"""The colour and the icon of each verdict; its word stands beside them."""
bp = Blueprint("explain", __name__)


@dataclass(frozen=True)
class Asked:
    """The minute that the address asks for, as the form shows it; `error` is what is wrong with it."""

    at: datetime | None
    typed: str
    twice: Twice | None
    fold: str
    error: str | None = None


@bp.get("/jobs/<uuid:job_id>/explain")
def show(job_id: UUID) -> ResponseReturnValue:
    """Both answers; a minute that can't be read is named beside its field."""
    check_names(request.args, "at", "fold")
    asked = _asked(explain.clocks_of(actor(), job_id).job)
    try:
        found = explain.page(actor(), job_id, asked.at, now=moment())
    except Invalid as error:
        asked = Asked(None, asked.typed, None, "", "; ".join(error.fields.get("at", [error.detail])))
        found = explain.page(actor(), job_id, None, now=moment())
    status = 422 if asked.error else 200
    return page("explain/show.html", status, found=found, asked=asked, tones=TONES)


def _asked(place: ZoneInfo) -> Asked:
    text = request.args.get("at", "").strip()[:LONGEST]
    fold = request.args.get("fold", "").strip()[:1]
    try:
        at = _instant(text, place, int(fold == "1")) if text else None
    except (ValueError, OverflowError) as error:
        return Asked(None, text, None, fold, str(error))
    if at is None:
        return Asked(None, _typed(moment(), place), None, fold)
    shown = _typed(at, place)
    return Asked(at, shown, twice_of(shown, place), str(at.astimezone(place).fold))


def _instant(text: str, place: ZoneInfo, fold: int) -> datetime:
    """A local time on the job's clocks, or an instant with its offset; raises ValueError."""
    if LOCAL.fullmatch(text):
        return instant_of(text, place, fold)
    try:
        found = datetime.fromisoformat(SPACED_OFFSET.sub(r"+\1", text))
    except ValueError:
        raise ValueError("choose a date and a time, such as 2030-01-31T09:15") from None
    if found.tzinfo is None:
        raise ValueError("choose a date and a time, such as 2030-01-31T09:15")
    return found.astimezone(UTC)


def _typed(at: datetime, place: ZoneInfo) -> str:
    return f"{at.astimezone(place):%Y-%m-%dT%H:%M}"


def address(link: Link | None) -> str | None:
    """Where a piece of evidence is shown or mended; None without such a page here."""
    if link is None or link.endpoint not in current_app.view_functions:
        return None
    values: dict[str, Any] = dict(link.values)
    return url_for(link.endpoint, **values)


def register(app: Flask) -> None:
    """For the templates."""
    app.jinja_env.globals.update(link_url=address)
    app.add_template_filter(when, "when")
