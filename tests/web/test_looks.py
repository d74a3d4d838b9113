"""What is read and heard: names that tell rows apart, and times that say on whose clock they are."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from zoneinfo import ZoneInfo

import pytest
import time_machine
from flask import Flask

from console.core.clock import utc_now
from console.core.states import Role
from tests import factories
from tests.factories import OrgOf
from tests.plugins.messages.letters import event, message
from tests.web.conftest import Visitor, part, visit, words

BERLIN = "Europe/Berlin"
DAILY = {"type": "cron", "cron": "0 9 * * *"}
NAMES = re.compile(
    r'<(?:input|a|button)\b[^>]*?aria-label="([^"]*)"|<(?:a|button)\b[^>]*>(.*?)</(?:a|button)>', re.DOTALL
)


def test_what_is_heard_of_rows_of_one_name_differs_by_the_recipient(app: Flask, org: OrgOf) -> None:
    hamlet = event(org)
    crew = [f"{name}@northside.example" for name in ("ana", "lee", "sam")]
    jobs = [message(org, hamlet, recipient=address, name="Hamlet · Reminder") for address in crew]
    admin = visit(app, factories.person(org, Role.ADMIN))
    for path, verb in (("/", "Send now"), ("/schedules?kind=once", "Edit")):
        page = admin.get(path)
        heard = [_heard(part(page, f"job-{job.id}")) for job in jobs]
        for names, address in zip(heard, crew, strict=True):
            assert f"{verb}: Hamlet · Reminder, to {address}" in names, names
        for alike in zip(*heard, strict=True):
            assert len(set(alike)) == len(crew), (path, alike)


def _heard(row: str) -> list[str]:
    """The names of what can be pressed in a row, but for links to the job itself."""
    found = (unescape(label) if label else words(text) for label, text in NAMES.findall(row))
    return [name for name in found if name not in ("Hamlet · Reminder", "")]


@pytest.mark.usefixtures("_still")
def test_a_time_away_from_the_orgs_zone_says_whose_it_is(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org, name="Sweep the stage", schedule=DAILY, timezone=BERLIN)
    own = factories.job(org, name="Strike the set", schedule=DAILY)
    for path, region in ((f"/jobs/{job.id}/send-now", "send-now"), (f"/jobs/{job.id}", "job")):
        said = words(part(operator.get(path), region))
        assert re.search(rf"\d\d:\d\d UTC, there 09:00 {BERLIN}", said), said
    for path, region in ((f"/jobs/{own.id}/send-now", "send-now"), (f"/jobs/{own.id}", "job")):
        said = words(part(operator.get(path), region))
        assert "09:00 UTC" in said and "there" not in said
    row = words(part(operator.get("/"), f"job-{job.id}"))
    assert re.search(r"\d\d:\d\d, there 09:00", row), row
    assert "there" not in words(part(operator.get("/"), f"job-{own.id}"))


@pytest.mark.usefixtures("_still")
def test_schedules_held_runs_and_requests_say_the_time_there_too(app: Flask, org: OrgOf) -> None:
    """And nothing more in an org whose own clocks show the same."""
    later = utc_now() + timedelta(hours=2)
    there = rf", there (?:\w+ \d+ \w+(?: \d+)? )?{later.astimezone(ZoneInfo(BERLIN)):%H:%M} {BERLIN}"
    for place in (org, factories.org(timezone=BERLIN)):
        job = factories.job(place, name="Sweep the stage", schedule=DAILY, timezone=BERLIN)
        held = factories.run(place, job, start_at=later)
        asked = factories.approval(place, job, start_at=later)
        visitor = visit(app, factories.person(place))
        row = words(part(visitor.get("/schedules"), f"job-{job.id}-row"))
        told = [
            words(part(visitor.get("/runs"), "runs-table")),
            words(part(visitor.get(f"/runs/{held.id}"), "run")),
            words(part(visitor.get("/approvals"), "approvals")),
            words(part(visitor.get(f"/approvals/{asked.id}"), "approval")),
        ]
        is_away = place is org
        assert bool(re.search(r"\d\d:\d\d, there 09:00", row)) is is_away, row
        assert [bool(re.search(there, text)) for text in told] == [is_away] * 4, told
        expires = re.search(rf"Expires .{{0,30}}, there [^)]*{BERLIN}\)", told[3])
        assert bool(expires) is is_away, told[3]
        assert is_away or not any(", there" in text for text in (row, *told))


@pytest.mark.usefixtures("_still")
def test_an_event_elsewhere_says_on_whose_clock_its_page_is(operator: Visitor, org: OrgOf) -> None:
    starts = utc_now() + timedelta(days=30)
    away = factories.event(org, timezone=BERLIN, starts_at=starts)
    home = factories.event(org, "Macbeth", starts_at=starts)
    shown = words(part(operator.get(f"/events/{away.id}"), "event"))
    assert f"Times on this page are on the event's own clock: {BERLIN}." in shown
    assert f"{starts.astimezone(ZoneInfo(BERLIN)):%H:%M}, " in shown and f"{starts:%H:%M} UTC" in shown
    assert "own clock" not in words(part(operator.get(f"/events/{home.id}"), "event"))


@time_machine.travel("2026-10-10T12:00:00Z", tick=False)
def test_an_event_whose_clocks_differ_before_it_starts_says_so_too(app: Flask) -> None:
    """In November Denver turns its clocks to those of Phoenix: only what lies before that differs."""
    org = factories.org(timezone="America/Phoenix")
    load_in, starts = datetime(2026, 10, 25, 17, tzinfo=UTC), datetime(2026, 11, 20, 17, tzinfo=UTC)
    away = factories.event(org, timezone="America/Denver", load_in_at=load_in, starts_at=starts)
    winter = datetime(2027, 2, 20, 17, tzinfo=UTC)
    alike = factories.event(org, "Macbeth", timezone="America/Denver", starts_at=winter)
    visitor = visit(app, factories.person(org))
    shown = words(part(visitor.get(f"/events/{away.id}"), "event"))
    assert "11:00" in shown and "Times on this page are on the event's own clock: America/Denver." in shown
    assert "America/Phoenix" not in shown  # the start is the same on both
    assert "own clock" not in words(part(visitor.get(f"/events/{alike.id}"), "event"))
