"""What a form says of a schedule, and back."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.core.errors import Invalid
from console.core.plain import UNITS, Plain, plain, schedule_of
from console.core.schedule import first_slot, parse
from console.core.slots import slots

NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2027, 3, 1, tzinfo=UTC)

FORMS: list[tuple[dict[str, object], Plain]] = [
    ({"type": "cron", "cron": "15 9 * * *"}, Plain("daily", hour=9, minute=15, cron="15 9 * * *")),
    ({"type": "daily", "hour": 9, "minute": 15}, Plain("daily", hour=9, minute=15, cron="15 9 * * *")),
    ({"type": "cron", "cron": "0 8 * * 1"}, Plain("weekly", hour=8, minute=0, weekday=0, cron="0 8 * * 1")),
    (
        {"type": "weekly", "weekday": 6, "hour": 8, "minute": 0},
        Plain("weekly", hour=8, minute=0, weekday=6, cron="0 8 * * 0"),
    ),
    ({"type": "cron", "cron": "0 8 3 * *"}, Plain("monthly", hour=8, minute=0, day=3, cron="0 8 3 * *")),
    ({"type": "cron", "cron": "*/15 * * * *"}, Plain("cron", cron="*/15 * * * *")),
    ({"type": "interval", "every_seconds": 90}, Plain("every", every=90, unit="seconds")),
    ({"type": "interval", "every_seconds": 5400}, Plain("every", every=90, unit="minutes")),
    ({"type": "interval", "every_seconds": 7200}, Plain("every", every=2, unit="hours")),
    ({"type": "interval", "every_seconds": 172800}, Plain("every", every=2, unit="days")),
    ({"type": "once", "at": NOW}, Plain("once", at=NOW)),
    ({"type": "manual"}, Plain("manual")),
]


@pytest.mark.parametrize(("shape", "form"), FORMS)
def test_a_schedule_has_its_simplest_form(shape: dict[str, object], form: Plain) -> None:
    assert plain(parse(shape)) == form


@pytest.mark.parametrize(
    ("form", "field"),
    [
        (Plain("every", every=0, unit="minutes"), "every"),
        (Plain("every", every=367, unit="days"), "every"),
        (Plain("every", unit="hours"), "every"),
        (Plain("every", every=5, unit="weeks"), "unit"),
        (Plain("monthly", hour=8, minute=0), "day"),
        (Plain("monthly", hour=8, minute=0, day=32), "day"),
        (Plain("monthly", hour=24, minute=0, day=1), "hour"),
        (Plain("monthly", hour=8, day=1), "minute"),
        (Plain("weekly", hour=8, minute=0), "weekday"),
        (Plain("daily", hour=24, minute=0), "hour"),
        (Plain("cron", cron="a"), "cron"),
        (Plain("once"), "at"),
        (Plain("yearly"), "type"),
    ],
)
def test_a_mistake_in_the_form_names_the_field_of_the_form(form: Plain, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(schedule_of(form))
    assert list(caught.value.fields) == [field]


HOURS, MINUTES = st.integers(0, 23), st.integers(0, 59)
SHAPES: st.SearchStrategy[dict[str, object]] = st.one_of(
    st.builds(lambda seconds: {"type": "interval", "every_seconds": seconds}, st.integers(1, 366 * 86400)),
    st.builds(
        lambda count, size: {"type": "interval", "every_seconds": count * size},
        st.integers(1, 366),
        st.sampled_from(list(UNITS.values())),
    ),
    st.builds(lambda hour, minute: {"type": "daily", "hour": hour, "minute": minute}, HOURS, MINUTES),
    st.builds(
        lambda day, hour: {"type": "weekly", "weekday": day, "hour": hour, "minute": 30},
        st.integers(0, 6),
        HOURS,
    ),
    st.builds(
        lambda minute, hour, days: {"type": "cron", "cron": f"{minute} {hour} {days}"},
        st.one_of(MINUTES, st.sampled_from(["*/20", "0,30", "05"])),
        st.one_of(HOURS, st.sampled_from(["*", "9-17"])),
        st.sampled_from(
            ["* * *", "* * 7", "* * 0", "* * tue", "31 * *", "1 * *", "1 * 1", "1 1 *", "L * *", "* * 5L"]
        ),
    ),
)


@settings(max_examples=200, deadline=None)
@given(shape=SHAPES)
def test_the_form_says_the_same_slots_and_keeps_its_shape(shape: dict[str, object]) -> None:
    schedule = parse(shape)
    back = parse(schedule_of(plain(schedule)))
    first = first_slot(schedule, NEW_YORK, NOW)
    assert first_slot(back, NEW_YORK, NOW) == first
    assert slots(back, NEW_YORK, first, 20) == slots(schedule, NEW_YORK, first, 20)
    assert (back.kind, plain(back).type) == (schedule.kind, plain(schedule).type)
