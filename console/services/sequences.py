"""Several jobs in sequence: all their runs are made at once, and each waits for the one before it to succeed.

The first is queued, each other is held; `holding` lets the next one go when the one before has succeeded,
and gives up the rest when it ended in any other way. An end rings the scheduler's bell for that; where an
external cron is the only clock, the next one goes at its next tick.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import select

from console.core.actor import Actor
from console.core.errors import ConsoleError, Invalid, Refused
from console.core.permissions import Permission
from console.core.reasons import Reason
from console.core.states import RunState, Trigger
from console.core.tags import Tag
from console.db import stops
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db, reading, transaction
from console.services import (
    audit,
    chains,
    job_filters,
    jobs,
    preflights,
    pushing,
    runs,
    second_person,
    triggers,
)
from console.services.chains import Links
from console.services.run_requests import Place, Request
from console.services.run_views import RunView

MOST = 50
LONGEST_KEY = 160
NOT_RUN = (RunState.SKIPPED, RunState.STOPPED)


@dataclass(frozen=True)
class Step:
    """One job of a sequence that is about to be asked for; `reason` and `text` say why it may not run.

    `links` are those of its chain, which holds for this run too; `twice` are those of them that stand in
    the sequence as well.
    """

    job_id: UUID
    name: str
    about: str
    reason: Reason | None
    text: str | None
    links: Links
    twice: Sequence[str]

    @property
    def is_refused(self) -> bool:
        return self.text is not None


@dataclass(frozen=True)
class SequenceView:
    """A sequence that was asked for: its runs in their order."""

    id: UUID
    runs: Sequence[RunView]


def foresee(actor: Actor, ids: Sequence[UUID], *, now: datetime) -> list[Step]:
    """What `start` would answer for each job, in the order given; those that are gone are left out.

    Raises `Forbidden`, or `Invalid` that names `jobs` for more than 50.
    """
    actor.require(Permission.RUN_JOBS)
    wanted = _checked(ids, least=0)
    links = chains.of(actor, wanted)
    with reading():
        rows = {job.id: job for job in db.session.scalars(job_filters.alive(actor).where(Job.id.in_(wanted)))}
        return [
            _step(actor, rows[job_id], links, now) for job_id in wanted if job_id in rows and job_id in links
        ]


def _step(actor: Actor, job: Job, chained: Mapping[UUID, Links], now: datetime) -> Step:
    ready = preflights.preflight_row(actor, job, now)
    reason, text = ready.refusal, ready.text
    if reason is None and second_person.is_needed(job):
        reason = Reason.APPROVAL_REQUIRED
        text = f"{reason.text} It can't be part of a sequence; ask for it by itself."
    about = " · ".join(word for word in (job.recipient if job.message_type else None, job.subject) if word)
    links = chained[job.id]
    twice = [next_.name for next_ in (*links.on_success, *links.on_failure) if next_.id in chained]
    return Step(job.id, job.name, about, reason, text, links, list(dict.fromkeys(twice)))


def rest_of(actor: Actor, run: RunView) -> Sequence[str]:
    """The names of the jobs behind it in its sequence that did not run, in their order; none without one."""
    if run.sequence_id is None:
        return ()
    behind = select(Job.name).join(Run, Run.job_id == Job.id).where(Run.org_id == actor.org_id)
    behind = behind.where(Run.sequence_id == run.sequence_id, Run.id > run.id, Run.state.in_(NOT_RUN))
    with reading():
        return db.session.scalars(behind.order_by(Run.id)).all()


def start(
    actor: Actor, ids: Sequence[UUID], *, key: str | None = None, trigger: Trigger, now: datetime
) -> SequenceView:
    """Makes a run of each job, all of them or none; the same key answers the same sequence again.

    Raises `Forbidden`, `NotFound` for a job that is not there, `Invalid` that names `jobs` for fewer than
    two, more than 50 or one that comes twice, and `Refused` that names each job which may not run, with the
    reason of the first.
    """
    actor.require(Permission.RUN_JOBS)
    wanted = _checked(ids, least=2)
    prefix = key or uuid4().hex
    if len(prefix) > LONGEST_KEY:
        text = f"at most {LONGEST_KEY} characters for a sequence"
        raise Invalid(f"Idempotency-Key: {text}", fields={"Idempotency-Key": [text]})
    try:
        with transaction():
            made = _make(actor, wanted, prefix, trigger, now)
    except _NotAll as refusal:
        _record_refusal(actor, refusal, now)
        raise
    pushing.push_if_any(made[:1], now=now)
    return _view(actor, made, now)


def _checked(ids: Sequence[UUID], *, least: int) -> Sequence[UUID]:
    if len(set(ids)) < len(ids):
        raise _invalid("each job may stand in it once")
    if not least <= len(ids) <= MOST:
        raise _invalid(f"choose {max(least, 1)} to {MOST} jobs")
    return ids


def _invalid(text: str) -> Invalid:
    return Invalid(f"jobs: {text}. Nothing was started.", fields={"jobs": [text]})


class _NotAll(Refused):
    """Some of the jobs may not run, so that none was started."""

    def __init__(self, against: Sequence[tuple[Job, ConsoleError]]) -> None:
        texts = [f"{job.name}: {error.detail}" for job, error in against]
        self.job_id: UUID = against[0][0].id
        first = against[0][1]
        reason = first.reason or Reason.EXCEPTION
        super().__init__(f"Nothing was started. {' '.join(texts)}", reason=reason, fields={"jobs": texts})


def _make(actor: Actor, ids: Sequence[UUID], key: str, trigger: Trigger, now: datetime) -> list[UUID]:
    """The runs in their order, each behind the one before it."""
    stops.lock_jobs(ids)
    sequence_id = uuid4()
    made: list[UUID] = []
    against: list[tuple[Job, ConsoleError]] = []
    for job_id in ids:
        job = jobs.load(actor, job_id, lock=True)
        place = Place(sequence_id, made[-1] if made else None)
        request = Request(trigger, key=f"{key}:{job_id}", place=place)
        try:
            with db.session.begin_nested():
                made.append(triggers.ask(actor, job, request, now=now))
        except (Invalid, Refused) as error:
            against.append((job, error))
    if against:
        raise _NotAll(against)
    _check_one(made)
    return made


def _check_one(made: Sequence[UUID]) -> None:
    """Raises `Invalid` when the key belongs to another sequence, of which some of these jobs were part."""
    found = db.session.execute(select(Run.id, Run.sequence_id).where(Run.id.in_(made))).all()
    of = {row.sequence_id for row in found}
    sizes = db.session.scalars(select(Run.id).where(Run.sequence_id.in_(of)).order_by(Run.id)).all()
    if len(of) != 1 or None in of or list(sizes) != list(made):
        text = "was used for another request; take a new one"
        raise Invalid(f"Idempotency-Key: {text}", fields={"Idempotency-Key": [text]})


def _record_refusal(actor: Actor, refusal: _NotAll, now: datetime) -> None:
    with transaction():
        new = {"reason_code": refusal.reason, "in_sequence": True}
        audit.add(actor, Tag.RUN_REFUSED, audit.Subject("job", refusal.job_id), now=now, new=new)


def _view(actor: Actor, ids: Sequence[UUID], now: datetime) -> SequenceView:
    with reading():
        found = [runs.load_view(actor, run_id, now) for run_id in ids]
    assert found[0].sequence_id is not None  # noqa: S101  (checked when they were made)
    return SequenceView(found[0].sequence_id, found)
