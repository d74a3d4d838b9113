"""What a deletion cuts: the links between jobs that go and jobs that stay.

The links themselves stand, so that undoing the deletion brings them back. Until then each run that a
deleted job was to follow leaves a skipped run of it, and what was to follow a deleted job is not started.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, exists, func, select
from sqlalchemy.orm import aliased

from console.core.actor import Actor
from console.core.states import Condition
from console.db.chains import JobLink
from console.db.jobs import Job
from console.db.session import db

NAMED = 5


@dataclass(frozen=True)
class Cut:
    """A link of which one end goes and the other stays."""

    from_name: str
    to_name: str
    condition: Condition
    is_target: bool

    @property
    def text(self) -> str:
        link = f"{self.to_name} runs {self.condition.word} of {self.from_name}"
        return f"{link}: it will be skipped." if self.is_target else f"{link}: nothing will start it so."


@dataclass(frozen=True)
class Cuts:
    """How many links a deletion cuts, and the first of them."""

    count: int
    named: Sequence[Cut]

    @property
    def left_out(self) -> int:
        return self.count - len(self.named)


NO_CUTS = Cuts(0, ())
FROM, TO = aliased(Job), aliased(Job)


def of(actor: Actor, going: ColumnElement[bool]) -> Cuts:
    """The links that end when the jobs of which the condition holds are gone; inside the caller's reading."""
    query = _crossing(actor, going)
    count = db.session.scalar(select(func.count()).select_from(query.subquery())) or 0
    if not count:
        return NO_CUTS
    return Cuts(count, [_cut(row) for row in db.session.execute(query.order_by(JobLink.id).limit(NAMED))])


def by_job(actor: Actor, ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Cut]]:
    """The same of jobs by their ids, each with what it cuts."""
    found: dict[UUID, list[Cut]] = {}
    for row in db.session.execute(_crossing(actor, Job.id.in_(ids)).order_by(JobLink.id)):
        found.setdefault(row.to_id if row.is_target else row.from_id, []).append(_cut(row))
    return found


def _crossing(actor: Actor, going: ColumnElement[bool]) -> Select[UUID, UUID, str, str, str, bool]:
    goes_from = exists().where(Job.id == JobLink.from_job_id, going)
    goes_to = exists().where(Job.id == JobLink.to_job_id, going)
    crosses = (goes_from & ~goes_to) | (goes_to & ~goes_from)
    return (
        select(
            FROM.id.label("from_id"),
            TO.id.label("to_id"),
            FROM.name.label("from_name"),
            TO.name.label("to_name"),
            JobLink.condition,
            goes_to.label("is_target"),
        )
        .join(FROM, and_(FROM.id == JobLink.from_job_id, FROM.deleted_at.is_(None)))
        .join(TO, and_(TO.id == JobLink.to_job_id, TO.deleted_at.is_(None)))
        .where(JobLink.org_id == actor.org_id, crosses)
    )


def _cut(row: Row[UUID, UUID, str, str, str, bool]) -> Cut:
    return Cut(row.from_name, row.to_name, Condition(row.condition), row.is_target)
