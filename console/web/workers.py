"""Schedulers and workers: who lives, what they serve, and what they are at."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint
from flask.typing import ResponseReturnValue

from console.core.errors import NotFound
from console.core.registry import registry
from console.core.states import Beating
from console.services import runs, workers
from console.services.views import Component, RunView
from console.web.answers import page
from console.web.identity import actor, moment

bp = Blueprint("workers", __name__)


@bp.get("/workers")
def index() -> ResponseReturnValue:
    return page("workers/index.html", **_fleet())


@bp.get("/fragments/workers/fleet")
def fleet() -> ResponseReturnValue:
    return page("workers/_fleet.html", **_fleet())


def _fleet() -> dict[str, Any]:
    found = workers.listing(now=moment())
    return {
        "schedulers": [item for item in found if item.kind is not Beating.WORKER],
        "workers": [item for item in found if item.kind is Beating.WORKER],
        "current": _current(found),
        "titles": {task.path: task.title for task in registry.all()},
    }


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
