"""What pages show of the chain around a job."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from sqlalchemy import select

from console.core.actor import Actor
from console.core.chain import Link, steps
from console.core.reasons import Reason
from console.core.states import Condition, JobStatus, RunState
from console.db import chains
from console.db.jobs import Job
from console.db.session import db, reading
from console.services import jobs
from console.services.deletions import UNDONE_WITHIN

MOST_DRAWN = 60


@dataclass(frozen=True)
class NodeRun:
    """The run of a job in the chain's newest pass."""

    id: UUID
    state: RunState
    requested_at: datetime
    finished_at: datetime | None
    reason_code: Reason | None


@dataclass(frozen=True)
class Node:
    """A job of a chain; `column` is 0 for the first of all. `run` is None where the newest pass was not.

    One that `is_deleted` is skipped when its turn comes; `can_return` says that this can still be undone.
    `is_over` says that the newest pass has come to its end, so that a job without a run won't have one in it.
    """

    id: UUID
    key: str
    name: str
    column: int
    is_paused: bool
    run: NodeRun | None
    is_deleted: bool = False
    can_return: bool = False
    is_over: bool = False

    @property
    def word(self) -> str:
        """What stands in its box."""
        if self.is_deleted:
            return "deleted"
        if self.run:
            return self.run.state.value
        if self.is_paused:
            return "paused"
        return "not in this pass" if self.is_over else "not yet"


@dataclass(frozen=True)
class Chain:
    """The jobs around one of them, nearest first within each column, and the links between those.

    `left_out` counts jobs that there was no room for. `is_live` says that a run of the newest pass goes on.
    """

    job_id: UUID
    nodes: Sequence[Node]
    links: Sequence[Link]
    left_out: int
    version: str
    as_of: datetime

    @property
    def is_live(self) -> bool:
        return any(node.run and not node.run.state.is_terminal for node in self.nodes)

    def node(self, job_id: UUID) -> Node:
        return next(node for node in self.nodes if node.id == job_id)

    def after(self, job_id: UUID) -> list[tuple[Condition, Node]]:
        """What follows a job, in the order in which it was linked."""
        return [(link.condition, self.node(link.to_id)) for link in self.links if link.from_id == job_id]

    def before(self, job_id: UUID) -> list[tuple[Condition, Node]]:
        """What a job follows."""
        return [(link.condition, self.node(link.from_id)) for link in self.links if link.to_id == job_id]


def around(actor: Actor, job_id: UUID, *, now: datetime) -> Chain:
    """The whole chain that the job is part of: what leads to it and what comes of it; raises `NotFound`."""
    with reading():
        job = jobs.load(actor, job_id)
        every = [*chains.up(job.id), *chains.down(job.id)]
        rows = _shown(actor, job, every, now)
        links = [link for link in every if link.from_id in rows and link.to_id in rows]
        columns = _columns(job.id, links)
        drawn = sorted(columns, key=lambda id_: abs(columns[id_]))[:MOST_DRAWN]
        runs = _pass(drawn) if links else {}
        shown = [rows[id_] for id_ in drawn]
        return _chain(job.id, shown, chains.among(drawn), columns, runs, len(columns) - len(drawn), now)


def _columns(job_id: UUID, links: Sequence[Link]) -> dict[UUID, int]:
    """Each job's column: how many links the longest way to it has, from the job; before it negative."""
    after = steps(job_id, links)
    before = steps(job_id, [link.turned for link in links])
    return {id_: -count for id_, count in before.items()} | after


def _shown(actor: Actor, job: Job, links: Sequence[Link], now: datetime) -> dict[UUID, Job]:
    """The jobs of the links; a deleted one while that can be undone, or as long as it follows another one."""
    ids = {job.id, *(id_ for link in links for id_ in (link.from_id, link.to_id))}
    query = select(Job).where(Job.org_id == actor.org_id, Job.id.in_(ids))
    rows = {row.id: row for row in db.session.scalars(query)}
    followed = {link.to_id for link in links if rows[link.from_id].deleted_at is None}
    return {
        id_: row
        for id_, row in rows.items()
        if row.deleted_at is None or id_ in followed or _can_return(row, now)
    }


def _can_return(job: Job, now: datetime) -> bool:
    return job.deleted_at is not None and now - job.deleted_at <= UNDONE_WITHIN


def _pass(ids: Sequence[UUID]) -> dict[UUID, NodeRun]:
    rows = db.session.execute(chains.PASS, {"ids": list(ids), "most": MOST_DRAWN})
    return {
        row.job_id: NodeRun(
            row.id,
            RunState(row.state),
            row.requested_at,
            row.finished_at,
            Reason(row.reason_code) if row.reason_code else None,
        )
        for row in rows
    }


def _is_over(runs: Collection[NodeRun]) -> bool:
    """Whether nothing more follows in a pass; after an unknown run it may, once somebody has settled that."""
    return bool(runs) and all(run.state.is_terminal and run.state is not RunState.UNKNOWN for run in runs)


def _chain(
    job_id: UUID,
    rows: Sequence[Job],
    links: Sequence[Link],
    columns: Mapping[UUID, int],
    runs: Mapping[UUID, NodeRun],
    left_out: int,
    now: datetime,
) -> Chain:
    first = min((columns[job.id] for job in rows), default=0)
    is_over = _is_over(runs.values())
    nodes = [
        Node(
            job.id,
            job.key,
            job.name,
            columns[job.id] - first,
            job.status == JobStatus.PAUSED,
            runs.get(job.id),
            job.deleted_at is not None,
            _can_return(job, now),
            is_over,
        )
        for job in rows
    ]
    version = sha256(repr((nodes, links, left_out)).encode()).hexdigest()[:20]
    return Chain(job_id, nodes, links, left_out, version, now)
