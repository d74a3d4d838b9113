"""Names, reasons, hops and texts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.core.errors import UnknownTask
from console.core.hops import Clock, Surroundings, Timestamps, clock_of, hops, light_of, silence
from console.core.names import key_of
from console.core.reasons import TEXTS, Reason
from console.core.registry import load, registry
from console.core.states import Beating, Light, Role, RunState
from console.core.texts import NotJson, as_json, storable

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _tasks() -> None:
    load(["tests.tasks"])


@pytest.mark.parametrize(
    "name", ["return-an-object", "return_an_object", "Return an object", "tests.tasks.return_an_object"]
)
def test_every_spelling_finds_the_same_task(name: str) -> None:
    assert registry.resolve(name).path == "tests.tasks.return_an_object"


def test_a_former_name_finds_the_task_of_today() -> None:
    assert registry.resolve("tests.tasks.old_name").key == "new_name"


def test_a_name_that_finds_nothing_gets_suggestions() -> None:
    with pytest.raises(UnknownTask) as caught:
        registry.resolve("sucede")
    assert "succeed" in caught.value.suggestions
    assert caught.value.reason is Reason.UNKNOWN_TASK


@given(st.text(max_size=50))
def test_any_text_has_a_key_and_a_key_is_its_own(name: str) -> None:
    assert key_of(key_of(name)) == key_of(name)


def test_every_reason_says_what_it_means_and_what_to_do() -> None:
    assert set(TEXTS) == set(Reason)
    assert all(reason.text.endswith(".") and reason.advice.endswith(".") for reason in Reason)


def test_roles_include_the_ones_before_them() -> None:
    assert Role.ADMIN.includes(Role.VIEWER) and not Role.VIEWER.includes(Role.OPERATOR)


@pytest.mark.parametrize(
    ("kind", "seconds", "light"),
    [
        (Beating.SCHEDULER, 29, Light.GREEN),
        (Beating.SCHEDULER, 31, Light.YELLOW),
        (Beating.SCHEDULER, 121, Light.RED),
        (Beating.EXTERNAL_CRON, 14 * 60, Light.GREEN),
        (Beating.EXTERNAL_CRON, 16 * 60, Light.YELLOW),
        (Beating.EXTERNAL_CRON, 61 * 60, Light.RED),
    ],
)
def test_a_heartbeat_is_green_then_yellow_then_red(kind: Beating, seconds: int, light: Light) -> None:
    assert light_of(kind, timedelta(seconds=seconds)) is light
    assert light_of(kind, None) is Light.RED


def stamps(state: RunState, **at: datetime) -> Timestamps:
    names = ("queued_at", "started_at", "finished_at", "seen_at")
    return Timestamps(state, NOW, **{name: at.get(name) for name in names})


def around(**fields: object) -> Surroundings:
    values: dict[str, object] = {
        "queue": "messages",
        "task_key": "send",
        "clock": Clock.SCHEDULER,
        "live_workers": 1,
        "serving_workers": 1,
        "offering_workers": 1,
        "worker_name": "worker-1",
        "worker_silence": None,
        "retry_at": None,
    }
    return Surroundings(**{**values, **fields})  # type: ignore[arg-type]


def test_hops_stand_in_their_order_with_the_time_between_them() -> None:
    found = hops(stamps(RunState.RUNNING, queued_at=NOW, started_at=NOW + timedelta(seconds=0.5)))
    assert [hop.name for hop in found] == ["requested", "queued", "started", "finished", "seen"]
    assert [hop.seconds for hop in found] == [None, 0.0, 0.5, None, None]
    assert [hop.name for hop in found if hop.is_current] == ["finished"]


LATER = NOW + timedelta(seconds=11)


@pytest.mark.parametrize(
    ("state", "at", "surroundings", "hop", "words"),
    [
        (RunState.QUEUED, {}, {}, "queued", "Redis can't be reached"),
        (RunState.QUEUED, {}, {"clock": Clock.DOWN}, "queued", "the scheduler is down"),
        (
            RunState.QUEUED,
            {},
            {"clock": Clock.EXTERNAL_CRON},
            "queued",
            "waits for the next tick of the external cron",
        ),
        (RunState.QUEUED, {"queued_at": NOW}, {"live_workers": 0}, "started", "no worker is alive"),
        (RunState.QUEUED, {"queued_at": NOW}, {"serving_workers": 0}, "started", "serves queue messages"),
        (RunState.QUEUED, {"queued_at": NOW}, {"offering_workers": 0}, "started", "offers send"),
        (RunState.QUEUED, {"queued_at": NOW}, {}, "started", "waiting for a free worker"),
        (
            RunState.RUNNING,
            {"queued_at": NOW, "started_at": NOW},
            {"worker_silence": timedelta(seconds=12)},
            "finished",
            "worker-1 has been silent for 12 s",
        ),
        (RunState.RETRYING, {}, {"clock": Clock.DOWN, "retry_at": NOW}, "queued", "scheduler is down"),
        (RunState.RETRYING, {}, {"clock": Clock.EXTERNAL_CRON, "retry_at": NOW}, "queued", "next tick"),
    ],
)
def test_a_hop_that_is_silent_for_ten_seconds_is_named_with_its_reason(
    state: RunState, at: dict[str, datetime], surroundings: dict[str, object], hop: str, words: str
) -> None:
    found = silence(stamps(state, **at), around(**surroundings), LATER)
    assert found is not None
    assert found.hop == hop and words in found.sentence
    if state is RunState.QUEUED:
        assert silence(stamps(state, **at), around(**surroundings), NOW + timedelta(seconds=9)) is None


def test_a_run_that_has_ended_is_never_silent() -> None:
    assert silence(stamps(RunState.SUCCEEDED), around(live_workers=0), LATER) is None


@given(st.text())
def test_any_text_can_be_stored_and_is_no_longer_than_it_may_be(text: str) -> None:
    clean = storable(text, 20)
    assert len(clean) <= 20 and "\x00" not in clean
    clean.encode("utf-8")


@pytest.mark.parametrize("value", [object(), {1, 2}, {"x": float("nan")}, {1: 2}, b"bytes"])
def test_what_json_cannot_hold_is_said_so(value: object) -> None:
    with pytest.raises(NotJson, match="can't be stored as JSON"):
        as_json(value)


G, Y, R = Light.GREEN, Light.YELLOW, Light.RED


@pytest.mark.parametrize(
    ("scheduler", "cron", "clock"),
    [
        (G, None, Clock.SCHEDULER),
        (G, G, Clock.SCHEDULER),
        (Y, None, Clock.SILENT),
        (Y, G, Clock.EXTERNAL_CRON),
        (Y, R, Clock.SILENT),
        (R, G, Clock.EXTERNAL_CRON),
        (R, Y, Clock.EXTERNAL_CRON),
        (R, R, Clock.DOWN),
        (R, None, Clock.DOWN),
    ],
)
def test_the_clock_is_a_live_scheduler_else_a_cron_that_ticks(
    scheduler: Light, cron: Light | None, clock: Clock
) -> None:
    assert clock_of(scheduler, cron) is clock
