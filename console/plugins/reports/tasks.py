"""Tasks that mail reports.

A retry after a failure carries the same Message-ID, so that a mail program that got the first mail after
all can tell that the second is the same.
"""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from console import Backoff, Params, Result, Run, task
from console.plugins.reports import inventory, morning, weekly
from console.plugins.reports.post import has_recipients, send
from console.services import report_frames

CATEGORY = "Reports"
QUEUE = "reports"
TRIES = Backoff(max=2)
# One address and nothing else: what separates or comments addresses in a header is refused.
Address = Annotated[str, Field(max_length=254, pattern=r'^[^@\s,;:<>()"\\]+@[^@\s,;:<>()"\\]+$')]


class Mailed(Params):
    """To whom a report goes; without anybody, to the workspace's active admins."""

    recipients: tuple[Address, ...] = Field(default=(), max_length=50)


class Morning(Mailed):
    """How many hours the report looks back, and how many ahead."""

    hours: int = Field(default=24, ge=1, le=168)
    ahead_hours: int = Field(default=24, ge=1, le=168)


class Weekly(Mailed):
    """How many days the report looks back; as many days before them are compared."""

    days: int = Field(default=7, ge=1, le=31)


class Inventory(Mailed):
    """After how many days a job that never ran is told of."""

    unused_days: int = Field(default=7, ge=0, le=365)


@task(
    title="Morning intelligence report",
    category=CATEGORY,
    queue=QUEUE,
    timeout=300,
    retries=TRIES,
    dry_run=True,
    sends=True,
    params=Morning,
    requires=has_recipients,
)
def morning_intelligence_report(run: Run) -> Result:
    """Mails what ran in the last 24 hours, what failed, was late or skipped, and what comes next."""
    org_id, args = UUID(run.org_id), run.args
    frame = report_frames.frame(org_id, UUID(run.id))
    hours, ahead = args.hours, args.ahead_hours
    return send(run, morning.report(org_id, frame, hours=hours, ahead_hours=ahead, now=run.now))


@task(
    title="Weekly summary report",
    category=CATEGORY,
    queue=QUEUE,
    timeout=300,
    retries=TRIES,
    dry_run=True,
    sends=True,
    params=Weekly,
    requires=has_recipients,
)
def weekly_summary_report(run: Run) -> Result:
    """Mails the last 7 days beside the 7 before: by day and by job, the flakiest, slowest and most late."""
    org_id = UUID(run.org_id)
    frame = report_frames.frame(org_id, UUID(run.id))
    return send(run, weekly.report(org_id, frame, days=run.args.days, now=run.now))


@task(
    title="Inventory health check",
    category=CATEGORY,
    queue=QUEUE,
    timeout=300,
    retries=TRIES,
    dry_run=True,
    sends=True,
    params=Inventory,
    requires=has_recipients,
)
def inventory_health_check(run: Run) -> Result:
    """Compares jobs, tasks and workers, and mails what one of them expects and another lacks."""
    org_id = UUID(run.org_id)
    frame = report_frames.frame(org_id, UUID(run.id))
    return send(run, inventory.report(org_id, frame, unused_days=run.args.unused_days, now=run.now))
