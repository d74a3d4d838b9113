"""A hop is slow against the job's own runs, or by the clock where there is nothing to compare with."""

from datetime import UTC, datetime, timedelta

import pytest

from console.core.hops import Timestamps, hops
from console.core.pace import Pace, marked
from console.core.states import RunState

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
USUAL = Pace(50, {"queued": 0.02, "started": 0.1, "finished": 60.0})


def slow(
    pace: Pace, queued: float, started: float, finished: float, *, attempt: int = 1, held: float = 0
) -> list[str]:
    at = [BEGIN + timedelta(seconds=sum((queued, started, finished)[:number])) for number in (1, 2, 3)]
    stamps = Timestamps(RunState.SUCCEEDED, BEGIN, *at, at[2] + timedelta(hours=9))
    start_after = BEGIN + timedelta(seconds=held) if held else None
    return [
        hop.name
        for hop in marked(hops(stamps), pace, attempt=attempt, start_after=start_after)
        if hop.is_slow
    ]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ((0.02, 0.1, 60), []),
        ((0.02, 0.9, 60), []),  # nine times the median, and still under a second
        ((0.02, 1.1, 60), ["started"]),
        ((2, 0.1, 200), ["queued", "finished"]),
        ((0.02, 0.1, 179), []),
    ],
)
def test_three_times_the_median_and_a_second_at_least(
    seconds: tuple[float, ...], expected: list[str]
) -> None:
    assert slow(USUAL, *seconds) == expected


def test_with_too_few_runs_the_clock_decides_and_work_has_no_limit() -> None:
    assert slow(Pace(4, {"started": 0.1}), 4, 9, 9999) == []
    assert slow(Pace(), 6, 11, 9999) == ["queued", "started"]


def test_time_that_a_run_was_held_and_attempts_before_are_nobodys_slowness() -> None:
    assert slow(USUAL, 600, 0.1, 60, held=599.9) == []
    assert slow(USUAL, 600, 0.1, 60, held=500) == ["queued"]
    assert slow(USUAL, 600, 0.1, 60, attempt=2) == []
