"""Runs made by hand, as they would stand in the database long after they ended."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from console.core.states import RunState
from console.db.session import db
from console.services.report_views import EXECUTED
from console.services.views import JobView
from tests.factories import OrgOf

INSERT = text(
    """
    INSERT INTO runs (org_id, job_id, task, queue, trigger, state, reason_code, reason, slot, revision,
                      requested_by, requested_at, started_at, finished_at, attempt, dry_run, start_after,
                      decision_code)
    VALUES (:org, :job, :task, 'default', 'schedule', :state, :code, :reason, :slot, 1, 'history', :asked,
            :started, :finished, :attempt, :dry, :after, :decision)
    RETURNING id
    """
)
HALF = timedelta(seconds=0.5)


def past_run(
    of: OrgOf,
    job: JobView,
    state: RunState,
    at: datetime,
    *,
    late: timedelta = HALF,
    took: timedelta = HALF,
    attempt: int | None = None,
    **more: Any,
) -> UUID:
    """A run for the slot `at`, which began `late` and `took` so long, as far as its state has come."""
    began, ended = state in EXECUTED or state is RunState.RUNNING, state.is_terminal
    values = {
        "org": of.id,
        "job": job.id,
        "task": job.task,
        "state": state,
        "code": more.get("code"),
        "reason": more.get("reason"),
        "slot": more.get("slot", at),
        "asked": more.get("asked", at),
        "started": at + late if began else None,
        "finished": at + (late + took if began else HALF) if ended else None,
        "attempt": int(began) if attempt is None else attempt,
        "dry": more.get("dry_run", False),
        "after": more.get("start_after"),
        "decision": more.get("decision"),
    }
    made: UUID = db.session.execute(INSERT, values).scalar_one()
    db.session.commit()
    return made
