"""Idempotency keys: the same key asks for the same run again, and never for another one."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from console.core.actor import Actor
from console.core.errors import Invalid
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db
from console.services import admission, later
from console.services.run_requests import Request

LONGEST_KEY = 200


def check_key(key: str | None) -> None:
    """Raises `Invalid` that names the header for a key that can't be one."""
    if key is not None and (not key.strip() or len(key) > LONGEST_KEY or not key.isprintable()):
        raise _invalid(f"1 to {LONGEST_KEY} printable characters")


def known_run(actor: Actor, job: Job, request: Request) -> UUID | None:
    """The run that was made for the request's key; raises `Invalid` if that was asked for otherwise."""
    if request.key is None:
        return None
    query = select(Run).where(Run.org_id == actor.org_id, Run.idempotency_key == request.key)
    found = db.session.scalar(query)
    if found is None:
        return None
    is_other = found.job_id != job.id or found.dry_run != request.dry_run
    is_other = is_other or found.cause_id != request.cause_id or later.is_other(found, request.start_at)
    if is_other or _has_other_args(found, job, request.args):
        raise _invalid("was used for another request; take a new one")
    return found.id


def _has_other_args(found: Run, job: Job, args: Mapping[str, Any] | None) -> bool:
    return args is not None and admission.checked(job, args) != found.args


def _invalid(text: str) -> Invalid:
    return Invalid(f"Idempotency-Key: {text}", fields={"Idempotency-Key": [text]})
