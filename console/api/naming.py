"""Which job a caller means."""

from datetime import datetime
from uuid import UUID

from console.core.actor import Actor
from console.core.errors import UnknownTask
from console.services import job_names, runs
from console.services.run_views import RunFilter


def job_of(actor: Actor, name: str, *, now: datetime) -> UUID:
    """The id of the job that `name` means, as `job_names.find`; a deleted job still has the id of its runs.

    Raises `UnknownTask` that names `job`.
    """
    try:
        return job_names.find(actor, name, now=now).id
    except UnknownTask as error:
        deleted = _id(name)
        if deleted and runs.page(actor, RunFilter(job_id=deleted), cursor=None, limit=1, now=now).runs:
            return deleted
        fields = {"job": ["no such job"]}
        raise UnknownTask(error.detail, fields=fields, suggestions=error.suggestions) from None


def _id(name: str) -> UUID | None:
    try:
        return UUID(name.strip())
    except ValueError:
        return None
