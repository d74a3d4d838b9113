"""What the head of the list of runs says is set."""

from collections.abc import Mapping, Sequence
from typing import Any

from console.core.errors import NotFound
from console.core.names import title_of
from console.core.registry import registry
from console.services import jobs
from console.web.finding import Chip
from console.web.identity import actor, moment
from console.web.run_queries import DryRuns, RunQuery

DRY = {DryRuns.ONLY: "dry runs only", DryRuns.NONE: "without dry runs"}


def chips(query: RunQuery) -> Sequence[Chip]:
    """What is set, but for the state, whose tab shows itself."""
    return [Chip(name, text, query.but(**{name: None}).params) for name, text in _said(query).items() if text]


def head(query: RunQuery) -> dict[str, Any]:
    """What the head of the list offers."""
    return {"chips": chips(query), "categories": jobs.categories(actor())}


def _said(query: RunQuery) -> Mapping[str, str | None]:
    return {
        "q": f"“{query.q}”" if query.q else None,
        "job": _job(query),
        "task": _task(query.task) if query.task else None,
        "trigger": f"asked for by {query.trigger}" if query.trigger else None,
        "category": query.category,
        "from_": f"from {query.from_}" if query.from_ else None,
        "to": f"until {query.to}" if query.to else None,
        "dry": DRY[query.dry] if query.dry else None,
    }


def _job(query: RunQuery) -> str | None:
    if query.job is None:
        return None
    try:
        return jobs.get(actor(), query.job, now=moment()).name
    except NotFound:
        return "a job that is not there"


def _task(path: str) -> str:
    known = registry.get(path)
    return f"task {known.title if known else title_of(path.rsplit('.', 1)[-1])}"
