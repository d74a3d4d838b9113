"""The place of a run in chain and sequence: what it follows, what follows it, and what is left of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, select

from console.core.actor import Actor
from console.core.reasons import Reason
from console.core.states import ACTIVE, TERMINAL, ApprovalState, Condition, Hold, RunState, Trigger
from console.db.approvals import Approval
from console.db.chains import JobLink
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db, reading
from console.services.run_views import RunView

MOST_NAMED = 20
BY_ITSELF = (Trigger.SCHEDULE, Trigger.TICK, Trigger.CHAIN)
"""A run that nobody asked for takes the place of none in a sequence."""
UNFOLLOWED = {
    RunState.STOPPED: "it was stopped",
    RunState.SKIPPED: "it was skipped",
    RunState.MISSED: "it was missed",
}


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
class Left:
    """A job of a sequence that is over whose turn came to nothing, and was not made up for since."""

    job_id: UUID
    name: str


@dataclass(frozen=True)
class Place:
    """Where a run stands: the run that it follows, those that follow it, and why none does.

    `awaited` are those that a second person has the word on. `ended` says why the chain ended with it,
    `waits` that it goes on when a person has settled the run. `rest` is what is left of its sequence.
    """

    follows: RunRef | None
    followed_by: Sequence[RunRef]
    awaited: Sequence[Awaited]
    ended: str | None
    waits: str | None
    sequence: InSequence | None
    rest: Sequence[Left]
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
        rest = _rest(actor, run) if run.sequence_id and run.state in TERMINAL else []
    shown = (follows, followed, awaited, ended, waits, sequence, rest)
    return Place(*shown, sha256(repr(shown).encode()).hexdigest()[:20])


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


def _rest(actor: Actor, run: RunView) -> list[Left]:
    """What is left of the sequence of a run that ended without success, while nothing of it is on its way."""
    query = select(Run.id, Run.state, Run.job_id, Job.name, Job.deleted_at).join(Job, Job.id == Run.job_id)
    query = query.where(Run.org_id == actor.org_id, Run.sequence_id == run.sequence_id).order_by(Run.id)
    rows = db.session.execute(query).all()
    is_over = all(row.state in TERMINAL and row.state != RunState.UNKNOWN for row in rows)
    if run.state is RunState.SUCCEEDED or not is_over:
        return []
    open_ = [row for row in rows if row.state != RunState.SUCCEEDED and row.deleted_at is None]
    ids, since = [row.job_id for row in open_], _since(run)
    going = select(Run.id).where(Run.job_id.in_(ids), Run.state.in_(ACTIVE), *since)
    if db.session.scalar(going.limit(1)) is not None:
        return []
    # There may be any number of runs since: of each job one that succeeded is looked for, and no more read.
    succeeded = exists().where(Run.job_id == Job.id, Run.state == RunState.SUCCEEDED, *since)
    done = set(db.session.scalars(select(Job.id).where(Job.id.in_(ids), succeeded)))
    return [Left(row.job_id, row.name) for row in open_ if row.job_id not in done]


def _since(run: RunView) -> tuple[ColumnElement[bool], ...]:
    """What holds of runs that somebody asked for after the sequence, such as retries."""
    return (
        Run.requested_at >= run.requested_at,
        ~Run.dry_run,
        Run.sequence_id.is_distinct_from(run.sequence_id),
        Run.trigger.not_in(BY_ITSELF),
        func.coalesce(Run.held_by, "") != Hold.LATER,
    )
