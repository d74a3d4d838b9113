"""200 failed runs retried in one call, beside as many that are asked for one by one."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import event, text

from bench.stage import Stage, insert_jobs, stage, timed, verdict
from console.core.clock import utc_now
from console.db.session import db
from console.services import bulk_retries, run_control
from tests.factories import live_worker, one

MOST = bulk_retries.MOST
FAILED = text(
    """
    INSERT INTO runs (org_id, job_id, task, queue, trigger, state, revision, requested_by, requested_at,
        enqueued_at, started_at, finished_at, attempt)
    SELECT org_id, jobs.id, task, 'default', 'schedule', 'failed', 1, 'bench', at, at, at, at, 1
    FROM jobs, generate_series(1, 40) AS number,
        LATERAL (SELECT now() - number * interval '1 day' AS at) AS day
    WHERE org_id = :org
    """
)
NEWEST = text("SELECT id FROM runs WHERE state = 'failed' ORDER BY requested_at DESC, id LIMIT :count")


def fill(on: Stage) -> Sequence[UUID]:
    """The newest run of each of 200 jobs; each has 39 before it."""
    insert_jobs(on.actor.org_id, MOST, first=utc_now() + timedelta(hours=1))
    db.session.execute(FAILED, {"org": on.actor.org_id})
    ids = db.session.scalars(NEWEST, {"count": MOST}).all()
    db.session.commit()
    live_worker()
    return ids


def statements(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds that the work takes, and how many statements it makes for each run."""
    heard: list[str] = []

    def hear(*said: object) -> None:
        heard.append(str(said[2]))

    event.listen(db.engine, "before_cursor_execute", hear)
    seconds = timed(work)
    event.remove(db.engine, "before_cursor_execute", hear)
    return seconds, len(heard) / MOST


def main() -> None:
    with stage() as on:
        ids, now = fill(on), utc_now()

        def each() -> None:
            for run_id in ids:
                run_control.accept_retry(on.actor, run_id, None, key=f"one:{run_id}", now=now)

        alone, of_each = statements(each)
        together, of_all = statements(lambda: bulk_retries.retry_selected(on.actor, ids, "all", now=now))
        assert one("SELECT count(*) FROM runs WHERE trigger = 'retry'") == 2 * MOST
    print(f"{MOST} runs one by one, not pushed yet: {alone:.2f} s, {of_each:.0f} statements for each run")
    print(f"{MOST} runs in one call: {together:.2f} s, {of_all:.0f} statements for each run")
    verdict("times as fast as one by one", alone / together, 1.5, at_least=True)


if __name__ == "__main__":
    main()
