"""A dry run is the real code, and leaves nothing behind but its run and what the trail says of it."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from apiflask import APIFlask
from redis import Redis
from sqlalchemy import text
from sqlalchemy.orm import Session

from console import Params, Result, Run, task
from console.core.clock import utc_now
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.rehearsal import LONGEST, seconds_of
from console.core.states import JobStatus, Role, RunState, Trigger
from console.db.session import db, transaction
from console.plugins.messages import settings as message_settings
from console.services import execution, jobs, losing, mail, pushing, runs, stopping, triggers
from console.services.outcomes import Outcome
from console.services.run_requests import Request
from console.services.run_views import RunView
from console.services.views import JobView
from console.services.wakeups import CHANNEL
from console.worker.execute import execute
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.plugins.messages.letters import event, message
from tests.smtp import Smtp
from tests.web.conftest import change

ELSEWHERE = "UPDATE jobs SET subject = :word WHERE id = CAST(:id AS uuid)"


class Doing(Params):
    """What the task below does, one after the other, to which job."""

    does: str
    job_id: UUID | None = None


@task(category="Dry", params=Doing, dry_run=True, timeout=30)
def do_all(run: Run) -> Result:
    """Whatever a task can do to the world, as `does` says."""
    run.log("begun")
    for word in run.args.does.split():
        DOING[word](run)
    return Result(f"did {run.args.does}")


def _service(run: Run) -> None:
    """As the product's own tasks do: a service's transaction, and a read after it that sees what it wrote."""
    with transaction():
        db.session.execute(text(ELSEWHERE), {"word": "by a service", "id": run.args.job_id})
    assert one("SELECT subject FROM jobs WHERE id = :id", id=run.args.job_id) == "by a service"
    run.changed("subject", "", "by a service", f"/jobs/{run.args.job_id}")


def _error(run: Run) -> None:
    """A transaction that fails takes back its own work and no other."""
    with pytest.raises(ZeroDivisionError), transaction():
        db.session.execute(text(ELSEWHERE), {"word": "by an error", "id": run.args.job_id})
        _ = 1 / 0
    assert one("SELECT subject FROM jobs WHERE id = :id", id=run.args.job_id) == "by a service"


def _commit(run: Run) -> None:
    """Past the services."""
    db.session.execute(text("UPDATE orgs SET name = name || '!'"))
    db.session.commit()
    db.session.remove()
    db.session.execute(text("DELETE FROM jobs"))
    db.session.commit()


def _session(run: Run) -> None:
    """Over a session of the task's own on the product's pool of sessions."""
    with db.session.session_factory() as session:
        assert isinstance(session, Session)
        session.execute(text("UPDATE orgs SET name = 'Mine'"))
        session.commit()


def _connection(run: Run) -> None:
    db.session.execute(text("UPDATE orgs SET name = 'Theirs'"))
    db.session.connection().commit()


def _by_hand(run: Run) -> None:
    """However it is spelled; a word in a text is none."""
    db.session.execute(text("UPDATE orgs SET name = 'Theirs; commit' -- ; commit"))
    for spelled in (" commit", "/* done */ COMMIT", "-- done\nEND", "SELECT 1; COMMIT", "SELECT ';'; END"):
        with pytest.raises(RuntimeError, match="begin or end a transaction by hand"):
            db.session.execute(text(spelled))
    db.session.execute(text("COMMIT AND CHAIN"))


def _sleep(run: Run) -> None:
    """In the middle of a statement, with a lock in its hand."""
    _lock(run)
    db.session.execute(text("SELECT pg_sleep(60)"))


def _mail(run: Run) -> None:
    mail.send(mail.Message(run.id, ("ana@x.example", "bo@x.example"), "Doors at seven", "Come."))


def _trigger(run: Run) -> None:
    """Another run, which would be pushed."""
    actor = factories.Actor(factories.ActorKind.SYSTEM, UUID(run.org_id), "", "UTC", Role.ADMIN, "tests")
    made = triggers.send_now(actor, run.args.job_id, Request(Trigger.CHAIN), now=run.now)
    assert made.state is RunState.QUEUED and pushing.push_missing(now=run.now) in (0, 1)


def _fail(run: Run) -> None:
    raise RuntimeError("the ink is spilt")


def _lock(run: Run) -> None:
    db.session.execute(text(ELSEWHERE), {"word": "", "id": run.args.job_id})


def _count(run: Run) -> None:
    for number in range(1100):
        run.changed(f"thing {number}", None, "new", "javascript:alert(1)" if number else "//evil.example")


DOING = {
    name: globals()[f"_{name}"]
    for name in "service error commit session connection by_hand mail trigger fail lock sleep count".split()
}


# What is compared ---------------------------------------------------------------------------------


def everything() -> dict[str, set[str]]:
    """Every row of every table, as text."""
    tables = db.metadata.tables
    texts = {name: f'SELECT t::text FROM "{name}" AS t' for name in sorted(tables)}  # noqa: S608
    return {name: {row[0] for row in rows(query)} for name, query in texts.items()}


def rehearsed(app: APIFlask, of: OrgOf, job: JobView, **request: Any) -> RunView:
    """A dry run to its end; whatever else differs between before its click and after its end is told."""
    before = everything()
    asked = factories.run(of, job, dry_run=True, **request)
    with app.app_context():
        execute(app, asked.id, worker="worker-1")
    ended = runs.get(of.admin, asked.id, now=utc_now())
    its_own = {
        "runs": rows("SELECT t::text FROM runs AS t WHERE id = :id", id=ended.id),
        "run_logs": rows("SELECT t::text FROM run_logs AS t WHERE run_id = :id", id=ended.id),
        "audit_entries": rows(
            "SELECT t::text FROM audit_entries AS t WHERE object_id = :id", id=str(ended.id)
        ),
    }
    after = everything()
    left = {name: after[name] - {row[0] for row in its_own.get(name, ())} for name in after}
    assert left == before
    return ended


@pytest.fixture
def lively(org: OrgOf, smtp: Smtp) -> Iterator[OrgOf]:
    """An org in which there is something to change: people, an event with its messages, and an old past."""
    beat_all()
    factories.person(org, Role.ADMIN, "ann@example.com")
    factories.event(org, starts_at=a_saturday(), contact_email="ana@x.example")
    past = factories.job(org, name="Sweep")
    for _ in range(3):
        claim = execution.claim(factories.run(org, past).id, worker="w", offered=[past.task], now=utc_now())
        assert claim is not None
        execution.finish(claim, Outcome(RunState.SUCCEEDED), now=utc_now())
    change("UPDATE runs SET finished_at = finished_at - interval '90 days'")
    yield org


def beat_all() -> None:
    """Every process is heard, and is not silent yet when a busy machine comes to what looks at them."""
    at = utc_now() + timedelta(minutes=5)
    factories.live_worker(now=at)
    factories.live_scheduler(now=at)
    factories.live_watcher(now=at)


def a_saturday() -> datetime:
    """Four to five weeks from now."""
    noon = utc_now().replace(hour=12)
    return noon + timedelta(days=28 + (5 - noon.weekday()) % 7)


def arguments(of: OrgOf) -> Mapping[str, Mapping[str, Any]]:
    """For tasks that need some."""
    return {
        "count_slowly": {"to": 2, "pause_seconds": 0},
        "set_weekend_rule": {"rule": "next_monday"},
        "do_all": {"does": "service", "job_id": str(factories.job(of).id)},
    }


# Every task ---------------------------------------------------------------------------------------


def test_a_dry_run_of_every_task_that_has_one_leaves_every_table_as_it_was(
    app: APIFlask, lively: OrgOf, smtp: Smtp, redis: Redis
) -> None:
    said: dict[str, list[Any]] = {}
    given = arguments(lively)
    ours = [item for item in registry.all() if item.dry_run and not item.path.startswith("tests.api")]
    for declared in ours:
        beat_all()  # those before may have taken longer than that
        if declared.key == "send_message":
            job = message(lively, event(lively, "Othello"))
        else:
            job = factories.job(lively, declared.path, args=dict(given.get(declared.key, {})))
        run = rehearsed(app, lively, job, actor=factories.person(lively))
        assert (declared.key, run.state, run.reason) == (declared.key, RunState.SUCCEEDED, None)
        said[declared.key] = [(item["subject"], item["before"], item["after"]) for item in run.changes]
        redis.flushall()
    assert smtp.messages == [] and smtp.attempts == []
    assert said["cleanup_old_runs"] == [("old runs of Sweep", "2", "0")]
    assert said["send_message"][0][0] == "mail to ana@northside.example"
    assert said["send_test_email_to_self"][0][2] == "Callboard test mail"
    assert said["set_weekend_rule"][0][:1] == ("weekend rule",) and len(said["set_weekend_rule"]) > 1
    wanted = {"morning_intelligence_report", "inventory_health_check", "weekly_summary_report"}
    assert {said[key][0][0] for key in wanted} == {"mail to ann@example.com"}


def test_the_real_run_changes_what_its_dry_run_said(app: APIFlask, lively: OrgOf, smtp: Smtp) -> None:
    """The same table from the same code, with links to what changed."""
    for path, args in (("set_weekend_rule", {"rule": "next_monday"}), ("cleanup_old_runs", {})):
        job = factories.job(lively, path, args=args)
        dry = rehearsed(app, lively, job)
        real = factories.run(lively, job)
        with app.app_context():
            execute(app, real.id, worker="worker-1")
        done = runs.get(lively.admin, real.id, now=utc_now())
        assert done.state is RunState.SUCCEEDED and done.changes == dry.changes != []
        assert all(item["url"].startswith("/") for item in done.changes if item["url"])
    assert message_settings.get(lively.admin).preferences.weekend_rule == "next_monday"
    assert one("SELECT count(*) FROM runs WHERE finished_at < now() - interval '80 days'") == 1


# A task that does all it can ----------------------------------------------------------------------


def test_nothing_that_a_task_writes_mails_or_pushes_gets_out(
    app: APIFlask, lively: OrgOf, smtp: Smtp, redis: Redis
) -> None:
    other = factories.job(lively, key="other")
    does = "service error trigger mail commit session"
    job = factories.job(lively, do_all_path(), args={"does": does, "job_id": str(other.id)})
    redis.flushall()
    listener = _listener()
    run = rehearsed(app, lively, job)
    assert (run.state, run.result) == (RunState.SUCCEEDED, {"summary": f"did {does}"})
    assert [(item["subject"], item["after"], item["url"]) for item in run.changes] == [
        ("subject", "by a service", f"/jobs/{other.id}"),
        ("mail to ana@x.example", "Doors at seven", None),
        ("mail to bo@x.example", "Doors at seven", None),
    ]
    assert [line.message for line in runs.log(lively.admin, run.id)] == ["begun"]
    assert smtp.messages == [] and smtp.attempts == []
    waiting = {key: redis.lrange(key, 0, -1) for key in redis.keys("rq:queue:*")}
    assert waiting == {b"rq:queue:default": [str(run.id).encode()]}
    assert listener() == []
    real = factories.run(lively, job, args={"does": "mail service", "job_id": str(other.id)})
    with app.app_context():
        execute(app, real.id, worker="worker-1")
    assert [to["Subject"] for to in smtp.messages] == ["Doors at seven"]
    assert one("SELECT subject FROM jobs WHERE id = :id", id=other.id) == "by a service"


def _listener() -> Any:
    """Hears what others tell the scheduler from now on."""
    url = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg.connect(url, autocommit=True)
    connection.execute(f"LISTEN {CHANNEL}".encode())

    def heard() -> list[Any]:
        found = list(connection.notifies(timeout=0))
        connection.close()
        return found

    return heard


@pytest.mark.parametrize(
    ("does", "state", "word"),
    [
        ("service connection", RunState.FAILED, "can't be committed"),
        ("service by_hand", RunState.FAILED, "begin or end a transaction by hand"),
        ("service mail fail", RunState.FAILED, "the ink is spilt"),
    ],
)
def test_one_that_goes_wrong_leaves_nothing_either(
    app: APIFlask, lively: OrgOf, smtp: Smtp, does: str, state: RunState, word: str
) -> None:
    job = factories.job(lively, do_all_path(), args={"does": does, "job_id": str(factories.job(lively).id)})
    run = rehearsed(app, lively, job)
    assert run.state is state and word in (run.reason or "")
    assert run.changes[0]["subject"] == "subject" and smtp.attempts == []
    with transaction():  # the connection came back to the pool as it was taken
        limits = db.session.execute(text("SELECT current_setting('lock_timeout')")).scalar()
    assert limits == "0"


def test_it_waits_for_what_another_holds_no_longer_than_it_may(
    app: APIFlask, lively: OrgOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.db.rehearsing.LOCK_SECONDS", 1)
    other = factories.job(lively)
    job = factories.job(lively, do_all_path(), args={"does": "lock", "job_id": str(other.id)})
    with db.engine.connect() as holder:
        holder.execute(text(ELSEWHERE), {"word": "held", "id": other.id})
        run = rehearsed(app, lively, job)
    assert run.state is RunState.FAILED
    assert (
        run.reason
        == "Something that a dry run would change is held by another transaction; try again in a moment."
    )


def test_one_that_is_cut_off_in_the_middle_of_a_statement_lets_go_at_once(
    app: APIFlask, lively: OrgOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = factories.job(lively)
    job = factories.job(lively, do_all_path(), args={"does": "sleep", "job_id": str(other.id)})
    with monkeypatch.context() as hurried:
        hurried.setattr("console.core.rehearsal.LONGEST", 1)
        run = rehearsed(app, lively, job)
    assert (run.state, run.reason_code) == (RunState.FAILED, Reason.TIMEOUT)
    with transaction():  # Postgres itself would end it five seconds later
        db.session.execute(text("SET LOCAL lock_timeout = '3s'"))
        db.session.execute(text(ELSEWHERE), {"word": "free", "id": other.id})
    again = rehearsed(app, lively, job, args={"does": "lock", "job_id": str(other.id)})
    assert again.state is RunState.SUCCEEDED


def test_it_may_hold_others_up_for_a_minute_at_most(lively: OrgOf) -> None:
    assert (seconds_of(600, is_rehearsal=True), seconds_of(600, is_rehearsal=False)) == (LONGEST, 600)
    assert seconds_of(5, is_rehearsal=True) == 5


def test_the_table_is_bounded_and_leads_nowhere_else(app: APIFlask, lively: OrgOf) -> None:
    job = factories.job(
        lively, do_all_path(), args={"does": "count", "job_id": str(factories.job(lively).id)}
    )
    run = rehearsed(app, lively, job)
    assert len(run.changes) == 1001 and run.changes[-1]["subject"] == "and 100 more"
    assert {item["url"] for item in run.changes} == {None}


def do_all_path() -> str:
    return f"{do_all.__module__}.do_all"


# The job -----------------------------------------------------------------------------------------


def test_the_job_knows_nothing_of_it_while_it_runs_and_when_it_is_stopped_or_lost(
    app: APIFlask, lively: OrgOf
) -> None:
    job = message(lively, event(lively, "Othello"))
    before = rows("SELECT t::text FROM jobs AS t WHERE id = :id", id=job.id)
    claims = []
    for _ in range(2):
        asked = factories.run(lively, job, dry_run=True)
        claims.append(execution.claim(asked.id, worker="w", offered=[job.task], now=utc_now()))
        assert rows("SELECT t::text FROM jobs AS t WHERE id = :id", id=job.id) == before
    assert losing.lose(claims[0], detail="It is gone.", now=utc_now()) is RunState.FAILED  # type: ignore[arg-type]
    queued = factories.run(lively, job, dry_run=True)
    with transaction():
        wanted = stopping.Stop(queued.id, Reason.STOPPED_BY_OPERATOR, "Enough.")
        assert stopping.request_stop([wanted], now=utc_now())
    assert rows("SELECT t::text FROM jobs AS t WHERE id = :id", id=job.id) == before
    shown = jobs.get(lively.admin, job.id, now=utc_now())
    assert (shown.active_run, shown.last_run, shown.status) == (None, None, JobStatus.SCHEDULED)
