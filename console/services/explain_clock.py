"""What turns due slots into runs, and when it was last heard."""

from datetime import datetime

from console.core.explaining import Clocks, Evidence, Link, when
from console.core.hops import Clock
from console.core.reasons import Reason
from console.core.spans import span_text
from console.core.states import Beating
from console.services.process_views import Component
from console.services.workers import Fleet

WORKERS = Link("workers.index")


def evidence_of(seen: Fleet, clocks: Clocks, now: datetime) -> Evidence:
    """Which clock decides slots now; one that is down or silent with its code."""
    last = _last(seen, Beating.SCHEDULER)
    if seen.clock is Clock.EXTERNAL_CRON:
        ticked = _last(seen, Beating.EXTERNAL_CRON)
        said = f" (the last one was on {when(ticked.last_seen, clocks)})" if ticked else ""
        text = f"Slots are decided by the external cron, at its next tick{said}."
        return Evidence(text, _source(ticked, "heartbeats"), None, _at(ticked), WORKERS)
    if seen.clock is Clock.SCHEDULER:
        alive = _last(seen, Beating.SCHEDULER, only_live=True)
        return Evidence("A scheduler is alive.", _source(alive, "heartbeats"), None, _at(alive), WORKERS)
    text = f"The scheduler is down: {_heard(last, clocks, now)}."
    if seen.clock is Clock.SILENT:
        text = f"The scheduler is silent: {_heard(last, clocks, now)}."
    return Evidence(text, _source(last, "heartbeats"), Reason.SCHEDULER_DOWN, _at(last), WORKERS)


def _last(seen: Fleet, kind: Beating, *, only_live: bool = False) -> Component | None:
    mine = [item for item in seen.components if item.kind is kind and not (only_live and item.stopped_at)]
    return max(mine, key=lambda item: item.last_seen, default=None)


def _heard(last: Component | None, clocks: Clocks, now: datetime) -> str:
    if last is None:
        return "none was heard in the last day"
    if last.stopped_at is not None:
        return f"{last.name} was stopped on {when(last.stopped_at, clocks)}"
    return (
        f"{last.name} was last heard on {when(last.last_seen, clocks)}, {span_text(now - last.last_seen)} ago"
    )


def _source(item: Component | None, otherwise: str) -> str:
    return f"heartbeat of {item.name}" if item else otherwise


def _at(item: Component | None) -> datetime | None:
    return item.last_seen if item else None
