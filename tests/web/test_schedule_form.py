"""The schedule editor's form without a page: what is typed, what it means, and what mirrors what."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from console.core.errors import Invalid
from console.services.definitions import Definition
from console.web.drafts import Draft, draft_of, read
from console.web.editor import zones
from console.web.schedule_form import Examined, agreed, examine, mirror
from console.web.schedule_shape import twice

NOW = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)


def definition(schedule: dict[str, Any], timezone: str = "UTC", **fields: Any) -> Definition:
    held: dict[str, Any] = {"name": "n", "task": "t", "subject": "", "recipient": None, "args": {}}
    held |= {"enabled": True, "overlap": "skip", "catch_up": "latest"}
    spans = {"catch_up_window_seconds": None, "jitter_seconds": None}
    return Definition(schedule=schedule, timezone=timezone, **{**held, **spans, **fields})


MANUAL = definition({"type": "manual"})


def asked(given: dict[str, str], base: Definition = MANUAL, typed: str | None = None) -> Examined:
    return examine(agreed(replace(draft_of(base, NOW), **given)), base, NOW, typed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "schedule"),
    [
        ({"type": "manual"}, {"type": "manual"}),
        ({"type": "every", "every": "4", "unit": "hours"}, {"type": "interval", "every_seconds": 14400}),
        ({"type": "every", "every": "90", "unit": "seconds"}, {"type": "interval", "every_seconds": 90}),
        ({"type": "daily", "time": "09:15"}, {"type": "daily", "hour": 9, "minute": 15}),
        ({"type": "daily", "time": "9:05"}, {"type": "daily", "hour": 9, "minute": 5}),
        ({"type": "daily", "time": "23:59:00"}, {"type": "daily", "hour": 23, "minute": 59}),
        (
            {"type": "weekly", "weekday": "6", "time": "00:00"},
            {"type": "weekly", "weekday": 6, "hour": 0, "minute": 0},
        ),
        ({"type": "monthly", "day": "31", "time": "08:30"}, {"type": "cron", "cron": "30 8 31 * *"}),
        ({"type": "cron", "cron": "  15  9 * * 1-5 "}, {"type": "cron", "cron": "15 9 * * 1-5"}),
        (
            {"type": "once", "at": "2030-06-01T09:15", "timezone": "Asia/Ho_Chi_Minh"},
            {"type": "once", "at": "2030-06-01T02:15:00+00:00"},
        ),
        (
            {"type": "once", "at": "2030-10-27T02:30", "timezone": "Europe/Berlin"},
            {"type": "once", "at": "2030-10-27T00:30:00+00:00"},
        ),
        (
            {"type": "once", "at": "2030-10-27T02:30", "timezone": "Europe/Berlin", "fold": "1"},
            {"type": "once", "at": "2030-10-27T01:30:00+00:00"},
        ),
        (
            {"type": "once", "at": "2030-06-01T02:30", "timezone": "Europe/Berlin", "fold": "1"},
            {"type": "once", "at": "2030-06-01T00:30:00+00:00"},
        ),
    ],
)
def test_what_is_typed_becomes_the_contracts_shape(given: dict[str, str], schedule: dict[str, Any]) -> None:
    seen = asked(given)
    assert not seen.faults
    assert seen.wanted["schedule"] == schedule


@pytest.mark.parametrize(
    ("given", "field", "text"),
    [
        ({"type": "nonsense"}, "type", "choose one of the list"),
        ({"type": "every", "every": ""}, "every", "whole number"),
        ({"type": "every", "every": "0"}, "every", "from 1 to"),
        ({"type": "every", "every": "1.5"}, "every", "whole number"),
        ({"type": "every", "every": "٣"}, "every", "whole number"),
        ({"type": "every", "every": "5", "unit": "fortnights"}, "unit", "must be one of"),
        ({"type": "daily", "time": ""}, "time", "choose a time of day"),
        ({"type": "daily", "time": "24:00"}, "time", "choose a time of day"),
        ({"type": "weekly", "weekday": "7"}, "weekday", "from 0 to 6"),
        ({"type": "monthly", "day": "32"}, "day", "from 1 to 31"),
        ({"type": "cron", "cron": ""}, "cron", "five fields"),
        ({"type": "cron", "cron": "15 25 * * *"}, "cron", "at character 4"),
        ({"type": "cron", "cron": "0 9 31 2 *"}, "cron", "this never fires; make the job manual"),
        ({"type": "once", "at": ""}, "at", "choose a date and a time"),
        ({"type": "once", "at": "2030-02-31T09:00"}, "at", "no such date"),
        ({"type": "once", "at": "9999-12-31T23:59", "timezone": "America/Los_Angeles"}, "at", ""),
        (
            {"type": "once", "at": "2030-03-31T02:30", "timezone": "Europe/Berlin"},
            "at",
            "02:30 doesn't exist on 31 March 2030 in Europe/Berlin: the clocks leap forward to 03:00",
        ),
        ({"type": "daily", "timezone": "Mars/Olympus"}, "timezone", "no known zone"),
        ({"type": "once", "at": "2030-06-01T09:15", "timezone": ""}, "timezone", "no known zone"),
        ({"overlap": "queue"}, "overlap", "must be one of"),
        ({"catch_up": "some"}, "catch_up", "must be one of"),
        ({"window": "a while"}, "window", "whole number"),
        ({"window": "367", "window_unit": "days"}, "window", "seconds from 1 to"),
        ({"jitter": "2", "jitter_unit": "hours"}, "jitter", "from 1 to 3600"),
        ({"jitter": "2", "jitter_unit": "moons"}, "jitter", "must count"),
    ],
)
def test_what_cannot_be_read_is_named_by_the_forms_field(
    given: dict[str, str], field: str, text: str
) -> None:
    seen = asked(given)
    assert list(seen.faults.fields) == [field]
    assert text in seen.faults.fields[field][0]
    assert seen.faults.first == field


def test_all_wrong_fields_are_named_at_once() -> None:
    seen = asked({"type": "daily", "time": "x", "timezone": "Mars", "window": "x", "jitter": "x"})
    assert list(seen.faults.fields) == ["time", "timezone", "window", "jitter"]
    assert seen.faults.first == "time"


@pytest.mark.parametrize(
    "schedule",
    [
        {"type": "manual"},
        {"type": "interval", "every_seconds": 90},
        {"type": "interval", "every_seconds": 172800},
        {"type": "daily", "hour": 7, "minute": 5},
        {"type": "weekly", "weekday": 2, "hour": 7, "minute": 5},
        {"type": "cron", "cron": "0 9 * * MON"},
        {"type": "cron", "cron": "5 7 * * *"},
        {"type": "cron", "cron": "30 8 31 * *"},
        {"type": "cron", "cron": "*/7 1-5 * * *"},
        {"type": "once", "at": "2030-10-27T01:30:12.345678+00:00"},
        {"type": "once", "at": "2020-10-27T01:30:00+00:00"},
    ],
)
def test_a_form_that_nobody_touched_changes_nothing(schedule: dict[str, Any]) -> None:
    base = definition(
        schedule, "Europe/Berlin", enabled=False, catch_up_window_seconds=5400, jitter_seconds=61
    )
    seen = examine(read(agreed(draft_of(base, NOW)).texts), base, NOW)
    assert not seen.faults
    assert {name: getattr(base, name) for name in seen.wanted} == dict(seen.wanted)


DRAFT = agreed(Draft(type="daily", time="09:00", cron="0 9 * * *"))


@pytest.mark.parametrize(
    ("given", "typed", "expected"),
    [
        ({"time": "10:30"}, "time", {"type": "daily", "cron": "30 10 * * *"}),
        ({"type": "weekly"}, "type", {"cron": "0 9 * * 1", "weekday": "0"}),
        ({"type": "monthly", "day": "5"}, "day", {"cron": "0 9 5 * *"}),
        ({"type": "cron", "cron": ""}, "type", {"type": "cron", "cron": "0 9 * * *"}),
        ({"type": "cron"}, "type", {"type": "cron", "cron": "0 9 * * *"}),
        ({"type": "manual"}, "type", {"type": "manual", "cron": "0 9 * * *"}),
        ({"cron": "30 10 * * *"}, "cron", {"type": "daily", "time": "10:30"}),
        ({"cron": "30 10 * * 3"}, "cron", {"type": "weekly", "weekday": "2", "time": "10:30"}),
        ({"cron": "30 10 3 * *"}, "cron", {"type": "monthly", "day": "3", "time": "10:30"}),
        ({"cron": "30 10 * * 1-5"}, "cron", {"type": "cron", "time": "09:00"}),
        ({"type": "cron", "cron": "15 8 * * *"}, "cron", {"type": "daily", "time": "08:15"}),
        # A save says which field was typed in by what differs from what was last shown.
        ({"time": "10:30"}, None, {"cron": "30 10 * * *"}),
        ({"cron": "30 10 * * *"}, None, {"type": "daily", "time": "10:30"}),
        ({"type": "manual"}, None, {"type": "manual"}),
        # Both, one after the other, before an answer came: the last one counts.
        ({"time": "10:30", "cron": "0 8 * * *"}, "time", {"cron": "30 10 * * *"}),
        ({"time": "10:30", "cron": "0 8 * * *"}, "cron", {"time": "08:00"}),
        # The cron was typed in, and then something that belongs to neither side.
        ({"cron": "0 8 * * *", "timezone": "Asia/Tokyo"}, "timezone", {"time": "08:00"}),
    ],
)
def test_fields_and_cron_are_each_the_others_mirror(
    given: dict[str, str], typed: str | None, expected: dict[str, str]
) -> None:
    found = mirror(replace(DRAFT, **given), typed)  # type: ignore[arg-type]
    assert {name: getattr(found, name) for name in expected} == expected
    assert mirror(found, None) == found


def test_without_javascript_two_sides_that_disagree_are_refused() -> None:
    with pytest.raises(Invalid) as refused:
        mirror(replace(DRAFT, time="10:30", cron="0 8 * * *"), None)
    assert "say different things" in refused.value.fields["cron"][0]


def test_a_cron_that_is_half_typed_leaves_the_fields_alone_and_still_counts_when_saved() -> None:
    half = replace(DRAFT, cron="30 10 *")
    for typed in ("cron", None):
        seen = examine(half, MANUAL, NOW, typed)
        assert list(seen.faults.fields) == ["cron"]
        assert seen.draft == half


def test_a_time_that_comes_twice_asks_which_is_meant() -> None:
    found = twice(Draft(type="once", at="2030-10-27T02:30", timezone="Europe/Berlin"))
    assert found is not None
    assert (found.first, found.second) == ("the first time, UTC+02:00", "the second time, UTC+01:00")
    assert twice(Draft(type="once", at="2030-10-27T03:30", timezone="Europe/Berlin")) is None
    assert twice(Draft(type="once", at="2030-03-31T02:30", timezone="Europe/Berlin")) is None


def test_the_likely_zones_come_first_and_each_is_there_once() -> None:
    found = zones("Asia/Bangkok", "UTC")
    assert found[:2] == ("Asia/Bangkok", "UTC")
    assert len(found) == len(set(found)) > 300
    assert "Europe/Berlin" in found[:12] and "Africa/Lagos" in found
