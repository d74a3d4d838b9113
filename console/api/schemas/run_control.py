"""Run control and queues: what is asked for, and a queue as the org sees it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field

from console.api.schemas.common import Arguments, Body, Instant, Out
from console.services.queue_pauses import LONGEST_NOTE, QueueView

Note = Annotated[str, Field(max_length=LONGEST_NOTE)]


class StopIn(Body):
    """Why it is stopped; its record says so."""

    note: Note | None = None


class RetryIn(Body):
    """`args` take the place of the old run's own; `note` says why."""

    args: Arguments | None = None
    note: Note | None = None


class PauseIn(Body):
    """Why the queue is paused; whatever waits in it says so."""

    note: Note | None = None


class ResumeIn(Body):
    """Nothing is needed."""


class PausedOut(Out):
    """By whom it is paused, since when and why."""

    at: Instant
    by: str
    note: str | None


class QueueOut(Out):
    """A queue: how many of the org's runs wait and run, how many live workers serve it, and its pause."""

    name: str
    waiting: int
    running: int
    workers: int
    paused: PausedOut | None

    @classmethod
    def of(cls, queue: QueueView) -> "QueueOut":
        found = queue.pause
        paused = PausedOut(at=found.at, by=found.by, note=found.note) if found else None
        return cls(
            name=queue.name,
            waiting=queue.waiting,
            running=queue.running,
            workers=queue.workers,
            paused=paused,
        )


class QueuesOut(Out):
    """All queues, by name."""

    queues: list[QueueOut]
    as_of: Instant

    @classmethod
    def of(cls, queues: Sequence[QueueView], as_of: datetime) -> "QueuesOut":
        return cls(queues=[QueueOut.of(queue) for queue in queues], as_of=as_of)
