"""A paused queue starts nothing of its org; what waits is kept, says why, and starts once it is resumed."""

from datetime import timedelta

import pytest
from redis import Redis

from console.core.errors import Forbidden, Invalid, NotFound, Refused
from console.core.reasons import Reason
from console.core.states import Role, RunState
from console.services import (
    claims,
    dispatch,
    execution,
    jobs,
    passes,
    preflights,
    pushing,
    queue_pauses,
    runs,
)
from console.services.claims import Claim
from console.services.outcomes import Outcome
from console.services.run_views import RunView
from console.worker import RunWorker
from tests import factories
from tests.factories import NOON, OrgOf, one, rows

LANE = "rq:queue:default"
SAID = "queue default is paused by ada@example.com since 2 Jan 12:00: the mail server is down"


def pause(org: OrgOf, queue: str = "default", note: str | None = "the mail server is down") -> None:
    ada = factories.person(org, email="ada@example.com")
    queue_pauses.pause(ada, queue, note, now=NOON)


def resume(org: OrgOf) -> None:
    queue_pauses.resume(org.admin, "default", now=NOON)


def claim(run: RunView) -> Claim | None:
    return execution.claim(run.id, worker="w", offered=[run.task], now=NOON)


def test_what_is_asked_for_is_accepted_and_waits_and_says_at_once_by_whom(org: OrgOf, redis: Redis) -> None:
    job = factories.job(org)
    pause(org)
    ready = preflights.preflight(org.admin, job.id, now=NOON)
    assert (ready.refusal, ready.waits) == (None, SAID)
    run = factories.run(org, job, now=NOON)
    assert redis.llen(LANE) == 0
    assert run.silence is not None
    assert (run.silence.hop, run.silence.reason, run.silence.sentence) == (
        "queued",
        Reason.QUEUE_PAUSED,
        SAID,
    )
    shown = jobs.get(org.admin, job.id, now=NOON).active_run
    assert shown is not None and shown.silence == run.silence
    assert claim(run) is None
    assert rows("SELECT tag, object_id, reason FROM audit_entries WHERE tag LIKE 'queue:%'") == [
        ("queue:paused", "default", "the mail server is down")
    ]


def test_no_way_to_redis_is_left_open_and_each_opens_again(org: OrgOf, redis: Redis) -> None:
    hourly = {"type": "interval", "every_seconds": 3600}
    factories.job(org, schedule=hourly, now=NOON)
    later = factories.run(org, factories.job(org), now=NOON, start_at=NOON + timedelta(minutes=1))
    flaky = factories.run(org, factories.job(org, "tests.tasks.flaky", args={"attempt": 9}), now=NOON)
    found = claim(flaky)
    assert found is not None
    execution.finish(found, Outcome(RunState.FAILED, Reason.EXCEPTION), now=NOON)
    redis.flushall()
    pause(org)
    at = NOON + timedelta(hours=1)
    passes.decide(scheduler="s", now=at)
    passes.release(now=at)
    passes.retry(now=at)
    clicked = factories.run(org, factories.job(org), now=at)
    pushing.push_missing(now=at + timedelta(minutes=1))
    assert redis.llen(LANE) == 0
    assert one("SELECT count(*) FROM runs WHERE state = 'queued' AND enqueued_at IS NULL") == 4
    resume(org)
    waiting = {item.decode() for item in redis.lrange(LANE, 0, -1)}
    assert waiting == {str(row.id) for row in rows("SELECT id FROM runs WHERE state = 'queued'")}
    assert {str(later.id), str(flaky.id), str(clicked.id)} < waiting
    assert redis.llen(LANE) == 4


def test_what_was_pushed_before_is_dropped_by_the_worker_and_executed_after_the_resume(
    org: OrgOf, worker: RunWorker, redis: Redis
) -> None:
    before = factories.run(org, factories.job(org))
    pause(org)
    worker.work(burst=True)
    assert redis.llen(LANE) == 0
    assert one("SELECT state FROM runs") == "queued"
    resume(org)
    resume_again_is_refused(org)
    worker.work(burst=True)
    seen = runs.get(org.admin, before.id, now=NOON)
    assert (seen.state, seen.attempt) == (RunState.SUCCEEDED, 1)


def resume_again_is_refused(org: OrgOf) -> None:
    with pytest.raises(Refused, match="is not paused"):
        resume(org)


def test_what_runs_goes_on_and_other_orgs_and_queues_are_untouched(org: OrgOf, redis: Redis) -> None:
    going = factories.run(org, factories.job(org), now=NOON)
    found = claim(going)
    assert found is not None
    other_org = factories.org()
    pause(org)
    assert claims.renew(going.id, 1, now=NOON)
    assert execution.finish(found, Outcome(RunState.SUCCEEDED), now=NOON) is RunState.SUCCEEDED
    elsewhere = factories.run(org, factories.job(org, "tests.tasks.on_another_queue"), now=NOON)
    theirs = factories.run(other_org, factories.job(other_org), now=NOON)
    assert claim(elsewhere) and claim(theirs)
    assert theirs.silence is None
    assert {queue.name: queue.pause for queue in queue_pauses.listing(other_org.admin, now=NOON)}[
        "default"
    ] is None


def test_lost_tickets_of_other_orgs_are_found_again_beside_a_pause(org: OrgOf, redis: Redis) -> None:
    other_org = factories.org()
    theirs = factories.run(other_org, factories.job(other_org), now=NOON)
    ours = factories.run(org, factories.job(org), now=NOON)
    pause(org)
    redis.flushall()
    assert pushing.push_missing(now=NOON + timedelta(minutes=1)) == 1
    assert redis.lrange(LANE, 0, -1) == [str(theirs.id).encode()]
    assert claim(ours) is None


def test_the_listing_counts_what_waits_and_runs_and_names_who_paused_it(org: OrgOf) -> None:
    factories.live_worker(now=NOON, queues=["default"])
    claim(factories.run(org, factories.job(org), now=NOON))
    factories.run(org, factories.job(org), now=NOON)
    factories.run(org, factories.job(org), now=NOON, start_at=NOON + timedelta(hours=1))
    pause(org)
    found = {queue.name: queue for queue in queue_pauses.listing(org.admin, now=NOON)}
    default = found["default"]
    assert (default.waiting, default.running, default.workers) == (1, 1, 1)
    assert default.pause == queue_pauses.Pause(NOON, "ada@example.com", "the mail server is down")
    assert (found["elsewhere"].workers, found["elsewhere"].pause) == (0, None)


def test_a_run_that_ends_by_a_stop_while_its_queue_is_paused_does_not_start_after_it(org: OrgOf) -> None:
    from console.services import run_control

    pause(org)
    run = factories.run(org, factories.job(org), now=NOON)
    run_control.stop(org.admin, run.id, None, now=NOON)
    resume(org)
    assert one("SELECT state FROM runs") == "stopped"
    assert dispatch.release(now=NOON) == []


def test_whoever_may_not_or_is_late_or_mistyped_hears_what_to_do(org: OrgOf) -> None:
    with pytest.raises(Forbidden):
        queue_pauses.pause(factories.person(org, Role.VIEWER), "default", None, now=NOON)
    with pytest.raises(NotFound, match="Did you mean default"):
        queue_pauses.pause(org.admin, "defalt", None, now=NOON)
    with pytest.raises(Invalid) as caught:
        queue_pauses.pause(org.admin, "default", "x" * 501, now=NOON)
    assert set(caught.value.fields) == {"note"}
    pause(org)
    with pytest.raises(Refused, match=r"Queue default is paused by ada@example\.com") as twice:
        queue_pauses.pause(org.admin, "default", None, now=NOON)
    assert twice.value.reason is Reason.QUEUE_PAUSED
    with pytest.raises(Forbidden):
        queue_pauses.resume(factories.person(org, Role.VIEWER), "default", now=NOON)
    assert one("SELECT count(*) FROM queue_pauses") == 1
