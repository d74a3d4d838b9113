"""One pass of the scheduler on request, for installations whose clock is a cron that lives elsewhere."""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import text

from console.core.actor import Actor
from console.core.permissions import Permission
from console.core.states import Beating, Trigger
from console.db.session import db, reading
from console.services import dispatch, heartbeats, passes, watching, workers
from console.services.claims import LEASE
from console.services.heartbeats import Beat
from console.services.process_views import Pulse

MOST_BATCHES = 50
LONGEST = timedelta(seconds=20)
"""A pass ends after so many batches or so long, whichever comes first; a call must have an answer."""
log = structlog.get_logger()


@dataclass(frozen=True)
class Work:
    """What one pass did, in totals over all orgs; `is_left` says that it stopped at its bounds.

    `due` slots were decided: so many runs `queued`, `held` and `skipped` (missed ones too). `retried`
    runs began their next attempt, `released` ones were held until now, `settled` ones had lost their worker.
    """

    due: int
    queued: int
    held: int
    is_left: bool
    retried: int = 0
    released: int = 0
    settled: int = 0

    @property
    def skipped(self) -> int:
        return self.due - self.queued - self.held


@dataclass(frozen=True)
class Tick:
    """The answer to one tick: what the pass did, and the heartbeat after it."""

    work: Work
    pulse: Pulse
    as_of: datetime


def tick(actor: Actor, *, clock: Callable[[], datetime]) -> Tick:
    """Makes one whole pass for the whole installation, and records that its cron lives.

    Afterwards it does what a watcher does. It may run beside schedulers, watchers and other ticks: row locks
    keep them apart. Raises `Forbidden`, and
    `Unavailable` when Postgres goes away; what was done until then stays done.
    """
    actor.require(Permission.TICK)
    begun = clock()
    _beat(actor, begun)
    work = _pass(clock, until=begun + LONGEST)
    watching.watch(now=clock())
    watching.send(now=clock())
    log.info("an external cron ticked", action="tick", cron=actor.name, due=work.due, queued=work.queued)
    now = clock()
    return Tick(work, workers.pulse(now=now, org_id=actor.org_id), now)


def _pass(clock: Callable[[], datetime], until: datetime) -> Work:
    is_known = passes.acknowledge(MOST_BATCHES)
    # First, for what is pushed anew would hide what Redis lost, and what a lost run kept waiting may go.
    settled = passes.sweep(now=clock(), may_recover=_may_recover(clock()))
    retried, released = passes.retry(now=clock()), passes.release(now=clock())
    slots = _decide(clock, until)
    is_left = slots.is_left or not is_known or max(retried, released) >= dispatch.BATCH
    if slots.held:
        released += passes.release(now=clock())
    return replace(slots, is_left=is_left, retried=retried, released=released, settled=settled)


def _beat(actor: Actor, now: datetime) -> None:
    """The name is kept with its org, for heartbeats belong to the installation and names to orgs."""
    details: dict[str, object] = {workers.ORG: str(actor.org_id)}
    beat = Beat(Beating.EXTERNAL_CRON, actor.name, socket.gethostname(), os.getpid(), now, details=details)
    heartbeats.beat(beat, now=now)


def _decide(clock: Callable[[], datetime], until: datetime) -> Work:
    """Batch after batch until nothing is due any more, or the bounds are reached."""
    due = queued = held = 0
    for _ in range(MOST_BATCHES):
        now = clock()
        done = passes.decide(scheduler=dispatch.TICKER, now=now, trigger=Trigger.TICK)
        due, queued, held = due + done.slots, queued + len(done.tickets), held + done.held
        if done.due == 0:
            return Work(due, queued, held, is_left=False)
        if clock() >= until:
            break
    return Work(due, queued, held, is_left=True)


def _may_recover(now: datetime) -> bool:
    """Whether Postgres has been up for a lease; a scheduler, which lives on, knows this by itself."""
    with reading():
        started_at: datetime = db.session.execute(text("SELECT pg_postmaster_start_time()")).scalar_one()
    return now - started_at > LEASE
