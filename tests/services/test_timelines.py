"""What comes up in the next 24 hours, by hour and by minute."""

from datetime import UTC, datetime, timedelta

import pytest
from apiflask import APIFlask

from console.services import timelines
from tests import factories
from tests.factories import NOON, OrgOf


def test_slots_are_counted_by_the_hours_of_the_orgs_zone_and_crowded_minutes_are_named(app: APIFlask) -> None:
    org = factories.org(timezone="Asia/Kolkata")
    nine = {"type": "daily", "hour": 9, "minute": 15}
    factories.job(org, name="A", schedule=nine, timezone="Asia/Kolkata", now=NOON)
    factories.job(org, name="B", schedule=nine, timezone="Asia/Kolkata", now=NOON)
    factories.job(org, name="Often", schedule={"type": "interval", "every_seconds": 600}, now=NOON)
    factories.job(org, name="Off", schedule=nine, paused=True, now=NOON)
    factories.job(factories.org(), name="Foreign", schedule=nine, now=NOON)
    found = timelines.timeline(org.admin, now=NOON)
    assert found.hours[0].start == datetime(2030, 1, 2, 11, 30, tzinfo=UTC), "17:00 in India"
    assert (found.jobs, found.is_capped, len(found.hours)) == (3, False, 25)
    assert found.total == sum(hour.slots for hour in found.hours)
    first = found.crowded[0]
    assert (first.at, first.count, first.slots) == (datetime(2030, 1, 3, 3, 45, tzinfo=UTC), 2, 2)
    assert sorted(first.jobs) == ["A", "B"]
    (hour,) = [hour for hour in found.hours if hour.crowded]
    assert hour.start <= first.at < hour.start + timedelta(hours=1)
    assert hour.slots == 2 + 6


def test_each_crowded_minute_is_counted_in_its_hour_though_only_the_fullest_are_named(org: OrgOf) -> None:
    for _ in range(2):
        factories.job(org, schedule={"type": "interval", "every_seconds": 600}, now=NOON)
    found = timelines.timeline(org.admin, now=NOON)
    crowded = [len(hour.crowded) for hour in found.hours]
    assert (sum(crowded), found.crowded_count, len(found.crowded)) == (143, 143, 10)
    assert crowded == [5] + [6] * 23
    assert all(minute.jobs for minute in found.crowded)


def test_a_timeline_of_too_much_says_so(org: OrgOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timelines, "MOST_JOBS", 1)
    for _ in range(2):
        factories.job(org, schedule={"type": "interval", "every_seconds": 60}, now=NOON)
    found = timelines.timeline(org.admin, now=NOON)
    assert (found.is_capped, found.jobs) == (True, 1)
    monkeypatch.setattr(timelines, "MOST_MINUTES", 100)
    assert timelines.timeline(org.admin, now=NOON).jobs == 0


def test_an_empty_org_has_empty_hours(org: OrgOf) -> None:
    factories.job(org, now=NOON)
    found = timelines.timeline(org.admin, now=NOON)
    assert (found.total, found.crowded) == (0, [])
