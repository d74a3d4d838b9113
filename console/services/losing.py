"""What becomes of a run whose worker is gone."""

from datetime import datetime

from sqlalchemy import update

from console.core.reasons import Reason
from console.core.registry import registry
from console.core.states import RunState
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db, transaction
from console.services import claims
from console.services.claims import Claim
from console.services.execution import finish_without_retry
from console.services.outcomes import Outcome

STARTS_AFTER_LOSS = 3


def lose(found: Claim, *, detail: str, now: datetime) -> RunState | None:
    """Records that the attempt's process is gone.

    One whose stop was asked for ends as stopped, or as unknown where it may have sent. An idempotent
    task starts again (up to three times in all), another one ends as `unknown`: nobody knows whether
    its side effect happened.
    """
    if found.stop is not None:
        return finish_without_retry(found, found.stop, now)
    task = registry.get(found.task)
    if task is not None and task.idempotent:
        if found.attempt < STARTS_AFTER_LOSS:
            return _start_again(found, detail, now)
        return finish_without_retry(found, Outcome(RunState.FAILED, Reason.WORKER_LOST, detail), now)
    if found.dry_run:  # there is no doubt about what it did: nothing
        return finish_without_retry(found, Outcome(RunState.FAILED, Reason.WORKER_LOST, detail), now)
    return finish_without_retry(found, Outcome(RunState.UNKNOWN, Reason.OUTCOME_UNKNOWN, detail), now)


def _start_again(found: Claim, detail: str, now: datetime) -> RunState | None:
    values = {**claims.QUEUED_AGAIN, "reason_code": Reason.WORKER_LOST, "reason": detail}
    with transaction():
        if db.session.execute(claims.unstopped(found).values(values).returning(Run.id)).first() is None:
            return None
        if not found.dry_run:
            db.session.execute(update(Job).where(Job.id == found.job_id).values(changed_at=now))
    return RunState.QUEUED
