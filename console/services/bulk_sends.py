"""Send now for many selected jobs: each is asked for by itself, and those that are refused are left."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from console.core.actor import Actor
from console.core.errors import Invalid, NotFound, Refused
from console.core.permissions import Permission
from console.core.states import Trigger
from console.services import bulk_edits, jobs, pushing, triggers
from console.services.bulk_edits import BulkResult, Tally
from console.services.run_requests import Request

BATCH = 50


def send_selected(
    actor: Actor, ids: Sequence[UUID], key: str, *, trigger: Trigger = Trigger.MANUAL, now: datetime
) -> BulkResult:
    """Makes one run of each job, each in a transaction of its own; `changed` counts the runs.

    Each run has an idempotency key made of `key` and its job's id, so that the same call again makes
    no run a second time and answers the same. A refused job is left, with the reason. Raises `Forbidden`, or
    `Invalid` that names `selected`.
    """
    actor.require(Permission.RUN_JOBS)
    bulk_edits.check_count(ids)
    tally, asked = Tally(), list(dict.fromkeys(ids))
    for start in range(0, len(asked), BATCH):
        _send(actor, asked[start : start + BATCH], key, trigger, tally, now)
    return tally.result


def _send(actor: Actor, ids: Sequence[UUID], key: str, trigger: Trigger, tally: Tally, now: datetime) -> None:
    """Pushes its runs together, in the order of the ids."""
    new: list[UUID] = []
    for job_id in ids:
        request = Request(trigger, key=f"{key}:{job_id}")
        try:
            run_id, is_new = triggers.accept(actor, job_id, request, now=now)
        except (Invalid, Refused, NotFound) as error:
            tally.leave(job_id, _name(actor, job_id, now), error)
        else:
            tally.edited(is_changed=True)
            new += [run_id] if is_new else []
    if new:
        pushing.push(new, now=now)


def _name(actor: Actor, job_id: UUID, now: datetime) -> str:
    try:
        return jobs.get(actor, job_id, now=now).name
    except NotFound:
        return str(job_id)
