"""What an act on many selected jobs would do to each of them, before any of it is done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from console.core.actor import Actor
from console.core.errors import Invalid, Refused
from console.core.permissions import Permission
from console.core.reasons import Reason
from console.core.schedule import parse
from console.core.states import Kind, RunState
from console.db.jobs import Job
from console.db.session import db, reading
from console.services import (
    bulk_edits,
    chain_cuts,
    definitions,
    edit_validation,
    job_filters,
    job_views,
    preflights,
    previews,
    rules,
    second_person,
)
from console.services.bulk_edits import Action, Wish
from console.services.chain_cuts import Cut
from console.services.views import JobView
from console.services.workers import fleet

RUNS_NOW = "It is running now, and stays."
DUE_AT_ONCE = "Its time has passed: it is decided at once by what it does with slots that were missed."


@dataclass(frozen=True)
class Foreseen:
    """One job and what would become of it, read at one instant.

    One that `is_left` stays as it is, for `reason` and `text`; one that `is_same` is so already. Of
    the others `text` is what gives pause. `before` and `after` are the times of a job that runs once,
    `recipient` is to whom a message would go.
    """

    job: JobView
    is_left: bool = False
    is_same: bool = False
    reason: Reason | None = None
    text: str | None = None
    before: datetime | None = None
    after: datetime | None = None
    recipient: str | None = None


def of_edit(actor: Actor, ids: Sequence[UUID], wish: Wish, *, now: datetime) -> list[Foreseen]:
    """What `bulk_edits.change_selected` would do, nearest first; raises as it does, and writes nothing."""
    bulk_edits.check(wish)
    return _each(actor, ids, lambda job, view: _edited(actor, job, view, wish, now), now)


def of_deletion(actor: Actor, ids: Sequence[UUID], *, now: datetime) -> list[Foreseen]:
    """What `deletions.delete_selected` would do, nearest first, with the chains that it cuts."""
    found = _each(actor, ids, lambda job, view: _deleted(view), now)
    with reading():
        cuts = chain_cuts.by_job(actor, [item.job.id for item in found if not item.is_left])
    return [_cutting(item, cuts.get(item.job.id, ())) for item in found]


def of_sending(actor: Actor, ids: Sequence[UUID], *, now: datetime) -> list[Foreseen]:
    """What `bulk_sends.send_selected` would do, nearest first."""
    return _each(actor, ids, lambda job, view: _sent(actor, job, view, now), now)


def _each(
    actor: Actor, ids: Sequence[UUID], foresee: Callable[[Job, JobView], Foreseen], now: datetime
) -> list[Foreseen]:
    actor.require(Permission.EDIT_JOBS)
    bulk_edits.check_count(ids)
    query = job_filters.alive(actor).where(Job.id.in_(ids)).order_by(Job.sort_at, Job.name, Job.id)
    with reading():
        rows = db.session.scalars(query).all()
        shown = job_views.views(rows, fleet(now), now)
        return [foresee(row, view) for row, view in zip(rows, shown, strict=True)]


def _edited(actor: Actor, job: Job, view: JobView, wish: Wish, now: datetime) -> Foreseen:
    before = parse(job.schedule).at
    try:
        new = edit_validation.foresee(job, bulk_edits.wanted(job, wish), now=now)
        changes = definitions.differences(definitions.Definition.of(job), new)
        second_person.check_edit(actor, job, changes)
    except (Invalid, Refused) as error:
        word = next((texts[0] for texts in error.fields.values()), error.detail)
        return Foreseen(view, is_left=True, reason=error.reason, text=word, before=before)
    after = parse(new.schedule).at
    return Foreseen(view, is_same=not changes, text=_pause(job, wish, after, now), before=before, after=after)


def _pause(job: Job, wish: Wish, after: datetime | None, now: datetime) -> str | None:
    """What gives pause about an edit that can be had."""
    if wish.action is Action.RESCHEDULE and after is not None:
        refusal = rules.foretold(job, after)
        return previews.would_skip(refusal) if refusal else None
    is_overdue = job.kind == Kind.ONCE and job.next_run_at is not None and job.next_run_at <= now
    return DUE_AT_ONCE if wish.action is Action.ENABLE and is_overdue else None


def _deleted(view: JobView) -> Foreseen:
    is_running = view.active_run is not None and view.active_run.state is RunState.RUNNING
    return Foreseen(view, is_left=is_running, text=RUNS_NOW if is_running else None)


def _cutting(item: Foreseen, cuts: Sequence[Cut]) -> Foreseen:
    return replace(item, text=" ".join(cut.text for cut in cuts)) if cuts else item


def _sent(actor: Actor, job: Job, view: JobView, now: datetime) -> Foreseen:
    ready = preflights.preflight_row(actor, job, now)
    if ready.refusal is not None:
        return Foreseen(view, is_left=True, reason=ready.refusal, text=ready.text)
    recipient = ready.message.recipient if ready.message else job.recipient
    passed = f"The rules would have skipped it: {ready.rules.sentence}" if ready.rules else None
    return Foreseen(
        view, reason=ready.rules.reason if ready.rules else None, text=passed, recipient=recipient
    )
