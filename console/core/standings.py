"""Which statuses an operator may give a job, from where it stands."""

from console.core.states import JobStatus, Kind

CLOSED = (JobStatus.SENT, JobStatus.SKIPPED)
"""The statuses of something that is over; a person may give them to a job that runs once."""

_ONCE: dict[JobStatus, tuple[JobStatus, ...]] = {
    JobStatus.SCHEDULED: (JobStatus.PAUSED, JobStatus.SENT, JobStatus.SKIPPED),
    JobStatus.PAUSED: (JobStatus.SCHEDULED, JobStatus.SENT, JobStatus.SKIPPED),
    JobStatus.BLOCKED: (JobStatus.PAUSED, JobStatus.SENT, JobStatus.SKIPPED),
    JobStatus.RETRYING: (),
    JobStatus.SENT: (),
    JobStatus.FAILED: (JobStatus.SENT, JobStatus.SKIPPED),
    JobStatus.SKIPPED: (JobStatus.SENT,),
}
_RECURRING = {
    JobStatus.SCHEDULED: (JobStatus.PAUSED,),
    JobStatus.PAUSED: (JobStatus.SCHEDULED,),
    JobStatus.BLOCKED: (JobStatus.PAUSED,),
    JobStatus.RETRYING: (JobStatus.PAUSED,),
}


def choices(kind: Kind, status: JobStatus, *, is_closed: bool, is_ahead: bool) -> tuple[JobStatus, ...]:
    """The statuses that may follow `status`, which is not among them.

    `is_closed` says that it was closed without a run, `is_ahead` that its time is still to come: such
    a job may be opened again.
    """
    if kind is not Kind.ONCE:
        return _RECURRING.get(status, ())
    if is_closed and is_ahead:
        return (JobStatus.SCHEDULED, *_ONCE[status])
    return _ONCE[status]
