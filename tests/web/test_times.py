"""Spans in words: short in a row, never far off, and the same ones wherever they stand."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from console.web.filters import due, elapsed, relative, span

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2030, 1, 2, 6, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words", "ticking"),
    [
        (0, "0 s", "0 s"),
        (59.9, "59 s", "59 s"),
        (60, "1 min", "1 min"),
        (245, "4 min", "4 min 5 s"),
        (599.9, "9 min", "9 min 59 s"),
        (600, "10 min", "10 min"),
        (3599, "59 min", "59 min"),
        (3600, "1 h", "1 h"),
        (119 * 60, "1 h 59 min", "1 h 59 min"),
        (36000 - 1, "9 h 59 min", "9 h 59 min"),
        (36000, "10 h", "10 h"),
        (10.6 * 3600, "11 h", "11 h"),
        (47.4 * 3600, "47 h", "47 h"),
        (47.6 * 3600, "2 d", "2 d"),
        (51 * 3600, "2 d 3 h", "2 d 3 h"),
    ],
)
def test_a_span_is_short_and_never_half_an_hour_off(seconds: float, words: str, ticking: str) -> None:
    assert (span(seconds), span(seconds, ticks=True)) == (words, ticking)


def test_what_is_to_come_what_is_late_and_what_goes_on_have_the_same_spans() -> None:
    gap = timedelta(minutes=119)
    assert due(NOW + gap, NOW, BERLIN) == relative(NOW + gap, NOW, BERLIN) == "in 1 h 59 min"
    assert relative(NOW - gap, NOW, BERLIN) == "1 h 59 min ago"
    assert due(NOW - gap, NOW, BERLIN) == "1 h 59 min late"
    assert elapsed(NOW - timedelta(seconds=245), NOW) == "4 min 5 s"
    assert due(NOW, NOW, BERLIN) == "now" and due(NOW - timedelta(seconds=1), NOW, BERLIN) == "due now"
