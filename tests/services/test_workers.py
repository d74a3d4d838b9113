"""Heartbeats: who lives, what the pill says, and what is there to execute a task."""

from datetime import timedelta

import pytest

from console.core.clock import utc_now
from console.core.errors import Refused
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.states import Beating, JobStatus, Light, RunState, Trigger
from console.services import heartbeats, jobs, runs, triggers, workers
from console.services.heartbeats import Beat
from console.services.process_views import Component, Pulse
from console.services.run_requests import Request
from console.worker import RunWorker
from tests import factories
from tests.factories import NOON, OrgOf, one, rows
from tests.web.conftest import change

SUCCEED = "tests.tasks.succeed"


def pulse(age: float = 0) -> Pulse:
    """The pulse so many seconds after noon."""
    return workers.pulse(now=NOON + timedelta(seconds=age))


def component(kind: Beating, age: float) -> Component:
    (found,) = [item for item in pulse(age).components if item.kind is kind]
    return found


# The lights


@pytest.mark.parametrize(
    ("age", "light"),
    [
        (0, Light.GREEN),
        (29.9, Light.GREEN),
        (30, Light.YELLOW),
        (119.9, Light.YELLOW),
        (120, Light.RED),
        (86_000, Light.RED),
    ],
)
def test_the_scheduler_is_green_for_30_s_yellow_for_2_minutes_then_red(
    org: OrgOf, age: float, light: Light
) -> None:
    factories.live_scheduler(now=NOON)
    seen = pulse(age)
    assert seen.scheduler is component(Beating.SCHEDULER, age).light is light
    assert (seen.last_seen, seen.age) == (NOON, timedelta(seconds=age))


@pytest.mark.parametrize(
    ("age", "light", "live"),
    [
        (14.9, Light.GREEN, 1),
        (15, Light.YELLOW, 0),
        (59.9, Light.YELLOW, 0),
        (60, Light.RED, 0),
    ],
)
def test_a_worker_is_green_for_15_s_yellow_for_a_minute_then_red_and_lives_while_it_is_green(
    org: OrgOf, age: float, light: Light, live: int
) -> None:
    factories.live_worker(now=NOON)
    assert component(Beating.WORKER, age).light is light
    assert pulse(age).live_workers == live


@pytest.mark.parametrize(
    ("has_scheduler", "has_worker", "age", "light"),
    [
        (True, True, 1, Light.GREEN),
        (True, False, 1, Light.RED),
        (False, True, 1, Light.RED),
        (False, False, 1, Light.RED),
        (True, True, 16, Light.RED),
    ],
)
def test_the_whole_is_as_good_as_its_worst_part(
    org: OrgOf, has_scheduler: bool, has_worker: bool, age: float, light: Light
) -> None:
    if has_scheduler:
        factories.live_scheduler(now=NOON)
    if has_worker:
        factories.live_worker(now=NOON)
    assert pulse(age).status is light


def test_a_yellow_scheduler_beside_live_workers_makes_the_whole_yellow(org: OrgOf) -> None:
    factories.live_scheduler(now=NOON)
    factories.live_worker(now=NOON + timedelta(seconds=40))
    seen = pulse(41)
    assert (seen.status, seen.live_workers) == (Light.YELLOW, 1)


def test_the_freshest_of_several_schedulers_counts(org: OrgOf) -> None:
    for name, age in (("old", 300), ("new", 5)):
        at = NOON - timedelta(seconds=age)
        heartbeats.beat(Beat(Beating.SCHEDULER, name, "host", 1, at), now=at)
    seen = pulse()
    assert (seen.scheduler, seen.age) == (Light.GREEN, timedelta(seconds=5))
    assert {item.name: item.light for item in seen.components} == {"old": Light.RED, "new": Light.GREEN}


def test_without_any_heartbeat_all_is_red_and_nothing_was_seen(org: OrgOf) -> None:
    seen = pulse()
    assert (seen.status, seen.last_seen, seen.age) == (Light.RED, None, None)
    assert seen.components == ()


def test_a_beat_out_of_the_future_is_fresh_and_has_no_negative_age(org: OrgOf) -> None:
    factories.live_scheduler(now=NOON + timedelta(minutes=5))
    seen = pulse()
    assert (seen.scheduler, seen.age) == (Light.GREEN, timedelta(0))


def test_a_beat_renews_the_row_of_its_process(org: OrgOf) -> None:
    factories.live_worker("w1", now=NOON, queues=["default"], tasks=["a"])
    factories.live_worker("w1", now=NOON + timedelta(seconds=3), queues=["messages"], tasks=["b"])
    assert rows("SELECT name, beat_at, queues, tasks FROM heartbeats") == [
        ("w1", NOON + timedelta(seconds=3), ["messages"], ["b"])
    ]


# Ends


def test_a_scheduler_that_stopped_is_red_at_once_and_is_still_listed(org: OrgOf) -> None:
    factories.live_scheduler(now=NOON)
    heartbeats.stopped(Beating.SCHEDULER, "scheduler-1", now=NOON)
    seen = pulse(1)
    assert (seen.scheduler, seen.last_seen) == (Light.RED, NOON)
    assert [(item.name, item.stopped_at) for item in seen.components] == [("scheduler-1", NOON)]


def test_a_worker_that_stopped_is_neither_alive_nor_listed_until_it_beats_again(org: OrgOf) -> None:
    factories.live_worker(now=NOON)
    heartbeats.stopped(Beating.WORKER, "worker-1", now=NOON)
    assert (pulse(1).live_workers, pulse(1).components) == (0, ())
    assert workers.listing(now=NOON) == []
    factories.live_worker(now=NOON + timedelta(seconds=2))
    assert pulse(3).live_workers == 1


def test_a_stop_forgets_what_was_not_seen_for_a_day_and_leaves_the_others(org: OrgOf) -> None:
    factories.live_worker("ancient", now=NOON - timedelta(hours=25))
    factories.live_worker("silent", now=NOON - timedelta(hours=23))
    factories.live_worker("w1", now=NOON)
    heartbeats.stopped(Beating.WORKER, "w1", now=NOON)
    assert rows("SELECT name, stopped_at FROM heartbeats ORDER BY name") == [("silent", None), ("w1", NOON)]
    assert [item.name for item in workers.listing(now=NOON)] == ["silent"]


def test_what_was_not_seen_for_a_day_is_not_listed(org: OrgOf) -> None:
    factories.live_worker(now=NOON - timedelta(hours=24))
    assert workers.listing(now=NOON) == []


# What a task needs


def test_without_a_live_worker_the_consoles_own_tasks_are_registered(org: OrgOf) -> None:
    job = factories.job(org)
    assert jobs.get(org.admin, job.id, now=utc_now()).is_registered
    change("UPDATE jobs SET task = 'gone.tasks.forgotten'")
    shown = jobs.get(org.admin, job.id, now=utc_now())
    assert (shown.is_registered, shown.button_reason) == (False, Reason.NOT_REGISTERED)


def test_live_workers_decide_what_is_registered(org: OrgOf) -> None:
    offered, withheld = factories.job(org), factories.job(org, "tests.tasks.explode")
    now = utc_now()
    factories.live_worker("w1", now=now, tasks=["tests.tasks.leave"])
    factories.live_worker("w2", now=now, tasks=[SUCCEED])
    assert jobs.get(org.admin, offered.id, now=now).button_reason is None
    shown = jobs.get(org.admin, withheld.id, now=now)
    assert (shown.is_registered, shown.button_reason) == (False, Reason.NOT_REGISTERED)
    assert shown.button_text and "worker" in shown.button_text
    with pytest.raises(Refused) as caught:
        triggers.send_now(org.admin, withheld.id, Request(Trigger.MANUAL), now=now)
    assert caught.value.reason is Reason.NOT_REGISTERED
    assert one("SELECT count(*) FROM runs") == 0


def test_a_task_that_only_a_silent_or_stopped_worker_offered_is_not_registered(org: OrgOf) -> None:
    job = factories.job(org)
    now = utc_now()
    factories.live_worker("silent", now=now - timedelta(seconds=16))
    factories.live_worker("stopped", now=now)
    heartbeats.stopped(Beating.WORKER, "stopped", now=now)
    factories.live_worker("other", now=now, tasks=["tests.tasks.leave"])
    assert not jobs.get(org.admin, job.id, now=now).is_registered
    heartbeats.stopped(Beating.WORKER, "other", now=now)
    assert jobs.get(org.admin, job.id, now=now).is_registered


def test_a_worker_on_another_queue_leaves_the_run_waiting_and_the_badge_says_why(org: OrgOf) -> None:
    now = utc_now()
    factories.live_worker(now=now, queues=["messages"])
    run = factories.run(org, factories.job(org), now=now)
    later = now + timedelta(seconds=11)
    factories.live_worker(now=later, queues=["messages"])
    silence = runs.get(org.admin, run.id, now=later).silence
    assert silence is not None
    assert (silence.reason, silence.sentence) == (
        Reason.NO_LIVE_WORKER,
        "no live worker serves queue default",
    )


def test_a_queue_is_served_by_one_worker_and_the_task_offered_by_another(org: OrgOf) -> None:
    now = utc_now()
    run = factories.run(org, factories.job(org), now=now)
    later = now + timedelta(seconds=11)
    factories.live_worker("serves", now=later, queues=["default"], tasks=["tests.tasks.leave"])
    factories.live_worker("offers", now=later, queues=["messages"], tasks=[SUCCEED])
    silence = runs.get(org.admin, run.id, now=later).silence
    assert silence is not None
    assert (silence.reason, silence.sentence) == (
        Reason.NOT_REGISTERED,
        "no live worker offers succeed",
    )


def test_a_task_that_was_renamed_is_offered_and_executed_under_its_former_path(
    org: OrgOf, worker: RunWorker
) -> None:
    job = factories.job(org, "tests.tasks.new_name")
    change("UPDATE jobs SET task = 'tests.tasks.old_name'")
    worker.beat()
    assert jobs.get(org.admin, job.id, now=utc_now()).is_registered
    run = factories.run(org, job)
    worker.work(burst=True)
    assert runs.get(org.admin, run.id, now=utc_now()).state is RunState.SUCCEEDED
    assert jobs.get(org.admin, job.id, now=utc_now()).status is JobStatus.SCHEDULED


def test_queues_that_nobody_serves_are_named(org: OrgOf) -> None:
    assert workers.unserved_queues(pulse()) == registry.queues()
    factories.live_worker("w1", now=NOON, queues=["default", "messages"])
    left = [queue for queue in registry.queues() if queue not in ("default", "messages")]
    assert left and workers.unserved_queues(pulse(1)) == left
    factories.live_worker("w2", now=NOON, queues=left)
    assert workers.unserved_queues(pulse(1)) == []
    assert workers.unserved_queues(pulse(16)) == registry.queues()
