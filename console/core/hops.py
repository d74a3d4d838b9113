"""The way of one run in named hops, and the word on a hop that has been silent for too long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from console.core.reasons import Reason
from console.core.states import Beating, Hold, Light, RunState

SILENT_AFTER = timedelta(seconds=10)
Thresholds = Mapping[Beating, tuple[timedelta, timedelta]]
"""The ages at which the last beat of each kind turns its light yellow, and red."""
THRESHOLDS: Thresholds = MappingProxyType(
    {
        Beating.SCHEDULER: (timedelta(seconds=30), timedelta(minutes=2)),
        Beating.WORKER: (timedelta(seconds=15), timedelta(seconds=60)),
        Beating.CANARY: (timedelta(minutes=2), timedelta(minutes=10)),
        Beating.EXTERNAL_CRON: (timedelta(minutes=15), timedelta(minutes=60)),
        Beating.WATCHER: (timedelta(seconds=30), timedelta(minutes=2)),
    }
)


class Clock(StrEnum):
    """What turns due slots into runs just now; `SILENT` is a scheduler that was not heard for a while."""

    SCHEDULER = "scheduler"
    EXTERNAL_CRON = "external_cron"
    SILENT = "silent"
    DOWN = "down"


def light_of(kind: Beating, age: timedelta | None, thresholds: Thresholds = THRESHOLDS) -> Light:
    """Green below the first threshold of its kind, yellow below the second, red beyond or without a beat."""
    if age is None:
        return Light.RED
    yellow, red = thresholds[kind]
    return Light.GREEN if age < yellow else Light.YELLOW if age < red else Light.RED


def clock_of(scheduler: Light, cron: Light | None) -> Clock:
    """A live scheduler comes first, then a cron that is not red; `cron` is None when there is none."""
    if scheduler is Light.GREEN:
        return Clock.SCHEDULER
    if cron in (Light.GREEN, Light.YELLOW):
        return Clock.EXTERNAL_CRON
    return Clock.SILENT if scheduler is Light.YELLOW else Clock.DOWN


@dataclass(frozen=True)
class Hop:
    """One step: its name, when it was reached (None: not yet), and the seconds since the step before.

    `is_slow` says that it took far longer than in the runs before; None when nobody compared.
    """

    name: str
    at: datetime | None
    seconds: float | None
    is_current: bool = False
    is_slow: bool | None = None


@dataclass(frozen=True)
class Silence:
    """A hop that has said nothing for 10 s: which one, why, and since when."""

    hop: str
    reason: Reason | None
    sentence: str


@dataclass(frozen=True)
class Timestamps:
    """What is recorded of a run's way."""

    state: RunState
    requested_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    seen_at: datetime | None
    held_by: Hold | None = None
    start_after: datetime | None = None


@dataclass(frozen=True)
class Surroundings:
    """What is known of the processes that a waiting run depends on.

    `pause` says by whom its queue is paused, None while it is not. `redis_is_up` is False only for a
    caller who has asked; then nothing can be said of workers, which may hang on it.
    """

    queue: str
    task_key: str
    clock: Clock
    live_workers: int
    serving_workers: int
    offering_workers: int
    worker_name: str | None
    worker_silence: timedelta | None
    retry_at: datetime | None
    pause: str | None = None
    redis_is_up: bool = True


NEXT_TICK = "waits for the next tick of the external cron"
UNPUSHED = "not in Redis yet; Redis can't be reached, it goes there when Redis is back"
WITHOUT_REDIS = "Redis can't be reached; whether a worker is alive can't be known until it is back"
WAITS = {
    Hold.JITTER: "waits for its own time to start (jitter)",
    Hold.BUFFER_ONE: "waits for the run before it to end",
    Hold.CANCEL_OTHER: "waits for the run before it to be stopped",
    Hold.PAUSE: "waits for its job to be resumed",
    Hold.LATER: "waits for the time that was asked for",
    Hold.SEQUENCE: "waits for the run before it in its sequence",
}
"""What a held run waits for."""


def hops(stamps: Timestamps) -> list[Hop]:
    """The five hops in their order; a run that was decided against has only requested, finished and seen."""
    was_decided_against = stamps.state in (RunState.SKIPPED, RunState.MISSED)
    steps: list[tuple[str, datetime | None]] = [("requested", stamps.requested_at)]
    if not was_decided_against:
        steps += [("queued", stamps.queued_at), ("started", stamps.started_at)]
    steps += [("finished", stamps.finished_at), ("seen", stamps.seen_at)]
    return _with_durations(steps)


def _with_durations(steps: Sequence[tuple[str, datetime | None]]) -> list[Hop]:
    found: list[Hop] = []
    before: datetime | None = None
    current_is_taken = False
    for name, at in steps:
        seconds = (at - before).total_seconds() if at and before else None
        is_current = at is None and not current_is_taken
        current_is_taken = current_is_taken or is_current
        found.append(Hop(name, at, seconds, is_current))
        before = at or before
    return found


def silence(stamps: Timestamps, around: Surroundings, now: datetime) -> Silence | None:
    """Why an active run has not moved for 10 s; None when it moves or has ended."""
    if stamps.held_by is not None:
        return _silent_hold(stamps, around, now)
    if stamps.state is RunState.QUEUED:
        return _silent_queue(stamps, around, now)
    if stamps.state is RunState.RUNNING:
        return _silent_worker(around)
    if stamps.state is RunState.RETRYING and around.retry_at and now - around.retry_at > SILENT_AFTER:
        return _silent_push(around)
    return None


def _silent_hold(stamps: Timestamps, around: Surroundings, now: datetime) -> Silence | None:
    """A held run is no silent one, unless nothing is there that would let it go."""
    if stamps.held_by is Hold.PAUSE or now - (stamps.start_after or stamps.requested_at) < SILENT_AFTER:
        return None
    if around.clock is Clock.SCHEDULER:
        return None
    if around.clock is Clock.EXTERNAL_CRON:
        return Silence("queued", None, f"held; {NEXT_TICK}")
    return Silence("queued", Reason.SCHEDULER_DOWN, "held, and the scheduler that would let it go is down")


def _silent_queue(stamps: Timestamps, around: Surroundings, now: datetime) -> Silence | None:
    if around.pause is not None:  # nothing will move it until somebody resumes the queue
        return Silence("started" if stamps.queued_at else "queued", Reason.QUEUE_PAUSED, around.pause)
    if now - (stamps.queued_at or stamps.start_after or stamps.requested_at) < SILENT_AFTER:
        return None
    if stamps.queued_at is None:
        return _silent_push(around)
    if not around.redis_is_up:
        return Silence("started", None, WITHOUT_REDIS)
    if around.live_workers == 0:
        return Silence("started", Reason.NO_LIVE_WORKER, "no worker is alive; nothing is there to execute it")
    if around.serving_workers == 0:
        return Silence("started", Reason.NO_LIVE_WORKER, f"no live worker serves queue {around.queue}")
    if around.offering_workers == 0:
        return Silence("started", Reason.NOT_REGISTERED, f"no live worker offers {around.task_key}")
    return Silence("started", None, f"waiting for a free worker on queue {around.queue}")


def _silent_push(around: Surroundings) -> Silence:
    if not around.redis_is_up:
        return Silence("queued", None, UNPUSHED)
    if around.clock is Clock.EXTERNAL_CRON:
        return Silence("queued", None, f"not in Redis yet; {NEXT_TICK}")
    if around.clock is not Clock.SCHEDULER:
        return Silence("queued", Reason.SCHEDULER_DOWN, "not in Redis yet; the scheduler is down")
    return Silence("queued", None, UNPUSHED)


def _silent_worker(around: Surroundings) -> Silence | None:
    if around.worker_silence is None or around.worker_silence < SILENT_AFTER:
        return None
    seconds = int(around.worker_silence.total_seconds())
    name = around.worker_name or "its worker"
    return Silence("finished", Reason.WORKER_LOST, f"{name} has been silent for {seconds} s")
