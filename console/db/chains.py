"""Links between jobs, and the statements that walk along them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from console.core.chain import Link
from console.core.states import Condition
from console.db import stops
from console.db.columns import Created, Id, OrgId
from console.db.session import Record, db


class JobLink(Record):
    """When a run of one job ends so, a run of the other follows; the links of an org never close a circle."""

    __tablename__ = "job_links"
    __table_args__ = (
        CheckConstraint("condition IN ('success', 'failure')", name="condition"),
        CheckConstraint("from_job_id <> to_job_id", name="no_circle"),
        UniqueConstraint("from_job_id", "condition", "to_job_id"),
        Index("ix_job_links_to", "to_job_id"),
    )
    id: Mapped[Id]
    org_id: Mapped[OrgId]
    from_job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    to_job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    condition: Mapped[str]
    created_at: Mapped[Created]
    created_by: Mapped[str]


# One edit of an org's links at a time: two that close no circle each could close one together.
ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('job_links ' || :org_id, 0))")
# UNION looks at each link once, however many ways lead to it.
DOWN = text(
    """
    WITH RECURSIVE reached AS (
        SELECT id, from_job_id, to_job_id, condition FROM job_links WHERE from_job_id = :job_id
        UNION
        SELECT link.id, link.from_job_id, link.to_job_id, link.condition
        FROM reached JOIN job_links AS link ON link.from_job_id = reached.to_job_id
    )
    SELECT from_job_id, to_job_id, condition FROM reached ORDER BY id
    """
)
UP = text(
    """
    WITH RECURSIVE reached AS (
        SELECT id, from_job_id, to_job_id, condition FROM job_links WHERE to_job_id = :job_id
        UNION
        SELECT link.id, link.from_job_id, link.to_job_id, link.condition
        FROM reached JOIN job_links AS link ON link.to_job_id = reached.from_job_id
    )
    SELECT from_job_id, to_job_id, condition FROM reached ORDER BY id
    """
)
AMONG = text(
    """
    SELECT from_job_id, to_job_id, condition FROM job_links
    WHERE from_job_id = ANY(:ids) AND to_job_id = ANY(:ids) ORDER BY id
    """
)
NEXT = text(
    """
    SELECT to_job_id FROM job_links WHERE from_job_id = :job_id AND condition = :condition ORDER BY id
    """
)
LOCK_RUN = text("SELECT id FROM runs WHERE id = :run_id FOR NO KEY UPDATE")


def lock_next(run_id: UUID, job_id: UUID, condition: Condition) -> list[UUID]:
    """The jobs that follow a run that ends so, in their order; without one nothing is locked.

    The run is locked first, then its job and all of them in the one order of jobs, so that whoever ends
    the run and makes theirs waits for nobody in a circle.
    """
    values = {"job_id": job_id, "condition": condition}
    found = list(db.session.scalars(NEXT, values))
    if found:
        db.session.execute(LOCK_RUN, {"run_id": run_id})
        stops.lock_jobs([job_id, *found])
    return found


# As a due slot sees it (`services/planning`): a dry run collides with nothing, and one that a person asked
# for at a time to come is in nobody's way.
BUSY = text(
    """
    SELECT coalesce(bool_or(held_by IN ('buffer_one', 'cancel_other')), false) AS is_waiting FROM runs
    WHERE job_id = :job_id AND state IN ('queued', 'running', 'retrying') AND NOT dry_run
      AND coalesce(held_by, '') NOT IN ('later', 'sequence')
    HAVING count(*) > 0
    """
)


@dataclass(frozen=True)
class Busy:
    """A job that has an active run; whether one of them waits for another to end."""

    is_waiting: bool


def busy(job_id: UUID) -> Busy | None:
    """Whether another run of the job is active; None when none is."""
    row = db.session.execute(BUSY, {"job_id": job_id}).first()
    return Busy(row.is_waiting) if row else None


def among(job_ids: Sequence[UUID]) -> list[Link]:
    """The links between any two of the jobs."""
    rows = db.session.execute(AMONG, {"ids": list(job_ids)})
    return [Link(row[0], row[1], Condition(row[2])) for row in rows]


def down(job_id: UUID) -> list[Link]:
    """All links behind the job, of jobs that are deleted too: to undo that must not close a circle."""
    return [Link(row[0], row[1], Condition(row[2])) for row in db.session.execute(DOWN, {"job_id": job_id})]


def up(job_id: UUID) -> list[Link]:
    """All links before the job, likewise."""
    return [Link(row[0], row[1], Condition(row[2])) for row in db.session.execute(UP, {"job_id": job_id})]


def lock_links(org_id: UUID) -> None:
    """Waits until no other transaction edits the org's links, and keeps others waiting until the commit."""
    db.session.execute(ONE_AT_A_TIME, {"org_id": str(org_id)})


# The newest run of any of the jobs, the run with which its pass began, and all that came of that one.
PASS = text(
    """
    WITH RECURSIVE newest AS (
        SELECT run.id, run.cause_id FROM unnest(CAST(:ids AS uuid[])) AS wanted (job_id)
        CROSS JOIN LATERAL (
            SELECT runs.id, runs.cause_id, runs.requested_at FROM runs
            WHERE runs.job_id = wanted.job_id AND NOT runs.dry_run
              AND coalesce(runs.held_by, '') NOT IN ('later', 'sequence')
            ORDER BY runs.requested_at DESC, runs.id DESC LIMIT 1
        ) AS run ORDER BY run.requested_at DESC, run.id DESC LIMIT 1
    ), up AS (
        SELECT id, cause_id, 0 AS steps FROM newest
        UNION ALL
        SELECT runs.id, runs.cause_id, up.steps + 1 FROM up JOIN runs ON runs.id = up.cause_id
        WHERE up.steps < :most
    ), down AS (
        SELECT id, 0 AS steps FROM (SELECT id FROM up ORDER BY steps DESC LIMIT 1) AS root
        UNION ALL
        SELECT runs.id, down.steps + 1 FROM down JOIN runs ON runs.cause_id = down.id
        WHERE down.steps < :most AND NOT runs.dry_run
    )
    SELECT DISTINCT ON (runs.job_id) runs.job_id, runs.id, runs.state, runs.requested_at, runs.finished_at,
        runs.reason_code
    FROM down JOIN runs ON runs.id = down.id
    WHERE runs.job_id = ANY(CAST(:ids AS uuid[]))
    ORDER BY runs.job_id, runs.requested_at DESC, runs.id DESC
    """
)


def touch(job_id: UUID, *, now: datetime) -> None:
    """Tells the pages that show the job that something about it has changed."""
    db.session.execute(text("UPDATE jobs SET changed_at = :now WHERE id = :id"), {"now": now, "id": job_id})
