"""Overlap, catch-up and jitter from slot to end, with a clock that is passed in."""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any
from uuid import UUID

import pytest
from apiflask import APIFlask
from redis import Redis
from sqlalchemy import text

from console.core.errors import Refused
from console.core.reasons import Reason
from console.core.states import Hold, RunState, Trigger
from console.db.session import db, transaction
from console.services import claims, dispatch, execution, jobs, planning, pushing, runs
from console.services.claims import Claim
from console.services.outcomes import Outcome
from console.services.run_views import RunFilter, RunView
from console.services.views import JobView
from console.services.wakeups import CHANNEL, Bell
from tests import factories
from tests.factories import NOON, OrgOf, one, rows
from tests.processes import eventually

EVERY_HOUR = {"type": "interval", "every_seconds": 3600}
TASK = "tests.tasks.succeed"
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def one_pass(now: datetime) -> None:
    """What a scheduler does each time, in its order."""
    pushing.push_tickets(dispatch.release(now=now), now=now)
    pushing.push_tickets(dispatch.dispatch(scheduler="s", now=now).tickets, now=now)
    pushing.push_tickets(dispatch.release(now=now), now=now)


def hourly(org: OrgOf, **fields: Any) -> JobView:
    return factories.job(org, TASK, schedule=EVERY_HOUR, now=NOON, **fields)


def found(org: OrgOf, now: datetime = NOON + HOUR) -> list[RunView]:
    """All runs in the order of their slots."""
    page = runs.page(org.admin, RunFilter(), cursor=None, limit=200, now=now)
    return sorted(page.runs, key=lambda run: run.slot or run.requested_at)


def states(org: OrgOf) -> list[tuple[str, str | None, str | None]]:
    return [(run.state.value, run.held_by, run.reason_code or run.decision_code) for run in found(org)]


def start(run_id: UUID, now: datetime) -> Claim:
    claim = execution.claim(run_id, worker="w", offered=[TASK], now=now)
    assert claim is not None
    return claim


def end(claim: Claim, now: datetime) -> None:
    assert execution.finish(claim, Outcome(RunState.SUCCEEDED), now=now)


@pytest.fixture
def rings(app: APIFlask) -> Iterator[Callable[[], int]]:
    """Answers how often the scheduler's bell has rung since it was asked before.

    Postgres tells of commits in their order, so what came before a ring that is told apart has come.
    """
    settings = app.extensions["console_settings"]

    def since() -> int:
        with transaction():
            db.session.execute(text("SELECT pg_notify(:channel, 'so far')"), {"channel": CHANNEL})
        heard = bell._connection.notifies(timeout=60)
        return sum(1 for _ in takewhile(lambda ring: ring.payload != "so far", heard))

    with Bell(settings.database_url) as bell:
        yield since


# buffer_one ------------------------------------------------------------------------------------


def test_one_slot_waits_for_the_active_run_and_starts_when_it_has_ended(org: OrgOf, redis: Redis) -> None:
    job = hourly(org, overlap="buffer_one")
    one_pass(NOON + HOUR)
    (first,) = found(org)
    claim = start(first.id, NOON + HOUR)
    one_pass(NOON + 2 * HOUR)
    one_pass(NOON + 3 * HOUR)
    assert states(org) == [
        ("running", None, None),
        ("queued", Hold.BUFFER_ONE, "OVERLAP"),
        ("skipped", None, "OVERLAP"),
    ]
    assert redis.lrange("rq:queue:default", 0, -1) == [str(first.id).encode()]
    end(claim, NOON + 3 * HOUR + SECOND)
    one_pass(NOON + 3 * HOUR + SECOND)
    second = found(org)[1]
    assert (second.state, second.held_by, second.queued_at is not None) == (RunState.QUEUED, None, True)
    assert second.decision == "Waited for the run before it to end (overlap buffer_one)."
    end(start(second.id, NOON + 3 * HOUR + 2 * SECOND), NOON + 3 * HOUR + 3 * SECOND)
    one_pass(NOON + 3 * HOUR + 4 * SECOND)
    shown = jobs.get(org.admin, job.id, now=NOON + 4 * HOUR)
    assert shown.active_run is None
    assert shown.last_run and shown.last_run.id == second.id
    one_pass(NOON + 4 * HOUR)
    assert states(org)[-1] == ("queued", None, None)


def test_the_decision_stays_whatever_becomes_of_the_run(org: OrgOf) -> None:
    hourly(org, overlap="buffer_one")
    one_pass(NOON + HOUR)
    claim = start(found(org)[0].id, NOON + HOUR)
    one_pass(NOON + 2 * HOUR)
    end(claim, NOON + 2 * HOUR)
    one_pass(NOON + 2 * HOUR)
    second = start(found(org)[1].id, NOON + 2 * HOUR)
    execution.finish(second, Outcome(RunState.FAILED, Reason.EXCEPTION, "boom"), now=NOON + 2 * HOUR)
    run = found(org)[1]
    assert (run.state, run.reason_code, run.reason) == (RunState.FAILED, Reason.EXCEPTION, "boom")
    assert (run.decision_code, run.decision) == (
        Reason.OVERLAP,
        "Waited for the run before it to end (overlap buffer_one).",
    )


def test_a_waiting_slot_also_waits_for_a_run_that_is_to_be_tried_again_and_for_a_click(org: OrgOf) -> None:
    job = hourly(org, overlap="buffer_one")
    one_pass(NOON + HOUR)
    claim = start(found(org)[0].id, NOON + HOUR)
    one_pass(NOON + 2 * HOUR)
    db.session.execute(
        text("UPDATE runs SET state = 'retrying', retry_at = :at WHERE state = 'running'"),
        {"at": NOON + 9 * HOUR},
    )
    db.session.commit()
    one_pass(NOON + 2 * HOUR + SECOND)
    assert states(org)[1] == ("queued", Hold.BUFFER_ONE, "OVERLAP")
    db.session.execute(text("UPDATE runs SET state = 'running' WHERE state = 'retrying'"))
    db.session.commit()
    click = factories.run(org, job, now=NOON + 2 * HOUR + SECOND)
    end(claim, NOON + 2 * HOUR + 2 * SECOND)
    one_pass(NOON + 2 * HOUR + 2 * SECOND)
    assert one("SELECT held_by FROM runs WHERE slot = :slot", slot=NOON + 2 * HOUR) == "buffer_one"
    end(start(click.id, NOON + 2 * HOUR + 3 * SECOND), NOON + 2 * HOUR + 4 * SECOND)
    one_pass(NOON + 2 * HOUR + 4 * SECOND)
    assert one("SELECT held_by FROM runs WHERE slot = :slot", slot=NOON + 2 * HOUR) is None


def test_a_click_is_not_held_by_any_policy(org: OrgOf) -> None:
    for overlap in ("skip", "buffer_one", "cancel_other"):
        job = factories.job(org, TASK, overlap=overlap, jitter_seconds=60)
        made = [factories.run(org, job) for _ in range(2)]
        assert {(run.state, run.held_by, run.decision) for run in made} == {(RunState.QUEUED, None, None)}


def test_the_end_of_a_run_rings_the_bell_only_when_another_one_may_wait_for_it(
    org: OrgOf, rings: Callable[[], int]
) -> None:
    job = hourly(org, overlap="buffer_one")
    one_pass(NOON + HOUR)
    claim = start(found(org)[0].id, NOON + HOUR)
    one_pass(NOON + 2 * HOUR)
    rings()
    end(claim, NOON + 2 * HOUR)
    assert rings() == 1
    one_pass(NOON + 2 * HOUR)
    end(start(found(org)[1].id, NOON + 2 * HOUR), NOON + 2 * HOUR)
    assert rings() == 0
    skip = factories.job(org)
    first, second = (factories.run(org, skip) for _ in range(2))
    rings()
    end(start(first.id, NOON), NOON)
    assert rings() == 0
    assert (job.overlap, second.state) == ("buffer_one", RunState.QUEUED)


def test_an_end_that_meets_the_decision_of_the_next_slot_still_rings_the_bell(
    app: APIFlask, org: OrgOf, rings: Callable[[], int]
) -> None:
    """The end waits for the row that the decision holds; its own statement began before the run was held."""
    hourly(org, overlap="buffer_one")
    one_pass(NOON + HOUR)
    claim = start(found(org)[0].id, NOON + HOUR)
    rings()

    def finish() -> None:
        with app.app_context():
            end(claim, NOON + 2 * HOUR)

    ending = threading.Thread(target=finish)
    with transaction():
        due = planning.lock_due(NOON + 2 * HOUR, 10)
        ending.start()
        wait_for_lock()
        planning.write(due, trigger=Trigger.SCHEDULE, scheduler="s", now=NOON + 2 * HOUR, acknowledges=True)
    ending.join()
    assert rings() == 1
    assert one("SELECT active_run_id = (SELECT id FROM runs WHERE held_by IS NOT NULL) FROM jobs")
    one_pass(NOON + 2 * HOUR)
    assert states(org)[1] == ("queued", None, "OVERLAP")


def wait_for_lock() -> None:
    """Until another session waits for a row."""

    def is_waiting() -> bool:
        with db.engine.connect() as connection:
            waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            return bool(connection.execute(waiting).scalar())

    eventually(is_waiting)


def test_passes_at_once_hold_one_slot_and_lose_none(app: APIFlask, org: OrgOf) -> None:
    """A pass that waited for another one's lock must not decide by what it read before it waited."""
    job = factories.job(
        org, TASK, schedule={"type": "interval", "every_seconds": 1}, now=NOON, overlap="buffer_one"
    )

    def passes() -> None:
        with app.app_context():
            for second in range(1, 60):
                dispatch.dispatch(scheduler="s", now=NOON + second * SECOND)

    threads = [threading.Thread(target=passes) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows("SELECT state, held_by, count(*) FROM runs GROUP BY 1, 2 ORDER BY 3, 2") == [
        ("queued", "buffer_one", 1),
        ("queued", None, 1),
        ("skipped", None, 57),
    ]
    assert jobs.get(org.admin, job.id, now=NOON).next_run_at == NOON + 60 * SECOND


def test_who_waited_for_a_lock_decides_by_what_was_decided_meanwhile(app: APIFlask, org: OrgOf) -> None:
    """Its statement began before the first slot had a run, and locks the row after it has one."""
    job = hourly(org, overlap="buffer_one")

    def settle() -> None:
        with app.app_context(), transaction():
            dispatch.settle(job.id, now=NOON + 2 * HOUR)

    waiting = threading.Thread(target=settle)
    with transaction():
        due = planning.lock_due(NOON + HOUR, 10)
        waiting.start()
        wait_for_lock()
        planning.write(due, trigger=Trigger.SCHEDULE, scheduler="s", now=NOON + HOUR, acknowledges=True)
    waiting.join()
    assert states(org) == [("queued", None, None), ("queued", Hold.BUFFER_ONE, "OVERLAP")]


# cancel_other ----------------------------------------------------------------------------------


def test_a_slot_ends_what_is_queued_and_starts_at_once(org: OrgOf, redis: Redis) -> None:
    job = hourly(org, overlap="cancel_other", timezone="Europe/Berlin")
    one_pass(NOON + HOUR)
    one_pass(NOON + 2 * HOUR)
    first, second = found(org)
    assert (first.state, first.reason_code) == (RunState.STOPPED, Reason.OVERLAP)
    assert first.reason == (
        "The slot of 2030-01-02 15:00:00 (Europe/Berlin) took its place (overlap cancel_other)."
    )
    assert (second.state, second.held_by, second.decision_code) == (RunState.QUEUED, None, Reason.OVERLAP)
    assert redis.lrange("rq:queue:default", 0, -1) == [str(run.id).encode() for run in (first, second)]
    shown = jobs.get(org.admin, job.id, now=NOON + 2 * HOUR)
    assert shown.active_run and shown.active_run.id == second.id
    assert shown.last_run and (shown.last_run.id, shown.last_run.state) == (first.id, RunState.STOPPED)
    assert execution.claim(first.id, worker="w", offered=[TASK], now=NOON + 2 * HOUR) is None


def test_a_slot_waits_for_the_end_of_the_running_one_that_it_told_to_stop(org: OrgOf) -> None:
    hourly(org, overlap="cancel_other")
    one_pass(NOON + HOUR)
    claim = start(found(org)[0].id, NOON + HOUR)
    now = NOON + 2 * HOUR
    one_pass(now)
    first, second = found(org)
    assert (first.state, first.stop_requested_at, second.held_by) == (
        RunState.RUNNING,
        now,
        Hold.CANCEL_OTHER,
    )
    stop = claims.stop_asked(claim.run_id, claim.attempt)
    assert stop is not None and stop.state is RunState.STOPPED
    assert execution.finish(claim, stop, now=now + SECOND) is RunState.STOPPED
    one_pass(now + SECOND)
    assert states(org) == [("stopped", None, "OVERLAP"), ("queued", None, "OVERLAP")]
    end(start(second.id, now + SECOND), now + 2 * SECOND)
    assert one("SELECT last_run_state FROM jobs") == "succeeded"
    assert one("SELECT active_run_id FROM jobs") is None


@pytest.mark.parametrize("task", ["mark", "mark_idempotent"])
def test_a_run_whose_worker_died_after_it_was_told_to_stop_is_stopped_and_nothing_else(
    org: OrgOf, task: str
) -> None:
    name = f"tests.tasks.{task}"
    factories.job(
        org, name, schedule=EVERY_HOUR, now=NOON, overlap="cancel_other", args={"path": "/dev/null"}
    )
    one_pass(NOON + HOUR)
    assert execution.claim(found(org)[0].id, worker="w", offered=[name], now=NOON + 2 * HOUR)
    one_pass(NOON + 2 * HOUR)
    assert dispatch.recover(now=NOON + 2 * HOUR + timedelta(seconds=21)) == 1
    one_pass(NOON + 2 * HOUR + timedelta(seconds=21))
    assert states(org) == [("stopped", None, "OVERLAP"), ("queued", None, "OVERLAP")]


def test_a_stopped_run_that_failed_by_itself_is_not_tried_again(org: OrgOf) -> None:
    name = "tests.tasks.flaky"
    factories.job(org, name, schedule=EVERY_HOUR, now=NOON, overlap="cancel_other", args={"attempt": 9})
    one_pass(NOON + HOUR)
    claim = execution.claim(found(org)[0].id, worker="w", offered=[name], now=NOON + HOUR)
    assert claim is not None
    one_pass(NOON + 2 * HOUR)
    error = {"type": "RuntimeError", "message": "not yet", "traceback": ""}
    failed = Outcome(RunState.FAILED, Reason.EXCEPTION, "not yet", error=error)
    assert execution.finish(claim, failed, now=NOON + 2 * HOUR) is RunState.STOPPED
    run = found(org)[0]
    assert (run.state, run.reason_code, run.error and run.error["message"]) == (
        RunState.STOPPED,
        Reason.OVERLAP,
        "not yet",
    )


def test_what_succeeds_before_its_worker_hears_of_the_stop_has_succeeded(org: OrgOf) -> None:
    hourly(org, overlap="cancel_other")
    one_pass(NOON + HOUR)
    claim = start(found(org)[0].id, NOON + HOUR)
    one_pass(NOON + 2 * HOUR)
    end(claim, NOON + 2 * HOUR)
    one_pass(NOON + 2 * HOUR)
    assert [state for state, _, _ in states(org)] == ["succeeded", "queued"]


def test_a_later_slot_takes_the_place_of_one_that_still_waits(org: OrgOf) -> None:
    hourly(org, overlap="cancel_other")
    one_pass(NOON + HOUR)
    start(found(org)[0].id, NOON + HOUR)
    one_pass(NOON + 2 * HOUR)
    one_pass(NOON + 3 * HOUR)
    assert states(org) == [
        ("running", None, None),
        ("stopped", None, "OVERLAP"),
        ("queued", Hold.CANCEL_OTHER, "OVERLAP"),
    ]
    assert "14:00:00" in (found(org)[0].stop_text or "")
    assert "15:00:00" in (found(org)[1].reason or "")


def test_a_click_while_a_slot_waits_is_left_alone(org: OrgOf) -> None:
    job = hourly(org, overlap="cancel_other")
    one_pass(NOON + HOUR)
    claim = start(found(org)[0].id, NOON + HOUR)
    one_pass(NOON + 2 * HOUR)
    click = factories.run(org, job, now=NOON + 2 * HOUR + SECOND)
    one_pass(NOON + 2 * HOUR + SECOND)
    assert runs.get(org.admin, click.id, now=NOON).state is RunState.QUEUED
    stop = claims.stop_asked(claim.run_id, claim.attempt)
    assert stop is not None
    execution.finish(claim, stop, now=NOON + 2 * HOUR + SECOND)
    one_pass(NOON + 2 * HOUR + 2 * SECOND)
    assert one("SELECT count(*) FROM runs WHERE state = 'queued' AND held_by IS NULL") == 2


def test_a_crash_between_decision_and_stop_forgets_neither(org: OrgOf) -> None:
    hourly(org, overlap="cancel_other")
    one_pass(NOON + HOUR)
    dispatch.dispatch(scheduler="dies", now=NOON + 2 * HOUR)
    assert states(org)[1] == ("queued", Hold.CANCEL_OTHER, "OVERLAP")
    one_pass(NOON + 2 * HOUR + SECOND)
    assert states(org) == [("stopped", None, "OVERLAP"), ("queued", None, "OVERLAP")]


def test_an_edited_policy_changes_nothing_of_what_was_decided(org: OrgOf) -> None:
    hourly(org, overlap="buffer_one")
    one_pass(NOON + HOUR)
    claim = start(found(org)[0].id, NOON + HOUR)
    one_pass(NOON + 2 * HOUR)
    db.session.execute(text("UPDATE jobs SET overlap = 'cancel_other'"))
    db.session.commit()
    one_pass(NOON + 3 * HOUR)
    assert [(state, held) for state, held, _ in states(org)] == [
        ("running", None),
        ("stopped", None),
        ("queued", Hold.CANCEL_OTHER),
    ]
    stop = claims.stop_asked(claim.run_id, claim.attempt)
    assert stop is not None
    execution.finish(claim, stop, now=NOON + 3 * HOUR)
    one_pass(NOON + 3 * HOUR)
    assert states(org)[-1][:2] == ("queued", None)


# jitter ----------------------------------------------------------------------------------------


def test_a_jittered_run_is_recorded_at_its_slot_and_pushed_at_its_own_time(org: OrgOf, redis: Redis) -> None:
    job = hourly(org, jitter_seconds=600)
    slot = NOON + HOUR
    one_pass(slot)
    (run,) = found(org)
    assert (run.slot, run.held_by) == (slot, Hold.JITTER)
    assert run.start_after is not None and slot < run.start_after <= slot + timedelta(seconds=600)
    assert jobs.get(org.admin, job.id, now=slot).next_run_at == slot + HOUR
    assert dispatch.next_due(now=slot) == run.start_after - slot
    one_pass(run.start_after - timedelta(milliseconds=1))
    assert redis.llen("rq:queue:default") == 0
    one_pass(run.start_after)
    assert redis.lrange("rq:queue:default", 0, -1) == [str(run.id).encode()]
    started = run.start_after + SECOND
    start(run.id, started)
    seen = runs.get(org.admin, run.id, now=started)
    assert seen.lateness == SECOND
    assert (seen.decision_code, "(jitter up to 10 min)." in (seen.decision or "")) == (None, True)


def test_a_held_run_is_never_claimed_or_pushed_again_and_says_what_it_waits_for(
    org: OrgOf, redis: Redis
) -> None:
    job = hourly(org, jitter_seconds=3600)
    one_pass(NOON + HOUR)
    (run,) = found(org)
    assert execution.claim(run.id, worker="w", offered=[TASK], now=NOON + HOUR) is None
    assert pushing.push([run.id], now=NOON + HOUR) == 0
    later = NOON + HOUR + timedelta(seconds=30)
    factories.live_worker(now=later)
    factories.live_scheduler(now=later)
    assert pushing.push_missing(now=later) == 0
    assert redis.llen("rq:queue:default") == 0
    seen = runs.get(org.admin, run.id, now=later)
    assert (seen.silence, seen.waits_for) == (None, "waits for its own time to start (jitter)")
    shown = jobs.get(org.admin, job.id, now=later).active_run
    assert shown is not None and (shown.held_by, shown.start_after) == (Hold.JITTER, seen.start_after)


def test_a_held_run_that_nobody_lets_go_names_the_scheduler(org: OrgOf) -> None:
    hourly(org, overlap="buffer_one")
    one_pass(NOON + HOUR)
    one_pass(NOON + 2 * HOUR)
    soon, later = (NOON + 2 * HOUR + timedelta(seconds=seconds) for seconds in (5, 60))
    assert found(org, soon)[1].silence is None
    silence = found(org, later)[1].silence
    assert silence is not None and (silence.hop, silence.reason) == ("queued", Reason.SCHEDULER_DOWN)
    factories.live_scheduler(now=later)
    assert found(org, later)[1].silence is None


def test_a_run_that_was_just_let_go_is_not_called_silent(org: OrgOf) -> None:
    hourly(org, jitter_seconds=3600)
    one_pass(NOON + HOUR)
    at = found(org)[0].start_after
    assert at is not None
    assert len(dispatch.release(now=at)) == 1
    assert runs.get(org.admin, found(org)[0].id, now=at + SECOND).silence is None


def test_two_schedulers_come_to_the_same_start(org: OrgOf) -> None:
    hourly(org, jitter_seconds=3600)
    one_pass(NOON + HOUR)
    first = found(org)[0].start_after
    db.session.execute(text("DELETE FROM runs"))
    db.session.execute(text("UPDATE jobs SET next_run_at = :slot"), {"slot": NOON + HOUR})
    db.session.commit()
    dispatch.dispatch(scheduler="another", now=NOON + HOUR + SECOND)
    assert found(org)[0].start_after == first


# Pausing what is held --------------------------------------------------------------------------


def pause(paused: bool) -> None:
    """Past the product, whose edits have tests of their own."""
    status = "paused" if paused else "scheduled"
    db.session.execute(text("UPDATE jobs SET status = :status"), {"status": status})
    db.session.commit()


def test_a_held_run_of_a_job_that_is_paused_meanwhile_is_skipped(org: OrgOf) -> None:
    hourly(org, jitter_seconds=600)
    one_pass(NOON + HOUR)
    pause(True)
    one_pass(NOON + HOUR + timedelta(seconds=600))
    run = found(org)[0]
    assert (run.state, run.reason_code, run.reason) == (
        RunState.SKIPPED,
        Reason.PAUSED,
        "Its job was paused before it could start.",
    )
    assert rows("SELECT status, active_run_id, last_run_state FROM jobs") == [("paused", None, "skipped")]


def test_a_held_message_of_a_job_that_is_paused_meanwhile_waits_until_it_is_resumed(
    org: OrgOf, redis: Redis
) -> None:
    at = (NOON + HOUR).isoformat()
    factories.job(org, TASK, schedule={"type": "once", "at": at}, now=NOON, jitter_seconds=600)
    one_pass(NOON + HOUR)
    pause(True)
    later = NOON + HOUR + timedelta(seconds=601)
    one_pass(later)
    assert (found(org)[0].held_by, dispatch.next_due(now=later)) == (Hold.PAUSE, None)
    pause(False)
    one_pass(later + SECOND)
    assert redis.llen("rq:queue:default") == 1


# Six hours of downtime -------------------------------------------------------------------------

BACK = NOON + timedelta(hours=6, minutes=10)
LATE = "for no scheduler came to it sooner"
GONE = {
    "latest": "a late slot is run only when none is due after it (catch-up latest)",
    "none": "late slots are let go (catch-up none)",
    "latest window": "slots later than 5 min are let go (catch-up latest)",
    "all window": "slots later than 3 h are let go (catch-up all)",
}


def missed(hour: int, why: str) -> tuple[object, ...]:
    ago = f"{6 - hour} h 10 min" if hour < 6 else "10 min"
    return (
        hour,
        "missed",
        "OUTSIDE_CATCHUP_WINDOW",
        f"Found {ago} after its time, {LATE}; {GONE[why]}.",
        None,
    )


def ran(hour: int, policy: str, among: str = "") -> tuple[object, ...]:
    ago = f"{6 - hour} h 10 min" if hour < 6 else "10 min"
    return (hour, "queued", "SCHEDULER_DOWN", None, f"Decided {ago} late, {LATE}{among} (catch-up {policy}).")


AMONG = ": the latest of 6 slots that were still undecided"


@pytest.mark.parametrize(
    ("catch_up", "window", "expected"),
    [
        ("latest", None, [*(missed(hour, "latest") for hour in range(1, 6)), ran(6, "latest", AMONG)]),
        ("latest", 300, [missed(hour, "latest window") for hour in range(1, 7)]),
        ("all", None, [ran(hour, "all") for hour in range(1, 7)]),
        (
            "all",
            3 * 3600,
            [*(missed(hour, "all window") for hour in (1, 2, 3)), *(ran(hour, "all") for hour in (4, 5, 6))],
        ),
        ("none", None, [missed(hour, "none") for hour in range(1, 7)]),
        ("none", 86400, [missed(hour, "none") for hour in range(1, 7)]),
    ],
)
def test_after_six_hours_without_a_scheduler_each_slot_says_what_became_of_it_and_why(
    org: OrgOf, catch_up: str, window: int | None, expected: list[tuple[object, ...]]
) -> None:
    hourly(org, catch_up=catch_up, catch_up_window_seconds=window, overlap="allow_all")
    one_pass(BACK)
    seen = [
        (
            int((run.slot - NOON) / HOUR) if run.slot else None,
            run.state.value,
            run.reason_code or run.decision_code,
            run.reason,
            run.decision,
        )
        for run in found(org)
    ]
    assert seen == expected
    assert one("SELECT next_run_at FROM jobs") == NOON + 7 * HOUR


def test_the_job_table_says_of_its_last_run_that_it_was_late(org: OrgOf) -> None:
    job = hourly(org)
    one_pass(BACK)
    claim = start(found(org)[-1].id, BACK)
    outcome = Outcome(RunState.SUCCEEDED, result={"summary": "all is well"})
    execution.finish(claim, outcome, now=BACK + SECOND)
    last = jobs.get(org.admin, job.id, now=BACK).last_run
    assert last is not None and last.note == (
        f"all is well · Decided 10 min late, {LATE}: the latest of 6 slots that were still undecided "
        "(catch-up latest)."
    )


# A slot each second ----------------------------------------------------------------------------


def test_a_job_with_a_slot_each_second_has_sixty_runs_in_a_minute_and_no_drift(org: OrgOf) -> None:
    job = factories.job(
        org, TASK, schedule={"type": "interval", "every_seconds": 1}, now=NOON, overlap="allow_all"
    )
    assert job.next_run_at == NOON + SECOND
    now = NOON
    while now < NOON + timedelta(seconds=60):
        now = min(now + timedelta(seconds=1.37), NOON + timedelta(seconds=60))
        one_pass(now)
    slots = [row.slot for row in rows("SELECT slot FROM runs WHERE state = 'queued' ORDER BY slot")]
    assert slots == [NOON + number * SECOND for number in range(1, 61)]
    assert jobs.get(org.admin, job.id, now=now).next_run_at == NOON + 61 * SECOND


# Settling before an edit -----------------------------------------------------------------------


def test_an_edit_settles_what_came_due_before_it_and_acknowledges_nothing(org: OrgOf, redis: Redis) -> None:
    job = hourly(org, overlap="allow_all", catch_up="all")
    with transaction():
        row = jobs.load(org.admin, job.id, lock=True)
        tickets = dispatch.settle(job.id, now=NOON + 3 * HOUR)
        assert row.next_run_at == NOON + 4 * HOUR
    assert len(tickets) == 3
    assert rows("SELECT state, requested_by, trigger FROM runs") == [("queued", "scheduler", "schedule")] * 3
    assert one("SELECT applied_revision FROM jobs") == 0
    assert redis.llen("rq:queue:default") == 0
    assert dispatch.dispatch(scheduler="s", now=NOON + 3 * HOUR).due == 0


def test_settling_what_is_not_due_changes_nothing(org: OrgOf) -> None:
    job = hourly(org)
    with transaction():
        assert dispatch.settle(job.id, now=NOON + timedelta(minutes=59)) == []
    assert one("SELECT next_run_at FROM jobs") == NOON + HOUR


def test_settling_is_bounded_and_says_what_to_do(org: OrgOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "SETTLE_PASSES", 2)
    job = factories.job(org, TASK, schedule={"type": "interval", "every_seconds": 1}, now=NOON)
    with pytest.raises(Refused) as caught, transaction():
        dispatch.settle(job.id, now=NOON + timedelta(seconds=1000))
    assert caught.value.reason is Reason.SCHEDULER_DOWN
    assert caught.value.detail == (
        "More than 400 slots of this job have come due undecided. Start a scheduler, then save again."
    )
    assert one("SELECT count(*) FROM runs") == 0
    assert one("SELECT next_run_at FROM jobs") == NOON + SECOND


def test_a_pass_acknowledges_the_revision_that_it_read(org: OrgOf) -> None:
    job = hourly(org)
    dispatch.dispatch(scheduler="s", now=NOON + HOUR)
    assert jobs.get(org.admin, job.id, now=NOON).applied_revision == 1
    db.session.execute(text("UPDATE jobs SET revision = 2"))
    db.session.commit()
    dispatch.release(now=NOON + HOUR)
    assert jobs.get(org.admin, job.id, now=NOON).applied_revision == 1
