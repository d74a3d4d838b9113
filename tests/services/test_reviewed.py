"""What a review found, each with the situation that showed it."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from apiflask import APIFlask
from redis import Redis
from sqlalchemy import text

from console.core.clock import utc_now
from console.core.errors import Invalid, Refused, Unavailable
from console.core.reasons import Reason
from console.core.states import JobStatus, RunState, Trigger
from console.db.session import db, reading, transaction
from console.scheduler import DatabaseScheduler
from console.services import (
    dispatch,
    execution,
    job_names,
    jobs,
    planning,
    preflights,
    pushing,
    runs,
    tasks,
    triggers,
    workers,
)
from console.services.outcomes import Outcome
from console.services.run_requests import Request
from console.services.run_views import RunFilter
from console.services.views import JobFilter
from console.worker import RunWorker
from tests import factories
from tests.factories import NOON, OrgOf, one, rows

EVERY_HOUR = {"type": "interval", "every_seconds": 3600}
DUE = NOON + timedelta(hours=1)
CLICK = Request(Trigger.MANUAL)


def test_a_slot_that_is_due_already_is_not_slept_over(
    app: APIFlask, org: OrgOf, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    factories.job(org, schedule=EVERY_HOUR, now=NOON)
    scheduler = DatabaseScheduler(app, redis, "s", clock=lambda: DUE)
    monkeypatch.setattr("console.scheduler.select.select", lambda _r, _w, _x, seconds: waits.append(seconds))

    class Silent:
        def fileno(self) -> int:
            return 0

        def drain(self) -> int:
            return 0

    scheduler._sleep(Silent())  # type: ignore[arg-type]
    assert waits[0] < 0.1


def test_a_rule_that_raises_fails_its_own_slot_and_no_other(org: OrgOf) -> None:
    bad = factories.job(org, "tests.tasks.has_a_broken_rule", schedule=EVERY_HOUR, now=NOON)
    factories.job(org, schedule=EVERY_HOUR, now=NOON)
    assert dispatch.dispatch(scheduler="s", now=DUE).due == 2
    assert rows("SELECT state, reason_code FROM runs ORDER BY state") == [
        ("failed", "EXCEPTION"),
        ("queued", None),
    ]
    shown = jobs.get(org.admin, bad.id, now=DUE)
    assert shown.last_run and "no such thing" in (shown.last_run.note or "")
    assert shown.next_run_at == NOON + timedelta(hours=2)


def test_a_schedule_that_can_no_longer_be_followed_blocks_its_job_and_no_other(org: OrgOf) -> None:
    bad = factories.job(org, schedule=EVERY_HOUR, now=NOON)
    factories.job(org, schedule=EVERY_HOUR, now=NOON)
    db.session.execute(text("UPDATE jobs SET timezone = 'Mars/Olympus' WHERE id = :id"), {"id": bad.id})
    db.session.commit()
    assert len(dispatch.dispatch(scheduler="s", now=DUE).tickets) == 1
    shown = jobs.get(org.admin, bad.id, now=DUE)
    assert (shown.status, shown.status_reason) == (JobStatus.BLOCKED, Reason.INVALID_SCHEDULE)
    assert dispatch.dispatch(scheduler="s", now=DUE).due == 0


def test_a_requirement_that_raises_is_a_refusal_with_its_reason(org: OrgOf) -> None:
    job = factories.job(org, "tests.tasks.has_a_broken_requirement")
    assert preflights.preflight(org.admin, job.id, now=utc_now()).refusal is Reason.EXCEPTION
    with pytest.raises(Refused) as caught:
        triggers.send_now(org.admin, job.id, CLICK, now=utc_now())
    assert caught.value.reason is Reason.EXCEPTION
    assert rows("SELECT tag FROM audit_entries WHERE tag = 'run:refused'") == [("run:refused",)]
    assert one("SELECT count(*) FROM runs") == 0


def test_a_rule_that_reads_leaves_the_rows_locked(org: OrgOf, app: APIFlask) -> None:
    job = factories.job(org, "tests.tasks.has_a_reading_rule", schedule=EVERY_HOUR, now=NOON)
    with transaction():
        assert planning.lock_due(DUE, 10)
        with reading():
            db.session.execute(text("SELECT 1"))
        with db.engine.connect() as other:
            seen = other.execute(text("SELECT id FROM jobs FOR UPDATE SKIP LOCKED")).all()
        assert seen == []
    assert len(dispatch.dispatch(scheduler="s", now=DUE).tickets) == 1
    assert jobs.get(org.admin, job.id, now=DUE).active_run is not None


def test_a_transaction_within_another_one_is_a_mistake_that_is_said(org: OrgOf) -> None:
    with pytest.raises(RuntimeError, match="within another"), transaction(), transaction():
        pass


def test_a_run_that_nobody_offers_is_named_after_ten_seconds_and_not_pushed_over_and_over(
    org: OrgOf, redis: Redis
) -> None:
    factories.live_scheduler(now=NOON)
    run = factories.run(org, factories.job(org), now=NOON)
    redis.flushall()  # a worker took the ticket and dropped it
    for seconds in range(0, 30, 3):
        at = NOON + timedelta(seconds=seconds)
        factories.live_worker(now=at, tasks=["tests.tasks.explode"])
        assert pushing.push_missing(now=at) == 0
    seen = runs.get(org.admin, run.id, now=NOON + timedelta(seconds=29))
    assert seen.queued_at == run.queued_at
    assert seen.silence is not None and "offers succeed" in seen.silence.sentence
    factories.live_worker(now=NOON + timedelta(seconds=30))
    assert pushing.push_missing(now=NOON + timedelta(seconds=30)) == 1


def test_parallel_first_triggers_of_a_task_make_one_job_and_one_run(app: APIFlask, org: OrgOf) -> None:
    answers: list[str] = []

    def trigger() -> None:
        with app.app_context():
            request = Request(Trigger.API, key="first")
            answers.append(str(triggers.manual_trigger(org.admin, "succeed", request, now=utc_now()).id))

    threads = [threading.Thread(target=trigger) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 12 and len(set(answers)) == 1
    assert (one("SELECT count(*) FROM jobs"), one("SELECT count(*) FROM runs")) == (1, 1)


def test_arguments_of_the_first_trigger_stay_with_their_run(org: OrgOf) -> None:
    first = triggers.manual_trigger(org.admin, "leave", Request(Trigger.API, args={"code": 9}), now=utc_now())
    again = triggers.manual_trigger(org.admin, "leave", CLICK, now=utc_now())
    assert (first.args, again.args) == ({"code": 9}, {})
    assert one("SELECT args FROM jobs") == {}


def test_a_task_that_needs_arguments_is_refused_without_them_by_name(org: OrgOf) -> None:
    triggers.manual_trigger(
        org.admin, "mark", Request(Trigger.API, args={"path": "/dev/null"}), now=utc_now()
    )
    with pytest.raises(Invalid, match="Field required") as caught:
        triggers.manual_trigger(org.admin, "mark", CLICK, now=utc_now())
    assert list(caught.value.fields) == ["args.path"]


def test_a_key_with_another_wish_is_refused(org: OrgOf) -> None:
    job = factories.job(org)
    triggers.send_now(org.admin, job.id, Request(Trigger.API, key="k", dry_run=True), now=utc_now())
    with pytest.raises(Invalid) as caught:
        triggers.send_now(org.admin, job.id, Request(Trigger.API, key="k"), now=utc_now())
    assert "Idempotency-Key" in caught.value.fields
    assert one("SELECT count(*) FROM runs") == 1


def test_odd_changes_and_texts_are_made_fit_and_every_page_shows_them(org: OrgOf, worker: RunWorker) -> None:
    run = factories.run(org, factories.job(org, "tests.tasks.change_oddly"))
    worker.work(burst=True)
    seen = runs.get(org.admin, run.id, now=utc_now())
    assert (seen.state, seen.attempt) == (RunState.SUCCEEDED, 1)
    assert [(change["before"], change["after"]) for change in seen.changes] == [
        ("1.5", "2"),
        ("a\ufffd", None),
    ]
    assert seen.result["summary"] == "C:\\u0000x is no escape"


def test_a_result_that_is_too_large_fails_at_once_and_says_so(org: OrgOf, worker: RunWorker) -> None:
    run = factories.run(org, factories.job(org, "tests.tasks.return_too_much"))
    worker.work(burst=True)
    seen = runs.get(org.admin, run.id, now=utc_now())
    assert "larger than 1024 KiB" in (seen.reason or "")


def test_a_wrong_statement_is_not_taken_for_a_lost_server(org: OrgOf) -> None:
    with pytest.raises(Exception) as caught, reading():
        db.session.execute(text("SELECT repeat('x', 2000000000)"))
    assert not isinstance(caught.value, Unavailable)


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2201-01-01T00:00:00Z"]
)
def test_a_date_beyond_all_reason_is_refused(org: OrgOf, at: str) -> None:
    with pytest.raises(Invalid) as caught:
        factories.job(org, schedule={"type": "once", "at": at})
    assert "at" in caught.value.fields


def test_a_span_of_dates_shows_jobs_that_run_in_it_and_no_manual_ones(org: OrgOf) -> None:
    factories.job(org)
    due = factories.job(org, schedule=EVERY_HOUR, now=NOON)
    wanted = JobFilter(since=NOON, until=datetime(2199, 1, 1, tzinfo=UTC))
    page = jobs.page(org.admin, wanted, cursor=None, limit=10, now=NOON)
    assert [job.id for job in page.jobs] == [due.id]


def test_a_message_that_was_sent_by_hand_is_not_sent_again_at_its_time(org: OrgOf, worker: RunWorker) -> None:
    at = utc_now() + timedelta(hours=1)
    job = factories.job(org, schedule={"type": "once", "at": at.isoformat()})
    factories.run(org, job)
    worker.work(burst=True)
    shown = jobs.get(org.admin, job.id, now=utc_now())
    assert (shown.status, shown.next_run_at) == (JobStatus.SENT, None)
    assert dispatch.dispatch(scheduler="s", now=at + timedelta(seconds=1)).due == 0


def test_a_run_that_is_queued_again_has_not_started(org: OrgOf) -> None:
    job = factories.job(org, "tests.tasks.mark_idempotent", args={"path": "/dev/null"})
    run = factories.run(org, job, now=NOON)
    execution.claim(run.id, worker="w", offered=[job.task], now=NOON)
    dispatch.recover(now=NOON + timedelta(seconds=21))
    seen = runs.get(org.admin, run.id, now=NOON + timedelta(seconds=22))
    assert (seen.state, seen.started_at, seen.duration) == (RunState.QUEUED, None, None)
    assert [hop.name for hop in seen.hops if hop.at] == ["requested"]


def test_the_row_goes_on_showing_an_older_run_that_is_still_active(org: OrgOf, worker: RunWorker) -> None:
    job = factories.job(org, "tests.tasks.on_another_queue")
    older = factories.run(org, job)
    newer = factories.run(org, job)
    found = execution.claim(newer.id, worker="w", offered=[job.task], now=utc_now())
    assert found is not None
    execution.finish(found, Outcome(RunState.SUCCEEDED), now=utc_now())
    shown = jobs.get(org.admin, job.id, now=utc_now())
    assert shown.active_run is not None and shown.active_run.id == older.id


def test_a_job_under_a_former_name_is_found_by_the_new_one(org: OrgOf) -> None:
    job = factories.job(org, "tests.tasks.new_name", key="another_key")
    db.session.execute(text("UPDATE jobs SET task = 'tests.tasks.old_name'"))
    db.session.commit()
    for name in ("new-name", "tests.tasks.new_name", "tests.tasks.old_name"):
        assert job_names.find(org.admin, name, now=utc_now()).id == job.id
    assert triggers.manual_trigger(org.admin, "new_name", CLICK, now=utc_now()).job_id == job.id


def test_suggestions_name_nothing_that_is_deleted(org: OrgOf) -> None:
    job = factories.job(org, key="greet_once")
    jobs.delete(org.admin, job.id, now=utc_now())
    assert "greet_once" not in job_names.unknown_name(org.admin, "greet_onze").suggestions


def test_the_heartbeat_is_no_better_than_its_worst_part(org: OrgOf, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.live_worker(now=NOON)
    factories.live_scheduler(now=NOON)
    assert workers.pulse(now=NOON).status == "green"
    monkeypatch.setattr("console.services.workers.redis_is_up", lambda: False)
    assert workers.pulse(now=NOON).status == "red"


def test_a_page_of_runs_asks_the_same_number_of_questions_however_long_it_is(org: OrgOf) -> None:
    from sqlalchemy import event

    asked: list[str] = []

    def note(*given: Any) -> None:
        asked.append(given[2])

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        job = factories.job(org)
        counts = []
        for _ in range(2):
            for _ in range(5):
                factories.run(org, job)
            asked.clear()
            runs.page(org.admin, RunFilter(), cursor=None, limit=50, now=utc_now())
            counts.append(len(asked))
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    assert counts[0] == counts[1] > 0


def test_the_status_names_every_task_that_ever_had_a_job_once_it_is_deleted_too(
    org: OrgOf, worker: RunWorker
) -> None:
    job = factories.job(org)
    factories.run(org, job)
    worker.work(burst=True)
    jobs.delete(org.admin, job.id, now=utc_now())
    (line,) = tasks.status(org.admin, now=utc_now())
    assert (line.task_path, line.last_run_state) == ("tests.tasks.succeed", "succeeded")


def test_a_stopped_server_does_not_outlive_the_task_of_a_finished_run(
    app: APIFlask, org: OrgOf, worker: RunWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline is the task's alone: recording may take as long as Postgres is away."""
    run = factories.run(org, factories.job(org, "tests.tasks.quick"))
    real, asked = execution.finish, list[float]()

    def late(*args: object, **values: object) -> RunState | None:
        asked.append(time.monotonic())
        if asked[-1] - asked[0] < 8:  # longer than the timeout and the grace together
            raise Unavailable()
        return real(*args, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(execution, "finish", late)
    worker.work(burst=True)
    assert runs.get(org.admin, run.id, now=utc_now()).state is RunState.SUCCEEDED


def test_a_horse_that_is_done_with_its_run_is_not_killed_for_a_lease_that_has_ended(
    worker: RunWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from console.worker.horse import Ended, Returned

    killed: list[bool] = []
    for words in ([Returned(), Ended()], [Ended()], [Returned(), None], [None]):
        said = iter(words)
        monkeypatch.setattr(worker._horse, "listen", lambda _seconds, said=said: next(said))
        monkeypatch.setattr(worker._horse, "kill", lambda: killed.append(True))
        before = len(killed)
        worker._let_go()
        assert (len(killed) > before) == (words[-1] is None)
