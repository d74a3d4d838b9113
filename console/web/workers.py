"""Schedulers and workers: who lives, what they serve, and what they are at."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint
from flask.typing import ResponseReturnValue

from console.core.errors import NotFound
from console.core.registry import registry
from console.core.states import Beating, Light
from console.services import queue_pauses, runs, workers
from console.services.process_views import Component
from console.services.run_views import RunView
from console.web.answers import page
from console.web.identity import actor, moment

STOPPED_FOR = timedelta(hours=1)
BESIDE = (Beating.WORKER, Beating.WATCHER)
"""Those that are no clock."""
bp = Blueprint("workers", __name__)


@bp.get("/workers")
def index() -> ResponseReturnValue:
    return page("workers/index.html", **_fleet())


@bp.get("/fragments/workers/fleet")
def fleet() -> ResponseReturnValue:
    return page("workers/_fleet.html", **_fleet())


def _fleet() -> dict[str, Any]:
    heard = workers.listing(now=moment(), org_id=actor().org_id)
    found = sorted(filter(_is_listed, heard), key=_rank)
    return {
        "schedulers": [item for item in found if item.kind not in BESIDE],
        "watchers": [item for item in found if item.kind is Beating.WATCHER],
        "was_heard": any(item.kind not in BESIDE for item in heard),
        "workers": [item for item in found if item.kind is Beating.WORKER],
        "current": _current(found),
        "queues": queue_pauses.listing(actor(), now=moment()),
        "titles": {task.path: task.title for task in registry.all()},
    }


def _is_listed(item: Component) -> bool:
    """What ended in good order is shown for a while, lest one wonder where it went."""
    return item.stopped_at is None or moment() - item.stopped_at < STOPPED_FOR


def _rank(item: Component) -> tuple[bool, int, str]:
    """The live ones first, then the silent, the lost and the stopped ones."""
    return item.stopped_at is not None, list(Light).index(item.light), item.name


def _current(found: Sequence[Component]) -> dict[UUID, RunView]:
    """What the workers are at, as far as it belongs to the actor's org."""
    current = {}
    for component in found:
        if component.run_id:
            try:
                current[component.run_id] = runs.get(actor(), component.run_id, now=moment())
            except NotFound:
                continue
    return current
