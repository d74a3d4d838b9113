"""When a schedule is due, over daylight saving too."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.core.errors import Invalid
from console.core.reasons import Reason
from console.core.schedule import describe, first_slot, next_slot, parse
from console.core.states import Kind

NEW_YORK = ZoneInfo("America/New_York")
HO_CHI_MINH = ZoneInfo("Asia/Ho_Chi_Minh")
DAILY = {"type": "daily", "hour": 9, "minute": 15}


def slots(shape: dict[str, object], zone: ZoneInfo, after: datetime, count: int) -> list[datetime]:
    found: list[datetime] = []
    at: datetime | None = after
    for _ in range(count):
        at = next_slot(parse(shape), zone, at) if at else None
        if at:
            found.append(at)
    return found


@pytest.mark.parametrize(
    ("shape", "kind", "words"),
    [
        ({"type": "manual"}, Kind.MANUAL, "only by hand"),
        ({"type": "once", "at": "2030-01-01T10:00:00+07:00"}, Kind.ONCE, "once"),
        ({"type": "interval", "every_seconds": 1800}, Kind.INTERVAL, "every 30 min"),
        (DAILY, Kind.CRON, "daily at 09:15"),
        ({"type": "weekly", "weekday": 0, "hour": 8, "minute": 0}, Kind.CRON, "Mondays at 08:00"),
        ({"type": "interval", "every_seconds": 90}, Kind.INTERVAL, "every 90 s"),
        ({"type": "interval", "every_seconds": 172800}, Kind.INTERVAL, "every 2 d"),
        ({"type": "cron", "cron": "*/5 * * * *"}, Kind.CRON, "Every fifth minute of every hour"),
        ({"type": "cron", "cron": "15 9 * * *"}, Kind.CRON, "daily at 09:15"),
        ({"type": "cron", "cron": "0 8 * * SUN"}, Kind.CRON, "Sundays at 08:00"),
        ({"type": "cron", "cron": "0 8 1 * *"}, Kind.CRON, "monthly on the 1st at 08:00"),
        ({"type": "cron", "cron": "0 8 3 * *"}, Kind.CRON, "monthly on the 3rd at 08:00"),
        ({"type": "cron", "cron": "0 8 12 * *"}, Kind.CRON, "monthly on the 12th at 08:00"),
        ({"type": "cron", "cron": "0 8 22 * *"}, Kind.CRON, "monthly on the 22nd at 08:00"),
        (
            {"type": "cron", "cron": "0 8 31 * *"},
            Kind.CRON,
            "monthly on the 31st at 08:00 (in months that have it)",
        ),
        ({"type": "cron", "cron": "0 8 L * *"}, Kind.CRON, "At 08:00 on the last day of every month"),
        (
            {"type": "cron", "cron": "0 8 23 1,2 *"},
            Kind.CRON,
            "At 08:00 on the 23rd day of January and February",
        ),
    ],
)
def test_the_kind_and_the_words_come_from_the_shape(shape: dict[str, object], kind: Kind, words: str) -> None:
    assert (parse(shape).kind, describe(parse(shape))) == (kind, words)


@pytest.mark.parametrize(
    "shape",
    [
        DAILY,
        {"type": "manual"},
        {"type": "interval", "every_seconds": 60},
        {"type": "weekly", "weekday": 6, "hour": 8, "minute": 0},
        {"type": "cron", "cron": "*/5  9 * * mon-fri"},
        {"type": "once", "at": datetime(2030, 1, 1, 10, tzinfo=HO_CHI_MINH)},
    ],
)
def test_a_shape_survives_the_way_into_the_table_and_back(shape: dict[str, object]) -> None:
    assert parse(parse(shape).as_json()) == parse(shape)


@pytest.mark.parametrize(
    ("shape", "field"),
    [
        ({}, "type"),
        ({"type": "yearly"}, "type"),
        ({"type": []}, "type"),
        ({"type": "daily", "hour": 24, "minute": 0}, "hour"),
        ({"type": "daily", "hour": 9, "minute": "15"}, "minute"),
        ({"type": "daily", "hour": True, "minute": 0}, "hour"),
        ({"type": "weekly", "weekday": 7, "hour": 1, "minute": 1}, "weekday"),
        ({"type": "interval", "every_seconds": 0}, "every_seconds"),
        ({"type": "cron", "cron": "61 * * * *"}, "cron"),
        ({"type": "cron", "cron": "* * * * * *"}, "cron"),
        ({"type": "cron"}, "cron"),
        ({"type": "once", "at": "2030-01-01T10:00:00"}, "at"),
        ({"type": "once", "at": "tomorrow"}, "at"),
    ],
)
def test_a_mistake_is_refused_with_its_field(shape: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(shape)
    assert list(caught.value.fields) == [field]
    assert caught.value.reason is Reason.INVALID_SCHEDULE


def test_the_31st_of_february_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(Invalid, match="make the job manual") as caught:
        parse({"type": "cron", "cron": "0 0 31 2 *"})
    assert caught.value.reason is Reason.NEVER_FIRES


def test_a_daily_time_is_meant_in_its_own_zone() -> None:
    (slot,) = slots(DAILY, HO_CHI_MINH, datetime(2030, 1, 1, 12, tzinfo=UTC), 1)
    assert slot == datetime(2030, 1, 2, 2, 15, tzinfo=UTC)


def test_a_time_that_does_not_exist_runs_once_right_after_the_jump() -> None:
    before = datetime(2030, 3, 9, 12, tzinfo=UTC)
    shape: dict[str, object] = {"type": "daily", "hour": 2, "minute": 30}
    first, second = slots(shape, NEW_YORK, before, 2)
    assert first.astimezone(NEW_YORK) == datetime(2030, 3, 10, 3, 0, tzinfo=NEW_YORK)
    assert second.astimezone(NEW_YORK) == datetime(2030, 3, 11, 2, 30, tzinfo=NEW_YORK)


def test_a_time_that_comes_twice_runs_once() -> None:
    before = datetime(2030, 11, 2, 12, tzinfo=UTC)
    shape: dict[str, object] = {"type": "daily", "hour": 1, "minute": 30}
    first, second = slots(shape, NEW_YORK, before, 2)
    assert first == datetime(2030, 11, 3, 5, 30, tzinfo=UTC)
    assert second == datetime(2030, 11, 4, 6, 30, tzinfo=UTC)


def test_a_job_made_in_the_second_pass_of_an_hour_waits_for_the_next_day() -> None:
    daily = parse({"type": "daily", "hour": 1, "minute": 30})
    second_pass = datetime(2030, 11, 3, 6, 10, tzinfo=UTC)
    assert first_slot(daily, NEW_YORK, second_pass) == datetime(2030, 11, 4, 6, 30, tzinfo=UTC)


def test_a_schedule_ends_with_the_calendar_and_not_in_an_error() -> None:
    rare = {"type": "cron", "cron": "0 0 * 2 MON#5"}
    found = slots(rare, NEW_YORK, datetime(9960, 1, 1, tzinfo=UTC), 5)
    assert [slot.astimezone(NEW_YORK).year for slot in found] == [9960, 9988]


def test_a_quarter_of_an_hour_stays_one_over_the_day_on_which_clocks_go_back() -> None:
    before = datetime(2030, 11, 3, 4, 0, tzinfo=UTC)
    found = slots({"type": "cron", "cron": "*/15 * * * *"}, NEW_YORK, before, 16)
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=15)}


@given(
    every=st.integers(1, 86400 * 30),
    days=st.integers(0, 36500),
)
def test_intervals_count_from_the_slot_before_and_never_drift(every: int, days: int) -> None:
    start = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=days)
    found = slots({"type": "interval", "every_seconds": every}, NEW_YORK, start, 20)
    assert found == [start + timedelta(seconds=every) * number for number in range(1, 21)]


def test_a_once_schedule_has_one_slot_and_a_manual_one_has_none() -> None:
    once = parse({"type": "once", "at": "2030-01-01T00:00:00+00:00"})
    now = datetime(2029, 1, 1, tzinfo=UTC)
    assert first_slot(once, NEW_YORK, now) == datetime(2030, 1, 1, tzinfo=UTC)
    assert next_slot(once, NEW_YORK, datetime(2030, 1, 1, tzinfo=UTC)) is None
    assert first_slot(parse({"type": "manual"}), NEW_YORK, now) is None
