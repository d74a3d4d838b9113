"""Runs per second of one worker process: this product, each recorded, beside stock `rq.Worker`."""

import logging

from rq import Queue, Worker

from bench.stage import Stage, stage, timed, verdict
from bench.tasks import stock_nothing
from console.core.clock import utc_now
from console.core.states import Trigger
from console.services import job_creation, triggers
from console.services.job_creation import NewJob
from console.services.run_requests import Request
from console.worker import RunWorker
from tests.factories import one

OURS, STOCK = 1500, 300


def ours(on: Stage) -> float:
    """Runs per second, each claimed, executed and recorded in Postgres."""
    job = job_creation.create(on.actor, NewJob(task="nothing"), now=utc_now())
    for _ in range(OURS):
        triggers.send_now(on.actor, job.id, Request(Trigger.SCHEDULE), now=utc_now())
    worker = RunWorker(on.app, ["default"], on.redis, "bench")
    seconds = timed(lambda: worker.work(burst=True))
    assert one("SELECT count(*) FROM runs WHERE state = 'succeeded'") == OURS
    return OURS / seconds


def theirs(on: Stage) -> float:
    """Jobs per second of a stock worker that forks for each."""
    logging.disable(logging.CRITICAL)
    queue = Queue("stock", connection=on.redis)
    for _ in range(STOCK):
        queue.enqueue(stock_nothing)
    worker = Worker([queue], connection=on.redis)
    return STOCK / timed(lambda: worker.work(burst=True))


def main() -> None:
    with stage() as on:
        mine, stock = ours(on), theirs(on)
    print(f"runs per second of one worker: {mine:.0f}, each recorded; stock rq.Worker {stock:.0f}")
    verdict("times stock rq.Worker", mine / stock, 3, at_least=True)


if __name__ == "__main__":
    main()
