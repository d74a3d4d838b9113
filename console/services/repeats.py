"""One message goes out once: what keeps a second run of it from beginning, and what gives way to a click."""

from datetime import datetime

from sqlalchemy import select

from console.core.errors import Refused
from console.core.reasons import Reason, Refusal
from console.core.states import ACTIVE, JobStatus, Kind, RunState
from console.core.task import Task
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db
from console.services import holding

ON_ITS_WAY = "A run of this message is on its way already; wait for its outcome."
EARLIER_UNKNOWN = (
    "Nobody knows whether an earlier run of it sent it; open that run and say whether it arrived."
)
REPEATABLE = (Reason.ALREADY_SENT, Reason.OUTCOME_UNKNOWN)
"""The refusals that give way to “send again”."""


def refusal_of(job: Job, task: Task) -> Refusal | None:
    """Why a message that goes out once must not simply go out once more."""
    if not is_one_message(job, task):
        return None
    if job.active_run_id is not None and _is_on_its_way(job):
        return Refusal(Reason.OVERLAP, ON_ITS_WAY)
    if job.last_run_state == RunState.UNKNOWN:
        sentence = "Nobody knows whether its last run sent it; open the run and say whether it arrived."
        return Refusal(Reason.OUTCOME_UNKNOWN, sentence)
    # A message that waits for a person is one message too; what recurs goes out each time.
    was_asked_for = job.kind == Kind.MANUAL and _has_run(job, RunState.SUCCEEDED)
    if job.status != JobStatus.SENT and not was_asked_for:
        return Refusal(Reason.OUTCOME_UNKNOWN, EARLIER_UNKNOWN) if _has_run(job, RunState.UNKNOWN) else None
    by = f" (marked as sent by {job.closed_by})" if job.closed_by else ""
    return Refusal(Reason.ALREADY_SENT, f"This message was already sent{by}.")


def is_one_message(job: Job, task: Task) -> bool:
    """Whether it goes out once in all, and not each time that it is asked for."""
    return task.sends and (job.kind == Kind.ONCE or bool(job.message_type))


def _is_on_its_way(job: Job) -> bool:
    """Whether it has a run that is more than held and no dry run; a held one gives way to a click."""
    query = select(Run.id).where(
        Run.job_id == job.id, Run.state.in_(ACTIVE), Run.held_by.is_(None), Run.dry_run.is_(False)
    )
    return db.session.scalar(query.limit(1)) is not None


def _has_run(job: Job, state: RunState) -> bool:
    """Whether any of its runs ended so: a later one that came to nothing takes nothing back."""
    if job.last_run_state == state:
        return True
    query = select(Run.id).where(Run.job_id == job.id, Run.state == state, Run.dry_run.is_(False))
    return db.session.scalar(query.limit(1)) is not None


def withdraw_held(job: Job, task: Task | None, now: datetime) -> None:
    """Gives up what is held of it: the same message must not go out again when what held it is over.

    Raises `Refused` when a scheduler is letting it go this moment.
    """
    sentence = "It was asked for by hand before it could start by itself."
    holding.withdraw(job.id, reason=Reason.OVERLAP, sentence=sentence, now=now)
    if task is not None and task.sends and holding.is_leaving(job.id):
        raise Refused(f"{ON_ITS_WAY} {Reason.OVERLAP.advice}", reason=Reason.OVERLAP)
