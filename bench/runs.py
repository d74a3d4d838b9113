"""The list of 1,000,000 runs beside that of 1,000, by each of its filters, and the figures over 30 days."""

import sys
from collections.abc import Callable
from datetime import timedelta
from statistics import median
from zoneinfo import ZoneInfo

from sqlalchemy import event, text

from bench.stage import insert_jobs, stage, timed, verdict
from console.core.actor import Actor
from console.core.clock import utc_now
from console.core.states import Role, RunState, Trigger
from console.db.session import db
from console.services import orgs, run_figures, runs
from console.services.run_views import RunFilter

MANY, FEW, JOBS, ROUNDS = 1_000_000, 1_000, 200, 30
FILL = text(
    """
    INSERT INTO runs (org_id, job_id, task, queue, trigger, state, revision, requested_by, requested_at,
        slot, started_at, finished_at, attempt)
    SELECT :org, found.ids[1 + number % :jobs], 'bench.tasks.nothing', 'default', 'schedule',
        CASE WHEN number % 50 = 0 THEN 'failed' ELSE 'succeeded' END, 1, 'bench', at,
        at, begun, begun + (CAST(number AS bigint) * 48271 % 9999991) * interval '1 microsecond', 1
    FROM (SELECT array_agg(id ORDER BY key) AS ids FROM jobs WHERE org_id = :org) AS found,
        generate_series(1, :count) AS number,
        LATERAL (SELECT now() - number * (interval '30 days' / :count) AS at) AS instant,
        LATERAL (SELECT at + (number % 60013) * interval '2 microseconds' AS begun) AS start
    """
)
FILTERS = {
    "first page": RunFilter(),
    "by state": RunFilter(state=RunState.FAILED),
    "by a state that none has": RunFilter(state=RunState.UNKNOWN),
    "by trigger": RunFilter(trigger=Trigger.SCHEDULE),
    "by a trigger that none has": RunFilter(trigger=Trigger.API),
    "by task": RunFilter(task="bench.tasks.nothing"),
    "by a task that none has": RunFilter(task="bench.tasks.other"),
    "by category": RunFilter(category="Bench"),
    "search, few jobs": RunFilter(q="_7"),
    "search, no job": RunFilter(q="nothing like it"),
    "dry runs only": RunFilter(dry_run=True),
}


def fill(org_id: object, count: int) -> None:
    insert_jobs(org_id, JOBS, first=utc_now() + timedelta(hours=1), apart="1 min", prefix=f"runs_{count}_")
    db.session.execute(FILL, {"org": org_id, "jobs": JOBS, "count": count})
    db.session.commit()
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE runs"))


def seconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    work()
    return median(timed(work) for _ in range(rounds))


def listed(actor: Actor, wanted: RunFilter) -> Callable[[], object]:
    return lambda: runs.page(actor, wanted, cursor=None, limit=50, now=utc_now())


def explain(work: Callable[[], object]) -> None:
    """The plan of each statement over runs that this makes."""
    said: list[tuple[str, object]] = []

    def hear(_connection, _cursor, statement, parameters, _context, _many) -> None:  # type: ignore[no-untyped-def]
        if "FROM runs" in statement and not said:
            said.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", hear)
    work()
    event.remove(db.engine, "before_cursor_execute", hear)
    with db.engine.connect() as connection:
        for statement, parameters in said:
            plan = connection.exec_driver_sql("EXPLAIN (ANALYZE, COSTS OFF) " + statement, parameters)
            print("\n".join(f"   {row[0]}" for row in plan), flush=True)


def main() -> None:
    with stage() as on:
        fill(on.actor.org_id, FEW)
        other = orgs.create_org("Many", "many", "UTC")
        actor = Actor(on.actor.kind, other, "Many", "UTC", Role.ADMIN, "bench")
        fill(other, MANY)
        worst = 0.0
        for name, wanted in FILTERS.items():
            few, many = seconds(listed(on.actor, wanted)), seconds(listed(actor, wanted))
            worst = max(worst, many / few)
            print(
                f"{name}: {few * 1000:.1f} ms with {FEW:,} runs, {many * 1000:.1f} ms with {MANY:,}",
                flush=True,
            )
            if "--explain" in sys.argv:
                explain(listed(actor, wanted))
        period = run_figures.last_days(30, ZoneInfo("UTC"), utc_now())
        took = seconds(lambda: run_figures.figures(actor, RunFilter(), period, now=utc_now()), 3)
        if "--explain" in sys.argv:
            explain(lambda: run_figures.figures(actor, RunFilter(), period, now=utc_now()))
    print(f"figures: {took * 1000:.0f} ms over 30 days with {MANY:,} runs")
    verdict("times the same list of a thousand runs, at worst", worst, 1.5, at_least=False)


if __name__ == "__main__":
    main()
