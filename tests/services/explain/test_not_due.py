"""Why a job was not due, or nobody knows: the answer names the revision that was in force.

The clock is passed in; each situation is really brought about.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from apiflask import APIFlask

from console.core.errors import Invalid
from console.core.explaining import Verdict
from console.core.states import Beating
from console.services import deletions, edits, heartbeats, jobs, retention, runs
from console.services.changes import Change
from console.services.run_views import RunFilter, RunView
from console.services.views import JobView
from tests import factories
from tests.factories import NOON, OrgOf
from tests.services.explain.asking import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    SLOT,
    alive,
    ask,
    daily,
    executed,
    expect,
    only_run,
    said,
)
from tests.services.test_policies import one_pass
from tests.services.test_ticks import tick

# Not due -------------------------------------------------------------------------------------------


def test_the_revision_in_force_then_decides_and_not_the_one_of_today(app: APIFlask, org: OrgOf) -> None:
    job = daily(org)
    one_pass(SLOT)
    executed(app, only_run(org, job, SLOT), SLOT)
    moved = {"type": "daily", "hour": 15, "minute": 15}
    edits.edit(org.admin, job.id, Change(schedule=moved), reason="the show begins later", now=SLOT + HOUR)
    now = SLOT + 2 * DAY
    assert ask(org, job, SLOT, now=now).verdict is Verdict.RAN
    assert "r1 was in force: daily at 13:00" in said(ask(org, job, SLOT, now=now))
    found = ask(org, job, SLOT + DAY, now=now)
    words = "It was not due: r2 was in force, daily at 15:15 (UTC), which has no slot in this minute"
    expect(
        found,
        Verdict.NOT_DUE,
        [],
        words,
        "“the show begins later”",
        "The slot before this minute: Wed 2 Jan 2030 15:15.",
        source="revision r2",
        revision=2,
    )
    assert found.evidence[0].source == "revision r2"


def test_before_it_was_made_there_is_no_record(org: OrgOf) -> None:
    found = ask(org, daily(org), NOON - DAY, now=SLOT)
    words = "Unknown, no record: the job did not exist yet; it was made by tests on Wed 2 Jan 2030 12:00"
    expect(found, Verdict.UNKNOWN, [], words, source="revision r1", revision=None)


def test_a_minute_to_come_is_planned_or_not(org: OrgOf) -> None:
    job = daily(org)
    found = ask(org, job, SLOT + DAY, now=SLOT)
    expect(
        found,
        Verdict.NOT_DUE,
        [],
        "Not due yet; its slot of Thu 3 Jan 2030 13:00 (UTC) is to come",
        source="schedule of r1",
    )
    found = ask(org, job, SLOT + DAY + HOUR, now=SLOT)
    expect(
        found,
        Verdict.NOT_DUE,
        [],
        "It will not be due then: by r1 it runs daily at 13:00 (UTC)",
        source="revision r1",
    )
    with pytest.raises(Invalid) as caught:
        ask(org, job, datetime(9999, 1, 1, tzinfo=UTC), now=SLOT)
    assert list(caught.value.fields) == ["at"]


def test_with_nothing_in_the_way_it_says_when_it_comes_next(org: OrgOf) -> None:
    one_pass(NOON)
    found = ask(org, daily(org), now=NOON + MINUTE)
    words = "Nothing stands in the way. It is due next on Wed 2 Jan 2030 13:00 (UTC)"
    alive(NOON + MINUTE)
    expect(
        ask(org, daily(org), now=NOON + MINUTE),
        Verdict.NOT_DUE,
        [],
        words,
        "Due now, it would run at once.",
        source="policies of r1",
    )
    assert found.is_present
    assert (found.word, found.verdict.label) == ("Clear", "Not due")


def test_daylight_saving_is_told_where_it_moves_a_slot(org: OrgOf) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    spring = datetime(2030, 3, 31, 3, 0, tzinfo=berlin).astimezone(UTC)
    now = datetime(2030, 10, 28, tzinfo=UTC)
    half_past_two = {"type": "daily", "hour": 2, "minute": 30}
    job = daily(org, schedule=half_past_two, timezone="Europe/Berlin", now=spring - 12 * HOUR)
    one_pass(spring)
    found = ask(org, job, spring, now=spring)
    expect(
        found,
        Verdict.WAITING,
        [],
        "A run is queued",
        "02:30 doesn't exist on this day; it runs right after the jump.",
        "Its slot of Sun 31 Mar 2030 03:00 Europe/Berlin (01:00 UTC) was decided by s",
        source="run ",
    )
    second = datetime(2030, 10, 27, 2, 30, tzinfo=berlin, fold=1).astimezone(UTC)
    found = ask(org, job, second, now=now)
    expect(
        found,
        Verdict.NOT_DUE,
        [],
        "It was not due",
        "02:30 comes twice on this day; it runs once, the first time.",
        source="run ",
    )


# Undecided, no record ------------------------------------------------------------------------------


def test_a_slot_that_nobody_decides_waits_for_the_scheduler(org: OrgOf) -> None:
    job = daily(org)
    now = SLOT + 10 * MINUTE
    found = ask(org, job, SLOT, now=now)
    expect(
        found,
        Verdict.WAITING,
        ["SCHEDULER_DOWN"],
        "is not decided yet, 10 min after its time: the scheduler is down",
        "scheduler-1 was last heard on Wed 2 Jan 2030 13:00, 10 min ago",
        source="heartbeat of scheduler-1",
    )
    factories.live_worker(now=now)
    present = ask(org, job, now=now)
    expect(
        present,
        Verdict.LATE,
        ["SCHEDULER_DOWN"],
        "is not decided yet, 10 min after its time. The scheduler is down",
        "r1 is in force",
        source="jobs",
    )
    alive(now)
    expect(
        ask(org, job, SLOT, now=now),
        Verdict.LATE,
        [],
        "is not decided yet",
        "A scheduler is alive.",
        source="jobs",
    )
    heartbeats.stopped(Beating.SCHEDULER, "scheduler-1", now=now)
    assert "scheduler-1 was stopped on Wed 2 Jan 2030 13:10" in said(ask(org, job, now=now))


def test_an_external_cron_is_waited_for_without_a_complaint(org: OrgOf) -> None:
    heartbeats.stopped(Beating.SCHEDULER, "scheduler-1", now=SLOT - 2 * MINUTE)
    tick(org, SLOT - MINUTE)
    job = daily(org)
    found = ask(org, job, SLOT, now=SLOT + 5 * SECOND)
    expect(
        found, Verdict.WAITING, [], "Slots are decided by the external cron, at its next tick", source="jobs"
    )


def test_what_was_cleaned_up_is_unknown(app: APIFlask, org: OrgOf) -> None:
    job = daily(org)
    for slot in (SLOT, SLOT + DAY):
        one_pass(slot)
        (run,) = [run for run in all_runs(org, job, slot) if run.slot == slot]
        executed(app, run, slot)
    assert ask(org, job, SLOT, now=SLOT + 2 * DAY).verdict is Verdict.RAN
    assert retention.delete_runs(org.id, before=SLOT + HOUR, limit=10) == 1
    found = ask(org, job, SLOT, now=SLOT + 2 * DAY)
    words = "no record: its slot of Wed 2 Jan 2030 13:00 came by the schedule in force, and no run"
    expect(found, Verdict.UNKNOWN, [], words, "the oldest is of Thu 3 Jan 2030 13:00", source="runs")


def all_runs(of: OrgOf, job: JobView, now: datetime) -> list[RunView]:
    return list(runs.page(of.admin, RunFilter(job_id=job.id), cursor=None, limit=50, now=now).runs)


def test_a_deleted_job_is_explained_and_one_that_came_back_knows_when_it_was_away(org: OrgOf) -> None:
    job = daily(org, name="Strike the set")
    jobs.delete(org.admin, job.id, now=NOON + MINUTE)
    found = ask(org, job, SLOT, now=SLOT)
    expect(
        found,
        Verdict.BLOCKED,
        ["DELETED"],
        "The job was deleted by tests on Wed 2 Jan 2030 12:01",
        source="deletions",
    )
    expect(
        ask(org, job, now=SLOT),
        Verdict.BLOCKED,
        ["DELETED"],
        "the job was deleted by tests",
        source="deletions",
    )
    expect(
        ask(org, job, SLOT + DAY, now=SLOT),
        Verdict.BLOCKED,
        ["DELETED"],
        "The job was deleted by tests",
        source="deletions",
    )
    (gone,) = deletions.recent(org.admin, now=SLOT)
    assert gone.id
    deletions.undo(org.admin, gone.id, now=SLOT + HOUR)
    words = "tests deleted it on Wed 2 Jan 2030 12:01, and tests brought it back on Wed 2 Jan 2030 14:00"
    expect(ask(org, job, SLOT, now=SLOT + 2 * HOUR), Verdict.BLOCKED, ["DELETED"], words, source="deletions")
    assert ask(org, job, SLOT + 90 * MINUTE, now=SLOT + 2 * HOUR).verdict is Verdict.NOT_DUE
