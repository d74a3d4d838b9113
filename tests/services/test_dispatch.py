"""From due slots to runs, with a clock that is passed in."""

import threading
from datetime import timedelta

from apiflask import APIFlask
from redis import Redis
from sqlalchemy import text

from console.core.states import RunState
from console.db.session import db
from console.services import claims, dispatch, edits, execution, jobs, pushing, runs
from console.services.claims import Claim
from console.services.outcomes import Outcome
from console.services.run_views import RunFilter
from console.worker import RunWorker
from tests import factories
from tests.factories import NOON, OrgOf, one, rows

EVERY_HOUR = {"type": "interval", "every_seconds": 3600}


def one_pass(now: object) -> dispatch.Dispatched:
    done = dispatch.dispatch(scheduler="s", now=now)  # type: ignore[arg-type]
    pushing.push_tickets(done.tickets, now=now)  # type: ignore[arg-type]
    return done


def test_a_slot_that_is_due_becomes_one_run_and_moves_the_job_on(org: OrgOf, redis: Redis) -> None:
    job = factories.job(org, schedule=EVERY_HOUR, now=NOON)
    assert one_pass(NOON + timedelta(minutes=59)).due == 0
    now = NOON + timedelta(minutes=60, seconds=1)
    assert one_pass(now).due == 1
    (run,) = runs.page(org.admin, RunFilter(), cursor=None, limit=10, now=now).runs
    assert (run.slot, run.state, run.trigger) == (NOON + timedelta(hours=1), RunState.QUEUED, "schedule")
    assert redis.lrange("rq:queue:default", 0, -1) == [str(run.id).encode()]
    view = jobs.get(org.admin, job.id, now=now)
    assert view.next_run_at == NOON + timedelta(hours=2)
    assert view.active_run is not None and view.active_run.id == run.id
    assert one_pass(now).due == 0


def test_a_slot_that_has_a_run_never_gets_a_second_one(org: OrgOf) -> None:
    job = factories.job(org, schedule=EVERY_HOUR, now=NOON, overlap="allow_all")
    now = NOON + timedelta(hours=1)
    one_pass(now)
    db.session.execute(text("UPDATE jobs SET next_run_at = :now WHERE id = :id"), {"now": now, "id": job.id})
    db.session.commit()
    assert one_pass(now).due == 1
    assert one("SELECT count(*) FROM runs") == 1
    assert one("SELECT next_run_at FROM jobs") == NOON + timedelta(hours=2)


def test_a_paused_job_records_each_slot_as_skipped_with_its_reason(org: OrgOf) -> None:
    job = factories.job(org, schedule=EVERY_HOUR, now=NOON)
    edits.set_paused(org.admin, job.id, True, note="wait", now=NOON)
    one_pass(NOON + timedelta(hours=1))
    assert rows("SELECT state, reason_code FROM runs") == [("skipped", "PAUSED")]
    assert one("SELECT last_run_reason FROM jobs") == "PAUSED"
    assert one("SELECT status FROM jobs") == "paused"


def test_a_paused_message_waits_and_goes_out_when_it_is_resumed(org: OrgOf) -> None:
    at = (NOON + timedelta(hours=1)).isoformat()
    job = factories.job(org, schedule={"type": "once", "at": at}, now=NOON)
    edits.set_paused(org.admin, job.id, True, note=None, now=NOON)
    later = NOON + timedelta(hours=1, minutes=5)
    assert one_pass(later).due == 0
    edits.set_paused(org.admin, job.id, False, note=None, now=later)
    assert one_pass(later).due == 1
    assert rows("SELECT state FROM runs") == [("queued",)]


def test_an_overlapping_slot_is_skipped_with_its_reason(org: OrgOf) -> None:
    factories.job(org, schedule=EVERY_HOUR, now=NOON)
    one_pass(NOON + timedelta(hours=1))
    one_pass(NOON + timedelta(hours=2))
    assert rows("SELECT state, reason_code FROM runs ORDER BY slot") == [
        ("queued", None),
        ("skipped", "OVERLAP"),
    ]


def test_rules_hold_for_a_slot_and_say_which(org: OrgOf) -> None:
    saturday = NOON + timedelta(days=3)
    factories.job(org, "tests.tasks.weekdays_only", schedule=EVERY_HOUR, now=saturday)
    one_pass(saturday + timedelta(hours=1))
    assert rows("SELECT state, reason_code, reason FROM runs") == [
        ("skipped", "WEEKEND", "The send date falls on a weekend.")
    ]


def test_a_once_job_is_sent_when_its_run_succeeds(org: OrgOf, worker: RunWorker) -> None:
    at = (NOON + timedelta(hours=1)).isoformat()
    job = factories.job(org, schedule={"type": "once", "at": at}, now=NOON)
    one_pass(NOON + timedelta(hours=1))
    worker.work(burst=True)
    view = jobs.get(org.admin, job.id, now=NOON)
    assert (view.status, view.next_run_at) == ("sent", None)


def test_revisions_are_acknowledged_by_a_pass_and_by_nothing_else(org: OrgOf) -> None:
    job = factories.job(org, schedule=EVERY_HOUR, now=NOON)
    assert (job.revision, job.applied_revision) == (1, 0)
    assert dispatch.acknowledge() == 1
    assert jobs.get(org.admin, job.id, now=NOON).applied_revision == 1
    changed = edits.set_paused(org.admin, job.id, True, note=None, now=NOON)
    assert (changed.revision, changed.applied_revision) == (2, 1)


def test_two_passes_at_once_never_double_a_slot(app: APIFlask, org: OrgOf) -> None:
    for _ in range(40):
        factories.job(org, schedule=EVERY_HOUR, now=NOON)
    done: list[int] = []

    def passes() -> None:
        with app.app_context():
            while due := dispatch.dispatch(scheduler="s", now=NOON + timedelta(hours=1), batch=3).due:
                done.append(due)

    threads = [threading.Thread(target=passes) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 40
    assert one("SELECT count(*) FROM runs") == one("SELECT count(DISTINCT (job_id, slot)) FROM runs") == 40


def test_a_failing_task_is_retried_with_backoff_that_postgres_keeps(
    org: OrgOf, worker: RunWorker, redis: Redis
) -> None:
    run = factories.run(org, factories.job(org, "tests.tasks.flaky", args={"attempt": 2}))
    worker.work(burst=True)
    seen = runs.get(org.admin, run.id, now=NOON)
    assert (seen.state, seen.attempt, seen.max_attempts) == (RunState.RETRYING, 1, 3)
    assert one("SELECT status FROM jobs") == "retrying"
    redis.flushall()
    assert seen.retry_at is not None and dispatch.retry_due(now=seen.retry_at - timedelta(seconds=1)) == []
    pushing.push_tickets(dispatch.retry_due(now=seen.retry_at), now=seen.retry_at)
    worker.work(burst=True)
    assert runs.get(org.admin, run.id, now=NOON).state is RunState.SUCCEEDED
    assert one("SELECT status FROM jobs") == "scheduled"


def test_a_task_that_fails_to_the_last_is_failed(org: OrgOf, worker: RunWorker) -> None:
    run = factories.run(org, factories.job(org, "tests.tasks.flaky", args={"attempt": 9}))
    for _ in range(3):
        worker.work(burst=True)
        pushing.push_tickets(dispatch.retry_due(now=NOON), now=NOON)
    seen = runs.get(org.admin, run.id, now=NOON)
    assert (seen.state, seen.attempt, seen.reason_code) == (RunState.FAILED, 3, "EXCEPTION")


def claim(org: OrgOf, task: str) -> Claim:
    run = factories.run(org, factories.job(org, task, args={"path": "/dev/null"}), now=NOON)
    found = execution.claim(run.id, worker="w", offered=[task], now=NOON)
    assert found is not None
    return found


def test_a_silent_worker_is_found_and_a_task_that_may_not_be_repeated_ends_unknown(org: OrgOf) -> None:
    found = claim(org, "tests.tasks.mark")
    assert dispatch.recover(now=NOON + timedelta(seconds=19)) == 0
    assert dispatch.recover(now=NOON + timedelta(seconds=21)) == 1
    assert rows("SELECT state, reason_code FROM runs") == [("unknown", "OUTCOME_UNKNOWN")]
    assert execution.finish(found, Outcome(RunState.SUCCEEDED), now=NOON) is None
    assert one("SELECT state FROM runs") == "unknown"


def test_an_idempotent_task_starts_again_and_the_zombie_changes_nothing(org: OrgOf) -> None:
    zombie = claim(org, "tests.tasks.mark_idempotent")
    dispatch.recover(now=NOON + timedelta(seconds=21))
    assert rows("SELECT state, reason_code FROM runs") == [("queued", "WORKER_LOST")]
    again = execution.claim(
        zombie.run_id, worker="v", offered=[zombie.task], now=NOON + timedelta(seconds=22)
    )
    assert again is not None and again.attempt == 2
    assert execution.finish(zombie, Outcome(RunState.FAILED), now=NOON) is None
    assert not claims.renew(zombie.run_id, zombie.attempt, now=NOON)
    assert not execution.note(zombie, lines=[(NOON, "boo")], progress=None)
    assert execution.finish(again, Outcome(RunState.SUCCEEDED), now=NOON) is RunState.SUCCEEDED
    assert rows("SELECT state, attempt, (SELECT count(*) FROM run_logs) FROM runs") == [("succeeded", 2, 0)]


def test_a_renewed_lease_keeps_a_long_run(org: OrgOf) -> None:
    found = claim(org, "tests.tasks.mark")
    assert claims.renew(found.run_id, found.attempt, now=NOON + timedelta(seconds=15))
    assert dispatch.recover(now=NOON + timedelta(seconds=30)) == 0


def test_what_redis_lost_is_pushed_again_once(org: OrgOf, redis: Redis) -> None:
    job = factories.job(org, overlap="allow_all")
    made = {str(factories.run(org, job).id).encode() for _ in range(50)}
    redis.flushall()
    later = factories.utc_now() + timedelta(seconds=5)
    assert pushing.push_missing(now=later) == 50
    assert pushing.push_missing(now=later + timedelta(seconds=5)) == 0
    assert set(redis.lrange("rq:queue:default", 0, -1)) == made


def test_a_run_that_was_committed_and_not_pushed_is_pushed_by_a_later_pass(org: OrgOf, redis: Redis) -> None:
    factories.job(org, schedule=EVERY_HOUR, now=NOON)
    now = NOON + timedelta(hours=1)
    dispatch.dispatch(scheduler="s", now=now)
    assert redis.llen("rq:queue:default") == 0
    assert pushing.push_missing(now=now + timedelta(seconds=2)) == 1
    assert redis.llen("rq:queue:default") == 1
    assert one("SELECT enqueued_at IS NOT NULL FROM runs")
