"""Which jobs need a second person for each click: an admin says so, beside what tasks say of themselves."""

from datetime import datetime
from uuid import UUID

from console.core.actor import Actor
from console.core.permissions import Permission
from console.core.tags import Tag
from console.core.texts import storable
from console.db.session import transaction
from console.services import audit, jobs
from console.services.approvals import LONGEST_NOTE
from console.services.views import JobView


def set_guard(
    actor: Actor, job_id: UUID, needs_approval: bool, *, note: str | None = None, now: datetime
) -> JobView:
    """Says whether a click on the job needs a second person; a critical task's does whatever is said here.

    What is so already leaves no entry. Raises `Forbidden` or `NotFound`.
    """
    actor.require(Permission.GUARD_JOBS)
    reason = storable((note or "").strip(), LONGEST_NOTE) or None
    with transaction():
        job = jobs.load(actor, job_id, lock=True)
        if job.needs_approval != needs_approval:
            old, new = {"needs_approval": job.needs_approval}, {"needs_approval": needs_approval}
            job.needs_approval, job.changed_at = needs_approval, now
            tag = Tag.JOB_GUARDED if needs_approval else Tag.JOB_UNGUARDED
            subject = audit.Subject("job", job.id)
            audit.add(actor, tag, subject, now=now, old=old, new={**new, "job": job.key}, reason=reason)
        return jobs.view_of(job, now)
