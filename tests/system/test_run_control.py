"""Stopped, retried, put off and paused, with real schedulers, workers, horses and a real mail server."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import text

from console.core.clock import utc_now
from console.core.errors import Refused
from console.core.reasons import Reason
from console.core.states import RunState
from console.db.session import db
from console.services import queue_pauses, run_control, runs, wakeups
from console.services.run_views import RunView
from tests import factories
from tests.conftest import Servers
from tests.factories import OrgOf, one, rows
from tests.processes import eventually, is_alive, process, unswept_scheduler
from tests.smtp import HANG, Smtp, Stage

HOUR = timedelta(hours=1)


def now_of(org: OrgOf, run: RunView) -> RunView:
    return runs.get(org.admin, run.id, now=utc_now())


def ends(org: OrgOf, run: RunView, state: RunState) -> RunView:
    """The run once it has ended so."""
    eventually(lambda: now_of(org, run).state is state)
    return now_of(org, run)


def test_a_stop_kills_a_task_with_all_that_it_started_and_the_worker_goes_on(
    org: OrgOf, servers: Servers, tmp_path: Path
) -> None:
    note = tmp_path / "pid"
    args = {"path": str(note)}
    with process(servers.environment, "worker"):
        run = factories.run(org, factories.job(org, "tests.tasks.with_a_child", args=args))
        child = int(eventually(lambda: note.exists() and note.read_text()))
        assert is_alive(child)
        run_control.stop(org.admin, run.id, "it hangs", now=utc_now())
        seen = ends(org, run, RunState.STOPPED)
        assert (seen.reason_code, seen.reason) == (Reason.STOPPED_BY_OPERATOR, "tests stopped it: it hangs")
        eventually(lambda: not is_alive(child))

        lost = factories.job(org, "tests.tasks.mark", args={"path": str(tmp_path / "no" / "such" / "place")})
        failed = ends(org, factories.run(org, lost), RunState.FAILED)
        good = {"path": str(tmp_path / "marks")}
        again = run_control.retry(org.admin, failed.id, good, key=None, now=utc_now())
        assert ends(org, again, RunState.SUCCEEDED).cause_id == failed.id
    assert (tmp_path / "marks").read_text() == f"{again.id} 1\n"
    assert one("SELECT count(*) FROM runs") == 3


def statements_of(run: RunView) -> int:
    """How many statements of the run Postgres is working on."""
    found: int = one(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE :mark",
        mark=f"SELECT pg_sleep(3600) /* {run.id} %",
    )
    return found


def test_whatever_ends_a_run_ends_its_statement_in_postgres_too(org: OrgOf, servers: Servers) -> None:
    with process(servers.environment, "worker"):
        stopped = factories.run(org, factories.job(org, "tests.tasks.ask_for_ever"))
        eventually(lambda: statements_of(stopped) == 1)
        run_control.stop(org.admin, stopped.id, None, now=utc_now())
        ends(org, stopped, RunState.STOPPED)
        eventually(lambda: statements_of(stopped) == 0)

        late = factories.run(org, factories.job(org, "tests.tasks.ask_too_long"))
        assert ends(org, late, RunState.FAILED).reason_code is Reason.TIMEOUT
        eventually(lambda: statements_of(late) == 0)


def test_a_mail_that_is_stopped_between_its_data_and_its_record_ends_unknown_and_is_not_sent_again(
    org: OrgOf, servers: Servers, smtp: Smtp
) -> None:
    smtp.answers.queue(Stage.MESSAGE, HANG)
    at = utc_now() + timedelta(days=1)
    job = factories.job(org, "tests.tasks.post", schedule={"type": "once", "at": at.isoformat()})
    with process(smtp.environment(servers.environment), "worker"):
        run = factories.run(org, job)
        eventually(lambda: smtp.messages)
        run_control.stop(org.admin, run.id, None, now=utc_now())
        seen = ends(org, run, RunState.UNKNOWN)
        assert seen.reason_code is Reason.OUTCOME_UNKNOWN
        assert seen.reason and "may have been sending" in seen.reason
        for ask in (
            lambda: factories.run(org, job),
            lambda: run_control.retry(org.admin, run.id, None, key=None, now=utc_now()),
        ):
            with pytest.raises(Refused) as caught:
                ask()
            assert caught.value.reason is Reason.OUTCOME_UNKNOWN
        assert len(smtp.messages) == 1
        ends(org, factories.run(org, job, override=True), RunState.SUCCEEDED)
    assert len(smtp.messages) == 2


def test_a_paused_queue_starts_nothing_and_once_resumed_each_run_starts_once(
    org: OrgOf, servers: Servers, redis: Redis, tmp_path: Path
) -> None:
    path = tmp_path / "marks"
    job = factories.job(org, "tests.tasks.mark", args={"path": str(path)}, overlap="allow_all")
    early = [factories.run(org, job) for _ in range(10)]
    queue_pauses.pause(org.admin, "default", "the disk is full", now=utc_now())
    with process(servers.environment, "worker"), process(servers.environment, "worker"):
        eventually(lambda: redis.llen("rq:queue:default") == 0)
        with process(servers.environment, "scheduler"):
            made = [*early, *(factories.run(org, job) for _ in range(10))]
            at = utc_now() + timedelta(seconds=2)
            made.append(factories.run(org, job, start_at=at))
            eventually(lambda: one("SELECT bool_and(held_by IS NULL) FROM runs"))
            redis.flushall()
            other = factories.run(org, factories.job(org, "tests.tasks.on_another_queue"))
            ends(org, other, RunState.SUCCEEDED)
            assert not path.exists()
            assert rows("SELECT DISTINCT state, attempt FROM runs WHERE queue = 'default'") == [("queued", 0)]
            queue_pauses.resume(org.admin, "default", now=utc_now())
            eventually(lambda: one("SELECT count(*) FROM runs WHERE state = 'succeeded'") == 22)
    assert sorted(path.read_text().split("\n")[:-1]) == sorted(f"{run.id} 1" for run in made)


def soon(run: RunView) -> datetime:
    """The hour is nearly over: moves the run's start to a time near enough to be waited for."""
    at = utc_now() + timedelta(seconds=2)
    db.session.execute(text("UPDATE runs SET start_after = :at WHERE id = :id"), {"at": at, "id": run.id})
    wakeups.notify()
    db.session.commit()
    return at


def test_a_run_for_later_starts_on_time_whatever_scheduler_and_redis_went_through(
    org: OrgOf, servers: Servers, redis: Redis
) -> None:
    with process(servers.environment, "worker"):
        with process(servers.environment, "scheduler") as first:
            eventually(lambda: one("SELECT count(*) FROM heartbeats") == 2)
            run = factories.run(org, factories.job(org), start_at=utc_now() + HOUR)
            first.kill()
        redis.flushall()
        assert now_of(org, run).started_at is None
        with unswept_scheduler(servers.environment):
            eventually(lambda: one("SELECT count(*) FROM heartbeats WHERE kind = 'scheduler'") == 2)
            at = soon(run)
            seen = ends(org, run, RunState.SUCCEEDED)
    assert seen.started_at is not None and seen.started_at >= at
    assert seen.attempt == 1
