"""What is said of a run that is held on purpose."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from console.core.hops import WAITS, Clock, Surroundings, Timestamps, hops, silence
from console.core.reasons import Reason
from console.core.states import Hold, RunState

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
HELD = Timestamps(RunState.QUEUED, NOW, None, None, None, None, Hold.JITTER, NOW + timedelta(seconds=300))
AROUND = Surroundings(
    queue="default",
    task_key="sweep",
    clock=Clock.SCHEDULER,
    live_workers=0,
    serving_workers=0,
    offering_workers=0,
    worker_name=None,
    worker_silence=None,
    retry_at=None,
)
DOWN = replace(AROUND, clock=Clock.DOWN)
TICKED = replace(AROUND, clock=Clock.EXTERNAL_CRON)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_every_hold_says_what_it_waits_for() -> None:
    assert set(WAITS) == set(Hold)


def test_its_next_hop_is_the_queue() -> None:
    assert [hop.name for hop in hops(HELD) if hop.is_current] == ["queued"]


@pytest.mark.parametrize("hold", [Hold.JITTER, Hold.BUFFER_ONE, Hold.CANCEL_OTHER])
def test_it_waits_for_no_worker_and_is_not_silent(hold: Hold) -> None:
    assert silence(replace(HELD, held_by=hold), AROUND, at(3600)) is None
    assert silence(replace(HELD, held_by=hold), DOWN, at(200)) is None


def test_past_its_start_it_names_the_scheduler_that_is_down() -> None:
    found = silence(HELD, DOWN, at(311))
    assert found is not None and (found.hop, found.reason) == ("queued", Reason.SCHEDULER_DOWN)
    waiting = replace(HELD, held_by=Hold.BUFFER_ONE, start_after=None)
    assert silence(waiting, DOWN, at(9)) is None
    assert silence(waiting, DOWN, at(11)) is not None


def test_past_its_start_it_waits_for_the_external_cron_that_ticks_in_place_of_a_scheduler() -> None:
    found = silence(HELD, TICKED, at(311))
    assert found is not None and (found.hop, found.reason) == ("queued", None)
    assert found.sentence == "held; waits for the next tick of the external cron"
    assert silence(HELD, replace(AROUND, clock=Clock.SILENT), at(311)) == silence(HELD, DOWN, at(311))


def test_a_message_that_waits_for_its_job_to_be_resumed_is_never_silent() -> None:
    assert silence(replace(HELD, held_by=Hold.PAUSE), DOWN, at(3600)) is None


def test_once_let_go_its_silence_counts_from_there() -> None:
    free = replace(HELD, held_by=None)
    assert silence(free, AROUND, at(305)) is None
    found = silence(free, AROUND, at(311))
    assert found is not None and found.hop == "queued"
