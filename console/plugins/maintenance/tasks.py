"""Tasks that look after the console itself."""

from datetime import timedelta
from uuid import UUID

from pydantic import Field

from console import Backoff, Params, Result, Run, task
from console.core.errors import ConsoleError
from console.services import health, retention


class Unhealthy(ConsoleError):
    """The health check found something wrong."""


@task(title="System health check", category="Maintenance", queue="maintenance", timeout=60, idempotent=True)
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
    params=Cleanup,
)
def cleanup_old_runs(run: Run) -> Result:
    """Deletes the records of runs that ended long ago, in small batches, and ended sessions with them."""
    before = run.now - timedelta(days=run.args.keep_days)
    total = 0
    while deleted := retention.delete_runs(UUID(run.org_id), before=before, limit=1000):
        total += deleted
        run.progress(total, None, f"{total} runs deleted")
    sessions = retention.delete_sessions(UUID(run.org_id), before=before)
    mails = retention.delete_mails(UUID(run.org_id), before=before)
    counts = {"runs": total, "sessions": sessions, "mails": mails}
    run.log(
        f"Deleted {total} runs, {sessions} sessions and {mails} caught mails of before {before.isoformat()}."
    )
    return Result(f"{total} runs deleted", {**counts, "before": before.isoformat()})
