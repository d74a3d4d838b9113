"""What a click on Send now or Run now would do, said before it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from console.core.actor import Actor
from console.core.reasons import Reason, Refusal
from console.core.registry import registry
from console.core.states import Trigger
from console.core.task import Preview
from console.db.jobs import Job
from console.db.session import reading
from console.services import admission, jobs, repeats, rules
from console.services.run_requests import Request
from console.services.views import JobView
from console.services.workers import fleet

CLICK = Request(Trigger.MANUAL)
AGAIN = Request(Trigger.MANUAL, override=True)


@dataclass(frozen=True)
class Preflight:
    """What a click would do; `refusal` is None when it would run.

    `may_override` says that the refusal gives way to “send again”; when it would, were it not for another
    reason, `again` is that one. `rules` is what the task's own
    rules, which a click passes over, say of a run that came by itself now. `message` is what would go
    out, None when the task sends none or it can't be made. `waits` says by whom the queue is paused, or
    that nothing is alive to serve it, so that the run is accepted and waits.
    """

    job: JobView
    refusal: Reason | None
    text: str | None
    idempotency_key: str
    may_override: bool = False
    rules: Refusal | None = None
    message: Preview | None = None
    again: Reason | None = None
    waits: str | None = None


def preflight(actor: Actor, job_id: UUID, *, now: datetime) -> Preflight:
    """What Send now would answer, and a fresh idempotency key for the click; raises `NotFound`."""
    with reading():
        return preflight_row(actor, jobs.load(actor, job_id), now)


def preflight_row(actor: Actor, job: Job, now: datetime) -> Preflight:
    """As `preflight`, of a row of the caller's transaction."""
    task = registry.get(job.task)
    refusal = admission.refusal_of(actor, job, CLICK, job.args, now)
    is_repeatable = refusal is not None and refusal.reason in repeats.REPEATABLE
    again = admission.refusal_of(actor, job, AGAIN, job.args, now) if is_repeatable else None
    check = admission.check_of(actor, job, job.args, now)
    return Preflight(
        jobs.view_of(job, now),
        refusal.reason if refusal else None,
        _said(refusal, again) if refusal else None,
        uuid4().hex,
        may_override=is_repeatable and again is None,
        rules=rules.refusal_of((task.rules,), check) if task else None,
        message=rules.preview_of(task, check)[0] if task else None,
        again=again.reason if again else None,
        waits=fleet(now).wait_of(job.org_id, task.queue) if task else None,
    )


def _said(refusal: Refusal, again: Refusal | None) -> str:
    """What is against a click, and what would be against “send again”."""
    if again is None:
        return f"{refusal.sentence} {refusal.reason.advice}"
    return f"{refusal.sentence} It can't be sent again either: {again.sentence} {again.reason.advice}"
