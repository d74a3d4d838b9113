"""Postgres, Valkey, a worker or the scheduler goes away under real processes, and comes back."""

import http.client
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from apiflask import APIFlask
from redis import Redis
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from console.app import create_app
from console.core.clock import utc_now
from console.core.errors import Unavailable
from console.core.settings import Settings
from console.core.states import Light, RunState
from console.db.session import SILENT_TRANSACTION_SECONDS, db, reading, transaction
from console.embedded import Server, start_postgres, start_valkey
from console.queue import queues
from console.services import dispatch, execution, jobs, mail, migrations, outbox, runs, workers
from console.services.process_views import Pulse
from console.services.run_views import RunView
from console.worker import execute
from tests import factories
from tests.conftest import Servers
from tests.factories import OrgOf, one, rows
from tests.processes import children, eventually, free_port, is_alive, process
from tests.web.conftest import visit, words

EVERY_HOUR = {"type": "interval", "every_seconds": 3600}
EVERY_SECOND = {"type": "interval", "every_seconds": 1}
INSIDES = ("Traceback", "sqlalchemy", "psycopg", "OperationalError", ".s.PGSQL")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str


@dataclass
class Machine:
    """Servers of its own, which a test may stop and start again on the same data, and an app on them."""

    home: Path
    postgres: Server
    valkey: Server
    environment: dict[str, str]
    app: APIFlask
    port: int = 0
    _logs: dict[int, Path] = field(default_factory=dict)

    def start_postgres(self) -> None:
        """Starts it again, and forgets the test's own connections to the one before."""
        self.postgres = start_postgres(self.home)
        db.session.remove()
        db.engine.dispose()

    def start_valkey(self) -> None:
        self.valkey = start_valkey(self.home)

    def put_right(self) -> None:
        """Both servers run, with empty tables and an empty Valkey."""
        if self.postgres.process.poll() is not None:
            self.start_postgres()
        if self.valkey.process.poll() is not None:
            self.start_valkey()
        for table in ("orgs", "users", "heartbeats"):
            db.session.execute(text(f"DELETE FROM {table}"))  # noqa: S608
        db.session.commit()
        with Redis.from_url(self.valkey.url) as redis:
            redis.flushall()

    @contextmanager
    def running(self, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        """A process of the product whose lines `log` answers."""
        path = Path(tempfile.mkstemp(dir=self.home, suffix=".log")[1])
        with path.open("wb") as output, process(self.environment, *command, output=output) as started:
            self._logs[started.pid] = path
            yield started

    def log(self, started: subprocess.Popen[bytes]) -> str:
        return self._logs[started.pid].read_text()

    @contextmanager
    def web(self) -> Iterator[subprocess.Popen[bytes]]:
        self.port = free_port()
        with self.running("web", "--port", str(self.port)) as started:
            eventually(self.answers)
            yield started

    def answers(self) -> bool:
        try:
            return self.get("/healthz").status == 200
        except OSError:
            return False

    def get(self, path: str, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def one_machine(servers: Servers, settings: Settings) -> Iterator[Machine]:
    home = Path(tempfile.mkdtemp(prefix="cb-outage-"))
    home.chmod(0o755)
    postgres, valkey = start_postgres(home), start_valkey(home)
    urls = {"database_url": postgres.url, "redis_url": valkey.url}
    app = create_app(settings.model_copy(update=urls))
    app.testing = True
    environment = {**servers.environment, "CONSOLE_HOME": str(home)}
    environment |= {name.upper(): url for name, url in urls.items()}
    machine = Machine(home, postgres, valkey, environment, app)
    with app.app_context():
        migrations.upgrade()
    yield machine
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    machine.valkey.stop()
    machine.postgres.stop()
    shutil.rmtree(home)
    queues.configure(settings.redis_url)
    mail.configure(settings.smtp_url, settings.from_email)
    outbox.configure(embedded=settings.outbox)


@pytest.fixture
def machine(one_machine: Machine) -> Iterator[Machine]:
    with one_machine.app.app_context():
        one_machine.put_right()
        yield one_machine
        db.session.remove()


@pytest.fixture
def org(machine: Machine) -> OrgOf:
    return factories.org()


def begin(org: OrgOf, task: str, path: Path, seconds: float = 0) -> RunView:
    """A run of a task that marks a file and then takes its time."""
    args = {"path": str(path), "seconds": seconds}
    return factories.run(org, factories.job(org, f"tests.tasks.{task}", args=args))


def tell_to_end(*paths: Path) -> None:
    """To the tasks that mark these files and then wait for another beside each."""
    for path in paths:
        Path(f"{path}.end").touch()


def now_of(org: OrgOf, run: RunView, after: float = 0) -> RunView:
    """The run as a page shows it `after` seconds from now."""
    return runs.get(org.admin, run.id, now=utc_now() + timedelta(seconds=after))


def marks(path: Path) -> list[str]:
    """Which attempts were called, one line for each call."""
    return path.read_text().split("\n")[:-1] if path.exists() else []


def has_succeeded(*run_ids: UUID) -> bool:
    found = rows("SELECT state FROM runs WHERE id = ANY(:ids)", ids=list(run_ids))
    return len(found) == len(run_ids) and {row.state for row in found} == {"succeeded"}


def completions(run: RunView) -> int:
    """How often the trail says that the run has ended, well or badly."""
    return int(
        one(
            "SELECT count(*) FROM audit_entries WHERE object_id = :id "
            "AND tag IN ('TASK_EXECUTION_COMPLETED', 'TASK_EXECUTION_FAILED')",
            id=str(run.id),
        )
    )


def pulse_when(light: Light, live_workers: int) -> Pulse:
    def ask() -> Pulse | None:
        seen = workers.pulse(now=utc_now())
        return seen if (seen.status, seen.live_workers) == (light, live_workers) else None

    found = eventually(ask)
    assert found is not None
    return found


def heard(live_workers: int) -> Pulse:
    """The pulse once a scheduler and so many workers beat, whatever else is down."""

    def ask() -> Pulse | None:
        seen = workers.pulse(now=utc_now())
        return seen if (seen.scheduler, seen.live_workers) == (Light.GREEN, live_workers) else None

    found = eventually(ask)
    assert found is not None
    return found


def assert_plain(answer: Answer) -> None:
    assert int(answer.headers["Retry-After"]) > 0
    for word in INSIDES:
        assert word not in answer.text


def assert_says_when_to_come_back(machine: Machine, cookie: str, token: str) -> None:
    for path in ("/", "/runs", "/workers"):
        answer = machine.get(path, Cookie=f"callboard={cookie}")
        assert answer.status == 503
        assert "Back in a moment" in words(answer.text)
        assert_plain(answer)
    called = machine.get("/api/v1/runs", Authorization=f"Bearer {token}")
    assert (called.status, called.headers["Content-Type"]) == (503, "application/problem+json")
    assert_plain(called)
    assert machine.get("/healthz").status == 200
    assert machine.get("/readyz").status == 503


def test_postgres_goes_away_for_a_while_and_nothing_is_lost_doubled_or_ended(
    machine: Machine, org: OrgOf, tmp_path: Path
) -> None:
    cookie = visit(machine.app, factories.person(org)).cookie
    token = factories.token(org)
    every_second = factories.job(org, schedule=EVERY_SECOND, overlap="allow_all")
    waiting_job = factories.job(org)
    with ExitStack() as stack:
        scheduler = stack.enter_context(machine.running("scheduler"))
        web = stack.enter_context(machine.web())
        pair = [stack.enter_context(machine.running("worker", "--name", name)) for name in ("w1", "w2")]
        pulse_when(Light.GREEN, 2)
        paths = [tmp_path / "first", tmp_path / "second"]
        busy = [begin(org, "mark_until_told", path) for path in paths]
        eventually(lambda: all(path.exists() for path in paths))
        horses = [child for worker in pair for child in children(worker.pid)]
        waiting = factories.run(org, waiting_job)

        machine.postgres.stop()
        assert_says_when_to_come_back(machine, cookie, token)
        tell_to_end(*paths)
        eventually(lambda: all("run.wait" in machine.log(worker) for worker in pair))
        eventually(lambda: all("worker.wait" in machine.log(worker) for worker in pair))
        eventually(lambda: machine.log(scheduler).count("scheduler.wait") > 2)
        for started in (scheduler, web, *pair):
            assert started.poll() is None
        went = utc_now()
        machine.start_postgres()

        eventually(lambda: has_succeeded(waiting.id, *(run.id for run in busy)))
        eventually(lambda: one("SELECT max(slot) FROM runs WHERE slot IS NOT NULL") > went)
        pulse_when(Light.GREEN, 2)
        for started in (scheduler, web, *pair):
            assert started.poll() is None
        assert [child for worker in pair for child in children(worker.pid)] == horses
        page = machine.get("/", Cookie=f"callboard={cookie}")
        assert page.status == 200 and "2 workers" in words(page.text)
        assert machine.get("/readyz").status == 200
    for run, path in zip(busy, paths, strict=True):
        assert marks(path) == [f"{run.id} 1"]
        seen = now_of(org, run)
        assert (seen.state, seen.attempt, seen.reason) == (RunState.SUCCEEDED, 1, None)
        assert completions(run) == 1
    slots = [row.slot for row in rows("SELECT slot FROM runs WHERE slot IS NOT NULL ORDER BY slot")]
    assert every_second.next_run_at is not None
    assert slots == [every_second.next_run_at + timedelta(seconds=number) for number in range(len(slots))]


def test_slots_that_came_due_while_postgres_was_away_run_late_or_are_missed_with_the_reason(
    machine: Machine, org: OrgOf
) -> None:
    with machine.running("scheduler") as scheduler, machine.running("worker", "--name", "w1"):
        pulse_when(Light.GREEN, 1)
        scheduler.send_signal(signal.SIGSTOP)
        long_ago = utc_now() - timedelta(hours=3, minutes=1)
        made = {
            policy: factories.job(org, key=policy, schedule=EVERY_HOUR, catch_up=policy, now=long_ago)
            for policy in ("latest", "none")
        }
        machine.postgres.stop()
        scheduler.send_signal(signal.SIGCONT)
        eventually(lambda: "scheduler.wait" in machine.log(scheduler))
        machine.start_postgres()
        eventually(lambda: one("SELECT count(*) FROM runs WHERE state IN ('succeeded', 'missed')") == 6)
        assert scheduler.poll() is None
    decided = rows(
        "SELECT state, reason_code, slot FROM runs WHERE job_id = :id ORDER BY slot", id=made["latest"].id
    )
    slots = [long_ago + timedelta(hours=number) for number in (1, 2, 3)]
    missed = ("missed", "OUTSIDE_CATCHUP_WINDOW")
    assert decided == [(*missed, slots[0]), (*missed, slots[1]), ("succeeded", None, slots[2])]
    assert rows("SELECT DISTINCT state, reason_code FROM runs WHERE job_id = :id", id=made["none"].id) == [
        missed
    ]
    shown = jobs.get(org.admin, made["none"].id, now=utc_now())
    assert shown.last_run and shown.last_run.state is RunState.MISSED
    assert "for no scheduler came to it sooner" in (shown.last_run.note or "")


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL], ids=str)
def test_a_restart_of_postgres_under_load_costs_no_run_and_doubles_none(
    machine: Machine, org: OrgOf, tmp_path: Path, sign: signal.Signals
) -> None:
    path = tmp_path / "marks"
    job = factories.job(org, "tests.tasks.mark", args={"path": str(path), "seconds": 0.01})
    made = [factories.run(org, job) for _ in range(150)]
    with ExitStack() as stack:
        started = [
            stack.enter_context(machine.running(*command.split()))
            for command in ("scheduler", "worker --name w1", "worker --name w2")
        ]
        for begun in (20, 60, 100):
            eventually(lambda begun=begun: len(marks(path)) >= begun)  # type: ignore[misc]
            machine.postgres.process.send_signal(sign)
            machine.postgres.process.wait(20)
            machine.start_postgres()
        eventually(lambda: has_succeeded(*(run.id for run in made)), 60)
        for one_of_them in started:
            assert one_of_them.poll() is None
    assert sorted(marks(path)) == sorted(f"{run.id} 1" for run in made)
    assert {completions(run) for run in made} == {1}


def test_a_click_while_redis_is_away_waits_in_postgres_and_runs_when_redis_is_back(
    machine: Machine, org: OrgOf
) -> None:
    job = factories.job(org)
    cookie = visit(machine.app, factories.person(org)).cookie
    with ExitStack() as stack:
        commands = ("scheduler", "worker --name w1")
        started = [stack.enter_context(machine.running(*command.split())) for command in commands]
        stack.enter_context(machine.web())
        pulse_when(Light.GREEN, 1)
        machine.valkey.stop()

        run = factories.run(org, job)
        assert (run.state, run.queued_at) == (RunState.QUEUED, None)
        assert one("SELECT enqueued_at IS NULL FROM runs")
        eventually(lambda: "worker.wait" in machine.log(started[1]))
        pulse = heard(1)
        assert (pulse.redis_is_up, pulse.status) == (False, Light.RED)
        ready = machine.get("/readyz")
        assert ready.status == 503 and '"redis"' in ready.text
        page = machine.get("/", Cookie=f"callboard={cookie}")
        assert page.status == 200 and "Redis can't be reached" in words(page.text)
        assert runs.get(org.admin, run.id, now=run.requested_at + timedelta(seconds=9)).silence is None
        silence = now_of(org, run, after=11).silence
        assert silence and "Redis can't be reached" in silence.sentence
        active = jobs.get(org.admin, job.id, now=utc_now() + timedelta(seconds=11)).active_run
        assert active and active.silence == silence

        machine.start_valkey()
        eventually(lambda: has_succeeded(run.id))
        assert [one_of_them.poll() for one_of_them in started] == [None, None]
        assert machine.get("/readyz").status == 200
    seen = now_of(org, run)
    assert seen.attempt == 1 and seen.queued_at is not None
    assert completions(run) == 1


def test_processes_that_start_before_their_servers_wait_for_them(machine: Machine, org: OrgOf) -> None:
    job = factories.job(org)
    machine.postgres.stop()
    machine.valkey.stop()
    with machine.running("scheduler") as scheduler, machine.running("worker", "--name", "w1") as worker:
        eventually(lambda: "scheduler.wait" in machine.log(scheduler))
        eventually(lambda: "worker.wait" in machine.log(worker))
        machine.start_postgres()
        run = factories.run(org, job)
        heard(1)
        assert now_of(org, run).state is RunState.QUEUED
        machine.start_valkey()
        eventually(lambda: has_succeeded(run.id))
        assert (scheduler.poll(), worker.poll()) == (None, None)


def test_a_worker_that_was_frozen_beyond_its_lease_changes_nothing_when_it_wakes(
    machine: Machine, org: OrgOf, tmp_path: Path
) -> None:
    paths = [tmp_path / "once", tmp_path / "again"]
    with ExitStack() as stack:
        stack.enter_context(machine.running("scheduler"))
        frozen = []
        runs_of = []
        for task, path in zip(("mark_until_told", "mark_idempotent"), paths, strict=True):
            frozen.append(stack.enter_context(machine.running("worker", "--name", f"frozen-{task}")))
            runs_of.append(begin(org, task, path, seconds=58))
            eventually(path.exists)
            frozen[-1].send_signal(signal.SIGSTOP)
        once, again = runs_of
        stack.enter_context(machine.running("worker", "--name", "fresh"))
        eventually(lambda: has_succeeded(again.id), 60)
        settled = eventually(lambda: now_of(org, once).state.is_terminal and now_of(org, once))
        assert settled and (settled.state, settled.reason_code) == (RunState.UNKNOWN, "OUTCOME_UNKNOWN")
        before = rows("SELECT * FROM runs ORDER BY id")
        # The horses of the frozen workers go on; their word on the run comes late and is not taken.
        tell_to_end(*paths)
        eventually(lambda: all("run.end" in machine.log(worker) for worker in frozen), 60)
        for worker in frozen:
            assert "state=None" in machine.log(worker)
            worker.send_signal(signal.SIGCONT)
        pulse_when(Light.GREEN, 3)
        good = factories.run(org, factories.job(org))
        eventually(lambda: has_succeeded(good.id))
        assert [worker.poll() for worker in frozen] == [None, None]
    assert rows("SELECT * FROM runs WHERE id <> :good ORDER BY id", good=good.id) == before
    assert marks(paths[0]) == [f"{once.id} 1"]
    assert marks(paths[1]) == [f"{again.id} 1", f"{again.id} 2"]
    seen = now_of(org, again)
    assert (seen.state, seen.attempt, seen.worker) == (RunState.SUCCEEDED, 2, "fresh")
    assert completions(once) == completions(again) == 1


def test_a_frozen_parent_that_wakes_in_the_middle_of_a_lost_run_kills_its_horse(
    machine: Machine, org: OrgOf, tmp_path: Path
) -> None:
    with machine.running("worker", "--name", "w1") as worker:
        run = begin(org, "mark", tmp_path / "marks", seconds=60)
        eventually((tmp_path / "marks").exists)
        (horse,) = children(worker.pid)
        worker.send_signal(signal.SIGSTOP)
        lease = one("SELECT lease_until FROM runs")
        assert dispatch.recover(now=lease + timedelta(seconds=1)) == 1
        worker.send_signal(signal.SIGCONT)
        eventually(lambda: not is_alive(horse))
        good = factories.run(org, factories.job(org))
        eventually(lambda: has_succeeded(good.id))
    assert now_of(org, run).state is RunState.UNKNOWN
    assert completions(run) == 1


def test_a_claim_whose_answer_was_lost_with_the_connection_is_carried_out_once(
    machine: Machine, org: OrgOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(org, "mark", tmp_path / "marks")
    commit = db.session.commit
    lost: list[str] = []

    def lose_the_answer() -> None:
        commit()
        if not lost:
            lost.append(one("SELECT state FROM runs"))
            raise OperationalError("COMMIT", None, psycopg.OperationalError("the connection is lost"))

    monkeypatch.setattr(db.session, "commit", lose_the_answer)
    assert execute(machine.app, run.id, worker="w1") is RunState.SUCCEEDED
    assert lost == ["running"]
    assert marks(tmp_path / "marks") == [f"{run.id} 1"]
    assert now_of(org, run).state is RunState.SUCCEEDED
    assert execute(machine.app, run.id, worker="w1") is None


def test_a_read_that_ends_as_the_server_goes_away_has_its_answer(machine: Machine) -> None:
    with reading():
        pid = db.session.scalar(text("SELECT pg_backend_pid()"))
        with psycopg.connect(machine.postgres.url.replace("+psycopg", ""), autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    with pytest.raises(ZeroDivisionError), transaction():
        pid = db.session.scalar(text("SELECT pg_backend_pid()"))
        with psycopg.connect(machine.postgres.url.replace("+psycopg", ""), autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        _ = 1 / 0
    assert one("SELECT 1") == 1


def test_a_process_that_falls_silent_inside_a_transaction_does_not_hold_up_the_others(
    machine: Machine, org: OrgOf
) -> None:
    run = begin(org, "mark", Path("/dev/null"))
    claim = execution.claim(run.id, worker="w1", offered=["tests.tasks.mark"], now=factories.NOON)
    assert claim is not None
    assert one("SHOW idle_in_transaction_session_timeout") == f"{SILENT_TRANSACTION_SECONDS}s"
    with pytest.raises(Unavailable), transaction():
        db.session.execute(text("SET LOCAL idle_in_transaction_session_timeout = '200ms'"))
        db.session.execute(text("SELECT * FROM runs FOR UPDATE"))
        # Another session waits for the row until Postgres ends the silent one.
        with machine.app.app_context():
            assert dispatch.recover(now=factories.NOON + timedelta(minutes=1)) == 1
        db.session.execute(text("SELECT 1"))
    assert now_of(org, run).state is RunState.UNKNOWN


def last_beat() -> datetime:
    found: datetime = one("SELECT max(beat_at) FROM heartbeats WHERE kind = 'scheduler'")
    return found


def test_a_frozen_scheduler_turns_yellow_then_red_and_another_takes_over(
    machine: Machine, org: OrgOf
) -> None:
    with machine.running("scheduler") as frozen:
        eventually(lambda: one("SELECT count(*) FROM heartbeats"))
        frozen.send_signal(signal.SIGSTOP)
        job = factories.job(org, schedule=EVERY_HOUR, now=utc_now() - timedelta(hours=1))
        beat = last_beat()
        lights = [workers.pulse(now=beat + timedelta(seconds=age)).scheduler for age in (29, 31, 119, 121)]
        assert lights == [Light.GREEN, Light.YELLOW, Light.YELLOW, Light.RED]
        assert one("SELECT count(*) FROM runs") == 0
        with machine.running("scheduler"):
            eventually(lambda: one("SELECT count(*) FROM runs WHERE enqueued_at IS NOT NULL") == 1)
            assert last_beat() > beat
            assert workers.pulse(now=utc_now()).scheduler is Light.GREEN
            os.kill(frozen.pid, signal.SIGCONT)
            eventually(lambda: one("SELECT min(beat_at) FROM heartbeats") > beat)
    assert rows("SELECT slot FROM runs") == [(job.next_run_at,)]
    assert workers.pulse(now=utc_now()).scheduler is Light.RED


@pytest.mark.parametrize("code", ["08006", "25P03", "40001", "40P01", "53300", "57P01", "57P03"])
def test_an_error_that_passes_makes_a_scheduler_wait_and_not_end(machine: Machine, code: str) -> None:
    with pytest.raises(Unavailable), transaction():
        db.session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END $$"))


@pytest.mark.parametrize("code", ["22P05", "23505", "42P01"])
def test_an_error_of_a_statement_is_not_taken_for_an_outage(machine: Machine, code: str) -> None:
    with pytest.raises(DBAPIError) as caught, transaction():
        db.session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END $$"))
    assert getattr(caught.value.orig, "sqlstate", None) == code
