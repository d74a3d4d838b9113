"""A second person's decision: approve, which makes the run, or reject; and what nobody decided in time."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, update

from console.core.actor import Actor
from console.core.errors import Forbidden, Invalid, NotFound, Refused
from console.core.permissions import Permission
from console.core.reasons import Reason
from console.core.states import ActorKind, ApprovalState, Role, Trigger
from console.core.tags import Tag
from console.core.texts import storable
from console.db.approvals import Approval
from console.db.jobs import Job
from console.db.people import ApiToken, Membership, Org, User
from console.db.session import db, reading, transaction
from console.services import admission, approval_changes, approvals, approvers, audit, pushing, triggers
from console.services.approval_views import WITHDRAWN, ApprovalView, Shown, at
from console.services.run_requests import Approved, Place, Request

LONGEST_NOTE = approvals.LONGEST_NOTE
EXPIRED_AT_ONCE = 100
MOVED = "What would go out has changed since you were shown it."


def approve(
    actor: Actor, approval_id: UUID, *, note: str | None = None, seen: str | None = None, now: datetime
) -> ApprovalView:
    """Makes the run that was asked for, in the same transaction, and pushes it after the commit.

    `seen` is the mark of what whoever decides was shown; None of one who looked at nothing.
    Raises `NotFound`, `Forbidden` (also for one's own request), `Invalid` that names `note`, or `Refused`:
    somebody else has decided, it has expired, the job was edited since (`STALE_REVISION`, and so where it
    is not what was `seen`) or deleted, or the run is refused as things stand. Of all but the first two it
    stays pending.
    """
    actor.require(Permission.DECIDE_APPROVALS)
    given = _note(note)
    try:
        with _deciding(approval_id, now):
            row, job = _locked(actor, approval_id)
            _settle(actor, row, ApprovalState.APPROVED, given, now)
            row.run_id = _run(actor, row, job, seen, now)
            job.changed_at = now
            _record(actor, Tag.APPROVAL_APPROVED, row, now)
            run_id = row.run_id
    except Gone:
        raise
    except Refused as refusal:
        if refusal.reason is not None:
            _record_refusal(actor, approval_id, refusal.reason, now)
        raise
    pushing.push([run_id], now=now)
    return approvals.get(actor, approval_id, now=now)


def _record_refusal(actor: Actor, approval_id: UUID, reason: Reason, now: datetime) -> None:
    """A run that was refused although somebody agreed to it is on the trail, as a refused click is."""
    with transaction():
        subject = audit.Subject("approval", approval_id)
        audit.add(actor, Tag.RUN_REFUSED, subject, now=now, new={"reason_code": reason})


def reject(actor: Actor, approval_id: UUID, *, note: str | None = None, now: datetime) -> ApprovalView:
    """Ends a request without a run; whoever made it may withdraw it, which takes no note.

    Raises `NotFound`, `Forbidden`, `Invalid` that names `note`, or `Refused` when it is decided or expired.
    """
    given = _note(note)
    with _deciding(approval_id, now):
        row, job = _locked(actor, approval_id, alive=False)
        is_own = row.requested_by is not None and approvers.person_of(actor) == row.requested_by
        actor.require(Permission.RUN_JOBS if is_own else Permission.DECIDE_APPROVALS)
        if not given and not is_own:
            text = "say why, for whoever asked"
            raise Invalid(f"note: {text}", fields={"note": [text]})
        _settle(actor, row, ApprovalState.REJECTED, given or WITHDRAWN, now, own=is_own)
        job.changed_at = now
        _record(actor, Tag.APPROVAL_WITHDRAWN if is_own else Tag.APPROVAL_REJECTED, row, now)
    return approvals.get(actor, approval_id, now=now)


def foresee(actor: Actor, approval_id: UUID, *, now: datetime) -> tuple[Shown, str | None]:
    """What approving it would start as things stand now, and what would be refused; raises `NotFound`."""
    with reading():
        row, job = _found(actor, approval_id)
        if job.deleted_at is not None:
            return Shown.read(row.shown), f"{Reason.DELETED.text} {Reason.DELETED.advice}"
        refused = admission.against(_requester(actor, row), job, _request(row, ""), now)
        shown = admission.shown_of(_requester(actor, row), job, row.args, now)
    text = f"{refused.sentence} {refused.reason.advice}" if refused else None
    mine = approval_changes.why_stale(row, job, shown) or approval_changes.why_paused(row, job)
    return shown, mine or text


class Gone(Refused):
    """The request can't be approved any more; nothing was started. Ask again."""

    reason = Reason.APPROVAL_REQUIRED


@contextmanager
def _deciding(approval_id: UUID, now: datetime) -> Iterator[None]:
    """A decision's transaction, in which a request also ends that turns out to be over.

    In a transaction of its own it would end too late: another click, taken a moment before, could still
    make the run of which somebody was told that nothing was started.
    """
    gone: Gone | None = None
    with transaction():
        try:
            yield
        except Gone as refusal:
            gone = refusal
            _end(approval_id, now)
    if gone is not None:
        raise gone


def _note(note: str | None) -> str | None:
    text = (note or "").strip()
    if len(text) > LONGEST_NOTE:
        wrong = f"at most {LONGEST_NOTE} characters"
        raise Invalid(f"note: {wrong}", fields={"note": [wrong]})
    return storable(text, LONGEST_NOTE) or None


def _found(actor: Actor, approval_id: UUID) -> tuple[Approval, Job]:
    query = select(Approval, Job).join(Job, Job.id == Approval.job_id)
    found = db.session.execute(
        query.where(Approval.id == approval_id, Approval.org_id == actor.org_id)
    ).first()
    if found is None:
        raise NotFound("There is no such request for approval.")
    return found[0], found[1]


def _locked(actor: Actor, approval_id: UUID, *, alive: bool = True) -> tuple[Approval, Job]:
    """The request and its job, whose lock keeps edits, deletions and other decisions apart."""
    row, job = _found(actor, approval_id)
    db.session.refresh(job, with_for_update=True)
    if alive and job.deleted_at is not None and row.state == ApprovalState.PENDING:
        raise Gone(
            "The job was deleted, so the request has ended; nothing was started.", reason=Reason.DELETED
        )
    return row, job


def _settle(
    actor: Actor, row: Approval, state: ApprovalState, note: str | None, now: datetime, *, own: bool = False
) -> None:
    """One conditional UPDATE: of several people who decide at once, one does."""
    person = approvers.person_of(actor)
    if person is None:
        raise Forbidden(f"A second person has to decide: {approvers.UNKNOWN}. Nothing was changed.")
    if person == row.requested_by and not own:
        raise Forbidden("You asked for it yourself; somebody else has to approve it. Nothing was changed.")
    pending = (Approval.id == row.id, Approval.state == ApprovalState.PENDING, Approval.expires_at > now)
    values = {"state": state, "decided_by": person, "decider": actor.name, "decided_at": now, "note": note}
    done = db.session.execute(update(Approval).where(*pending).values(values).returning(Approval.id)).first()
    db.session.refresh(row)
    if done is None:
        raise _too_late(actor, row, now)


def _too_late(actor: Actor, row: Approval, now: datetime) -> Refused:
    if row.state == ApprovalState.PENDING:
        return Gone(f"It expired at {at(row.expires_at, actor.zone)}; nothing was started. Ask again.")
    if row.state == ApprovalState.EXPIRED:
        when = at(row.decided_at or row.expires_at, actor.zone)
        return Refused(
            f"It expired at {when}; nothing was started. Ask again.", reason=Reason.APPROVAL_REQUIRED
        )
    when = f" at {at(row.decided_at, actor.zone)}" if row.decided_at else ""
    return Refused(f"{row.decider} has {row.word} it{when} already; nothing was changed by you.")


def _run(actor: Actor, row: Approval, job: Job, seen: str | None, now: datetime) -> UUID:
    """The run as its requester asked for it, with both names."""
    stale = _stale(actor, row, job, seen, now)
    if stale is not None:
        raise Refused(f"{stale} Nothing was started.", reason=Reason.STALE_REVISION)
    if not _still_may(row, now):
        raise Refused(
            f"{row.requester} may not run jobs any more; reject the request. Nothing was started.",
            reason=Reason.FORBIDDEN,
        )
    paused = approval_changes.why_paused(row, job)
    if paused is not None:
        raise Refused(f"{paused} Nothing was started.", reason=Reason.PAUSED)
    return triggers.ask(_requester(actor, row), job, _request(row, actor.name), now=now)


def _stale(actor: Actor, row: Approval, job: Job, seen: str | None, now: datetime) -> str | None:
    if row.revision == job.revision and seen is None:
        return None
    shown = admission.shown_of(_requester(actor, row), job, row.args, now)
    has_moved = seen is not None and seen != shown.mark
    return approval_changes.why_stale(row, job, shown) or (MOVED if has_moved else None)


def _still_may(row: Approval, now: datetime) -> bool:
    """Whether whoever asked might still ask; who has no account at all had the machine."""
    if row.requester_kind == ActorKind.TOKEN:
        token = db.session.get(ApiToken, row.requester_id) if row.requester_id else None
        is_over = token is None or token.revoked_at or (token.expires_at and token.expires_at <= now)
        if is_over:
            return False
    if row.requested_by is None:
        return True
    query = select(Membership.role).join(User, User.id == Membership.user_id)
    mine = (Membership.org_id == row.org_id, Membership.user_id == row.requested_by)
    role = db.session.scalar(query.where(*mine, Membership.disabled_at.is_(None), User.is_active))
    return role is not None and Role(role).includes(Role.OPERATOR)


def _requester(actor: Actor, row: Approval) -> Actor:
    """Whoever asked, as far as the run needs them; what is recorded now came with the decision's request."""
    return Actor(
        ActorKind(row.requester_kind),
        row.org_id,
        actor.org_name,
        actor.zone,
        Role.OPERATOR,
        row.requester,
        id=row.requester_id,
        email=row.requester_email,
        request_id=actor.request_id,
    )


def _request(row: Approval, by: str) -> Request:
    place = Place(row.sequence_id, row.after_run_id) if row.sequence_id else None
    return Request(
        Trigger(row.trigger),
        key=row.idempotency_key,
        args=row.args,
        override=row.override,
        start_at=row.start_at,
        cause_id=row.cause_id,
        place=place,
        approved=Approved(row.id, by),
        note=row.reason,
    )


def _record(actor: Actor, tag: Tag, row: Approval, now: datetime) -> None:
    new = {"state": row.word, "requested_by": row.requester}
    new |= {"run": str(row.run_id)} if row.run_id else {}
    subject = audit.Subject("approval", row.id)
    old = {"state": ApprovalState.PENDING}
    audit.add(actor, tag, subject, now=now, old=old, new=new, reason=row.note)


def expire(now: datetime) -> int:
    """Ends what nobody decided in time and what is about deleted jobs; answers how many, at most 100."""
    with reading():
        query = select(Approval.id).join(Job, Job.id == Approval.job_id).where(*_over(now))
        ids = db.session.scalars(query.order_by(Approval.expires_at).limit(EXPIRED_AT_ONCE)).all()
    return sum(expire_one(approval_id, now=now) for approval_id in ids)


def _over(now: datetime) -> tuple[ColumnElement[bool], ...]:
    is_over = or_(Approval.expires_at <= now, Job.deleted_at.is_not(None))
    return Approval.state == ApprovalState.PENDING, is_over


def expire_one(approval_id: UUID, *, now: datetime) -> int:
    """Marks it as expired if it is, with its entry; answers 1 when it did."""
    with transaction():
        return _end(approval_id, now)


def _end(approval_id: UUID, now: datetime) -> int:
    query = select(Job, Org).join(Approval, Approval.job_id == Job.id).join(Org, Org.id == Job.org_id)
    found = db.session.execute(query.where(Approval.id == approval_id).with_for_update(of=Job)).first()
    over = (
        select(Approval).join(Job, Job.id == Approval.job_id).where(Approval.id == approval_id, *_over(now))
    )
    row = db.session.scalar(over.with_for_update(of=Approval))
    if found is None or row is None:
        return 0
    job, org = found
    row.state, row.decided_at = ApprovalState.EXPIRED, min(row.expires_at, now)
    row.note = Reason.DELETED.text if row.expires_at > now else None
    job.changed_at = now
    watcher = Actor(ActorKind.WATCHER, org.id, org.name, org.timezone, Role.VIEWER, "watcher")
    _record(watcher, Tag.APPROVAL_EXPIRED, row, now)
    return 1
