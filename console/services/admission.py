"""Whether a run of a job may be made now: its arguments, its recipient, and what stands against it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from console.core.actor import Actor
from console.core.reasons import Reason, Refusal
from console.core.registry import registry
from console.core.task import Check
from console.db.jobs import Job
from console.services import definitions, later, repeats, rules
from console.services.approval_views import Shown
from console.services.run_requests import Request
from console.services.workers import fleet


def args_of(job: Job, request: Request) -> dict[str, Any]:
    """What its run would be called with: the request's arguments, or else the job's; raises `Invalid`."""
    return checked(job, job.args if request.args is None else request.args)


def checked(job: Job, args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as the job's task takes them, or else `Invalid`."""
    task = registry.get(job.task)
    return definitions.check_args(task, args) if task else dict(args)


def recipient_of(actor: Actor, job: Job) -> str | None:
    """A message goes to its own recipient or to nobody; what else sends, to whoever asks."""
    return job.recipient if job.message_type else job.recipient or actor.email


def check_of(actor: Actor, job: Job, args: Mapping[str, Any], now: datetime) -> Check:
    """What the task's own rules and preview are asked about."""
    return Check(str(job.org_id), args, recipient_of(actor, job), now, str(job.id))


def against(actor: Actor, job: Job, request: Request, now: datetime) -> Refusal | None:
    """What stands against this request as things are, inside the caller's transaction."""
    return refusal_of(actor, job, request, args_of(job, request), now)


def refusal_of(
    actor: Actor, job: Job, request: Request, args: Mapping[str, Any], now: datetime
) -> Refusal | None:
    """As `against`, with arguments that are checked already."""
    task = registry.get(job.task)
    if task is None:
        sentence = f"The console itself does not know {job.task}; its CONSOLE_TASKS must list the module too."
        return Refusal(Reason.NOT_REGISTERED, sentence)
    if not fleet(now).offers(job.task):
        return Refusal(Reason.NOT_REGISTERED, f"No live worker offers {job.task}.")
    repeated = repeats.refusal_of(job, task) if not request.dry_run else None
    repeated = repeated or (later.refusal_of(job, task) if request.start_at is not None else None)
    if repeated is not None and not (request.override and repeated.reason in repeats.REPEATABLE):
        return repeated
    check = check_of(actor, job, args, now)
    return rules.refusal_of((task.requires,), check) or rules.preview_of(task, check)[1]


def shown_of(actor: Actor, job: Job, args: Mapping[str, Any], now: datetime) -> Shown:
    """What a run of the job for the actor would do, inside the caller's transaction."""
    task, check = registry.get(job.task), check_of(actor, job, args, now)
    if task is None:
        return Shown()
    # A task that sends nothing does the same whoever asks.
    recipient = check.recipient if task.sends or job.message_type else job.recipient
    message = rules.preview_of(task, check)[0]
    return Shown(recipient, message, rules.refusal_of((task.rules,), check))
