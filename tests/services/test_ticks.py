"""An external cron in place of the scheduler: what one tick does, beside what, and what counts as a clock."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from apiflask import APIFlask
from redis import Redis

from console.core.actor import Actor
from console.core.errors import Forbidden
from console.core.hops import Clock
from console.core.settings import Settings
from console.core.states import ActorKind, Beating, Hold, Light, Role, RunState, Trigger
from console.scheduler import DatabaseScheduler
from console.services import dispatch, edits, execution, health, heartbeats, jobs, runs, ticks, workers
from console.services.changes import Change
from console.services.claims import LEASE
from console.services.ticks import Tick
from tests import factories
from tests.factories import NOON, OrgOf, one, rows
from tests.web.conftest import change

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
EVERY_HOUR = {"type": "interval", "every_seconds": 3600}


def token_of(org: OrgOf, name: str = "hosted cron", role: Role = Role.OPERATOR) -> Actor:
    return replace(org.admin, kind=ActorKind.TOKEN, role=role, name=name)


def tick(org: OrgOf, now: datetime, name: str = "hosted cron") -> Tick:
    return ticks.tick(token_of(org, name), clock=lambda: now)


def totals(done: Tick) -> tuple[int, int, int, int, bool]:
    work = done.work
    return work.due, work.queued, work.held, work.skipped, work.is_left


# What a tick does


def test_a_tick_decides_what_is_due_pushes_it_and_acknowledges_revisions(org: OrgOf, redis: Redis) -> None:
    job = factories.job(org, schedule=EVERY_HOUR, now=NOON)
    paused = factories.job(org, schedule=EVERY_HOUR, now=NOON)
    edits.set_paused(org.admin, paused.id, True, note=None, now=NOON)
    held = factories.job(org, schedule=EVERY_HOUR, jitter_seconds=3600, now=NOON)
    of_another = factories.job(factories.org(), schedule=EVERY_HOUR, now=NOON)
    now = NOON + HOUR + timedelta(seconds=5)
    assert totals(tick(org, now)) == (4, 2, 1, 1, False)
    found = {row.job_id: row for row in rows("SELECT * FROM runs")}
    assert {row.trigger for row in found.values()} == {"tick"}
    assert {row.requested_by for row in found.values()} == {"external cron"}, "which names no org's token"
    assert (found[job.id].state, found[job.id].slot) == ("queued", NOON + HOUR)
    assert (found[paused.id].state, found[paused.id].reason_code) == ("skipped", "PAUSED")
    pushed = {item.decode() for item in redis.lrange("rq:queue:default", 0, -1)}
    assert pushed == {str(found[job.id].id), str(found[of_another.id].id)}
    assert one("SELECT count(*) FROM jobs WHERE applied_revision <> revision") == 0
    assert jobs.get(org.admin, job.id, now=now).next_run_at == NOON + 2 * HOUR
    assert found[held.id].held_by == "jitter"
    assert totals(tick(org, now)) == (0, 0, 0, 0, False), "a second one finds nothing left"
    assert one("SELECT count(*) FROM runs") == 4


def test_a_tick_queues_retries_lets_go_what_was_held_settles_the_lost_and_pushes_the_missing(
    org: OrgOf, redis: Redis
) -> None:
    lost, again, missing = (factories.run(org, factories.job(org), now=NOON) for _ in range(3))
    starts_again = factories.run(
        org, factories.job(org, "tests.tasks.mark_idempotent", args={"path": "/dev/null"}), now=NOON
    )
    for run in (lost, starts_again):
        assert execution.claim(run.id, worker="gone", offered=[run.task], now=NOON) is not None
    change("UPDATE runs SET state = 'retrying', retry_at = :at WHERE id = :id", at=NOON + MINUTE, id=again.id)
    factories.job(org, schedule=EVERY_HOUR, jitter_seconds=300, now=NOON - HOUR)
    assert totals(tick(org, NOON)) == (1, 0, 1, 0, False)
    redis.flushall()
    done = tick(org, NOON + 6 * MINUTE)
    assert (done.work.retried, done.work.released, done.work.settled) == (1, 1, 2)
    assert runs.get(org.admin, lost.id, now=NOON).state is RunState.UNKNOWN
    waiting = {item.decode() for item in redis.lrange("rq:queue:default", 0, -1)}
    (held,) = rows("SELECT id FROM runs WHERE trigger = 'tick'")
    assert waiting == {str(again.id), str(missing.id), str(held.id), str(starts_again.id)}


def test_right_after_postgres_was_started_the_workers_first_get_the_time_of_a_lease(org: OrgOf) -> None:
    began: datetime = one("SELECT pg_postmaster_start_time()")
    run = factories.run(org, factories.job(org), now=began - HOUR)
    claim = execution.claim(run.id, worker="w", offered=[run.task], now=began - HOUR)
    assert claim is not None
    assert tick(org, began + LEASE).work.settled == 0
    assert tick(org, began + LEASE + timedelta(seconds=1)).work.settled == 1


def test_a_viewer_makes_no_tick(org: OrgOf) -> None:
    factories.job(org, schedule=EVERY_HOUR, now=NOON)
    with pytest.raises(Forbidden, match="needs the role operator"):
        ticks.tick(token_of(org, role=Role.VIEWER), clock=lambda: NOON + HOUR)
    assert (one("SELECT count(*) FROM runs"), one("SELECT count(*) FROM heartbeats")) == (0, 0)


def test_a_pass_that_reaches_its_bounds_says_so_and_the_next_goes_on(
    org: OrgOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = NOON + 300 * HOUR
    # 300 slots of one job: more than one batch decides of a job.
    factories.job(org, schedule=EVERY_HOUR, catch_up="all", overlap="allow_all", now=NOON)

    def slow() -> datetime:
        return now + ticks.LONGEST if one("SELECT count(*) FROM runs") else now

    assert totals(ticks.tick(token_of(org), clock=slow)) == (200, 200, 0, 0, True)
    monkeypatch.setattr(ticks, "MOST_BATCHES", 1)
    assert totals(tick(org, now)) == (100, 100, 0, 0, True)
    assert totals(tick(org, now)) == (0, 0, 0, 0, False)
    assert one("SELECT count(DISTINCT slot) FROM runs") == 300


def test_ticks_of_two_orgs_and_a_scheduler_at_once_give_each_slot_one_run(
    app: APIFlask, org: OrgOf, redis: Redis
) -> None:
    orgs = [org, factories.org()]
    for number in range(120):
        factories.job(orgs[number % 2], schedule=EVERY_HOUR, now=NOON)
    now = NOON + HOUR

    def clock(number: int) -> int:
        with app.app_context():
            if number % 3 == 0:
                return DatabaseScheduler(app, redis, f"s{number}", lambda: now).enqueue_jobs()
            return tick(orgs[number % 2], now, f"cron {number}").work.due

    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(clock, range(6)))
    assert sum(done) == 120
    assert rows("SELECT count(*), count(DISTINCT job_id) FROM runs WHERE enqueued_at IS NOT NULL") == [
        (120, 120)
    ]
    pushed = redis.lrange("rq:queue:default", 0, -1)
    assert len(pushed) == len(set(pushed)) == 120


# What a tick finds late


@pytest.mark.parametrize(
    ("late", "state", "code"), [(5, "queued", None), (16, "missed", "OUTSIDE_CATCHUP_WINDOW")]
)
def test_what_a_cron_finds_while_it_is_green_was_not_missed(
    org: OrgOf, late: int, state: str, code: str | None
) -> None:
    factories.job(org, schedule=EVERY_HOUR, catch_up="none", now=NOON)
    tick(org, NOON + HOUR + late * MINUTE)
    assert rows("SELECT state, reason_code, decision_code FROM runs") == [(state, code, None)]
    said = one("SELECT coalesce(decision, reason) FROM runs")
    assert "no tick of the external cron came to it sooner" in said


def test_an_edit_decides_what_came_due_before_it_as_a_tick_would(org: OrgOf) -> None:
    job = factories.job(org, schedule=EVERY_HOUR, catch_up="none", now=NOON)
    now = NOON + HOUR + 5 * MINUTE
    tick(org, now - 10 * MINUTE)
    edits.edit(org.admin, job.id, Change(name="Renamed"), seen=None, now=now)
    assert rows("SELECT trigger, state, requested_by FROM runs") == [("tick", "queued", "external cron")]
    tick(org, now)
    assert one("SELECT count(*) FROM runs") == 1


def test_a_held_run_does_not_wait_for_a_later_slot_that_a_tick_decided(org: OrgOf) -> None:
    job = factories.job(org, schedule=EVERY_HOUR, overlap="buffer_one", now=NOON)
    tick(org, NOON + HOUR)
    assert tick(org, NOON + 2 * HOUR).work.held == 1
    edits.edit(org.admin, job.id, Change(overlap="allow_all"), seen=None, now=NOON + 2 * HOUR)
    tick(org, NOON + 3 * HOUR)
    change(
        "UPDATE runs SET state = 'succeeded', finished_at = :at WHERE slot = :slot", at=NOON, slot=NOON + HOUR
    )
    assert len(dispatch.release(now=NOON + 3 * HOUR)) == 1
    assert one("SELECT count(*) FROM runs WHERE held_by IS NOT NULL") == 0


# What counts as a clock


def test_a_tick_is_the_heartbeat_of_an_external_cron_and_serves_as_the_clock(org: OrgOf) -> None:
    factories.live_worker(now=NOON)
    done = tick(org, NOON)
    assert rows("SELECT kind, name, beat_at FROM heartbeats WHERE kind <> 'worker'") == [
        ("external_cron", "hosted cron", NOON)
    ]
    assert (done.pulse.clock, done.pulse.cron, done.pulse.ticked_at) == (
        Clock.EXTERNAL_CRON, Light.GREEN, NOON,
    )  # fmt: skip
    assert (done.pulse.status, done.pulse.scheduler, done.pulse.is_cron_alone) == (
        Light.GREEN, Light.RED, True,
    )  # fmt: skip
    factories.live_scheduler(now=NOON)
    both = workers.pulse(now=NOON + MINUTE)
    assert (both.clock, both.is_cron_alone) == (Clock.EXTERNAL_CRON, False), "a scheduler that fell silent"


@pytest.mark.parametrize(
    ("minutes", "light", "clock"),
    [
        (14, Light.GREEN, Clock.EXTERNAL_CRON),
        (15, Light.YELLOW, Clock.EXTERNAL_CRON),
        (59, Light.YELLOW, Clock.EXTERNAL_CRON),
        (60, Light.RED, Clock.DOWN),
        (30 * 24 * 60 - 1, Light.RED, Clock.DOWN),
        (30 * 24 * 60, None, Clock.DOWN),
    ],
)
def test_a_cron_is_green_for_15_minutes_yellow_for_an_hour_then_red_for_30_days(
    org: OrgOf, minutes: int, light: Light | None, clock: Clock
) -> None:
    tick(org, NOON)
    seen = workers.pulse(now=NOON + minutes * MINUTE)
    assert (seen.cron, seen.clock) == (light, clock)
    assert [item.light for item in seen.components] == ([light] if light else [])


@pytest.fixture
def thresholds(settings: Settings) -> Iterator[None]:
    """A minute and two for a scheduler, two and three for a cron."""
    heartbeats.configure({Beating.SCHEDULER: (60, 120), Beating.EXTERNAL_CRON: (120, 180)})
    yield
    heartbeats.configure(
        {
            Beating.SCHEDULER: (settings.scheduler_yellow, settings.scheduler_red),
            Beating.EXTERNAL_CRON: (settings.cron_yellow, settings.cron_red),
        }
    )


@pytest.mark.usefixtures("thresholds")
def test_the_thresholds_are_settings(org: OrgOf) -> None:
    factories.live_scheduler(now=NOON)
    tick(org, NOON)
    found = [workers.pulse(now=NOON + timedelta(seconds=age)) for age in (59, 60, 119, 120, 179, 180)]
    assert [seen.scheduler.value for seen in found] == ["green", "yellow", "yellow", "red", "red", "red"]
    assert [seen.cron and seen.cron.value for seen in found] == [
        "green", "green", "green", "yellow", "yellow", "red",
    ]  # fmt: skip
    factories.job(org, schedule=EVERY_HOUR, catch_up="none", now=NOON)
    tick(org, NOON + HOUR + 3 * MINUTE)
    assert one("SELECT state FROM runs") == "missed", "for a green cron would have found it sooner"


def test_a_cron_is_kept_for_30_days_when_others_are_forgotten_after_one(org: OrgOf) -> None:
    tick(org, NOON - timedelta(days=31), "given up")
    tick(org, NOON - timedelta(days=29), "monthly")
    factories.live_worker(now=NOON)
    heartbeats.stopped(Beating.WORKER, "worker-1", now=NOON)
    assert rows("SELECT name FROM heartbeats WHERE kind = 'external_cron'") == [("monthly",)]


def test_a_cron_is_named_to_its_own_org_alone(org: OrgOf) -> None:
    tick(org, NOON, "our secret project")
    assert [item.name for item in workers.listing(now=NOON, org_id=org.id)] == ["our secret project"]
    assert [item.name for item in workers.listing(now=NOON, org_id=factories.org().id)] == [
        "a cron of another org"
    ]


def test_doctor_takes_a_cron_that_ticks_for_a_scheduler_and_names_one_that_does_not(org: OrgOf) -> None:
    def check(now: datetime) -> health.Check:
        (found,) = [item for item in health.doctor(now=now) if item.name == "scheduler"]
        return found

    assert check(NOON) == health.Check(
        "scheduler", False, "was never heard", "Run `python -m console scheduler`."
    )
    tick(org, NOON)
    assert check(NOON + 20 * MINUTE) == health.Check(
        "scheduler", True, "none is alive; the external cron ticked 20 min ago"
    )
    silent = check(NOON + HOUR)
    assert (silent.ok, silent.text) == (False, "none is alive; the external cron ticked 1 h ago")
    assert "POST /api/v1/scheduler/tick" in silent.advice
    factories.live_scheduler(now=NOON + HOUR)
    assert check(NOON + HOUR).text == "heard 0 s ago"


def test_a_held_run_and_an_unpushed_one_wait_for_the_next_tick(org: OrgOf) -> None:
    factories.job(org, schedule=EVERY_HOUR, jitter_seconds=60, now=NOON - HOUR)
    tick(org, NOON)
    (run,) = rows("SELECT id FROM runs")
    seen = runs.get(org.admin, run.id, now=NOON + 3 * MINUTE)
    assert seen.held_by is Hold.JITTER and seen.trigger is Trigger.TICK
    assert seen.silence is not None
    assert (seen.silence.reason, seen.silence.sentence) == (
        None, "held; waits for the next tick of the external cron",
    )  # fmt: skip
    down = runs.get(org.admin, run.id, now=NOON + HOUR).silence
    assert down is not None and down.reason == "SCHEDULER_DOWN"
