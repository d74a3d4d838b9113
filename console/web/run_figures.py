"""Figures over the runs of some days, with links to the runs that they are made of."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue

from console.core.states import RunState
from console.services import run_figures
from console.services.report_views import Period
from console.web import run_charts, run_finding
from console.web.answers import page
from console.web.identity import actor, moment, zone
from console.web.run_queries import Days, RunQuery

USUAL = Days.FORTNIGHT
MOST_DAYS = timedelta(days=91)
EARLIEST = date(1970, 1, 1)
bp = Blueprint("run_figures", __name__)


@bp.get("/runs/figures")
def index() -> ResponseReturnValue:
    return page("runs/figures.html", **_figures(RunQuery.read(request.args)))


@bp.get("/fragments/runs/figures")
def figures() -> ResponseReturnValue:
    return page("runs/_figures.html", **_figures(RunQuery.read(request.args)))


def _figures(query: RunQuery) -> dict[str, Any]:
    """A rate is one of all states, and so the state that the list shows has no part in it."""
    found = run_figures.figures(actor(), query.filter(zone()), _period(query), now=moment())
    of_day = replace(query, state=None, days=None, cursor=None)

    def link(day: date, state: RunState | None) -> str:
        wanted = replace(of_day, from_=day, to=day, state=state)
        params: dict[str, Any] = dict(wanted.params)
        return url_for("runs.index", **params)

    return {
        "figures": found,
        "query": query,
        "chips": run_finding.chips(query),
        "days": query.days or (None if query.from_ else USUAL),
        "choices": list(Days),
        "height": run_charts.HEIGHT,
        "outcomes": run_charts.outcomes(found.days, zone(), link),
        "durations": run_charts.spreads(found.days, lambda day: day.duration, zone(), link),
        "lateness": run_charts.spreads(found.days, lambda day: day.lateness, zone(), link),
    }


def _period(query: RunQuery) -> Period:
    """The days that the list was narrowed to, up to 92 of them, or the last ones up to today."""
    if query.days or not query.from_:
        return run_figures.last_days(int(query.days or USUAL), zone(), moment())
    today = moment().astimezone(zone()).date()
    last = min(query.to or today, today)
    last = max(last, EARLIEST)
    first = min(max(query.from_, last - MOST_DAYS), last)
    end = datetime.combine(last + timedelta(days=1), time.min, zone())
    return Period(datetime.combine(first, time.min, zone()), min(end, moment()))
