"""What pages show of chains and sequences: the chain around a job, and the place of a run in both."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from sqlalchemy import Select, select

from console.core.actor import Actor
from console.core.chain import Link, steps
from console.core.reasons import Reason
from console.core.states import TERMINAL, ApprovalState, Condition, JobStatus, RunState, Trigger
from console.db import chains
from console.db.approvals import Approval
from console.db.chains import JobLink
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db, reading
from console.services import jobs
from console.services.views import RunView

MOST_DRAWN = 60
MOST_NAMED = 20
UNFOLLOWED = {
    RunState.STOPPED: "it was stopped",
    RunState.SKIPPED: "it was skipped",
    RunState.MISSED: "it was missed",
}


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
    """A job of a chain; `column` is 0 for the first of all. `run` is None where the newest pass was not."""

    id: UUID
    key: str
    name: str
    column: int
    is_paused: bool
    run: NodeRun | None


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
        rows = _alive(actor, {job.id, *(id_ for link in every for id_ in (link.from_id, link.to_id))})
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


def _alive(actor: Actor, ids: Collection[UUID]) -> dict[UUID, Job]:
    return {job.id: job for job in db.session.scalars(jobs.alive(actor).where(Job.id.in_(ids)))}


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
    nodes = [
        Node(
            job.id,
            job.key,
            job.name,
            columns[job.id] - first,
            job.status == JobStatus.PAUSED,
            runs.get(job.id),
        )
        for job in rows
    ]
    version = sha256(repr((nodes, links, left_out)).encode()).hexdigest()[:20]
    return Chain(job_id, nodes, links, left_out, version, now)


@dataclass(frozen=True)
class RunRef:
    """A neighbouring run, to link to."""

    id: UUID
    job_name: str
    state: RunState
    reason_code: Reason | None


@dataclass(frozen=True)
class Awaited:
    """A job that follows once a second person agrees, or would have."""

    approval_id: UUID
    job_name: str
    state: ApprovalState


@dataclass(frozen=True)
class InSequence:
    """The place of a run in its sequence: `number` of `count`, and its neighbours."""

    number: int
    count: int
    before: RunRef | None
    after: RunRef | None


@dataclass(frozen=True)
class Place:
    """Where a run stands: the run that it follows, those that follow it, and why none does.

    `awaited` are those that a second person has the word on. `ended` says why the chain ended with it,
    `waits` that it goes on when a person has settled the run.
    """

    follows: RunRef | None
    followed_by: Sequence[RunRef]
    awaited: Sequence[Awaited]
    ended: str | None
    waits: str | None
    sequence: InSequence | None
    version: str

    @property
    def is_empty(self) -> bool:
        shown = (self.follows, self.followed_by, self.awaited, self.ended, self.waits, self.sequence)
        return not any(shown)

    @property
    def is_live(self) -> bool:
        """Whether a run that is shown beside it goes on."""
        near = [*self.followed_by]
        if self.sequence:
            near += [ref for ref in (self.sequence.before, self.sequence.after) if ref]
        is_awaited = any(item.state is ApprovalState.PENDING for item in self.awaited)
        return is_awaited or any(not ref.state.is_terminal for ref in near)


def place(actor: Actor, run: RunView) -> Place:
    """The place of a run that the actor may see in chain and sequence."""
    with reading():
        follows = _ref(actor, run.cause_id) if run.trigger is Trigger.CHAIN and run.cause_id else None
        chained = _refs(actor).where(Run.cause_id == run.id, Run.trigger == Trigger.CHAIN)
        followed = _read(chained.order_by(Run.id).limit(MOST_NAMED))
        awaited = _awaited(actor, run) if run.state in TERMINAL else []
        is_end = run.state in TERMINAL and not followed and not awaited
        ended, waits = _end(run) if is_end else (None, None)
        sequence = _in_sequence(actor, run) if run.sequence_id else None
    version = sha256(repr((follows, followed, awaited, ended, waits, sequence)).encode()).hexdigest()[:20]
    return Place(follows, followed, awaited, ended, waits, sequence, version)


def _refs(actor: Actor) -> Select[UUID, str, str, str | None]:
    query = select(Run.id, Job.name, Run.state, Run.reason_code).join(Job, Job.id == Run.job_id)
    return query.where(Run.org_id == actor.org_id)


def _read(query: Select[UUID, str, str, str | None]) -> list[RunRef]:
    rows = db.session.execute(query)
    return [RunRef(row[0], row[1], RunState(row[2]), Reason(row[3]) if row[3] else None) for row in rows]


def _ref(actor: Actor, run_id: UUID) -> RunRef | None:
    return next(iter(_read(_refs(actor).where(Run.id == run_id))), None)


def _awaited(actor: Actor, run: RunView) -> list[Awaited]:
    query = (
        select(Approval.id, Job.name, Approval.state)
        .join(Job, Job.id == Approval.job_id)
        .where(Approval.org_id == actor.org_id, Approval.cause_id == run.id, Approval.run_id.is_(None))
        .where(Approval.trigger == Trigger.CHAIN)
        .order_by(Approval.id)
    )
    rows = db.session.execute(query.limit(MOST_NAMED))
    return [Awaited(row[0], row[1], ApprovalState(row[2])) for row in rows]


def _end(run: RunView) -> tuple[str | None, str | None]:
    """Why nothing came after a run that has ended, or what that waits for; links that stood then count."""
    query = (
        select(JobLink.condition, Job.name)
        .join(Job, Job.id == JobLink.to_job_id)
        .where(JobLink.from_job_id == run.job_id, JobLink.created_at <= (run.finished_at or run.requested_at))
        .order_by(JobLink.id)
    )
    names: dict[str, list[str]] = {condition: [] for condition in Condition}
    for condition, name in db.session.execute(query):
        names[condition].append(name)
    every = list(dict.fromkeys(name for of in names.values() for name in of))
    if not every:
        return None, None
    if run.dry_run:
        return f"it was a dry run, and nothing follows one ({_listed(every)} would follow a run).", None
    if run.state is RunState.UNKNOWN:
        return None, f"nobody knows yet how it ended. Say what happened, and {_listed(every)} may follow."
    if run.state is RunState.FAILED and names[Condition.SUCCESS]:
        return f"it failed, and {_listed(names[Condition.SUCCESS])} would follow success alone.", None
    if run.state in UNFOLLOWED:
        return f"{UNFOLLOWED[run.state]}, so nothing of {_listed(every)} follows.", None
    return None, None


def _listed(names: Sequence[str]) -> str:
    """`A`, `A and B`, `A, B and 3 more`."""
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _in_sequence(actor: Actor, run: RunView) -> InSequence:
    refs = _read(_refs(actor).where(Run.sequence_id == run.sequence_id).order_by(Run.id))
    at = next(number for number, ref in enumerate(refs) if ref.id == run.id)
    before = refs[at - 1] if at else None
    return InSequence(at + 1, len(refs), before, refs[at + 1] if at + 1 < len(refs) else None)
