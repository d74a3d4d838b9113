"""Retry for many selected runs: what would become of each is said first, then each is asked for by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select

from console.core.actor import Actor
from console.core.errors import Invalid, NotFound, Refused
from console.core.permissions import Permission
from console.core.reasons import Reason, Refusal
from console.core.registry import registry
from console.core.states import RunState, Trigger
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db, reading
from console.services import (
    admission,
    job_filters,
    pushing,
    repeats,
    rules,
    run_control,
    runs,
    second_person,
    sequences,
)
from console.services.approvals import ApprovalRequested
from console.services.queue_pauses import checked_note
from console.services.run_requests import Request
from console.services.run_views import RunFilter, RunView
from console.services.workers import fleet

MOST = 200
BATCH = 50
ENDED_BADLY = (RunState.FAILED, RunState.STOPPED, RunState.UNKNOWN, RunState.MISSED, RunState.SKIPPED)
"""The states of runs that a list offers to retry; one that succeeded is run again by itself."""
ONE_AT_A_TIME = "Another run of this message is retried here, and it goes out once."
NO_DRY_RUN = "It was a dry run, and its task has none any more."


@dataclass(frozen=True)
class Foreseen:
    """One run and what retrying it would come to, read at one instant.

    One that `is_left` stays as it is, for `reason` and `text`. Of the others `is_asked` says that a second
    person is asked first, `passed` what its rules would have against one that came by itself, `retried` in
    which state its newest retry is, `waits` by whom its queue is paused or that nothing serves it, and
    `rest` names the jobs of its sequence that are not resumed with it.
    """

    run: RunView
    is_left: bool = False
    reason: Reason | None = None
    text: str | None = None
    is_asked: bool = False
    passed: Refusal | None = None
    retried: RunState | None = None
    waits: str | None = None
    rest: Sequence[str] = ()

    @property
    def goes_out(self) -> bool:
        """Whether it becomes a run that does what the job is for: no dry run, and no request for a word."""
        return not (self.is_left or self.is_asked or self.run.dry_run)


@dataclass(frozen=True)
class LeftRun:
    """A run that was not retried, and why."""

    run_id: UUID
    name: str
    reason: Reason | None
    text: str


@dataclass(frozen=True)
class Retried:
    """How many runs were made, of how many a second person was asked, and which were left."""

    made: int
    asked: int
    left: Sequence[LeftRun]


# Beforehand ----------------------------------------------------------------------------------------


def matching(actor: Actor, wanted: RunFilter, *, now: datetime) -> Sequence[UUID]:
    """The ids of all runs that match; raises `Invalid` that names `selected` when they are more than 200."""
    actor.require(Permission.CONTROL_RUNS)
    found = runs.page(actor, wanted, cursor=None, limit=MOST, now=now)
    if found.next_cursor is not None:
        raise _invalid(f"at most {MOST} runs at once; narrow the filter")
    return [run.id for run in found.runs]


def foresee(actor: Actor, ids: Sequence[UUID], *, now: datetime) -> list[Foreseen]:
    """What `retry_selected` would do with each, in its order; those that are not there are left out.

    Raises `Forbidden`, or `Invalid` that names `selected`.
    """
    actor.require(Permission.CONTROL_RUNS)
    wanted, going, found = _checked(ids), set[UUID](), []
    with reading():
        rows = {job.id: job for job in db.session.scalars(_jobs_of(actor, wanted))}
        retries = _newest_retries(actor, wanted)
        for run in runs.several(actor, wanted, now=now):
            item = _foreseen(actor, run, rows.get(run.job_id), retries.get(run.id), going, now)
            if item.goes_out:
                going.add(run.job_id)
            found.append(item)
    if not found:
        raise _invalid("tick at least one run that is still there")
    return found


def _foreseen(
    actor: Actor,
    run: RunView,
    job: Job | None,
    retried: RunState | None,
    going: set[UUID],
    now: datetime,
) -> Foreseen:
    try:
        refusal = _refusal(actor, run, job, going, now)
    except Invalid as error:
        return Foreseen(run, is_left=True, reason=error.reason, text=f"Its arguments no longer fit: {error}")
    if refusal is not None or job is None:
        reason, text = (refusal.reason, refusal.sentence) if refusal else (Reason.DELETED, None)
        return Foreseen(run, is_left=True, reason=reason, text=text)
    is_asked = second_person.is_needed(job) and not run.dry_run
    task = registry.get(job.task)
    if run.dry_run and not (task and task.dry_run):
        return Foreseen(run, is_left=True, text=NO_DRY_RUN)
    check = admission.check_of(actor, job, run.args, now)
    return Foreseen(
        run,
        is_asked=is_asked,
        passed=rules.refusal_of((task.rules,), check) if task else None,
        retried=retried,
        waits=fleet(now).wait_of(job.org_id, task.queue) if task else None,
        rest=sequences.rest_of(actor, run),
    )


def _refusal(actor: Actor, run: RunView, job: Job | None, going: set[UUID], now: datetime) -> Refusal | None:
    if job is None:
        return run_control.DELETED
    against = run_control.why_not_retry_state(run)
    if against is None:
        request = Request(Trigger.RETRY, args=run.args, dry_run=run.dry_run, cause_id=run.id)
        against = admission.against(actor, job, request, now)
    task = registry.get(job.task)
    goes_out = against is None and not run.dry_run and not second_person.is_needed(job)
    if goes_out and task and job.id in going and repeats.is_one_message(job, task):
        return Refusal(Reason.OVERLAP, ONE_AT_A_TIME)
    return against


def _jobs_of(actor: Actor, ids: Sequence[UUID]) -> Select[Job]:
    owned = select(Run.job_id).where(Run.id.in_(ids), Run.org_id == actor.org_id)
    return job_filters.alive(actor).where(Job.id.in_(owned))


def _newest_retries(actor: Actor, ids: Sequence[UUID]) -> dict[UUID, RunState]:
    """In which state the newest retry of each of these runs is."""
    query = select(Run.cause_id, Run.state).where(
        Run.org_id == actor.org_id, Run.cause_id.in_(ids), Run.trigger == Trigger.RETRY
    )
    rows = db.session.execute(query.order_by(Run.requested_at, Run.id))
    return {row.cause_id: RunState(row.state) for row in rows}


# The deed ------------------------------------------------------------------------------------------


def retry_selected(
    actor: Actor, ids: Sequence[UUID], key: str, *, note: str | None = None, now: datetime
) -> Retried:
    """Retries each run with its own arguments, in the order in which they were asked for at first.

    Each is a transaction of its own with its own entry on the trail. Its idempotency key is made of `key`
    and the run's id, so that the same call again makes no run a second time and answers the same.
    Raises `Forbidden`, or `Invalid` that names `selected` or `note`.
    """
    actor.require(Permission.CONTROL_RUNS)
    wanted, given = _checked(ids), checked_note(note)
    parts = [
        _retry(actor, wanted[start : start + BATCH], key, given, now)
        for start in range(0, len(wanted), BATCH)
    ]
    left = [item for part in parts for item in part.left]
    return Retried(sum(part.made for part in parts), sum(part.asked for part in parts), left)


def _retry(actor: Actor, ids: Sequence[UUID], key: str, note: str | None, now: datetime) -> Retried:
    """Pushes the new runs together, in the order of the ids."""
    made, asked, new, left = 0, 0, list[UUID](), list[LeftRun]()
    seen = _read(actor, ids, now)
    for run_id in ids:
        try:
            again, is_new = _accept(actor, seen.get(run_id), f"{key}:{run_id}", note, now)
        except ApprovalRequested:
            asked += 1
        except (Invalid, Refused, NotFound) as error:
            name = seen[run_id][0].job_name if run_id in seen else str(run_id)
            left.append(LeftRun(run_id, name, error.reason, error.detail))
        else:
            made += 1
            new += [again] if is_new else []
    pushing.push_if_any(new, now=now)
    return Retried(made, asked, left)


Seen = tuple[RunView, Refusal | None]
"""A run, and what it has against a retry."""


def _read(actor: Actor, ids: Sequence[UUID], now: datetime) -> dict[UUID, Seen]:
    """All runs of a batch at once, for reading each by itself would take longer than retrying it."""
    with reading():
        alive = set(db.session.scalars(_jobs_of(actor, ids).with_only_columns(Job.id)))
        found = runs.several(actor, ids, now=now)
    return {run.id: (run, _against(run, run.job_id in alive)) for run in found}


def _against(run: RunView, has_job: bool) -> Refusal | None:
    return run_control.why_not_retry_state(run) if has_job else run_control.DELETED


def _accept(actor: Actor, seen: Seen | None, key: str, note: str | None, now: datetime) -> tuple[UUID, bool]:
    if seen is None:
        raise NotFound("There is no such run.")
    run, refusal = seen
    return run_control.accept_retry_of(actor, run, refusal, key=key, note=note, now=now)


def _checked(ids: Sequence[UUID]) -> Sequence[UUID]:
    """Each once, oldest first: ids of runs grow with time."""
    wanted = sorted(set(ids))
    if not 1 <= len(wanted) <= MOST:
        raise _invalid(f"select 1 to {MOST} runs" if wanted else "tick at least one run")
    return wanted


def _invalid(text: str) -> Invalid:
    return Invalid(f"selected: {text}", fields={"selected": [text]})
