"""How many slots fall into each minute."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from time import thread_time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.core.schedule import Schedule, parse
from console.core.slots import chain
from console.core.timeline import hits

NEW_YORK = ZoneInfo("America/New_York")
JUMPS = [datetime(2027, 3, 14, 7, tzinfo=UTC), datetime(2027, 11, 7, 6, tzinfo=UTC)]
FIRST = st.builds(
    lambda jump, seconds, micros: jump + timedelta(seconds=seconds, microseconds=micros),
    st.sampled_from(JUMPS),
    st.integers(-90000, 90000),
    st.sampled_from([0, 1, 999999, 500000]),
)
SHAPES: st.SearchStrategy[dict[str, object]] = st.one_of(
    st.builds(lambda every: {"type": "interval", "every_seconds": every}, st.integers(1, 200)),
    st.builds(lambda every: {"type": "interval", "every_seconds": every}, st.integers(200, 200000)),
    st.builds(
        lambda text: {"type": "cron", "cron": text},
        st.sampled_from(
            ["* * * * *", "*/15 * * * *", "30 2 * * *", "30 1 * * *", "0,30 1,2 * * *", "0 * * * 0"]
        ),
    ),
    st.builds(lambda hour: {"type": "daily", "hour": hour, "minute": 30}, st.integers(0, 4)),
    st.just({"type": "once", "at": JUMPS[0]}),
)


def walked(schedule: Schedule, first: datetime, start: datetime, end: datetime) -> dict[datetime, int]:
    found = takewhile(lambda at: at < end, chain(schedule, NEW_YORK, first))
    return dict(Counter(at.replace(second=0, microsecond=0) for at in found if at >= start))


@settings(max_examples=150, deadline=None)
@given(shape=SHAPES, first=FIRST, later=st.integers(-7200, 14400), seconds=st.integers(0, 7200))
def test_each_slot_of_the_chain_is_counted_once_in_its_minute(
    shape: dict[str, object], first: datetime, later: int, seconds: int
) -> None:
    schedule, start = parse(shape), first + timedelta(seconds=later, microseconds=7)
    end = start + timedelta(seconds=seconds)
    assert hits(schedule, NEW_YORK, first, start, end) == walked(schedule, first, start, end)


@pytest.mark.parametrize(
    "shape", [{"type": "interval", "every_seconds": 1}, {"type": "cron", "cron": "* * * * *"}]
)
def test_a_day_of_the_busiest_schedules_is_counted_in_no_time(shape: dict[str, object]) -> None:
    spent = []
    for hours in (12, 11, 10):  # each a day of its own; one may hold a collection of what earlier tests left
        start = JUMPS[0] - timedelta(hours=hours)
        begun = thread_time()
        found = hits(parse(shape), NEW_YORK, start, start, start + timedelta(days=1))
        spent.append(thread_time() - begun)
        assert len(found) == 24 * 60
        assert set(found.values()) == {60 if "every_seconds" in shape else 1}
    assert min(spent) < 0.25  # some 5 ms; walking 86,400 slots takes longer


def test_what_comes_before_the_first_slot_is_not_counted() -> None:
    hourly, start = parse({"type": "cron", "cron": "0 * * * *"}), JUMPS[0]
    first = start + timedelta(hours=3)
    assert min(hits(hourly, NEW_YORK, first, start, start + timedelta(hours=9))) == first


def test_a_count_that_is_changed_changes_no_other() -> None:
    hourly, start = parse({"type": "cron", "cron": "0 * * * *"}), JUMPS[0]
    ask = (hourly, NEW_YORK, start, start, start + timedelta(hours=2))
    dict(hits(*ask)).clear()
    assert hits(*ask) == {start: 1, start + timedelta(hours=1): 1}
