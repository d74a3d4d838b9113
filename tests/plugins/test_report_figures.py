"""The figures of the reports are those of the database: one org, one period, no dry run."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from console.core.reasons import Reason
from console.core.states import RunState, Trigger
from console.plugins.reports.morning import report
from console.services import execution, figures, report_frames
from console.services.outcomes import Outcome
from console.services.report_views import MorningFigures, Period, ReportFrame, RunTotals, WeekFigures
from tests import factories
from tests.factories import NOON, OrgOf, one
from tests.plugins.history import past_run
from tests.web.conftest import change

DAY, HOUR, MINUTE, SECOND = (timedelta(**{unit: 1}) for unit in ("days", "hours", "minutes", "seconds"))
TODAY = Period(NOON - DAY, NOON)
EVERY_HOUR = {"type": "interval", "every_seconds": 3600}
BERLIN = ZoneInfo("Europe/Berlin")
S, F = RunState.SUCCEEDED, RunState.FAILED


def morning(of: OrgOf, now: datetime = NOON) -> MorningFigures:
    return figures.morning(of.id, TODAY, until=NOON + DAY, now=now)


def week(of: OrgOf, until: datetime = NOON, zone: ZoneInfo = BERLIN) -> WeekFigures:
    middle = until - 7 * DAY
    before = Period(middle - 7 * DAY, middle)
    return figures.week(of.id, Period(middle, until), before, zone, now=until)


# Totals


def test_runs_count_by_their_state_in_the_period_in_which_they_were_asked_for(org: OrgOf) -> None:
    job = factories.job(org)
    for minutes, state in enumerate((S, S, S, F, RunState.UNKNOWN, RunState.SKIPPED, RunState.MISSED), 1):
        past_run(org, job, state, NOON - minutes * MINUTE)
    past_run(org, job, S, NOON - DAY)
    past_run(org, job, F, NOON - DAY - MINUTE)
    past_run(org, job, F, NOON)
    totals = morning(org).totals
    expected = {S: 4, F: 1, RunState.SKIPPED: 1, RunState.MISSED: 1, RunState.UNKNOWN: 1}
    assert totals == RunTotals(expected)
    assert list(totals.states) == [state for state in RunState if state in expected]
    assert (totals.runs, totals.executed, totals.success_share) == (8, 6, 4 / 6)


def test_dry_runs_and_the_runs_of_others_do_not_count(org: OrgOf) -> None:
    stranger = factories.org()
    theirs, ours = factories.job(stranger, schedule=EVERY_HOUR, now=NOON), factories.job(org)
    for hours, state in enumerate((F, RunState.SKIPPED), 1):
        past_run(stranger, theirs, state, NOON - hours * HOUR, late=HOUR)
        past_run(org, ours, state, NOON - hours * HOUR, late=HOUR, dry_run=True)
    change("UPDATE job_revisions SET created_at = :at", at=NOON - HOUR)
    change("UPDATE job_revisions SET org_id = :id WHERE job_id = :ours", id=stranger.id, ours=ours.id)
    nothing = morning(org)
    assert nothing.totals == RunTotals({}) and nothing.totals.success_share is None
    for shown in (nothing.failures, nothing.not_run, nothing.overdue, nothing.coming, nothing.at_rest):
        assert (list(shown.items), shown.total) == ([], 0)
    assert (nothing.late, nothing.longest) == ([], [])
    found = week(org)
    assert (found.totals, found.before, found.jobs.total) == (RunTotals({}), RunTotals({}), 0)
    assert [item.person for item in found.changes.items] == []


def test_a_run_that_is_under_way_counts_with_the_state_that_it_has_now(org: OrgOf) -> None:
    job = factories.job(org)
    run = factories.run(org, job, now=NOON - HOUR)
    assert morning(org).totals.states == {RunState.QUEUED: 1}
    claim = execution.claim(run.id, worker="w", offered=[job.task], now=NOON - HOUR)
    assert claim is not None and morning(org).totals.states == {RunState.RUNNING: 1}
    execution.finish(claim, Outcome(S), now=NOON - HOUR)
    assert morning(org).totals.states == {S: 1}


# What went wrong


def test_failures_are_grouped_by_job_and_reason_and_show_the_newest(org: OrgOf) -> None:
    sync, backup = factories.job(org, name="Sync"), factories.job(org, name="Backup")
    error: dict[str, Any] = {"code": "EXCEPTION", "reason": "502 from source"}
    past_run(org, backup, F, NOON - MINUTE, code="TIMEOUT", reason="too long")
    for minutes in (50, 20, 40):
        newest = past_run(org, sync, F, NOON - minutes * MINUTE, **error | {"reason": f"502 at {minutes}"})
        if minutes == 20:
            shown = newest
    past_run(org, sync, F, NOON - 30 * MINUTE, code="TIMEOUT", reason="too long")
    past_run(org, sync, RunState.UNKNOWN, NOON - 10 * MINUTE, code="OUTCOME_UNKNOWN")
    past_run(org, sync, S, NOON - 5 * MINUTE)
    found = morning(org).failures
    assert found.total == 4 == len(found.items)
    first = found.items[0]
    assert (first.job_name, first.count, first.reason_code) == ("Sync", 3, Reason.EXCEPTION)
    assert (first.last_run_id, first.last_sentence) == (shown, "502 at 20")
    assert first.last_at == NOON - 20 * MINUTE
    rest = [(item.job_name, item.state, item.reason_code) for item in found.items[1:]]
    assert rest == [
        ("Backup", F, Reason.TIMEOUT),
        ("Sync", RunState.UNKNOWN, Reason.OUTCOME_UNKNOWN),
        ("Sync", F, Reason.TIMEOUT),
    ]


def test_of_many_failing_jobs_the_first_twenty_are_listed_and_all_are_counted(org: OrgOf) -> None:
    for number in range(23):
        past_run(org, factories.job(org, name=f"Job {number:02}"), F, NOON - HOUR)
    found = morning(org).failures
    assert (len(found.items), found.total) == (20, 23)
    assert [item.job_name for item in found.items[:2]] == ["Job 00", "Job 01"]


def test_skipped_and_missed_slots_are_told_with_their_reason(org: OrgOf) -> None:
    job = factories.job(org)
    for minutes in (1, 2):
        past_run(org, job, RunState.SKIPPED, NOON - minutes * MINUTE, code="OVERLAP", reason="still active")
    past_run(org, job, RunState.MISSED, NOON - HOUR, code="OUTSIDE_CATCHUP_WINDOW", reason="too old")
    found = [(item.state, item.reason_code, item.count) for item in morning(org).not_run.items]
    assert found == [
        (RunState.SKIPPED, Reason.OVERLAP, 2),
        (RunState.MISSED, Reason.OUTSIDE_CATCHUP_WINDOW, 1),
    ]


@pytest.mark.parametrize(
    ("fields", "lateness"),
    [
        ({"late": 61 * SECOND}, 61),
        ({"late": 60 * SECOND}, None),
        ({"late": HOUR, "slot": None}, None),
        # A later attempt began late because the first one failed; that run was decided in time.
        ({"late": HOUR, "attempt": 2}, None),
        ({"late": HOUR, "attempt": 2, "asked": NOON - HOUR + 90 * SECOND}, 90),
        # Jitter chose the time; a wait for other runs did not.
        ({"late": 5 * MINUTE, "start_after": NOON - HOUR + 5 * MINUTE}, None),
        ({"late": 5 * MINUTE, "start_after": NOON - HOUR + 5 * MINUTE, "decision": "OVERLAP"}, 300),
    ],
)
def test_late_is_what_began_more_than_a_minute_after_its_slot(
    org: OrgOf, fields: dict[str, Any], lateness: int | None
) -> None:
    run = past_run(org, factories.job(org, name="Sync"), S, NOON - HOUR, **fields)
    found = morning(org)
    expected = [] if lateness is None else [(run, "Sync", timedelta(seconds=lateness))]
    assert [(item.run_id, item.job_name, item.lateness) for item in found.late] == expected
    assert found.totals.late == len(expected)


def test_a_run_that_still_waits_is_late_by_now_and_one_that_never_began_is_not(org: OrgOf) -> None:
    job = factories.job(org)
    waiting = past_run(org, job, RunState.QUEUED, NOON - 10 * MINUTE)
    past_run(org, job, RunState.MISSED, NOON - HOUR)
    past_run(org, job, RunState.QUEUED, NOON - SECOND)
    (late,) = morning(org).late
    assert (late.run_id, late.state, late.lateness) == (waiting, RunState.QUEUED, 10 * MINUTE)


def test_the_longest_runs_come_first_and_are_five(org: OrgOf) -> None:
    job = factories.job(org, name="Backup")
    for seconds in (5, 900, 1, 30, 2, 3, 60):
        past_run(org, job, S, NOON - HOUR - timedelta(seconds=seconds), took=timedelta(seconds=seconds))
    past_run(org, job, RunState.RUNNING, NOON - 20 * HOUR)
    found = [item.duration.total_seconds() for item in morning(org).longest]
    assert found == [900, 60, 30, 5, 3]


# What comes


def test_what_comes_is_listed_nearest_first_with_its_slots(org: OrgOf) -> None:
    often = factories.job(org, name="Often", schedule={"type": "interval", "every_seconds": 60}, now=NOON)
    quarter_past = {"type": "daily", "hour": 9, "minute": 15}
    daily = factories.job(org, name="Daily", schedule=quarter_past, timezone="Asia/Ho_Chi_Minh", now=NOON)
    factories.job(org, name="Next week", schedule={"type": "interval", "every_seconds": 7 * 86400}, now=NOON)
    factories.job(org, name="By hand", now=NOON)
    factories.job(org, name="At rest", schedule=EVERY_HOUR, paused=True, now=NOON)
    coming = morning(org).coming
    assert [(item.job_id, item.schedule_text) for item in coming.items] == [
        (often.id, "every 1 min"),
        (daily.id, "daily at 09:15"),
    ]
    first, second = coming.items
    assert list(first.slots) == [NOON + number * MINUTE for number in (1, 2, 3, 4)]
    assert (first.more, first.is_capped) == (496, True)
    assert (list(second.slots), second.more) == ([datetime(2030, 1, 3, 2, 15, tzinfo=UTC)], 0)


def test_an_overdue_job_shows_the_slot_that_nobody_decided_apart_from_what_comes(org: OrgOf) -> None:
    job = factories.job(org, schedule=EVERY_HOUR, now=NOON - 3 * HOUR)
    found = morning(org)
    assert [(item.id, item.next_run_at) for item in found.overdue.items] == [(job.id, NOON - 2 * HOUR)]
    (coming,) = found.coming.items
    assert (coming.job_id, list(coming.slots)) == (job.id, [NOON + hours * HOUR for hours in (1, 2, 3, 4)])


@pytest.mark.parametrize("late", [timedelta(0), 30 * SECOND, 10 * MINUTE])
def test_only_what_is_still_to_come_is_listed_as_coming(org: OrgOf, late: timedelta) -> None:
    made = NOON - late - MINUTE
    factories.job(org, name="A interval", schedule={"type": "interval", "every_seconds": 60}, now=made)
    factories.job(org, name="B cron", schedule={"type": "cron", "cron": "* * * * *"}, now=made)
    factories.job(org, name="C weekly", schedule={"type": "interval", "every_seconds": 7 * 86400}, now=made)
    factories.job(org, name="D once", schedule={"type": "once", "at": (NOON + HOUR).isoformat()}, now=made)
    factories.job(org, name="E once", schedule={"type": "once", "at": (NOON + HOUR).isoformat()}, now=made)
    change("UPDATE jobs SET next_run_at = :at WHERE name LIKE 'C%' OR name LIKE 'E%'", at=NOON - late)
    coming = morning(org).coming
    assert sorted(item.name[0] for item in coming.items) == ["A", "B", "D"] and coming.total == 3
    assert all(NOON < slot < NOON + DAY for item in coming.items for slot in item.slots)
    for item in coming.items[:2]:
        assert NOON < item.slots[0] <= NOON + MINUTE


def test_of_many_that_come_due_or_are_due_all_are_counted(org: OrgOf) -> None:
    for number in range(22):
        factories.job(org, schedule=EVERY_HOUR, now=NOON - (2 * HOUR if number < 2 else timedelta(0)))
    coming = morning(org).coming
    assert (len(coming.items), coming.total, coming.is_capped) == (20, 22, False)


@pytest.mark.parametrize(("every", "more"), [(60, "and at least 496 more"), (3600, "and 19 more")])
def test_the_morning_report_says_how_many_slots_it_left_out(org: OrgOf, every: int, more: str) -> None:
    factories.job(org, schedule={"type": "interval", "every_seconds": every}, now=NOON)
    framed = ReportFrame("North", NOON, "UTC", NOON)
    made = report(org.id, framed, hours=24, ahead_hours=24, now=NOON)
    said = {section.title: section for section in made.sections}
    assert said["Coming in the next 24 hours"].rows[0][1].note == more
    assert (said["Overdue"].rows, said["Overdue"].empty) == ([], "No slot has waited for more than 60 s.")


def test_blocked_jobs_come_before_paused_ones_and_neither_comes_due(org: OrgOf) -> None:
    paused = factories.job(org, schedule=EVERY_HOUR, paused=True, now=NOON)
    blocked = factories.job(org, schedule=EVERY_HOUR, now=NOON)
    change("UPDATE jobs SET status = 'blocked' WHERE id = :id", id=blocked.id)
    change("UPDATE jobs SET status_note = 'wait for photos' WHERE id = :id", id=paused.id)
    found = morning(org)
    assert [item.id for item in found.at_rest.items] == [blocked.id, paused.id]
    assert found.at_rest.items[1].status_note == "wait for photos"
    assert found.coming.total == 0


def test_a_deleted_job_comes_no_more_and_what_it_ran_still_counts(org: OrgOf) -> None:
    job = factories.job(org, schedule=EVERY_HOUR, now=NOON)
    past_run(org, job, F, NOON - HOUR)
    change("UPDATE jobs SET deleted_at = now()")
    found = morning(org)
    assert (found.coming.total, found.totals.states) == (0, {F: 1})


# The week


def test_the_week_stands_beside_the_week_before(org: OrgOf) -> None:
    job = factories.job(org, name="Sync")
    for days, state in ((1, S), (2, F), (6, S), (8, S), (9, S), (13, F), (15, F)):
        past_run(org, job, state, NOON - days * DAY)
    found = week(org)
    assert (found.totals.states, found.before.states) == ({S: 2, F: 1}, {S: 2, F: 1})
    (line,) = found.jobs.items
    assert (line.name, line.runs, line.executed, line.succeeded, line.failed) == ("Sync", 3, 3, 2, 1)
    assert found.before_by_job[job.id].runs == 3


def test_each_day_of_the_zone_has_its_line_also_when_the_clocks_change(org: OrgOf) -> None:
    """Berlin set its clocks forward in the night before 31 March 2030."""
    job = factories.job(org)
    until = datetime(2030, 4, 3, 6, 0, tzinfo=UTC)
    past_run(org, job, S, datetime(2030, 3, 30, 22, 59, tzinfo=UTC))
    past_run(org, job, F, datetime(2030, 3, 30, 23, 1, tzinfo=UTC))
    past_run(org, job, S, datetime(2030, 3, 31, 21, 59, tzinfo=UTC))
    past_run(org, job, S, datetime(2030, 3, 31, 22, 0, tzinfo=UTC))
    days = week(org, until).days
    assert [item.period.since.astimezone(BERLIN).day for item in days] == [27, 28, 29, 30, 31, 1, 2, 3]
    assert [item.totals.states for item in days[3:6]] == [{S: 1}, {S: 1, F: 1}, {S: 1}]
    assert days[4].period.until - days[4].period.since == 23 * HOUR
    assert (days[0].period.since, days[-1].period.until) == (until - 7 * DAY, until)
    assert sum(item.totals.runs for item in days) == 4


def test_the_flakiest_the_slowest_and_the_latest_jobs_are_told(org: OrgOf) -> None:
    fine, flaky, slow = (factories.job(org, name=name) for name in ("Fine", "Flaky", "Slow"))
    for hours in range(1, 5):
        past_run(org, fine, S, NOON - hours * HOUR)
        past_run(org, flaky, F if hours == 1 else S, NOON - hours * HOUR, attempt=2 if hours == 2 else 1)
    past_run(org, slow, S, NOON - HOUR, took=10 * MINUTE, late=3 * MINUTE)
    past_run(org, slow, S, NOON - 2 * HOUR, took=20 * MINUTE)
    found = week(org)
    assert found.jobs.total == 3
    assert [(job.name, job.troubled, job.executed) for job in found.flakiest] == [("Flaky", 2, 4)]
    first = found.slowest[0]
    assert (first.name, first.mean_duration, first.longest_duration) == ("Slow", 15 * MINUTE, 20 * MINUTE)
    assert [(job.name, job.late, job.worst_lateness) for job in found.latest] == [("Slow", 1, 3 * MINUTE)]
    assert found.totals.retried == 1


def test_the_busiest_twenty_jobs_are_listed_and_all_are_counted(org: OrgOf) -> None:
    for number in range(22):
        job = factories.job(org, name=f"Job {number:02}")
        for hours in range(1 + number % 2):
            past_run(org, job, S, NOON - (hours + 1) * HOUR)
    found = week(org).jobs
    assert (len(found.items), found.total) == (20, 22)
    assert [job.runs for job in found.items] == [2] * 11 + [1] * 9


def test_changes_are_counted_by_person(org: OrgOf) -> None:
    job = factories.job(org, now=NOON - DAY)
    factories.job(org, now=NOON - 8 * DAY)
    change(
        "INSERT INTO job_revisions (job_id, revision, org_id, definition, actor, origin, created_at) "
        "SELECT job_id, n, org_id, definition, 'ann', origin, created_at "
        "FROM job_revisions, generate_series(2, 4) n WHERE job_id = :id",
        id=job.id,
    )
    found = [(item.person, item.created, item.changed, item.jobs) for item in week(org).changes.items]
    assert found == [("ann", 0, 3, 1), ("tests", 1, 0, 1)]


# The frame


def test_a_scheduled_report_ends_with_its_slot_and_one_by_hand_when_it_was_asked_for(org: OrgOf) -> None:
    job = factories.job(org, timezone="Asia/Ho_Chi_Minh")
    scheduled = past_run(org, job, S, NOON - HOUR, asked=NOON)
    by_hand = factories.run(org, job, trigger=Trigger.MANUAL, now=NOON)
    assert report_frames.frame(org.id, scheduled).asked_at == NOON - HOUR
    frame = report_frames.frame(org.id, by_hand.id)
    assert (frame.asked_at, frame.timezone, frame.org_name) == (NOON, "Asia/Ho_Chi_Minh", org.admin.org_name)


def test_all_figures_of_a_report_are_read_at_one_instant_and_nothing_can_be_written(org: OrgOf) -> None:
    with report_frames.snapshot():
        assert figures.db.session.scalar(figures.text("SHOW transaction_isolation")) == "repeatable read"
        assert figures.db.session.scalar(figures.text("SHOW transaction_read_only")) == "on"
    assert one("SHOW transaction_isolation") == "read committed"
