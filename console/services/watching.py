"""What has to be done beside all runs: each step commits by itself, and any number of processes may do it."""

from collections.abc import Callable
from datetime import datetime

import structlog

from console.core.errors import Unavailable

Step = Callable[[datetime], int]
STEPS: tuple[tuple[str, Step], ...] = ()
"""Each takes now and answers how much it did; the order is that in which they are done."""
log = structlog.get_logger()


def watch(*, now: datetime) -> int:
    """Does every step once; answers how much was done in all. Raises `Unavailable`.

    A step that breaks keeps no other from being done: it is logged and tried again the next time.
    """
    return sum(_done(name, step, now) for name, step in STEPS)


def _done(name: str, step: Step, now: datetime) -> int:
    try:
        return step(now)
    except Unavailable:
        raise
    except Exception:
        log.exception("a step of the watcher broke", action="watcher.broke", step=name)
        return 0
