"""What the parent knows of the run that its horse has, and what the horse's death makes of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from console.core.reasons import Reason
from console.core.states import RunState
from console.services.outcomes import Outcome
from console.worker.horse import Died, Returned, Started

KILL_GRACE = timedelta(seconds=5)


@dataclass
class Watch:
    """One run beside its horse: since when, until when at most, and when it was last looked after."""

    run_id: UUID
    renewed_at: datetime
    started: Started | None = None
    deadline: datetime | None = None
    has_returned: bool = False

    def __post_init__(self) -> None:
        self.looked_at = self.renewed_at

    def hear(self, word: Started | Returned, now: datetime) -> None:
        """From the start of a task there is a deadline, and from its return there is none."""
        if isinstance(word, Started):
            self.started = word
            self.deadline = now + timedelta(seconds=word.timeout) + KILL_GRACE
        else:
            self.has_returned, self.deadline = True, None


def outcome_of(died: Died) -> Outcome:
    """A horse that a signal killed is a lost worker; one that left by itself is a task that failed."""
    if died.signal is not None:
        return Outcome(RunState.UNKNOWN, Reason.WORKER_LOST, died.sentence)
    error = {"type": "ProcessExit", "message": died.sentence, "traceback": ""}
    return Outcome(RunState.FAILED, Reason.EXCEPTION, died.sentence, error=error)
