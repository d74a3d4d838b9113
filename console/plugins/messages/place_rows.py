"""The rows that the planner reads: what it wanted before, the jobs that it made, and what they are doing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

from sqlalchemy import select

from console.core.actor import Actor
from console.core.schedule import parse
from console.core.states import ACTIVE, JobStatus, MessageType, RunState
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db
from console.plugins.messages.models import Event, MessagePlan
from console.plugins.messages.plan_views import Place, SeatRole, Standing, Wording
from console.queue import Ticket
from console.services import dispatch


@dataclass(frozen=True)
class Found:
    """What stands of some events; `free` are the jobs about them that a person wrote."""

    plans: dict[UUID, MessagePlan]
    jobs: dict[UUID, Job]
    busy: frozenset[UUID]
    free: Sequence[Job]
    tickets: Sequence[Ticket] = ()

    def places(self, event_id: UUID) -> list[Place]:
        """The rows of one event, oldest first."""
        return [self._place(row) for row in self._by_event.get(event_id, ())]

    @cached_property
    def _by_event(self) -> dict[UUID, list[MessagePlan]]:
        found: dict[UUID, list[MessagePlan]] = {}
        for row in sorted(self.plans.values(), key=lambda row: row.id):
            found.setdefault(row.event_id, []).append(row)
        return found

    def _place(self, row: MessagePlan) -> Place:
        job = self.jobs.get(row.job_id) if row.job_id else None
        return Place(
            id=row.id,
            message_type=MessageType(row.message_type),
            role=SeatRole(row.role),
            address=row.address,
            planned_at=row.planned_at,
            resumes_paused=row.resumes_paused,
            is_withdrawn=row.is_withdrawn,
            written=Wording(**row.written),
            job=standing(job, self.busy) if job else None,
        )


def standing(job: Job, busy: frozenset[UUID]) -> Standing:
    """The job as the planner sees it; `busy` are the jobs that have a run on its way."""
    status = JobStatus(job.status)
    may_be_sent = status is JobStatus.FAILED and job.last_run_state == RunState.UNKNOWN
    return Standing(
        id=job.id,
        at=parse(job.schedule).at,
        status=status,
        reason=job.status_reason,
        is_waiting=job.next_run_at is not None,
        is_closed=job.closed_by is not None,
        is_final=status is JobStatus.SENT or may_be_sent or job.id in busy,
        is_deleted=job.deleted_at is not None,
        recipient=job.recipient,
        wording=Wording(job.name, job.subject, job.timezone),
    )


def lock(actor: Actor, events: Sequence[Event], *, now: datetime) -> Found:
    """Locks the events and all that stands for them; what has come due is decided as it was until now."""
    ids = [event.id for event in events]
    held = select(Event.id).where(Event.id.in_(ids), Event.org_id == actor.org_id)
    db.session.execute(held.order_by(Event.id).with_for_update())
    plans = _locked_plans(ids)
    gone = [event.id for event in events if event.deleted_at is not None]
    jobs = _locked_jobs(actor, [row.job_id for row in plans if row.job_id], gone)
    tickets = [ticket for job in jobs if _is_due(job, now) for ticket in dispatch.settle(job.id, now=now)]
    planned = {row.job_id for row in plans}
    return Found(
        plans={row.id: row for row in plans},
        jobs={job.id: job for job in jobs},
        busy=_busy([job.id for job in jobs]),
        free=[job for job in jobs if job.id not in planned],
        tickets=tickets,
    )


def read(actor: Actor, event_id: UUID) -> Found:
    """As `lock` for one event, to look at only."""
    query = select(MessagePlan).where(MessagePlan.event_id == event_id, MessagePlan.org_id == actor.org_id)
    plans = db.session.scalars(query).all()
    job_ids = [row.job_id for row in plans]
    jobs = db.session.scalars(select(Job).where(Job.id.in_(job_ids))).all()
    by_id = {job.id: job for job in jobs}
    return Found({row.id: row for row in plans}, by_id, _busy(list(by_id)), ())


def _locked_plans(event_ids: Sequence[UUID]) -> Sequence[MessagePlan]:
    query = select(MessagePlan).where(MessagePlan.event_id.in_(event_ids)).order_by(MessagePlan.id)
    return db.session.scalars(query.with_for_update().execution_options(populate_existing=True)).all()


def _locked_jobs(actor: Actor, planned: Sequence[UUID], deleted_events: Sequence[UUID]) -> Sequence[Job]:
    """Those that the planner made, and those that persons wrote about a deleted event."""
    free = Job.subject_id.in_(deleted_events) & Job.deleted_at.is_(None)
    query = select(Job).where(Job.org_id == actor.org_id, Job.id.in_(planned) | free)
    locked = query.order_by(Job.id).with_for_update()
    return db.session.scalars(locked.execution_options(populate_existing=True)).all()


def _is_due(job: Job, now: datetime) -> bool:
    is_open = job.deleted_at is None and job.status != JobStatus.PAUSED
    return is_open and job.next_run_at is not None and job.next_run_at <= now


def _busy(job_ids: Sequence[UUID]) -> frozenset[UUID]:
    """The jobs whose message is on its way; a held run gives way, and a dry run sends nothing."""
    query = select(Run.job_id).where(
        Run.job_id.in_(job_ids), Run.state.in_(ACTIVE), Run.held_by.is_(None), Run.dry_run.is_(False)
    )
    return frozenset(db.session.scalars(query))
