"""Which jobs are meant: conditions on the rows of the job table."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal_column, select

from console.core.actor import Actor
from console.core.reasons import Reason
from console.core.states import JobStatus, MessageType
from console.db.jobs import NEVER, Job
from console.services.views import JobFilter

SETTLED = and_(
    Job.message_type == literal_column(f"'{MessageType.INIT}'"),
    Job.status == literal_column(f"'{JobStatus.SKIPPED}'"),
    Job.status_reason == literal_column(f"'{Reason.HAS_LOAD_IN_TIME}'"),
)
"""A message that need not go out because what it asks for is known; literal, as its index says it."""


def alive(actor: Actor) -> Select[Job]:
    """The actor's jobs that are not deleted."""
    return select(Job).where(Job.org_id == actor.org_id, Job.deleted_at.is_(None))


def filtered(query: Select[Any], actor: Actor, wanted: JobFilter) -> Select[Any]:
    """The query for those of the actor's jobs that match."""
    query = query.where(Job.org_id == actor.org_id, Job.deleted_at.is_(None))
    return query.where(*_about_itself(wanted), *_about_its_subject(wanted), *_about_its_time(wanted))


def hides_settled(wanted: JobFilter) -> bool:
    """Whether the table leaves out messages that are settled, which the filter alone would let in."""
    can_be = wanted.message_type in (None, MessageType.INIT) and not wanted.tasks_only
    return can_be and not wanted.with_settled and wanted.status is not JobStatus.SKIPPED


def _about_itself(wanted: JobFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.q:
        yield Job.search.contains(wanted.q.strip().lower(), autoescape=True)
    if wanted.status:
        yield Job.status == wanted.status
    if wanted.kind:
        yield Job.kind == wanted.kind
    if wanted.category:
        yield Job.category == wanted.category
    if hides_settled(wanted):
        yield SETTLED.is_not(True)


def _about_its_subject(wanted: JobFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.message_type:
        yield Job.message_type == wanted.message_type
    if wanted.tasks_only:
        yield Job.message_type.is_(None)
    if wanted.subject_id:
        yield Job.subject_id == wanted.subject_id
    if wanted.recipient:
        yield func.lower(Job.recipient) == wanted.recipient.strip().lower()


def _about_its_time(wanted: JobFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.scheduled_only or wanted.since or wanted.until:
        # Said of the column that the indexes are sorted by: the rest of them is never walked through.
        yield Job.sort_at < literal_column(NEVER)
    if wanted.since:
        yield Job.sort_at >= wanted.since
    if wanted.until:
        yield Job.sort_at <= wanted.until
