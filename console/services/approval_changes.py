"""What has become of a job since a request was made for it: the request is of a revision, and edits go on.

An edit of when the job runs by itself, or a pause, changes nothing of what a click on it runs, and leaves
the request as it is. Any other edit makes it stale: what was asked for is not what would run.
"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import select, tuple_

from console.core.states import JobStatus, Trigger
from console.db.approvals import Approval
from console.db.jobs import Job, JobRevision
from console.db.session import db
from console.services.approval_views import Changes, Shown, is_of_run
from console.services.definitions import Definition, differences


def since(row: Approval, job: Job) -> Changes:
    """In what the job differs from the revision that was asked for; None when that has no record."""
    return by_request([(row, job)])[row.id]


def by_request(found: Iterable[tuple[Approval, Job]]) -> Mapping[UUID, Changes]:
    """As `since`, of several requests by one look."""
    pairs = list(found)
    moved = [(row, job) for row, job in pairs if row.revision != job.revision]
    held = _definitions({(job.id, row.revision) for row, job in moved}) if moved else {}
    changes: dict[UUID, Changes] = {row.id: () for row, _ in pairs}
    for row, job in moved:
        asked = held.get((job.id, row.revision))
        changes[row.id] = differences(asked, Definition.of(job)) if asked else None
    return changes


def _definitions(wanted: set[tuple[UUID, int]]) -> Mapping[tuple[UUID, int], Definition]:
    key = (JobRevision.job_id, JobRevision.revision)
    query = select(*key, JobRevision.definition).where(tuple_(*key).in_(wanted))
    return {(job_id, number): Definition.read(held) for job_id, number, held in db.session.execute(query)}


def is_same_run(row: Approval, job: Job, shown: Shown) -> bool:
    """Whether the request would run what it asked for; `shown` is what a run of it would do now.

    What would go out may change without an edit of the job, which whoever decides is shown. With one, it
    is not the same.
    """
    if row.revision == job.revision:
        return True
    changes = since(row, job)
    if changes is None or is_of_run(changes):
        return False
    return not changes or shown.message == Shown.read(row.shown).message


def why_stale(row: Approval, job: Job, shown: Shown) -> str | None:
    """Why it can't be approved any more, in sentences; None when it would run what it asked for."""
    if is_same_run(row, job, shown):
        return None
    return (
        f"The job was edited since: it was asked for of r{row.revision}, and the job is at r{job.revision}"
        f"{_named(since(row, job))}. Reject it, and let it be asked for again."
    )


def why_paused(row: Approval, job: Job) -> str | None:
    """Why it can't be approved for now: what comes by itself waits for its job, where a click does not."""
    if row.trigger != Trigger.CHAIN or job.status != JobStatus.PAUSED:
        return None
    return "It follows another run by itself, and its job is paused. Resume the job, or reject the request."


def _named(changes: Changes) -> str:
    """`, with another name and recipient`; empty where what would go out is all that differs."""
    names: Sequence[str] = [change.name for change in changes or () if is_of_run([change])]
    return f", with another {' and '.join(_word(name) for name in names)}" if names else ""


def _word(name: str) -> str:
    return {"args": "set of arguments", "timezone": "time zone"}.get(name, name)
