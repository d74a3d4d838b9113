"""Every task that is registered, has a job or ever ran: one line each, under whatever names it went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from console.core.actor import Actor
from console.core.names import title_of
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.states import RunState
from console.core.task import Task
from console.db.session import db, reading
from console.services import pending_requests
from console.services.views import PendingRequest
from console.services.workers import Fleet, fleet

COUNTED_UP_TO = 10_000
PATHS = text(
    """
    WITH RECURSIVE found AS (
        (SELECT task FROM jobs WHERE org_id = :org ORDER BY task LIMIT 1)
        UNION ALL
        SELECT (SELECT task FROM jobs WHERE org_id = :org AND task > found.task ORDER BY task LIMIT 1)
        FROM found WHERE found.task IS NOT NULL
    )
    SELECT task FROM found WHERE task IS NOT NULL
    """
)
# Of a task with very many jobs the first ten thousand are counted; of its last run all of them tell.
FACTS = text(
    """
    SELECT given.path,
        (SELECT count(*) FROM (SELECT FROM jobs WHERE org_id = :org AND task = given.path
            AND deleted_at IS NULL LIMIT :most) AS alive) AS jobs,
        nearest.id AS job_id, nearest.next_run_at, nearest.needs_approval,
        newest.last_run_id, newest.last_run_state, newest.last_run_at, newest.last_run_reason
    FROM unnest(CAST(:paths AS text[])) AS given (path)
    LEFT JOIN LATERAL (
        SELECT id, next_run_at, needs_approval FROM jobs
        WHERE org_id = :org AND task = given.path AND deleted_at IS NULL
        ORDER BY sort_at, name, id LIMIT 1
    ) AS nearest ON true
    LEFT JOIN LATERAL (
        SELECT last_run_id, last_run_state, last_run_at, last_run_reason FROM jobs
        WHERE org_id = :org AND task = given.path AND last_run_id IS NOT NULL
        ORDER BY last_run_at DESC LIMIT 1
    ) AS newest ON true
    """
)


@dataclass(frozen=True)
class LastRun:
    """The newest run of a task that has ended, whichever of its jobs it was of."""

    id: UUID
    state: RunState
    at: datetime
    reason_code: Reason | None


@dataclass(frozen=True)
class OnlyJob:
    """The job of a task that has just one, and the request of it that waits for a second person."""

    id: UUID
    needs_approval: bool
    pending: PendingRequest | None


@dataclass(frozen=True)
class TaskLine:
    """A task: where it stands in the code, who offers it, and what became of it last.

    `former` are the paths under which it still has jobs or runs. `is_known` is False for one that is no
    longer in the code. `offered_by` counts live workers; `only_job` is its job when it has just one.
    `jobs` is at most 10,001. `refusal` says why it can't be run now, None when it can.
    """

    path: str
    key: str
    title: str
    category: str
    description: str
    queue: str
    former: Sequence[str]
    is_known: bool
    offered_by: int
    refusal: Reason | None
    jobs: int
    only_job: OnlyJob | None
    next_run_at: datetime | None
    last_run: LastRun | None
    done_word: str


@dataclass(frozen=True)
class TaskList:
    """All tasks by category and title; those that are no longer in the code come last."""

    tasks: Sequence[TaskLine]
    as_of: datetime


def listing(actor: Actor, *, now: datetime) -> TaskList:
    """Every task of the code, and every one that has a job here or ever had one."""
    with reading():
        used = list(db.session.scalars(PATHS, {"org": actor.org_id}))
        values = {"org": actor.org_id, "paths": used, "most": COUNTED_UP_TO + 1}
        facts = {row.path: row for row in db.session.execute(FACTS, values)}
        waiting = pending_requests.by_job([row.job_id for row in facts.values() if row.jobs == 1], now)
        seen = fleet(now)
    known = [_line(task.path, task, facts, seen, waiting) for task in registry.all()]
    gone = [_line(path, None, facts, seen, waiting) for path in used if registry.get(path) is None]
    return TaskList([*known, *gone], now)


def _line(
    path: str,
    task: Task | None,
    facts: Mapping[str, Any],
    seen: Fleet,
    waiting: Mapping[UUID, PendingRequest],
) -> TaskLine:
    paths = [path, *(task.aliases if task else ())]
    found = [facts[name] for name in paths if name in facts]
    jobs = min(sum(row.jobs for row in found), COUNTED_UP_TO + 1)
    live = seen.live_workers
    return TaskLine(
        path=path,
        key=task.key if task else path.rsplit(".", 1)[-1],
        title=task.title if task else title_of(path.rsplit(".", 1)[-1]),
        category=task.category if task else "No longer in the code",
        description=task.description if task else "",
        queue=task.queue if task else "",
        former=[name for name in paths[1:] if name in facts],
        is_known=task is not None,
        offered_by=sum(path in worker.tasks for worker in live),
        refusal=None if seen.offers(path) else Reason.NOT_REGISTERED,
        jobs=jobs,
        only_job=_only_job(found, task, waiting) if jobs == 1 else None,
        next_run_at=min((row.next_run_at for row in found if row.next_run_at), default=None),
        last_run=_last(found),
        done_word=task.done if task else "done",
    )


def _only_job(found: Sequence[Any], task: Task | None, waiting: Mapping[UUID, PendingRequest]) -> OnlyJob:
    row = next(row for row in found if row.job_id)
    return OnlyJob(row.job_id, row.needs_approval or bool(task and task.critical), waiting.get(row.job_id))


def _last(found: Sequence[Any]) -> LastRun | None:
    ran = [row for row in found if row.last_run_id and row.last_run_at]
    if not ran:
        return None
    row = max(ran, key=lambda item: item.last_run_at)
    reason = Reason(row.last_run_reason) if row.last_run_reason else None
    return LastRun(row.last_run_id, RunState(row.last_run_state), row.last_run_at, reason)
