"""The log of a run: its newest lines on the page, what is added while it runs, and all of it as a file."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request, stream_with_context
from flask.typing import ResponseReturnValue

from console.core.actor import Actor
from console.services import runs
from console.services.run_views import LogLine, RunView
from console.web.answers import nothing_new, page
from console.web.identity import actor, moment, zone

SHOWN = 500
BEFORE_THE_FIRST = -1
LARGEST_ID = 2**63 - 1
FIRST_ATTEMPT = 1
bp = Blueprint("run_log", __name__)


def context_of(run: RunView) -> dict[str, Any]:
    """What the page shows of the log: its newest lines, and from where the rest is asked for."""
    return _context(run, runs.log(actor(), run.id, limit=SHOWN), 0, FIRST_ATTEMPT)


def _context(
    run: RunView, lines: list[LogLine], after: int, attempt: int, *, has_more: bool = False
) -> dict[str, Any]:
    """`after` is the newest line that the page has before these, and `attempt` that line's.

    `has_more` says that more lines are there already, which are asked for at once.
    """
    return {
        "run": run,
        "lines": lines,
        "attempt_before": attempt,
        "after": lines[-1].id if lines else after,
        "attempt": lines[-1].attempt if lines else attempt,
        "is_cut": not after and len(lines) == SHOWN,
        "has_more": has_more,
    }


@bp.get("/fragments/runs/<uuid:run_id>/log")
def lines(run_id: UUID) -> ResponseReturnValue:
    """The log, or with `after` the lines behind the one of this id, and 204 when there are none yet."""
    run = runs.get(actor(), run_id, now=moment())
    if "after" not in request.args:
        return page("runs/_log.html", **context_of(run))
    after, attempt = _number("after", 0, LARGEST_ID), _number("attempt", FIRST_ATTEMPT, LARGEST_ID)
    # Read after the run: of one that had ended by then, every line is there.
    found = runs.log(actor(), run_id, after=after, limit=SHOWN)
    if not found and not run.state.is_terminal:
        return nothing_new()
    context = _context(run, found, after, attempt, has_more=len(found) == SHOWN)
    return page("runs/_log_lines.html", **context)


def _number(name: str, least: int, most: int) -> int:
    """The number of this name in the address, within its bounds."""
    return min(max(request.args.get(name, least, type=int), least), most)


@bp.get("/runs/<uuid:run_id>/log")
def file(run_id: UUID) -> ResponseReturnValue:
    """All lines as plain text, however many."""
    found = runs.get(actor(), run_id, now=moment())
    answer = Response(stream_with_context(_pieces(actor(), run_id, zone())), mimetype="text/plain")
    answer.headers["Content-Disposition"] = f'attachment; filename="{found.job_key}-{found.id}.log"'
    return answer


def _pieces(reader: Actor, run_id: UUID, zone: ZoneInfo) -> Iterator[str]:
    """The log in pieces of one page each."""
    after = BEFORE_THE_FIRST
    while lines := runs.log(reader, run_id, after=after, limit=SHOWN):
        yield "".join(
            f"{line.at.astimezone(zone).isoformat(timespec='milliseconds')} #{line.attempt} {line.message}\n"
            for line in lines
        )
        after = lines[-1].id
