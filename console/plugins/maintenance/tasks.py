"""Tasks that look after the console itself."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from pydantic import Field

from console import Backoff, Params, Result, Run, task
from console.core.actor import Actor
from console.core.errors import ConsoleError
from console.core.states import ActorKind, Role
from console.services import alert_history, health, retention, verifying


class Unhealthy(ConsoleError):
    """The health check found something wrong."""


@task(
    title="System health check",
    category="Maintenance",
    queue="maintenance",
    timeout=60,
    idempotent=True,
    dry_run=True,
)
def perform_system_health_check(run: Run) -> Result:
    """Checks Postgres, its migrations, Redis, the scheduler, the workers and the mail settings."""
    checks = health.doctor(now=run.now)
    for done, check in enumerate(checks, start=1):
        run.log(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.text} {check.advice}".rstrip())
        run.progress(done, len(checks), check.name)
    bad = [check for check in checks if not check.ok]
    if bad:
        raise Unhealthy("; ".join(f"{check.name}: {check.text}" for check in bad))
    return Result(f"{len(checks)} checks passed", {"checks": {check.name: check.text for check in checks}})


class Cleanup(Params):
    """Runs that ended longer ago than `keep_days` go, but the newest of each job stays."""

    keep_days: int = Field(default=30, ge=1, le=3650)


@task(
    title="Clean up old runs",
    category="Maintenance",
    queue="maintenance",
    priority="low",
    timeout=600,
    idempotent=True,
    retries=Backoff(max=2),
    dry_run=True,
    params=Cleanup,
)
def cleanup_old_runs(run: Run) -> Result:
    """Deletes the records of runs that ended long ago, in small batches, and ended sessions with them."""
    before = run.now - timedelta(days=run.args.keep_days)
    by_job: Counter[UUID] = Counter()
    while deleted := retention.delete_runs_by_job(UUID(run.org_id), before=before, limit=1000):
        by_job += deleted
        run.progress(by_job.total(), None, f"{by_job.total()} runs deleted")
    sessions = retention.delete_sessions(UUID(run.org_id), before=before)
    mails = retention.delete_mails(UUID(run.org_id), before=before)
    alerts = alert_history.forget(UUID(run.org_id), before=before)
    counts = {"runs": by_job.total(), "sessions": sessions, "mails": mails, "alerts": alerts}
    _report(run, by_job, {"ended sessions": sessions, "caught mails": mails, "alerts sent": alerts})
    did = "Would delete" if run.dry_run else "Deleted"
    run.log(
        f"{did} {counts['runs']} runs, {sessions} sessions, {mails} caught mails and {alerts} sent alerts "
        f"of before {before.isoformat()}."
    )
    return Result(
        f"{counts['runs']} runs {'would be ' if run.dry_run else ''}deleted",
        {**counts, "before": before.isoformat()},
    )


def _report(run: Run, by_job: Counter[UUID], others: Mapping[str, int]) -> None:
    """What went, by job and the most first; what had nothing to lose is not told of."""
    names = retention.names(UUID(run.org_id), by_job)
    for job_id, count in by_job.most_common():
        run.changed(f"old runs of {names.get(job_id, job_id)}", str(count), "0", f"/jobs/{job_id}")
    for subject, count in others.items():
        if count:
            run.changed(subject, str(count), "0")


@task(
    title="Empty the outbox",
    category="Maintenance",
    queue="maintenance",
    timeout=60,
    idempotent=True,
    dry_run=True,
    critical=True,
)
def empty_outbox(run: Run) -> Result:
    """Deletes all mail that the built-in catcher has kept, for good; so it takes a second person."""
    mails = retention.delete_mails(UUID(run.org_id), before=run.now)
    run.changed("caught mails", str(mails), "0", "/outbox")
    run.log(f"Deleted {mails} caught mails of before {run.now.isoformat()}.")
    return Result(f"{mails} mails deleted", {"mails": mails})


class BrokenTrail(ConsoleError):
    """The audit trail is not as it was sealed."""

    is_final = True


@task(
    title="Verify the audit trail",
    category="Maintenance",
    queue="maintenance",
    priority="low",
    timeout=3600,
    idempotent=True,
)
def verify_audit_trail(run: Run) -> Result:
    """Recomputes the whole audit trail of the org; fails with the first entry that is not as it was."""
    actor = Actor(ActorKind.WORKER, UUID(run.org_id), "", "UTC", Role.VIEWER, "verify_audit_trail")
    found = verifying.verify(
        actor, now=run.now, tell=lambda done, total: run.progress(done, total, "entries")
    )
    if found.first_bad is not None:
        raise BrokenTrail(f"{found.first_bad.sentence} {found.entries} entries before it are good.")
    run.log(f"Recomputed {found.entries} entries: each is as it was written, and none is missing.")
    return Result(f"{found.entries} entries, all as they were written", {"entries": found.entries})
