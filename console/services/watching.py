"""What has to be done beside all runs: each step commits by itself, and any number of processes may do it."""

from collections.abc import Callable
from datetime import datetime

import structlog

from console.core.errors import Unavailable
from console.services import alert_sending, alerts, approving, sealing

Step = Callable[[datetime], int]
STEPS: tuple[tuple[str, Step], ...] = (
    ("seal the audit trail", sealing.seal),
    ("expire requests for approval", approving.expire),
    ("look for what alerts wait for", alerts.look),
)
"""Each takes now and answers how much it did; the order is that in which they are done."""
SLOW_STEPS: tuple[tuple[str, Step], ...] = (("send alerts", alert_sending.send),)
"""These wait for servers elsewhere, so nothing may wait for them."""
log = structlog.get_logger()


def watch(*, now: datetime) -> int:
    """Does every step once; answers how much was done in all. Raises `Unavailable`.

    A step that breaks keeps no other from being done: it is logged and tried again the next time.
    """
    return sum(_done(name, step, now) for name, step in STEPS)


def send(*, now: datetime) -> int:
    """As `watch`, for what waits for servers elsewhere."""
    return sum(_done(name, step, now) for name, step in SLOW_STEPS)


def _done(name: str, step: Step, now: datetime) -> int:
    try:
        return step(now)
    except Unavailable:
        raise
    except Exception:
        log.exception("a step of the watcher broke", action="watcher.broke", step=name)
        return 0
