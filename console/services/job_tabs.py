"""How many jobs there are under each tab of the table, and how many it leaves out."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import ScalarSelect, exists, false, func, literal, select

from console.core.actor import Actor
from console.core.states import MessageType
from console.db.jobs import Job
from console.db.session import db, reading
from console.services import job_filters
from console.services.job_filters import SETTLED
from console.services.jobs import COUNTED_UP_TO
from console.services.views import JobFilter

SEARCHED_UP_TO = 50_000
SETTLED_ONES = "settled"


@dataclass(frozen=True)
class Counted:
    """A number of jobs; beyond 10,000 it only says that there are more. So does `is_cut`, below that too."""

    number: int
    is_cut: bool = False

    def __str__(self) -> str:
        has_more = self.is_cut or self.number > COUNTED_UP_TO
        return f"{min(self.number, COUNTED_UP_TO):,}{'+' if has_more else ''}"


@dataclass(frozen=True)
class Tabs:
    """What the tabs say: all jobs, the messages of each type, and what is no message.

    `settled` are the messages that the table leaves out because they need not go out.
    """

    all: Counted
    types: Mapping[MessageType, Counted]
    tasks: Counted
    settled: Counted

    def total(self, wanted: JobFilter) -> int | None:
        """How many jobs the table of this filter has, up to 10,001 of them; None when that is not known."""
        others = self.tasks if wanted.tasks_only else self.all
        counted = self.types[wanted.message_type] if wanted.message_type else others
        return None if counted.is_cut else counted.number


def tabs(actor: Actor, wanted: JobFilter) -> Tabs | None:
    """The counts under all filters but the type's; None while the org has no message.

    `settled` holds the type too: it is about the table that is shown. One statement: for each count a
    walk along an index that ends at 10,001, or when words are searched for, one walk for all of them.
    """
    with reading():
        if not _has_messages(actor.org_id):
            return None
        if wanted.q:
            return _found(actor, wanted)
        *types, tasks, settled = db.session.execute(select(*_counts(actor, wanted))).one()
    return _tabs(dict(zip(MessageType, types, strict=True)), tasks, settled)


def _tabs(types: Mapping[MessageType, int], tasks: int, settled: int, *, is_cut: bool = False) -> Tabs:
    named = {kind: Counted(number, is_cut) for kind, number in types.items()}
    whole = Counted(sum(types.values()) + tasks, is_cut)
    return Tabs(whole, named, Counted(tasks, is_cut), Counted(settled, is_cut))


def _found(actor: Actor, wanted: JobFilter) -> Tabs:
    """What a search finds, counted in one walk: each costs as much as the search."""
    others = replace(wanted, message_type=None, tasks_only=False)
    found = job_filters.filtered(select(Job.id), actor, replace(others, with_settled=True))
    kinds = found.with_only_columns(Job.message_type, func.coalesce(SETTLED, false()).label("settled"))
    row = kinds.limit(SEARCHED_UP_TO + 1).subquery().c
    counted = db.session.execute(select(row.message_type, row.settled, func.count()).group_by(*row)).all()
    numbers: Counter[str | None] = Counter()
    for kind, is_settled, number in counted:
        numbers[SETTLED_ONES if is_settled and job_filters.hides_settled(others) else kind] += number
    settled = numbers[SETTLED_ONES] if job_filters.hides_settled(wanted) else 0
    is_cut = numbers.total() > SEARCHED_UP_TO
    return _tabs({kind: numbers[kind] for kind in MessageType}, numbers[None], settled, is_cut=is_cut)


def _has_messages(org_id: UUID) -> bool:
    mine = (Job.org_id == org_id, Job.deleted_at.is_(None), Job.message_type.is_not(None))
    return bool(db.session.scalar(select(exists().where(*mine))))


def _counts(actor: Actor, wanted: JobFilter) -> list[ScalarSelect[int]]:
    """One for each type, one for tasks, and one for what the table leaves out."""
    others = replace(wanted, message_type=None, tasks_only=False)
    counts = [_count(actor, replace(others, message_type=kind)) for kind in MessageType]
    return [*counts, _count(actor, replace(others, tasks_only=True)), _settled(actor, wanted)]


def _count(actor: Actor, wanted: JobFilter) -> ScalarSelect[int]:
    capped = job_filters.filtered(select(Job.id), actor, wanted).limit(COUNTED_UP_TO + 1).subquery()
    return select(func.count()).select_from(capped).scalar_subquery()


def _settled(actor: Actor, wanted: JobFilter) -> ScalarSelect[int]:
    if not job_filters.hides_settled(wanted):
        return select(literal(0)).scalar_subquery()
    found = job_filters.filtered(select(Job.id), actor, replace(wanted, with_settled=True))
    capped = found.where(SETTLED).limit(COUNTED_UP_TO + 1).subquery()
    return select(func.count()).select_from(capped).scalar_subquery()
