"""Spans and instants as sentences say them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from console.core.spans import instant_text, span_text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 s"),
        (0.04, "0 s"),
        (37.42, "37.4 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (7200, "2 h"),
        (11400, "3 h 10 min"),
        (7205, "2 h"),
        (86400, "1 d"),
        (90000 + 86400, "2 d 1 h"),
        (86460, "1 d"),
    ],
)
def test_a_span_has_its_two_largest_units(seconds: float, words: str) -> None:
    assert span_text(timedelta(seconds=seconds)) == words


def test_an_instant_names_its_zone() -> None:
    instant = datetime(2030, 7, 1, 12, 0, tzinfo=UTC)
    assert instant_text(instant, ZoneInfo("Europe/Berlin")) == "2030-07-01 14:00:00 (Europe/Berlin)"
