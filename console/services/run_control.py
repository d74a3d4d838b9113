"""Stopping and retrying one run, as a person asks for it; what will come of it is said beforehand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from console.core.actor import Actor
from console.core.errors import NotFound, Refused
from console.core.permissions import Permission
from console.core.reasons import Reason, Refusal
from console.core.registry import registry
from console.core.states import RunState, Trigger
from console.core.tags import Tag
from console.db.session import transaction
from console.services import audit, jobs, outcomes, preflights, pushing, runs, sequences, stopping, triggers
from console.services.queue_pauses import checked_note
from console.services.run_requests import Request
from console.services.run_views import RunView
from console.services.stopping import Stop
from console.services.views import JobView

DELETED = Refusal(Reason.DELETED, "The job of this run is deleted.")


class Effect(StrEnum):
    """What a stop does to a run."""

    ENDS = "It has not begun: it ends at once, and nothing of it happens."
    NO_MORE = "It waits for its next attempt: it ends at once, and there is none."
    CUT_OFF = "Its process is killed within about a second; what it has done until then stays done."
    UNDONE = "Its process is killed within about a second; it is a dry run, and nothing of it stays."
    DOUBTFUL = (
        "Its process is killed within about a second. What it sends may have gone out by then: the run ends "
        "as unknown, and somebody has to find out and settle it."
    )


@dataclass(frozen=True)
class Stopping:
    """What stopping would do; `refusal` says why it can't be done, None when it can."""

    run: RunView
    effect: Effect
    refusal: str | None


@dataclass(frozen=True)
class Retrying:
    """What a retry would be answered, and a fresh idempotency key; `job` is None when it is deleted.

    `rest` names the jobs that were to run behind it in its sequence; they are not resumed with it.
    """

    run: RunView
    job: JobView | None
    refusal: Reason | None
    text: str | None
    idempotency_key: str
    waits: str | None = None
    rest: Sequence[str] = ()


def stop_preflight(actor: Actor, run_id: UUID, *, now: datetime) -> Stopping:
    """What stopping the run would do; raises `NotFound`."""
    run = runs.get(actor, run_id, now=now)
    return Stopping(run, _effect(run), _why_not_stop(run))


def _effect(run: RunView) -> Effect:
    if run.state is RunState.RETRYING:
        return Effect.NO_MORE
    if run.state is not RunState.RUNNING:
        return Effect.ENDS
    if run.dry_run:
        return Effect.UNDONE
    is_doubtful = outcomes.leaves_doubt(run.task, is_dry=run.dry_run)
    return Effect.DOUBTFUL if is_doubtful else Effect.CUT_OFF


def _why_not_stop(run: RunView) -> str | None:
    if run.state.is_terminal:
        return f"This run has ended already: it is {run.state}."
    if run.stop_requested_at is not None:
        return f"It was told to stop before. {run.stop_text or ''}".rstrip()
    return None


def stop(actor: Actor, run_id: UUID, note: str | None, *, now: datetime) -> RunView:
    """Ends a run that has not begun at once, and tells the worker of one that runs; the run as it is then.

    Raises `Forbidden`, `NotFound`, `Invalid` that names `note`, and `Refused` when it has ended, with its
    state, or was told to stop before, with by whom.
    """
    actor.require(Permission.CONTROL_RUNS)
    given = checked_note(note)
    with transaction():
        before = runs.load_view(actor, run_id, now)
        wanted = Stop(run_id, Reason.STOPPED_BY_OPERATOR, stop_sentence(actor.name, given))
        if not stopping.request_stop([wanted], now=now):
            raise _cannot_stop(runs.load_view(actor, run_id, now))
        after = runs.load_view(actor, run_id, now)
        old, new = {"state": before.state}, {"state": after.state, "job": after.job_key}
        audit.add(
            actor, Tag.RUN_STOPPED, audit.Subject("run", run_id), now=now, old=old, new=new, reason=given
        )
        return after


def stop_sentence(name: str, note: str | None) -> str:
    """`Ada stopped it.`, with the reason that was given."""
    return f"{name} stopped it: {note}" if note else f"{name} stopped it."


def _cannot_stop(run: RunView) -> Refused:
    why = _why_not_stop(run) or f"This run is {run.state}."
    return Refused(f"{why} Nothing was changed.")


def retry_preflight(actor: Actor, run_id: UUID, *, now: datetime) -> Retrying:
    """What retrying the run with its own arguments would be answered; raises `NotFound`."""
    run = runs.get(actor, run_id, now=now)
    job = _job(actor, run, now)
    refusal = why_not_retry(run, job)
    if refusal is not None or job is None:
        reason, text = (refusal.reason, _said(refusal)) if refusal else (Reason.DELETED, None)
        return Retrying(run, job, reason, text, uuid4().hex)
    ready = preflights.preflight(actor, job.id, now=now)
    is_gated = ready.refusal is not None and not run.dry_run
    return Retrying(
        run,
        job,
        ready.refusal if is_gated else None,
        ready.text if is_gated else None,
        uuid4().hex,
        ready.waits,
        sequences.rest_of(actor, run),
    )


def _job(actor: Actor, run: RunView, now: datetime) -> JobView | None:
    try:
        return jobs.get(actor, run.job_id, now=now)
    except NotFound:
        return None


def can_be_asked(run: RunView) -> bool:
    """Whether its page offers to retry it: it has ended, and what it did may be done once more."""
    return why_not_retry_state(run) is None


def why_not_retry(run: RunView, job: JobView | None) -> Refusal | None:
    """What the run itself has against another one like it; the gate of Send now comes after it."""
    if job is None:
        return DELETED
    return why_not_retry_state(run)


def why_not_retry_state(run: RunView) -> Refusal | None:
    """As `why_not_retry`, of a run whose job is there."""
    if not run.state.is_terminal:
        return Refusal(
            Reason.OVERLAP, f"This run has not ended: it is {run.state}. Stop it, or wait for its end."
        )
    if run.state is RunState.UNKNOWN:
        return Refusal(Reason.OUTCOME_UNKNOWN, "Nobody knows whether this run took effect; settle it first.")
    task = registry.get(run.task)
    if run.state is RunState.SUCCEEDED and task is not None and task.sends and not run.dry_run:
        return Refusal(Reason.ALREADY_SENT, "This run has sent its message; it is not retried.")
    return None


def _said(refusal: Refusal) -> str:
    return f"{refusal.sentence} {refusal.reason.advice}"


def retry(
    actor: Actor,
    run_id: UUID,
    args: Mapping[str, Any] | None,
    *,
    key: str | None,
    note: str | None = None,
    now: datetime,
) -> RunView:
    """Makes another run of the job with this run's arguments, or with `args`, through the gate of Send now.

    The same key answers the same run again. Raises `Forbidden`, `NotFound`, `Invalid` that names the
    field, or `Refused` with its reason; a refusal goes on the trail.
    """
    again, is_new = accept_retry(actor, run_id, args, key=key, note=note, now=now)
    if is_new:
        pushing.push([again], now=now)
    return runs.get(actor, again, now=now)


def accept_retry(
    actor: Actor,
    run_id: UUID,
    args: Mapping[str, Any] | None,
    *,
    key: str | None,
    note: str | None = None,
    now: datetime,
) -> tuple[UUID, bool]:
    """As `retry`, without the push: the new run's id, and whether it is new and so for the caller to push."""
    actor.require(Permission.CONTROL_RUNS)
    given = checked_note(note)
    before = runs.get(actor, run_id, now=now)
    refusal = why_not_retry(before, _job(actor, before, now))
    return accept_retry_of(actor, before, refusal, args, key=key, note=given, now=now)


def accept_retry_of(
    actor: Actor,
    before: RunView,
    refusal: Refusal | None,
    args: Mapping[str, Any] | None = None,
    *,
    key: str | None,
    note: str | None,
    now: datetime,
) -> tuple[UUID, bool]:
    """As `accept_retry` of a run that was just read, with what it has against a retry and a checked note."""
    actor.require(Permission.CONTROL_RUNS)
    if refusal is not None:
        raise _refused(actor, before.id, refusal, now)
    request = Request(
        Trigger.RETRY,
        key=key,
        args=before.args if args is None else args,
        dry_run=before.dry_run,
        cause_id=before.id,
        note=note,
    )
    return triggers.accept(actor, before.job_id, request, now=now)


def _refused(actor: Actor, run_id: UUID, refusal: Refusal, now: datetime) -> Refused:
    """The refusal, which is on the trail by then."""
    with transaction():
        subject = audit.Subject("run", run_id)
        audit.add(actor, Tag.RUN_REFUSED, subject, now=now, new={"reason_code": refusal.reason})
    return Refused(_said(refusal), reason=refusal.reason)
