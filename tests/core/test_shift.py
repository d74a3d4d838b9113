"""A schedule moved by some minutes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.core.errors import Invalid
from console.core.reasons import Reason
from console.core.schedule import first_slot, parse
from console.core.shift import shift
from console.core.slots import slots

HO_CHI_MINH = ZoneInfo("Asia/Ho_Chi_Minh")
NOW = datetime(2027, 3, 1, 3, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "minutes", "moved"),
    [
        ("0 9 * * 1-5", 15, "15 9 * * 1-5"),
        ("0 9 3 * *", -30, "30 8 3 * *"),
        ("0 9 L 1 MON#1", 5, "5 9 L 1 MON#1"),
        ("0 23 * * 1-5", 90, "30 0 * * 2-6"),
        ("0 0 * * MON,WED", -1, "59 23 * * 0,2"),
        ("0 0 * * SAT", 24 * 60, "0 0 * * 0"),
        ("0 0 * * *", -15, "45 23 * * *"),
        ("0 9-17 * * *", 60, "0 10-18 * * *"),
        ("0 9,21 * * *", 240, "0 1,13 * * *"),
        ("10,40 9 * * *", 5, "15,45 9 * * *"),
        ("30 * * * *", 45, "15 * * * *"),
        ("*/15 * * * *", 15, "*/15 * * * *"),
        ("*/15 * * * *", 5, "5,20,35,50 * * * *"),
    ],
)
def test_a_cron_moves_as_far_as_its_fields_can_say(expression: str, minutes: int, moved: str) -> None:
    assert shift(parse({"type": "cron", "cron": expression}), minutes).cron == moved


def test_daily_and_weekly_cross_midnight_and_once_moves_its_instant() -> None:
    daily = shift(parse({"type": "daily", "hour": 23, "minute": 50}), 20)
    assert daily.as_json() == {"type": "daily", "hour": 0, "minute": 10}
    weekly = shift(parse({"type": "weekly", "weekday": 0, "hour": 0, "minute": 5}), -10)
    assert weekly.as_json() == {"type": "weekly", "weekday": 6, "hour": 23, "minute": 55}
    assert shift(parse({"type": "once", "at": NOW}), -45).at == NOW - timedelta(minutes=45)


@pytest.mark.parametrize(
    ("shape", "minutes", "why"),
    [
        (
            {"type": "interval", "every_seconds": 60},
            5,
            "^An interval counts from its last slot; set the next run to move it.$",
        ),
        ({"type": "manual"}, 5, "no time to shift"),
        ({"type": "cron", "cron": "0 23 3 * *"}, 90, "cross midnight"),
        ({"type": "cron", "cron": "0 23 * 3 1"}, 90, "cross midnight"),
        ({"type": "cron", "cron": "0 23 * * MON#1"}, 90, "cross midnight"),
        ({"type": "cron", "cron": "0 9,23 * * 1"}, 90, "cross midnight"),
        ({"type": "cron", "cron": "0,30 9 * * *"}, 30, "can't be shifted exactly"),
        ({"type": "cron", "cron": "*/15 9 * * *"}, 5, "can't be shifted exactly"),
        ({"type": "cron", "cron": "0 */2 * * *"}, 60, "can't be shifted exactly"),
        ({"type": "once", "at": NOW}, 60 * 24 * 366 * 300, "years"),
        ({"type": "once", "at": NOW}, 60 * 24 * 366 * 30000, "calendar"),
        ({"type": "once", "at": NOW}, 10**12, "calendar"),
    ],
)
def test_what_cannot_move_exactly_is_refused_with_a_sentence(
    shape: dict[str, object], minutes: int, why: str
) -> None:
    with pytest.raises(Invalid, match=why) as caught:
        shift(parse(shape), minutes)
    assert caught.value.reason is Reason.INVALID_SCHEDULE


MINUTES = st.sampled_from(["0", "59", "7", "0,30", "10-20/5", "*", "*/15", "*/7"])
HOURS = st.sampled_from(["0", "23", "9", "9,17", "8-18/2", "0-23", "*", "*/6"])
DAYS = st.sampled_from(
    ["* * *", "* * 1-5", "* * SUN", "* * */2", "15 * *", "* 6 *", "1 * 1", "L * *", "* * 5L"]
)
CRONS = st.builds("{} {} {}".format, MINUTES, HOURS, DAYS).map(lambda text: {"type": "cron", "cron": text})
SHAPES: st.SearchStrategy[dict[str, object]] = st.one_of(
    CRONS,
    CRONS,
    st.builds(lambda hour: {"type": "daily", "hour": hour, "minute": 15}, st.integers(0, 23)),
    st.builds(lambda day: {"type": "weekly", "weekday": day, "hour": 22, "minute": 5}, st.integers(0, 6)),
)


@settings(max_examples=150, deadline=None)
@given(shape=SHAPES, minutes=st.one_of(st.integers(-90, 90), st.integers(-4000, 4000)))
def test_every_slot_moves_by_exactly_the_minutes_where_clocks_never_jump(
    shape: dict[str, object], minutes: int
) -> None:
    schedule, by = parse(shape), timedelta(minutes=minutes)
    try:
        moved = shift(schedule, minutes)
    except Invalid:
        return
    before = slots(schedule, HO_CHI_MINH, first_slot(schedule, HO_CHI_MINH, NOW), 30)
    after = slots(moved, HO_CHI_MINH, first_slot(moved, HO_CHI_MINH, NOW + by), 30)
    assert [slot.at for slot in after] == [slot.at + by for slot in before]
    assert moved.type == schedule.type
