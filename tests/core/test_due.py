"""What becomes of due slots."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from console.core.due import SLOTS_PER_PASS, DueJob, decide
from console.core.reasons import Reason
from console.core.schedule import parse
from console.core.states import CatchUp, Overlap, RunState

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
Q, S, M = RunState.QUEUED, RunState.SKIPPED, RunState.MISSED


def due(late: timedelta, every: int = 3600, **fields: object) -> DueJob:
    values: dict[str, object] = {
        "schedule": parse({"type": "interval", "every_seconds": every}),
        "zone": ZoneInfo("UTC"),
        "slot": NOW - late,
        "is_paused": False,
        "has_active_run": False,
        "overlap": Overlap.SKIP,
        "catch_up": CatchUp.LATEST,
        "catch_up_window": None,
    }
    return DueJob(**{**values, **fields})  # type: ignore[arg-type]


def states(job: DueJob) -> list[RunState]:
    return [decision.state for decision in decide(job, NOW).decisions]


def test_a_slot_that_is_due_runs_and_the_next_comes_from_it() -> None:
    decided = decide(due(timedelta(seconds=2)), NOW)
    assert [item.state for item in decided.decisions] == [Q]
    assert decided.next_run_at == NOW - timedelta(seconds=2) + timedelta(hours=1)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (CatchUp.LATEST, [M, M, M, M, M, M, Q]),
        (CatchUp.NONE, [M, M, M, M, M, M, M]),
        (CatchUp.ALL, [Q, Q, Q, Q, Q, Q, Q]),
    ],
)
def test_six_hours_of_downtime_under_each_policy(policy: CatchUp, expected: list[RunState]) -> None:
    late = timedelta(hours=6, minutes=5)
    assert states(due(late, catch_up=policy, overlap=Overlap.ALLOW_ALL)) == expected


def test_a_window_lets_go_of_what_is_older_and_says_so() -> None:
    job = due(timedelta(hours=6), catch_up=CatchUp.ALL, catch_up_window=timedelta(hours=2))
    decisions = decide(job, NOW).decisions
    assert [item.state for item in decisions[:4]] == [M] * 4
    assert decisions[0].reason is Reason.OUTSIDE_CATCHUP_WINDOW
    assert "7200 s" in (decisions[0].detail or "")


def test_a_slot_is_skipped_while_the_run_before_is_active() -> None:
    decided = decide(due(timedelta(0), has_active_run=True), NOW)
    assert [(item.state, item.reason) for item in decided.decisions] == [(S, Reason.OVERLAP)]
    assert states(due(timedelta(0), has_active_run=True, overlap=Overlap.ALLOW_ALL)) == [Q]


def test_a_paused_job_skips_each_slot_and_says_so() -> None:
    decided = decide(due(timedelta(seconds=1), is_paused=True), NOW)
    assert [(item.state, item.reason) for item in decided.decisions] == [(S, Reason.PAUSED)]


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
