"""Numbers and instants in reports say neither more nor less than is known."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from console.plugins.reports import words
from console.plugins.reports.weekly import days_before
from tests.factories import NOON

HANOI, BERLIN = ZoneInfo("Asia/Ho_Chi_Minh"), ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("share", "said"),
    [(None, "-"), (0.0, "0 %"), (1.0, "100 %"), (0.99999, "99.9 %"), (2 / 3, "66.6 %"), (0.29, "29 %")],
)
def test_a_share_is_rounded_down_so_that_all_means_all(share: float | None, said: str) -> None:
    assert words.percent(share) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0.00 s"),
        (0.5, "0.50 s"),
        (1.44, "1.4 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (11_520, "3 h 12 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_a_span_is_said_in_the_units_that_fit(seconds: float, said: str) -> None:
    assert words.span(timedelta(seconds=seconds)) == said


def test_an_instant_is_told_in_the_zone_and_with_its_year_when_it_is_another_one() -> None:
    assert words.clock(NOON, HANOI, NOON) == "Wed 2 Jan 19:00"
    assert words.clock(NOON - timedelta(days=9), HANOI, NOON) == "Mon 24 Dec 2029 19:00"
    slots = [NOON + timedelta(hours=hours) for hours in (0, 4, 6)]
    assert words.clocks(slots, HANOI, NOON) == "Wed 2 Jan 19:00, 23:00; Thu 3 Jan 01:00"
    assert words.zone_of(HANOI, NOON) == "Asia/Ho_Chi_Minh (UTC+07:00)"


def test_what_is_cut_says_so() -> None:
    assert (words.first_of(20, 131), words.first_of(3, 3)) == ("first 20 of 131", "")
    assert words.first_of(20, 10_000, is_capped=True) == "first 20 of 10000+"
    assert (words.counted(1, "run"), words.counted(0, "run")) == ("1 run", "0 runs")
    assert words.sentence("  a\tb \nsecond line") == "a b"
    assert words.sentence("x" * 300).endswith("x…") and len(words.sentence("x" * 300)) == 240


def test_a_week_before_is_the_same_time_of_day_also_when_the_clocks_changed() -> None:
    monday = datetime(2030, 4, 1, 6, 0, tzinfo=UTC)
    assert days_before(monday, 7, BERLIN) == datetime(2030, 3, 25, 7, 0, tzinfo=UTC)
    assert days_before(monday, 7, HANOI) == monday - timedelta(days=7)
