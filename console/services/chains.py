"""Chains: which job runs after which. The links of an org never close a circle.

A link says that a run of one job is followed by a run of the other when it ends so; what follows then
is made in `following`. Links are no part of a job's revisions: they belong to two jobs, and the trail
holds each change of them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select

from console.core.actor import Actor
from console.core.chain import Link, circle, longest
from console.core.errors import Invalid, NotFound, UnknownTask
from console.core.permissions import Permission
from console.core.states import Condition
from console.core.tags import Tag
from console.db import chains, stops
from console.db.chains import JobLink
from console.db.jobs import Job
from console.db.session import db, reading, transaction
from console.services import audit, job_filters, job_names, jobs

MOST_LINKS = 20
LONGEST_CHAIN = 50
FIELDS = {Condition.SUCCESS: "on_success", Condition.FAILURE: "on_failure"}


@dataclass(frozen=True)
class Linked:
    """A job at the other end of a link."""

    id: UUID
    key: str
    name: str


@dataclass(frozen=True)
class Links:
    """What follows a job, in the order in which it was linked.

    `deleted` are jobs that would follow if they were not deleted: their links stand until somebody removes
    them, so that undoing the deletion brings them back.
    """

    job: Linked
    on_success: Sequence[Linked]
    on_failure: Sequence[Linked]
    deleted: Sequence[tuple[Condition, Linked]] = ()

    def on(self, condition: Condition) -> Sequence[Linked]:
        return self.on_success if condition is Condition.SUCCESS else self.on_failure

    @property
    def keys(self) -> dict[str, list[str]]:
        """As the trail holds it, with those that are deleted."""
        return {
            field: [job.key for job in self.on(condition)]
            + [job.key for of, job in self.deleted if of is condition]
            for condition, field in FIELDS.items()
        }

    @property
    def kept(self) -> "Pairs":
        """The links that only whoever names them removes."""
        return {(condition, job.id): None for condition, job in self.deleted}


Pairs = dict[tuple[Condition, UUID], None]
"""Links of one job in their order."""


def get(actor: Actor, job_id: UUID) -> Links:
    """What follows the job; raises `NotFound`."""
    with reading():
        return _links(jobs.load(actor, job_id))


def put(
    actor: Actor,
    job_id: UUID,
    *,
    on_success: Sequence[str],
    on_failure: Sequence[str],
    drop_deleted: bool = False,
    now: datetime,
) -> Links:
    """Makes these jobs and no others follow, each named by its id or key; those that did keep their place.

    Links to deleted jobs stand, unless `drop_deleted` removes them all. Raises `Forbidden`, `NotFound`, or
    `Invalid` that names `on_success` or `on_failure`: for a name that finds nothing, for too many links, for
    a chain that is too long, and for a circle, which it spells out.
    """

    def edit(links: Links) -> Pairs:
        wanted = {Condition.SUCCESS: on_success, Condition.FAILURE: on_failure}
        return ({} if drop_deleted else links.kept) | dict.fromkeys(
            (condition, named(actor, name, FIELDS[condition]).id)
            for condition, names in wanted.items()
            for name in names
        )

    return _edit(actor, job_id, edit, lambda condition: FIELDS[condition], now)


def add(actor: Actor, job_id: UUID, condition: Condition, name: str, *, now: datetime) -> Links:
    """Lets one more job follow; raises as `put` does, and names the field `job`."""
    return _edit(
        actor,
        job_id,
        lambda links: _pairs(links) | {(condition, named(actor, name, "job").id): None},
        lambda _: "job",
        now,
    )


def remove(actor: Actor, job_id: UUID, condition: Condition, to_id: UUID, *, now: datetime) -> Links:
    """Lets a job follow no longer; one that does not is no error. Raises `Forbidden` or `NotFound`."""
    return _edit(
        actor,
        job_id,
        lambda links: {link: None for link in _pairs(links) if link != (condition, to_id)},
        lambda _: "job",
        now,
    )


def named(actor: Actor, name: str, field: str) -> Job:
    """The job that is meant by its id, its key in any spelling, its task, or its whole name.

    Raises `Invalid` that names the field, with suggestions.
    """
    wanted = name.strip()
    if not wanted:
        raise _invalid(field, "choose a job")
    found = job_names.find_row(actor, wanted)
    if found is None:
        same = db.session.scalars(job_filters.alive(actor).where(Job.name == wanted).limit(2)).all()
        if len(same) == 2:
            raise _invalid(field, f"several jobs are called “{wanted[:200]}”; use the key of one")
        found = same[0] if same else None
    if found is None:
        near = job_names.unknown_name(actor, wanted)
        hint = f"; did you mean {', '.join(near.suggestions)}?" if near.suggestions else ""
        raise _invalid(field, f"no job is called “{wanted[:200]}”{hint}", near)
    return found


def _invalid(field: str, text: str, near: UnknownTask | None = None) -> Invalid:
    suggestions = near.suggestions if near else ()
    end = "" if text.endswith("?") else "."
    message = f"{field}: {text}{end} Nothing was changed."
    return Invalid(message, fields={field: [text]}, suggestions=suggestions)


def _edit(
    actor: Actor,
    job_id: UUID,
    edit: Callable[[Links], Pairs],
    field: Callable[[Condition], str],
    now: datetime,
) -> Links:
    """One edit of the org's links at a time; what is checked is what will stand."""
    actor.require(Permission.EDIT_CHAINS)
    with transaction():
        chains.lock_links(actor.org_id)
        job = jobs.load(actor, job_id)
        before = _links(job)
        present = _pairs(before)
        wanted = edit(before)
        added = [link for link in wanted if link not in present]
        gone = [link for link in present if link not in wanted]
        if not added and not gone:
            return before
        _lock(job, added)
        write(actor, job.id, added=added, gone=gone, now=now)
        _check(job, added, len(wanted.keys() - before.kept.keys()), field)
        after = _links(job)
        subject = audit.Subject("job", job.id)
        audit.add(actor, Tag.CHAIN_CHANGED, subject, now=now, old=before.keys, new=after.keys)
        return after


def _lock(job: Job, added: Iterable[tuple[Condition, UUID]]) -> None:
    """Locks both ends of each new link, for to write it locks its other end too; raises `NotFound`."""
    stops.lock_jobs([job.id, *(to_id for _, to_id in added)])
    db.session.refresh(job)
    if job.deleted_at is not None:
        raise NotFound("There is no such job.")


def _pairs(links: Links) -> Pairs:
    return {(condition, job.id): None for condition in Condition for job in links.on(condition)} | links.kept


def write(
    actor: Actor,
    job_id: UUID,
    *,
    added: Iterable[tuple[Condition, UUID]],
    gone: Iterable[tuple[Condition, UUID]],
    now: datetime,
) -> None:
    """Writes what changes of the links from a job, in a transaction that holds the org's links."""
    for condition, to_id in gone:
        left = delete(JobLink).where(JobLink.from_job_id == job_id, JobLink.to_job_id == to_id)
        db.session.execute(left.where(JobLink.condition == condition))
    for condition, to_id in added:
        if to_id == job_id:
            continue  # refused as a circle afterwards; the table would refuse it with less to say
        values = {"org_id": actor.org_id, "from_job_id": job_id, "to_job_id": to_id, "condition": condition}
        db.session.add(JobLink(**values, created_at=now, created_by=actor.name))
        db.session.flush()
    chains.touch(job_id, now=now)


def _check(
    job: Job, added: Sequence[tuple[Condition, UUID]], count: int, field: Callable[[Condition], str]
) -> None:
    """Raises `Invalid` unless all links may stand."""
    if not added:
        return
    first = field(added[0][0])
    if count > MOST_LINKS:
        raise _invalid(first, f"at most {MOST_LINKS} jobs may follow one; these are {count}")
    down = chains.down(job.id)
    for condition, to_id in added:
        way = circle(Link(job.id, to_id, condition), down)
        if way:
            raise _invalid(field(condition), f"this would close a circle: {_spelled(way)}")
    steps = longest(job.id, down) + longest(job.id, [link.turned for link in chains.up(job.id)])
    if steps + 1 > LONGEST_CHAIN:
        text = f"the chain would have {steps + 1} jobs in a row; at most {LONGEST_CHAIN} may stand in one"
        raise _invalid(first, text)


def _spelled(way: Sequence[UUID]) -> str:
    """`A → B → A`."""
    rows = db.session.execute(select(Job.id, Job.name).where(Job.id.in_(way)))
    names = {id_: name for id_, name in rows}
    return " → ".join(names.get(id_, "a deleted job") for id_ in way)


def _links(job: Job) -> Links:
    return _of([job])[job.id]


def of(actor: Actor, ids: Sequence[UUID]) -> Mapping[UUID, Links]:
    """What follows each of the actor's jobs; those that are gone are left out."""
    with reading():
        return _of(db.session.scalars(job_filters.alive(actor).where(Job.id.in_(ids))).all())


def _of(rows: Sequence[Job]) -> dict[UUID, Links]:
    query = (
        select(JobLink.from_job_id, JobLink.condition, Job.id, Job.key, Job.name, Job.deleted_at)
        .join(Job, Job.id == JobLink.to_job_id)
        .where(JobLink.from_job_id.in_([job.id for job in rows]))
        .order_by(JobLink.id)
    )
    found: dict[UUID, list[tuple[Condition, Linked, bool]]] = {job.id: [] for job in rows}
    for row in db.session.execute(query):
        following = Linked(row.id, row.key, row.name)
        found[row.from_job_id].append((Condition(row.condition), following, row.deleted_at is not None))
    return {job.id: _sorted(job, found[job.id]) for job in rows}


def _sorted(job: Job, links: Sequence[tuple[Condition, Linked, bool]]) -> Links:
    return Links(
        Linked(job.id, job.key, job.name),
        [next_ for of, next_, is_deleted in links if of is Condition.SUCCESS and not is_deleted],
        [next_ for of, next_, is_deleted in links if of is Condition.FAILURE and not is_deleted],
        [(of, next_) for of, next_, is_deleted in links if is_deleted],
    )
