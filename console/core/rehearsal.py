"""Whether this process rehearses a run, and who hears what a run does on its way.

A rehearsal (a dry run) is the same code as the real run. What reaches beyond Postgres asks here before it
acts: mail, pushes to Redis, and whatever a plugin delivers by itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from console.core.task import Change, Recorder

LONGEST = 60
"""Seconds that a rehearsal may take: what it would change is locked until it ends, and others wait for it."""
LOCK_SECONDS = 3
"""For how long a rehearsal waits for what another transaction holds."""


@dataclass
class _Stage:
    """What is performed: one for the whole process, so that a task's own threads don't deliver either."""

    recorder: Recorder | None = None
    is_rehearsal: bool = False


_stage = _Stage()


@contextmanager
def performing(recorder: Recorder, *, is_rehearsal: bool) -> Iterator[None]:
    """A task's function is called inside: `recorder` hears of its changes."""
    before = _stage.recorder, _stage.is_rehearsal
    _stage.recorder, _stage.is_rehearsal = recorder, is_rehearsal
    try:
        yield
    finally:
        _stage.recorder, _stage.is_rehearsal = before


def is_rehearsing() -> bool:
    """Whether nothing may leave the house: no mail, no push, no call to anybody else."""
    return _stage.is_rehearsal


def changed(subject: str, before: str | None, after: str | None, url: str | None = None) -> None:
    """Reports a change on behalf of the run that is performed; outside of one it is nobody's business."""
    if _stage.recorder is not None:
        _stage.recorder.changed(Change(subject, before, after, url))


def flush() -> None:
    """Waits until all that the run has said is stored: what it does next may be the last that is heard."""
    if _stage.recorder is not None:
        _stage.recorder.flush()


def seconds_of(timeout: int, *, is_rehearsal: bool) -> int:
    """How long a task with this timeout may take, in seconds."""
    return min(timeout, LONGEST) if is_rehearsal else timeout
