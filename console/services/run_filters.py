"""Which runs are meant: conditions on runs themselves, and on the jobs whose they are."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, and_, cast, func, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

from console.core.actor import Actor
from console.core.registry import registry
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db
from console.services.run_views import RunFilter

FEW_JOBS = 1000
"""Of so many jobs each one's runs are looked up by themselves; those of more are many, and soon found."""


def paths_of(task: str) -> list[str]:
    """All paths under which the task of this path ever ran: its present one and the former ones."""
    known = registry.get(task)
    return [known.path, *known.aliases] if known else [task]


def of_runs(actor: Actor, wanted: RunFilter) -> list[ColumnElement[bool]]:
    """What must hold of a run itself."""
    found: list[ColumnElement[bool]] = [Run.org_id == actor.org_id]
    asked = ((Run.job_id, wanted.job_id), (Run.state, wanted.state), (Run.trigger, wanted.trigger))
    found += [column == value for column, value in asked if value]
    if wanted.since:
        found.append(Run.requested_at >= wanted.since)
    if wanted.until:
        found.append(Run.requested_at <= wanted.until)
    if wanted.dry_run is not None:
        # Bare, as the index of dry runs has it.
        found.append(and_(Run.dry_run) if wanted.dry_run else ~Run.dry_run)
    return found


def of_jobs(wanted: RunFilter) -> list[ColumnElement[bool]]:
    """What must hold of the job whose run it is; deleted jobs are among them."""
    found: list[ColumnElement[bool]] = []
    if wanted.task:
        found.append(Job.task.in_(paths_of(wanted.task)))
    if wanted.category:
        found.append(Job.category == wanted.category)
    if wanted.q:
        found.append(Job.search.contains(wanted.q.lower(), autoescape=True))
    return found


def few_jobs(actor: Actor, conditions: Sequence[ColumnElement[bool]]) -> list[UUID] | None:
    """The ids of these jobs, inside the caller's transaction; None when they are more than a thousand."""
    query = select(Job.id).where(Job.org_id == actor.org_id, *conditions).limit(FEW_JOBS + 1)
    ids = list(db.session.scalars(query))
    return ids if len(ids) <= FEW_JOBS else None


def newest(
    actor: Actor, wanted: RunFilter, *, after: Sequence[datetime | str | UUID] | None, limit: int
) -> Select[Run, Job]:
    """The statement for the newest runs that are meant, each with its job, inside the caller's transaction.

    `after` are instant and id of the last run of the page before.
    """
    held = of_runs(actor, wanted)
    if after is not None:
        held.append(tuple_(Run.requested_at, Run.id) < tuple_(*after))
    query = select(Run, Job).join(Job, Job.id == Run.job_id)
    order = (Run.requested_at.desc(), Run.id.desc())
    conditions = of_jobs(wanted)
    few = few_jobs(actor, conditions) if conditions else None
    if few is None:
        return query.where(*held, *conditions).order_by(*order).limit(limit)
    ids = select(func.unnest(cast(few, ARRAY(Uuid))).label("id")).subquery("wanted")
    each = select(Run.id, Run.requested_at).where(Run.job_id == ids.c.id, *held)
    nearest = each.order_by(*order).limit(limit).lateral("each")
    of_all = select(nearest.c.id).select_from(ids).join(nearest, nearest.c.id.is_not(None))
    picked = of_all.order_by(nearest.c.requested_at.desc(), nearest.c.id.desc()).limit(limit)
    return query.where(Run.id.in_(picked)).order_by(*order)
