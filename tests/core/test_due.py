"""What becomes of due slots."""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from console.core.due import SLOTS_PER_PASS, Decision, DueJob, decide, took_place
from console.core.jitter import start_of
from console.core.reasons import Reason, Refusal
from console.core.schedule import parse
from console.core.states import CatchUp, Hold, Overlap, RunState

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
JOB = UUID("0195d3a0-0000-7000-8000-000000000001")
Q, S, M = RunState.QUEUED, RunState.SKIPPED, RunState.MISSED
SIX_HOURS = timedelta(hours=6, minutes=10)


def due(late: timedelta, every: int = 3600, **fields: object) -> DueJob:
    values: dict[str, object] = {
        "id": JOB,
        "schedule": parse({"type": "interval", "every_seconds": every}),
        "zone": ZoneInfo("UTC"),
        "slot": NOW - late,
        "is_paused": False,
        "has_active_run": False,
        "has_waiting_run": False,
        "overlap": Overlap.SKIP,
        "catch_up": CatchUp.LATEST,
        "catch_up_window": None,
        "jitter": None,
        "refusal": None,
        "revised_at": None,
    }
    return DueJob(**{**values, **fields})  # type: ignore[arg-type]


def decisions(late: timedelta, every: int = 3600, **fields: object) -> tuple[Decision, ...]:
    return decide(due(late, every, **fields), NOW).decisions


def states(job: DueJob) -> list[RunState]:
    return [decision.state for decision in decide(job, NOW).decisions]


def test_a_slot_that_is_due_runs_and_the_next_comes_from_it() -> None:
    decided = decide(due(timedelta(seconds=2)), NOW)
    assert [item.state for item in decided.decisions] == [Q]
    assert decided.next_run_at == NOW - timedelta(seconds=2) + timedelta(hours=1)
    (item,) = decided.decisions
    assert (item.reason, item.detail, item.held_by, item.start_after) == (None, None, None, None)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (CatchUp.LATEST, [M, M, M, M, M, M, Q]),
        (CatchUp.NONE, [M, M, M, M, M, M, M]),
        (CatchUp.ALL, [Q, Q, Q, Q, Q, Q, Q]),
    ],
)
def test_six_hours_of_downtime_under_each_policy(policy: CatchUp, expected: list[RunState]) -> None:
    assert states(due(SIX_HOURS, catch_up=policy, overlap=Overlap.ALLOW_ALL)) == expected


def test_what_runs_late_says_how_late_and_among_how_many() -> None:
    latest = decisions(SIX_HOURS)[-1]
    assert (latest.reason, latest.detail) == (
        Reason.SCHEDULER_DOWN,
        "Decided 10 min late, for no scheduler came to it sooner: "
        "the latest of 7 slots that were still undecided (catch-up latest).",
    )
    first = decisions(SIX_HOURS, catch_up=CatchUp.ALL, overlap=Overlap.ALLOW_ALL)[0]
    assert first.detail == "Decided 6 h 10 min late, for no scheduler came to it sooner (catch-up all)."
    (alone,) = decisions(timedelta(minutes=2))
    assert alone.detail == "Decided 2 min late, for no scheduler came to it sooner (catch-up latest)."


def test_what_is_missed_says_how_late_it_was_found_and_by_which_policy() -> None:
    found = "Found 6 h 10 min after its time, for no scheduler came to it sooner; "
    window = timedelta(hours=2)
    said = {
        policy: (item.reason, item.detail)
        for policy in CatchUp
        if (item := decisions(SIX_HOURS, catch_up=policy, catch_up_window=window)[0])
    }
    code = Reason.OUTSIDE_CATCHUP_WINDOW
    assert said == {
        CatchUp.NONE: (code, f"{found}late slots are let go (catch-up none)."),
        CatchUp.ALL: (code, f"{found}slots later than 2 h are let go (catch-up all)."),
        CatchUp.LATEST: (code, f"{found}slots later than 2 h are let go (catch-up latest)."),
    }
    assert decisions(SIX_HOURS)[0].detail == (
        f"{found}a late slot is run only when none is due after it (catch-up latest)."
    )


def test_a_window_lets_go_of_what_is_older_and_runs_the_rest() -> None:
    window = timedelta(hours=2)
    every = due(SIX_HOURS, catch_up=CatchUp.ALL, catch_up_window=window, overlap=Overlap.ALLOW_ALL)
    assert states(every) == [M, M, M, M, M, Q, Q]
    short = timedelta(minutes=5)
    assert states(due(SIX_HOURS, catch_up_window=short)) == [M] * 7


def test_a_slot_that_is_a_minute_late_is_on_time_under_every_policy() -> None:
    for policy in CatchUp:
        (item,) = decisions(timedelta(seconds=60), catch_up=policy, catch_up_window=timedelta(seconds=1))
        assert (item.state, item.reason, item.detail) == (Q, None, None)


def test_a_message_that_was_paused_at_its_time_does_not_blame_the_scheduler() -> None:
    fields = {"revised_at": NOW - timedelta(minutes=1)}
    (item,) = decisions(timedelta(minutes=5), **fields)
    assert (item.reason, item.detail) == (
        None,
        "Decided 5 min late, for its job was resumed or edited after that (catch-up latest).",
    )
    (missed,) = decisions(timedelta(minutes=5), catch_up=CatchUp.NONE, **fields)
    assert "for its job was resumed or edited after that; late slots" in (missed.detail or "")


def test_a_slot_is_skipped_while_the_run_before_is_active() -> None:
    (item,) = decisions(timedelta(0), has_active_run=True)
    assert (item.state, item.reason) == (S, Reason.OVERLAP)
    assert item.detail == "The run before it was still active (overlap skip)."
    assert states(due(timedelta(0), has_active_run=True, overlap=Overlap.ALLOW_ALL)) == [Q]


def test_one_slot_waits_for_the_active_run_and_the_next_ones_are_skipped() -> None:
    (item,) = decisions(timedelta(0), has_active_run=True, overlap=Overlap.BUFFER_ONE)
    assert (item.state, item.reason, item.held_by, item.start_after) == (
        Q,
        Reason.OVERLAP,
        Hold.BUFFER_ONE,
        None,
    )
    assert item.detail == "Waited for the run before it to end (overlap buffer_one)."
    (next_one,) = decisions(
        timedelta(0), has_active_run=True, has_waiting_run=True, overlap=Overlap.BUFFER_ONE
    )
    assert (next_one.state, next_one.reason) == (S, Reason.OVERLAP)
    assert next_one.detail == (
        "The run before it was still active, and one slot waited already (overlap buffer_one)."
    )


def test_of_several_slots_in_one_pass_the_first_runs_the_second_waits_and_the_others_are_skipped() -> None:
    found = decisions(timedelta(seconds=40), every=10, overlap=Overlap.BUFFER_ONE)
    assert [item.state for item in found] == [Q, Q, S, S, S]
    assert [item.held_by for item in found] == [None, Hold.BUFFER_ONE, None, None, None]


def test_a_slot_takes_the_place_of_what_is_active_and_only_the_last_of_a_pass_does() -> None:
    found = decisions(timedelta(seconds=20), every=10, overlap=Overlap.CANCEL_OTHER, has_active_run=True)
    assert [(item.state, item.held_by) for item in found] == [(S, None), (S, None), (Q, Hold.CANCEL_OTHER)]
    assert {item.reason for item in found} == {Reason.OVERLAP}
    assert found[0].detail == "A later slot took its place (overlap cancel_other)."
    assert found[2].detail == "Earlier runs that were still active were told to stop (overlap cancel_other)."
    (alone,) = decisions(timedelta(0), overlap=Overlap.CANCEL_OTHER)
    assert (alone.state, alone.held_by, alone.detail) == (Q, None, None)


def test_a_pass_that_leaves_slots_over_starts_nothing_that_the_next_pass_would_stop() -> None:
    job = due(timedelta(seconds=300 * 60), 60, overlap=Overlap.CANCEL_OTHER, catch_up=CatchUp.ALL)
    assert set(states(job)) == {S}


def test_a_replaced_run_is_told_by_which_slot() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert took_place(NOW, berlin) == (
        "The slot of 2030-01-01 13:00:00 (Europe/Berlin) took its place (overlap cancel_other)."
    )


def test_what_the_tasks_own_rules_say_stands_before_the_overlap_policy() -> None:
    refusal = Refusal(Reason.WEEKEND)
    fields = {"refusal": refusal, "has_active_run": True, "overlap": Overlap.CANCEL_OTHER}
    (item,) = decisions(timedelta(0), **fields)
    assert (item.state, item.reason, item.held_by) == (S, Reason.WEEKEND, None)
    (broken,) = decisions(timedelta(0), refusal=Refusal(Reason.EXCEPTION, "its rule failed"))
    assert (broken.state, broken.detail) == (RunState.FAILED, "its rule failed")


def test_a_paused_job_skips_each_slot_and_says_so() -> None:
    decided = decide(due(timedelta(seconds=1), is_paused=True), NOW)
    assert [(item.state, item.reason) for item in decided.decisions] == [(S, Reason.PAUSED)]


TICKS = timedelta(minutes=15)


@pytest.mark.parametrize("policy", [CatchUp.LATEST, CatchUp.NONE])
def test_a_slot_that_a_tick_finds_within_its_grace_is_not_late_for_the_policy(policy: CatchUp) -> None:
    (item,) = decisions(timedelta(minutes=5), catch_up=policy, tick_grace=TICKS)
    assert (item.state, item.reason) == (Q, None)
    assert (
        item.detail
        == f"Decided 5 min late, for no tick of the external cron came to it sooner (catch-up {policy})."
    )
    often = decisions(timedelta(minutes=5), every=60, catch_up=policy, tick_grace=TICKS)
    # Of a job that is due more often than the cron ticks, the policy takes the latest slot; those of the
    # last minute are on time anyway.
    assert [decision.state for decision in often] == [M, M, M, M, Q, RunState.SKIPPED]


def test_a_slot_beyond_the_grace_of_ticks_is_as_late_as_any_other() -> None:
    (item,) = decisions(timedelta(minutes=16), catch_up=CatchUp.NONE, tick_grace=TICKS)
    assert (item.state, item.reason) == (M, Reason.OUTSIDE_CATCHUP_WINDOW)
    assert "no tick of the external cron came to it sooner" in (item.detail or "")
    (late,) = decisions(timedelta(minutes=16), tick_grace=TICKS)
    assert (late.state, late.reason) == (Q, Reason.SCHEDULER_DOWN)


def test_jitter_holds_a_run_until_its_own_time_and_leaves_the_slots_where_they_are() -> None:
    jitter = timedelta(seconds=60)
    decided = decide(due(timedelta(0), jitter=jitter), NOW)
    (item,) = decided.decisions
    start = start_of(JOB, NOW, jitter)
    assert (item.slot, item.held_by, item.start_after) == (NOW, Hold.JITTER, start)
    assert decided.next_run_at == NOW + timedelta(hours=1)
    seconds = f"{(start - NOW).total_seconds():.1f}".removesuffix(".0")
    assert item.detail == f"Starts {seconds} s after its slot (jitter up to 1 min)."
    assert item.reason is None


def test_a_jittered_start_that_has_passed_holds_nothing() -> None:
    (item,) = decisions(timedelta(seconds=50), jitter=timedelta(milliseconds=5))
    assert (item.state, item.held_by, item.start_after, item.detail) == (Q, None, None, None)


def test_a_slot_that_waits_for_a_run_waits_for_its_own_time_too() -> None:
    fields = {"overlap": Overlap.BUFFER_ONE, "has_active_run": True, "jitter": timedelta(hours=2)}
    (item,) = decisions(timedelta(minutes=5), **fields)
    assert item.held_by is Hold.BUFFER_ONE
    assert item.start_after == start_of(JOB, item.slot, timedelta(hours=2))
    assert item.reason is Reason.SCHEDULER_DOWN
    words = ("Decided 5 min late", "Waited for the run before it", "Starts ")
    assert all(word in (item.detail or "") for word in words)


def test_every_second_for_a_minute_gives_sixty_decisions_however_the_passes_fall() -> None:
    seen = []
    slot: datetime | None = NOW
    for seconds in range(0, 60, 7):
        at = min(NOW + timedelta(seconds=seconds + 6), NOW + timedelta(seconds=59))
        decided = decide(due(NOW - slot, every=1), at) if slot and slot <= at else None
        if decided:
            seen += [item.slot for item in decided.decisions]
            slot = decided.next_run_at
    assert seen == [NOW + timedelta(seconds=number) for number in range(60)]


def test_a_long_backlog_is_decided_in_passes_and_only_the_very_last_slot_is_run() -> None:
    job = due(timedelta(seconds=60 * 1000), every=60)
    found: list[RunState] = []
    while job.slot <= NOW:
        decided = decide(job, NOW)
        assert len(decided.decisions) <= SLOTS_PER_PASS
        found += [item.state for item in decided.decisions]
        job = due(NOW - (decided.next_run_at or NOW), every=60)
    assert len(found) == 1001
    assert found[:999] == [M] * 999
    assert found[-1] is S or found[-1] is Q
