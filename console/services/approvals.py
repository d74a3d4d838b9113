"""Requests for a second person: asked for instead of a run, read, and expired."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from console.core.actor import Actor
from console.core.errors import Invalid, NotFound, Refused
from console.core.names import title_of
from console.core.permissions import Permission
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.states import ApprovalState, Trigger
from console.core.tags import Tag
from console.db.approvals import Approval, ApprovalKey
from console.db.jobs import Job
from console.db.session import db, reading
from console.services import approval_changes, audit, later, org_settings, paging
from console.services.approval_views import ApprovalPage, ApprovalView, Changes, Shown, Waiting, said
from console.services.approvers import Reader, person_of

LONGEST_NOTE = 500
PENDING = frozenset([ApprovalState.PENDING])
DECIDED = frozenset(ApprovalState) - PENDING
USED = "was used for another request; take a new one"


@dataclass(frozen=True)
class Wish:
    """What is to be run once a second person agrees; `args` are checked, `note` is the requester's reason."""

    trigger: Trigger
    args: Mapping[str, Any]
    shown: Shown
    key: str | None = None
    override: bool = False
    start_at: datetime | None = None
    cause_id: UUID | None = None
    sequence_id: UUID | None = None
    after_run_id: UUID | None = None
    note: str | None = None


class ApprovalRequested(Refused):
    """A second person must approve this run; it was asked for, and nothing was started."""

    reason = Reason.APPROVAL_REQUIRED

    def __init__(self, approval: ApprovalView, zone: str) -> None:
        self.approval = approval
        super().__init__(said(approval, zone))


def known(
    actor: Actor,
    job: Job,
    key: str | None,
    args: Mapping[str, Any],
    *,
    start_at: datetime | None,
    cause_id: UUID | None,
    is_dry: bool,
) -> Approval | None:
    """The request that this idempotency key made; raises `Invalid` when it was used for anything else."""
    if key is None:
        return None
    query = select(Approval).join(ApprovalKey, ApprovalKey.approval_id == Approval.id)
    found = db.session.scalar(query.where(ApprovalKey.org_id == actor.org_id, ApprovalKey.key == key))
    if found is None:
        return None
    wanted = (job.id, dict(args), later.to_come(start_at, found.requested_at), cause_id)
    if is_dry or wanted != (found.job_id, found.args, found.start_at, found.cause_id):
        raise Invalid(f"Idempotency-Key: {USED}", fields={"Idempotency-Key": [USED]})
    return found


def ask(actor: Actor, job: Job, wish: Wish, now: datetime) -> Approval:
    """Asks for a second person's word, in the transaction of a caller who has locked the job.

    Whoever asks for the very same while it waits, under whatever name, is answered with the request that
    is there: one thing to decide on, and one run.
    """
    found = _same(job, wish, now)
    if found is None:
        found = _new(actor, job, wish, now)
    else:  # also a click that joins others is on the trail
        _record_joined(actor, found, wish, now)
    if wish.key is not None:
        _keep_key(actor, found, wish.key)
    return found


def _same(job: Job, wish: Wish, now: datetime) -> Approval | None:
    """What waits already and would make the very same run of the very same job."""
    alike = db.session.scalars(_alike(job, wish, now)).all()
    return next((row for row in alike if approval_changes.is_same_run(row, job, wish.shown)), None)


def _alike(job: Job, wish: Wish, now: datetime) -> Select[Approval]:
    """What was asked for in the same words, maybe before the job was edited."""
    query = select(Approval).where(Approval.job_id == job.id, *_in(PENDING, now))
    return query.where(
        Approval.args == dict(wish.args),
        Approval.override.is_(wish.override),
        *(
            getattr(Approval, name).is_not_distinct_from(value)
            for name, value in (
                ("recipient", wish.shown.recipient),
                ("start_at", wish.start_at),
                ("cause_id", wish.cause_id),
                ("sequence_id", wish.sequence_id),
                ("after_run_id", wish.after_run_id),
            )
        ),
    ).order_by(Approval.requested_at.desc(), Approval.id)


def _new(actor: Actor, job: Job, wish: Wish, now: datetime) -> Approval:
    ends = now + org_settings.get(job.org_id).approval_lasts
    row = Approval(
        org_id=job.org_id,
        job_id=job.id,
        state=ApprovalState.PENDING,
        revision=job.revision,
        trigger=wish.trigger,
        args=dict(wish.args),
        override=wish.override,
        start_at=wish.start_at,
        cause_id=wish.cause_id,
        sequence_id=wish.sequence_id,
        after_run_id=wish.after_run_id,
        idempotency_key=wish.key,
        recipient=wish.shown.recipient,
        requested_by=person_of(actor),
        requester=actor.name,
        requester_kind=actor.kind,
        requester_id=actor.id,
        requester_email=actor.email,
        reason=wish.note,
        shown=wish.shown.as_json(),
        requested_at=now,
        # What was to start at a time can't be approved after it.
        expires_at=min(ends, wish.start_at) if wish.start_at else ends,
    )
    db.session.add(row)
    db.session.flush()
    job.changed_at = now
    _record_request(actor, job, row, now)
    return row


def _record_joined(actor: Actor, row: Approval, wish: Wish, now: datetime) -> None:
    new = {"reason_code": Reason.APPROVAL_REQUIRED}
    audit.add(actor, Tag.RUN_REFUSED, audit.Subject("approval", row.id), now=now, new=new, reason=wish.note)


def _record_request(actor: Actor, job: Job, row: Approval, now: datetime) -> None:
    new = {
        "job": job.key,
        "task": job.task,
        "trigger": row.trigger,
        "arguments": sorted(row.args),
        "revision": row.revision,
        "expires_at": row.expires_at.isoformat(),
    }
    subject = audit.Subject("approval", row.id)
    audit.add(actor, Tag.APPROVAL_REQUESTED, subject, now=now, new=new, reason=row.reason)


def _keep_key(actor: Actor, row: Approval, key: str) -> None:
    """The key answers this request from now on; whoever used it first for another one has it."""
    values = {"org_id": actor.org_id, "key": key, "approval_id": row.id}
    db.session.execute(insert(ApprovalKey).values(values).on_conflict_do_nothing())
    kept = db.session.get_one(ApprovalKey, (actor.org_id, key), populate_existing=True)
    if kept.approval_id != row.id:
        raise Invalid(f"Idempotency-Key: {USED}", fields={"Idempotency-Key": [USED]})


def _in(states: Collection[ApprovalState], now: datetime) -> list[ColumnElement[bool]]:
    """In these states as of `now`: what nobody has marked as expired yet is so all the same."""
    if set(states) == set(ApprovalState):
        return []
    over = and_(Approval.state == ApprovalState.PENDING, Approval.expires_at <= now)
    alive = and_(Approval.state == ApprovalState.PENDING, Approval.expires_at > now)
    ended = [state for state in states if state is not ApprovalState.PENDING]
    found: list[ColumnElement[bool]] = [Approval.state.in_(ended)] if ended else []
    found += [alive] if ApprovalState.PENDING in states else []
    found += [over] if ApprovalState.EXPIRED in states else []
    return [or_(*found)]


def _joined(actor: Actor) -> Select[Approval, Job]:
    return select(Approval, Job).join(Job, Job.id == Approval.job_id).where(Approval.org_id == actor.org_id)


def page(
    actor: Actor, states: Collection[ApprovalState], *, cursor: str | None, limit: int, now: datetime
) -> ApprovalPage:
    """One page of requests in these states; raises `Invalid` that names `cursor` or `limit`."""
    is_waiting = set(states) == PENDING
    key = tuple_(Approval.expires_at if is_waiting else Approval.requested_at, Approval.id)
    query = _joined(actor).where(*_in(states, now))
    if cursor:
        after = tuple_(*paging.decode(cursor, "du"))
        query = query.where(key > after if is_waiting else key < after)
    ordered = key.asc() if is_waiting else key.desc()
    with reading():
        rows = db.session.execute(query.order_by(ordered).limit(paging.check_limit(limit) + 1)).all()
        found = _views(actor, rows[:limit], now)
    if len(rows) <= limit:
        return ApprovalPage(found, None, now)
    last = found[-1]
    at = last.expires_at if is_waiting else last.requested_at
    return ApprovalPage(found, paging.encode(at, last.id), now)


def get(actor: Actor, approval_id: UUID, *, now: datetime) -> ApprovalView:
    """The request of this id in the actor's org; raises `NotFound`."""
    with reading():
        found = db.session.execute(_joined(actor).where(Approval.id == approval_id)).first()
        if found is None:
            raise NotFound("There is no such request for approval.")
        return _views(actor, [found], now)[0]


def of_job(actor: Actor, job_id: UUID, *, now: datetime) -> Sequence[ApprovalView]:
    """What waits for a second person at this job, the soonest to expire first."""
    query = _joined(actor).where(Approval.job_id == job_id, *_in(PENDING, now))
    with reading():
        return _views(actor, db.session.execute(query.order_by(Approval.expires_at, Approval.id)).all(), now)


def waiting(actor: Actor, *, now: datetime) -> Waiting:
    """How many requests are pending, and on how many the actor may decide."""
    query = select(func.count()).where(Approval.org_id == actor.org_id, *_in(PENDING, now))
    with reading():
        pending = db.session.scalar(query) or 0
        person = person_of(actor) if pending and actor.may(Permission.DECIDE_APPROVALS) else None
        if person is None:
            return Waiting(pending)
        own = db.session.scalar(query.where(Approval.requested_by == person)) or 0
        return Waiting(pending, pending - own)


def view_of(actor: Actor, row: Approval, job: Job, now: datetime) -> ApprovalView:
    """The view of one row, inside the caller's transaction."""
    return _view(Reader.of(actor), row, job, now, approval_changes.since(row, job))


def _views(actor: Actor, rows: Sequence[Row[Approval, Job]], now: datetime) -> list[ApprovalView]:
    if not rows:
        return []
    reader = Reader.of(actor)
    changes = approval_changes.by_request((row, job) for row, job in rows)
    return [_view(reader, row, job, now, changes[row.id]) for row, job in rows]


def _view(reader: Reader, row: Approval, job: Job, now: datetime, changes: Changes) -> ApprovalView:
    task = registry.get(job.task)
    is_over = row.state == ApprovalState.PENDING and row.expires_at <= now
    return ApprovalView(
        id=row.id,
        state=ApprovalState.EXPIRED if is_over else ApprovalState(row.state),
        job_id=job.id,
        job_name=job.name,
        job_key=job.key,
        task=job.task,
        task_title=task.title if task else title_of(job.task.rsplit(".", 1)[-1]),
        verb=task.verb if task else "Run now",
        description=task.description if task else "",
        revision=row.revision,
        present_revision=None if job.deleted_at else job.revision,
        trigger=Trigger(row.trigger),
        args=row.args,
        override=row.override,
        start_at=row.start_at,
        cause_id=row.cause_id,
        requester=row.requester,
        reason=row.reason,
        shown=Shown.read(row.shown),
        requested_at=row.requested_at,
        expires_at=row.expires_at,
        decider=row.decider,
        decided_at=row.decided_at or (row.expires_at if is_over else None),
        note=row.note,
        run_id=row.run_id,
        is_own=reader.asked(row.requested_by),
        is_withdrawn=row.is_withdrawn,
        is_stuck=row.state == ApprovalState.PENDING and not is_over and not reader.others(row.requested_by),
        why_not=reader.why_not(row.requested_by),
        as_of=now,
        changes=changes,
        timezone=job.timezone,
    )
