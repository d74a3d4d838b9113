"""Where two people must agree: whether a job's runs need a second person, and what one alone can't change."""

from collections.abc import Sequence

from console.core.actor import Actor
from console.core.errors import Refused
from console.core.permissions import Permission
from console.core.reasons import Reason
from console.core.registry import registry
from console.db.jobs import Job
from console.services.definitions import FieldChange

FREE = ("name", "subject", "note")
"""What may be changed without a second person: it changes nothing that runs."""
TEXT = (
    "A run of this job needs a second person, so only an admin may change when it runs, with what or for "
    "whom. Nothing was changed; ask an admin, or press the button and let somebody approve."
)


def is_needed(job: Job) -> bool:
    """Whether a click on the job needs a second person: its task is critical, or an admin said so."""
    task = registry.get(job.task)
    return job.needs_approval or bool(task and task.critical)


def check_edit(actor: Actor, job: Job, changes: Sequence[FieldChange]) -> None:
    """Raises `Refused` when an edit would start by its schedule what a click could not; a pause is free."""
    if not is_needed(job) or actor.may(Permission.GUARD_JOBS):
        return
    if any(change.name not in FREE and not _is_pause(change) for change in changes):
        raise Refused(TEXT, reason=Reason.APPROVAL_REQUIRED)


def check_new(actor: Actor, *, is_critical: bool, comes_due: bool) -> None:
    """Raises `Refused` when a new job would run a critical task by itself, and the actor is no admin."""
    if is_critical and comes_due and not actor.may(Permission.GUARD_JOBS):
        raise Refused(TEXT, reason=Reason.APPROVAL_REQUIRED)


def _is_pause(change: FieldChange) -> bool:
    return change.name == "enabled" and change.new is False
