"""Jobs: listing, reading and deleting them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select, text, tuple_

from console.core.actor import Actor
from console.core.errors import NotFound
from console.core.permissions import Permission
from console.core.tags import Tag
from console.db.jobs import Deletion, Job
from console.db.session import db, reading, transaction
from console.services import audit, chain_cuts, dispatch, job_filters, paging, wakeups
from console.services.chain_cuts import Cuts
from console.services.job_versions import version_of
from console.services.job_views import views
from console.services.views import JobFilter, JobPage, JobView
from console.services.workers import fleet

COUNTED_UP_TO = 10_000


def page(
    actor: Actor,
    wanted: JobFilter,
    *,
    cursor: str | None,
    limit: int,
    total: int | None = None,
    now: datetime,
) -> JobPage:
    """One page, nearest first, then by name; raises `Invalid` that names `cursor` or `limit`.

    Whoever has counted all that match, up to 10,001 of them, says so by `total`.
    """
    query = _page(actor, wanted, cursor, limit)
    with reading():
        version = version_of(query, now)
        rows = db.session.scalars(query).all()
        found = views(rows[:limit], fleet(now), now)
        matching = count(actor, wanted) if total is None else total
        last = rows[limit - 1] if len(rows) > limit else None
        following = paging.encode(last.sort_at, last.name, last.id) if last else None
        return JobPage(found, following, version, now, min(matching, COUNTED_UP_TO), matching > COUNTED_UP_TO)


def page_version(actor: Actor, wanted: JobFilter, *, cursor: str | None, limit: int, now: datetime) -> str:
    """The version that `page` would have, for a fraction of its price."""
    with reading():
        return version_of(_page(actor, wanted, cursor, limit), now)


def _page(actor: Actor, wanted: JobFilter, cursor: str | None, limit: int) -> Select[Job]:
    """One row more than the page has, which tells whether another one follows."""
    query = job_filters.filtered(select(Job), actor, wanted)
    if cursor:
        after = paging.decode(cursor, "dsu")
        query = query.where(tuple_(Job.sort_at, Job.name, Job.id) > tuple_(*after))
    return query.order_by(Job.sort_at, Job.name, Job.id).limit(paging.check_limit(limit) + 1)


def count(actor: Actor, wanted: JobFilter) -> int:
    """How many jobs match, inside the caller's transaction; counting stops at 10,001."""
    capped = job_filters.filtered(select(Job.id), actor, wanted).limit(COUNTED_UP_TO + 1).subquery()
    return db.session.scalar(select(func.count()).select_from(capped)) or 0


def get(actor: Actor, job_id: UUID, *, now: datetime) -> JobView:
    """The job of this id in the actor's org; raises `NotFound`."""
    with reading():
        return view_of(load(actor, job_id), now)


def view_of(job: Job, now: datetime) -> JobView:
    """The view of one row, inside the caller's transaction."""
    return views([job], fleet(now), now)[0]


def load(actor: Actor, job_id: UUID, *, lock: bool = False) -> Job:
    """The row itself, inside the caller's transaction; another org's is not found."""
    query = select(Job).where(Job.id == job_id, Job.org_id == actor.org_id, Job.deleted_at.is_(None))
    if lock:  # a row that was read before it is locked is old
        query = query.with_for_update().execution_options(populate_existing=True)
    job = db.session.scalar(query)
    if job is None:
        raise NotFound("There is no such job.")
    return job


CATEGORIES = text(
    """
    WITH RECURSIVE found AS (
        (SELECT category FROM jobs WHERE org_id = :org AND deleted_at IS NULL ORDER BY category LIMIT 1)
        UNION ALL
        SELECT (SELECT category FROM jobs WHERE org_id = :org AND deleted_at IS NULL
                AND category > found.category ORDER BY category LIMIT 1)
        FROM found WHERE found.category IS NOT NULL
    )
    SELECT category FROM found WHERE category IS NOT NULL
    """
)


def categories(actor: Actor) -> list[str]:
    """The categories of the org's jobs in alphabetical order: one look at the index for each."""
    with reading():
        return list(db.session.scalars(CATEGORIES, {"org": actor.org_id}))


def delete(actor: Actor, job_id: UUID, *, now: datetime) -> Cuts:
    """Deletes a job softly, so that it can be brought back for 24 hours; answers which chains that cuts.

    Raises `Forbidden` or `NotFound`.
    """
    actor.require(Permission.DELETE_JOBS)
    with transaction():
        job = load(actor, job_id, lock=True)
        # A slot that is due already has its record; the run itself is skipped when a worker takes it.
        dispatch.settle(job.id, now=now)
        cuts = chain_cuts.of(actor, Job.id == job_id)
        gone = Deletion(
            org_id=actor.org_id, at=now, actor=actor.name, filter={"job": job.key}, deleted=1, left_running=0
        )
        db.session.add(gone)
        db.session.flush()
        job.deleted_at = job.changed_at = now
        job.deletion_id = gone.id
        audit.add(actor, Tag.JOB_DELETED, audit.Subject("job", job_id), now=now, old={"key": job.key})
        wakeups.notify()
        return cuts
