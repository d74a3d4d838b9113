"""Jobs, tasks and processes side by side: what one of them expects and another lacks."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, select, text

from console.core.due import LATE_AFTER
from console.core.registry import registry
from console.core.states import JobStatus, Kind
from console.db.jobs import Job, JobRevision
from console.db.session import db
from console.services.job_lists import COUNTED_UP_TO, job_lines, overdue
from console.services.report_frames import snapshot
from console.services.report_views import Inventory, QueueUse
from console.services.workers import Fleet, fleet

NO_SLOT = datetime(9999, 12, 31, tzinfo=UTC)
"""What `sort_at` is for a job without a next run."""

RECURRING = (Kind.CRON, Kind.INTERVAL)
TASKS_IN_USE = text(
    """
    WITH RECURSIVE found AS (
        (SELECT task FROM jobs WHERE org_id = :org ORDER BY task LIMIT 1)
        UNION ALL
        SELECT (SELECT task FROM jobs WHERE org_id = :org AND task > found.task ORDER BY task LIMIT 1)
        FROM found WHERE found.task IS NOT NULL
    )
    SELECT task FROM found WHERE task IS NOT NULL AND EXISTS (
        SELECT FROM jobs WHERE org_id = :org AND jobs.task = found.task AND deleted_at IS NULL)
    """
)
"""One look at the index for each task, however many jobs it has."""


def inventory(org_id: UUID, *, unused_for: timedelta, now: datetime) -> Inventory:
    """Compares the org's jobs with the tasks that are known and the processes that are alive.

    A job counts as never run when it was made longer ago than `unused_for`.
    """
    with snapshot():
        seen = fleet(now)
        in_use = list(db.session.scalars(TASKS_IN_USE, {"org": org_id}))
        unknown, unoffered = _strange(in_use, seen)
        return Inventory(
            components=seen.components,
            queues=_queues(in_use, seen),
            tasks_without_job=_without_job(in_use),
            unknown=job_lines(org_id, Job.task.in_(unknown)),
            unoffered=job_lines(org_id, Job.task.in_(unoffered)),
            blocked=job_lines(org_id, Job.status == JobStatus.BLOCKED),
            failed=job_lines(org_id, Job.status == JobStatus.FAILED),
            unapplied=job_lines(org_id, _is_unapplied(org_id, now)),
            unplanned=job_lines(org_id, *_is_unplanned()),
            overdue=overdue(org_id, now),
            never_run=job_lines(org_id, *_never_ran(now - unused_for)),
        )


def _strange(in_use: Sequence[str], seen: Fleet) -> tuple[set[str], set[str]]:
    """Tasks that nobody knows, and tasks that are known and that no live worker offers."""
    live = seen.live_workers
    offered = {task for worker in live for task in worker.tasks}
    known = offered.union(registry.offered())
    unknown = set(in_use) - known
    return unknown, set(in_use) - offered - unknown if live else set()


def _queues(in_use: Collection[str], seen: Fleet) -> list[QueueUse]:
    tasks = [registry.get(path) for path in in_use]
    needed = {task.queue for task in tasks if task is not None}
    return [QueueUse(name, name in needed, seen.serves(name)) for name in registry.queues()]


def _without_job(in_use: Collection[str]) -> list[str]:
    """The keys of registered tasks for which there is no job, by none of their paths."""
    return [task.key for task in registry.all() if not {task.path, *task.aliases}.intersection(in_use)]


def _is_unapplied(org_id: UUID, now: datetime) -> ColumnElement[bool]:
    """Saved a minute ago or longer, and still not what the scheduler acts on."""
    newest = (JobRevision.job_id == Job.id) & (JobRevision.revision == Job.revision)
    old = select(Job.id).join(JobRevision, newest).where(JobRevision.created_at < now - LATE_AFTER)
    old = old.where(Job.org_id == org_id, Job.applied_revision != Job.revision)
    # In the order of the partial index: without it Postgres expects most rows to match and reads them all.
    return Job.id.in_(old.order_by(Job.id).limit(COUNTED_UP_TO + 1).correlate(None))


def _is_unplanned() -> Sequence[ColumnElement[bool]]:
    """Recurring, and yet without a next run; blocked jobs are told of by themselves."""
    return Job.kind.in_(RECURRING), Job.sort_at == NO_SLOT, Job.status != JobStatus.BLOCKED


def _never_ran(before: datetime) -> Sequence[ColumnElement[bool]]:
    return Job.last_run_id.is_(None), Job.active_run_id.is_(None), Job.created_at < before
