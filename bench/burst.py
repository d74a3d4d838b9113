"""10,000 slots due at once: this product, which records each, beside stock rq-scheduler, which does not."""

from datetime import UTC, datetime, timedelta

from rq import Queue
from rq_scheduler import Scheduler

from bench.stage import Stage, insert_jobs, stage, timed, verdict
from bench.tasks import stock_nothing
from console.core.clock import utc_now
from console.scheduler import DatabaseScheduler
from tests.factories import one

SLOTS = 10_000


def ours(on: Stage) -> float:
    """Seconds until every slot has its run in Postgres and its ticket in Redis."""
    insert_jobs(on.actor.org_id, SLOTS, first=utc_now() - timedelta(seconds=1))

    scheduler = DatabaseScheduler(on.app, on.redis, "bench")
    seconds = timed(scheduler.enqueue_jobs)
    assert on.redis.llen("rq:queue:default") == SLOTS
    assert one("SELECT count(*) FROM runs WHERE enqueued_at > slot") == SLOTS
    return seconds


def theirs(on: Stage) -> float:
    """Seconds of stock `enqueue_jobs` for as many due jobs."""
    queue = Queue("stock", connection=on.redis)
    scheduler = Scheduler(queue=queue, connection=on.redis)
    past = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=5)
    for _ in range(SLOTS):
        scheduler.enqueue_at(past, stock_nothing)
    seconds = timed(scheduler.enqueue_jobs)
    assert on.redis.llen("rq:queue:stock") == SLOTS
    return seconds


def main() -> None:
    with stage() as on:
        mine, stock = ours(on), theirs(on)
    print(f"{SLOTS} slots due at once: {mine:.2f} s, all recorded; stock rq-scheduler {stock:.2f} s, none")
    verdict("times as fast as stock rq-scheduler", stock / mine, 6, at_least=True)


if __name__ == "__main__":
    main()
