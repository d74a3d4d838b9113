"""Why: each situation is really brought about, and the answer names what decided, in the order of its weight.

The clock is passed in. What takes processes that die stands in `tests/system/test_explain.py`.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from apiflask import APIFlask
from sqlalchemy import event as listening
from sqlalchemy import text

from console.core.errors import Invalid, NotFound
from console.core.explaining import Explanation, Verdict
from console.core.settings import Settings
from console.core.states import Beating, JobStatus, Role, RunState
from console.db.session import db
from console.plugins.messages import events
from console.plugins.messages import settings as message_settings
from console.plugins.messages.event_shape import EventChange
from console.plugins.messages.settings import SettingsChange, TypeChange
from console.queue import queues
from console.services import (
    deletions,
    edits,
    explain,
    heartbeats,
    jobs,
    losing,
    queue_pauses,
    resolving,
    retention,
    run_control,
    runs,
)
from console.services.approvals import ApprovalRequested
from console.services.changes import Change
from console.services.run_views import RunFilter, RunView
from console.services.views import JobView
from console.worker import execute
from tests import factories
from tests.factories import NOON, OrgOf
from tests.plugins.messages.letters import ANA, INIT, REMINDER, event, message
from tests.services.test_policies import end, one_pass, start
from tests.services.test_ticks import tick
from tests.web.conftest import DEAD_REDIS

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
DAILY = {"type": "daily", "hour": 13, "minute": 0}
SLOT = NOON + HOUR
"""The first slot of a daily job that is made at noon."""
SATURDAY = datetime(2030, 1, 5, 12, 0, tzinfo=UTC)


def ask(of: OrgOf, job: JobView, at: datetime | None = None, *, now: datetime) -> Explanation:
    return explain.explain(of.admin, job.id, at, now=now)


def codes(found: Explanation) -> list[str]:
    """The reason codes of the evidence in their order, each where it comes first."""
    return list(dict.fromkeys(str(item.reason_code) for item in found.evidence if item.reason_code))


def said(found: Explanation) -> str:
    return " ".join([found.summary, *(item.text for item in found.evidence)])


def expect(
    found: Explanation,
    verdict: Verdict,
    reasons: list[str],
    *words: str,
    source: str,
    revision: int | None = 1,
) -> None:
    """The verdict; all codes in their order; the words in the answer, the first in its summary.

    `source` is where the decisive piece is recorded (of a run, a task or an id only the begin is given);
    `revision` is the one that was in force, None before the job was made.
    """
    assert (found.verdict, codes(found)) == (verdict, reasons), said(found)
    for word in words:
        assert word in said(found)
    assert words[0] in found.summary
    assert found.evidence[0].source.startswith(source), found.evidence[0]
    in_force = re.findall(r"\br(\d+) (?:is|was) in force", " ".join(item.text for item in found.evidence))
    assert [int(number) for number in in_force] == ([] if revision is None else [revision]), said(found)
    assert all(item.text.endswith((".", "?", "!", "…")) and item.source for item in found.evidence), said(
        found
    )


def daily(of: OrgOf, task: str = "tests.tasks.succeed", **fields: Any) -> JobView:
    given = {"schedule": DAILY, "timezone": "UTC", "name": "Sweep the stage", "now": NOON, **fields}
    return factories.job(of, task, **given)


def alive(at: datetime) -> None:
    """A scheduler and a worker for everything are heard at that instant."""
    factories.live_scheduler(now=at)
    factories.live_worker(now=at)


def only_run(of: OrgOf, job: JobView, now: datetime) -> RunView:
    (run,) = runs.page(of.admin, RunFilter(job_id=job.id), cursor=None, limit=5, now=now).runs
    return run


def executed(app: APIFlask, run: RunView, at: datetime) -> RunState | None:
    """The run's task is really called, at that instant."""
    return execute(app, run.id, worker="worker-1", clock=lambda: at)


@pytest.fixture(autouse=True)
def _registered(app: APIFlask) -> None:
    """A worker and a scheduler live while most of it happens."""
    alive(SLOT)


# It ran --------------------------------------------------------------------------------------------


def test_it_ran_on_time(app: APIFlask, org: OrgOf) -> None:
    job = daily(org)
    one_pass(SLOT)
    executed(app, only_run(org, job, SLOT), SLOT + SECOND)
    found = ask(org, job, SLOT + 20 * SECOND, now=SLOT + HOUR)
    slot = "Its slot of Wed 2 Jan 2030 13:00 came due, and it ran"
    decided = "was decided by s on Wed 2 Jan 2030 13:00"
    expect(
        found,
        Verdict.RAN,
        [],
        slot,
        "all is well",
        decided,
        "started +1.00 s",
        "r1 was in force: daily at 13:00 (UTC)",
        source="run ",
    )
    assert found.evidence[0].source == f"run {only_run(org, job, SLOT).id}"
    assert found.evidence[-1].text == "The slot after this minute: Thu 3 Jan 2030 13:00."


def test_it_ran_and_failed(app: APIFlask, org: OrgOf) -> None:
    job = daily(org, "tests.tasks.explode")
    one_pass(SLOT)
    assert executed(app, only_run(org, job, SLOT), SLOT) is RunState.FAILED
    expect(
        ask(org, job, SLOT, now=SLOT + HOUR),
        Verdict.RAN,
        ["EXCEPTION"],
        "The run failed",
        "boom",
        source="run ",
    )


def test_it_was_not_due_and_somebody_asked_for_it(app: APIFlask, org: OrgOf) -> None:
    job, ana = daily(org), factories.person(org, email="ana@northside.example")
    run = factories.run(org, job, actor=ana, now=SLOT + 10 * MINUTE)
    executed(app, run, SLOT + 10 * MINUTE)
    found = ask(org, job, SLOT + 10 * MINUTE, now=SLOT + HOUR)
    asked = "It was not due; ana@northside.example asked for it (manual)"
    expect(found, Verdict.RAN, [], asked, "The slot before this minute: Wed 2 Jan 2030 13:00.", source="run ")


def test_a_dry_run_is_no_run(org: OrgOf) -> None:
    job = factories.job(org, now=NOON)
    factories.run(org, job, dry_run=True, now=SLOT)
    found = ask(org, job, SLOT, now=SLOT + 5 * SECOND)
    expect(
        found,
        Verdict.NOT_DUE,
        [],
        "It was not due: r1 was in force, by which it runs only by hand",
        "As a dry run, which changes nothing",
        source="run ",
    )


def test_many_slots_in_one_minute_are_counted(app: APIFlask, org: OrgOf) -> None:
    job = daily(org, schedule={"type": "interval", "every_seconds": 10}, overlap="allow_all")
    one_pass(NOON + MINUTE + 59 * SECOND)
    found = ask(org, job, NOON + MINUTE, now=NOON + MINUTE + 59 * SECOND)
    assert found.verdict is Verdict.WAITING
    assert "queued" in said(found) and "every 10 s" in said(found)
    assert len([item for item in found.evidence if "was decided by" in item.text]) == 3


# Late, missed, skipped -----------------------------------------------------------------------------


def test_it_ran_late_because_the_scheduler_was_away(app: APIFlask, org: OrgOf) -> None:
    job = daily(org)
    back = SLOT + 45 * MINUTE
    one_pass(back)
    executed(app, only_run(org, job, back), back)
    found = ask(org, job, SLOT, now=back + MINUTE)
    expect(
        found,
        Verdict.LATE,
        ["SCHEDULER_DOWN"],
        "It ran 45 min late",
        "no scheduler came to it sooner (catch-up latest)",
        source="run ",
    )
    later = ask(org, job, back, now=back + MINUTE)
    expect(
        later,
        Verdict.LATE,
        ["SCHEDULER_DOWN"],
        "It ran 45 min late, for its slot of Wed 2 Jan 2030 13:00",
        source="run ",
    )


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"catch_up": "none"}, "late slots are let go (catch-up none)"),
        ({"catch_up": "all", "catch_up_window_seconds": 1800}, "slots later than 30 min are let go"),
    ],
)
def test_it_was_missed_by_its_catch_up_policy(org: OrgOf, policy: dict[str, Any], words: str) -> None:
    job = daily(org, **policy)
    late = SLOT + 3 * HOUR
    alive(late)
    before = ask(org, job, now=late)
    assert before.verdict is Verdict.LATE and words in said(before), "it is foretold while it is undecided"
    one_pass(late)
    expect(ask(org, job, SLOT, now=late), Verdict.MISSED, ["OUTSIDE_CATCHUP_WINDOW"], words, source="run ")


def test_it_was_skipped_because_the_run_before_was_still_active(org: OrgOf) -> None:
    job = daily(org, schedule={"type": "interval", "every_seconds": 3600})
    one_pass(SLOT)
    first = only_run(org, job, SLOT)
    start(first.id, SLOT)
    one_pass(SLOT + HOUR)
    now = SLOT + HOUR + SECOND
    found = ask(org, job, SLOT + HOUR, now=now)
    expect(
        found,
        Verdict.SKIPPED,
        ["OVERLAP"],
        "the run before it was still active (overlap skip)",
        source="run ",
    )
    assert "On its way in this minute: a run asked for on Wed 2 Jan 2030 13:00." in said(found)
    assert f"run {first.id}" in [item.source for item in found.evidence]
    alive(now)
    present = ask(org, job, now=now)
    expect(
        present,
        Verdict.WAITING,
        ["WORKER_LOST", "OVERLAP"],
        "A run is going on since Wed 2 Jan 2030 13:00 on w",
        "Due now, it would be skipped",
        source="run ",
    )


def test_a_click_runs_a_paused_job_that_only_clicks_start_and_the_answer_says_so(org: OrgOf) -> None:
    alive(NOON)
    job = factories.job(org, now=NOON)
    edits.set_paused(org.admin, job.id, True, note="the hall is closed", now=NOON)
    present = ask(org, job, now=NOON)
    assert present.verdict is Verdict.NOT_DUE
    assert codes(present) == ["PAUSED"]
    words = "tests on Wed 2 Jan 2030 12:00: “the hall is closed”. A click runs it all the same; as a job that"
    assert words in said(present)
    assert factories.run(org, job, now=NOON).state is RunState.QUEUED


def test_it_was_skipped_because_it_was_paused_and_the_note_says_why(org: OrgOf) -> None:
    job = daily(org)
    edits.set_paused(org.admin, job.id, True, note="the hall is closed", now=NOON)
    one_pass(SLOT)
    found = ask(org, job, SLOT, now=SLOT)
    expect(
        found,
        Verdict.SKIPPED,
        ["PAUSED"],
        "the job was paused when it came due",
        "the hall is closed",
        source="run ",
        revision=2,
    )
    present = ask(org, job, now=SLOT)
    words = "the job was paused by tests on Wed 2 Jan 2030 12:00: “the hall is closed”"
    expect(
        present,
        Verdict.BLOCKED,
        ["PAUSED"],
        words,
        "Due now, it would be skipped",
        source="revision r2",
        revision=2,
    )
    tomorrow = ask(org, job, SLOT + DAY, now=SLOT)
    expect(
        tomorrow,
        Verdict.BLOCKED,
        ["PAUSED"],
        "It would not run then: the job was paused by tests",
        source="revision r2",
        revision=2,
    )


def test_it_was_stopped_before_it_began(org: OrgOf) -> None:
    job = daily(org)
    one_pass(SLOT)
    run_control.stop(org.admin, only_run(org, job, SLOT).id, note="not today", now=SLOT + SECOND)
    expect(
        ask(org, job, SLOT, now=SLOT + HOUR),
        Verdict.SKIPPED,
        ["STOPPED_BY_OPERATOR"],
        "The run was stopped",
        "tests",
        source="run ",
    )


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


# Waiting -------------------------------------------------------------------------------------------


def test_a_run_that_is_held_says_for_what_and_until_when(org: OrgOf) -> None:
    jittered = daily(org, jitter_seconds=3600)
    one_pass(SLOT)
    found = ask(org, jittered, SLOT, now=SLOT + SECOND)
    expect(
        found,
        Verdict.WAITING,
        [],
        "A run is held: it waits for its own time to start (jitter) (Wed 2 Jan 2030 13:",
        "jitter up to 1 h",
        source="run ",
    )
    expect(
        ask(org, jittered, now=SLOT + SECOND),
        Verdict.WAITING,
        ["OVERLAP"],
        "waits for its own time to start",
        source="run ",
    )


def test_a_run_that_waits_for_the_one_before_names_the_policy(org: OrgOf) -> None:
    job = daily(org, schedule={"type": "interval", "every_seconds": 3600}, overlap="buffer_one")
    one_pass(SLOT)
    claim = start(only_run(org, job, SLOT).id, SLOT)
    one_pass(SLOT + HOUR)
    found = ask(org, job, SLOT + HOUR, now=SLOT + HOUR + SECOND)
    expect(
        found,
        Verdict.WAITING,
        ["OVERLAP"],
        "A run is held: it waits for the run before it to end",
        "(overlap buffer_one)",
        source="run ",
    )
    end(claim, SLOT + HOUR + SECOND)


def test_a_run_that_was_asked_for_later_waits_for_its_time(org: OrgOf) -> None:
    job = factories.job(org, now=NOON)
    factories.run(org, job, start_at=SLOT + HOUR, now=SLOT)
    found = ask(org, job, SLOT, now=SLOT + SECOND)
    expect(
        found,
        Verdict.WAITING,
        [],
        "A run is held: it waits for the time that was asked for (Wed 2 Jan 2030 14:00)",
        source="run ",
    )
    assert "waits for the time that was asked for" in said(ask(org, job, SLOT + HOUR, now=SLOT + SECOND))


def test_a_run_between_two_attempts_says_what_failed_and_when_it_goes_on(app: APIFlask, org: OrgOf) -> None:
    job = daily(org, "tests.tasks.flaky")
    one_pass(SLOT)
    assert executed(app, only_run(org, job, SLOT), SLOT) is RunState.RETRYING
    found = ask(org, job, SLOT, now=SLOT + SECOND)
    expect(
        found,
        Verdict.WAITING,
        ["EXCEPTION"],
        "Attempt 1 of 3 failed",
        "the next attempt is due on Wed 2 Jan 2030 13:00:02",
        source="run ",
    )


def test_a_run_in_a_paused_queue_waits_and_names_who_paused_it(org: OrgOf) -> None:
    job = daily(org)
    queue_pauses.pause(org.admin, "default", "the printer is on fire", now=NOON)
    present = ask(org, job, now=SLOT - MINUTE)
    words = "queue default is paused by tests since Wed 2 Jan 2030 12:00: the printer is on fire"
    factories.live_scheduler(now=SLOT - MINUTE)
    factories.live_worker(now=SLOT - MINUTE)
    present = ask(org, job, now=SLOT - MINUTE)
    expect(present, Verdict.BLOCKED, ["QUEUE_PAUSED"], words, source="queue pauses")
    one_pass(SLOT)
    alive(SLOT)
    expect(
        ask(org, job, SLOT, now=SLOT),
        Verdict.WAITING,
        ["QUEUE_PAUSED"],
        f"A run is queued since Wed 2 Jan 2030 13:00: {words}",
        source="run ",
    )


# Unknown outcomes ----------------------------------------------------------------------------------


def test_a_lost_run_is_unknown_until_a_person_settles_it(org: OrgOf) -> None:
    job = daily(org)
    one_pass(SLOT)
    run = only_run(org, job, SLOT)
    claim = start(run.id, SLOT)
    losing.lose(claim, detail="Nothing was heard of its worker for 20 s.", now=SLOT + MINUTE)
    found = ask(org, job, SLOT, now=SLOT + HOUR)
    expect(
        found,
        Verdict.UNKNOWN,
        ["OUTCOME_UNKNOWN"],
        "Nobody knows whether the run took effect: Nothing was heard of its worker for 20 s",
        source="run ",
    )
    resolving.resolve(org.admin, run.id, succeeded=True, note="the stage is clean", now=SLOT + HOUR)
    settled = ask(org, job, SLOT, now=SLOT + HOUR)
    assert settled.verdict is Verdict.RAN
    assert "tests settled it on Wed 2 Jan 2030 14:00 as succeeded: the stage is clean." in said(settled), (
        said(settled)
    )


# What stands in the way ----------------------------------------------------------------------------


def test_who_would_execute_it_is_looked_at(org: OrgOf) -> None:
    job, other = daily(org), daily(org, "tests.tasks.on_another_queue", key="other")
    factories.live_worker(now=SLOT, tasks=["tests.tasks.mark"])
    found = ask(org, job, now=SLOT - SECOND)
    expect(
        found,
        Verdict.BLOCKED,
        ["NOT_REGISTERED"],
        "no live worker offers tests.tasks.succeed; alive is worker-1",
        source="heartbeats of workers",
    )
    factories.live_worker(now=SLOT, queues=["default"])
    found = ask(org, other, now=SLOT - SECOND)
    expect(
        found,
        Verdict.BLOCKED,
        ["NO_LIVE_WORKER"],
        "no live worker serves queue elsewhere; alive is worker-1.",
        source="heartbeats of workers",
    )


def test_without_redis_a_run_is_recorded_and_waits(org: OrgOf, settings: Settings) -> None:
    job = daily(org)
    factories.live_scheduler(now=SLOT + MINUTE)  # of its worker nothing was heard for a minute
    queues.configure(DEAD_REDIS)
    try:
        found = ask(org, job, now=SLOT - SECOND)
        silent = ask(org, factories.job(org, now=NOON), now=SLOT + MINUTE)
    finally:
        queues.configure(settings.redis_url)
    expect(
        found,
        Verdict.BLOCKED,
        [],
        "Redis can't be reached. A run is queued when Redis is back",
        "until then it can't be known which workers are alive",
        source="Redis",
    )
    expect(silent, Verdict.BLOCKED, [], "Redis can't be reached", source="Redis")


def test_a_critical_task_names_the_second_person_and_who_asked(org: OrgOf) -> None:
    job = factories.job(org, "tests.tasks.critical", now=NOON)
    found = ask(org, job, now=SLOT)
    expect(
        found,
        Verdict.BLOCKED,
        ["APPROVAL_REQUIRED"],
        "a click asks for the approval of a second person",
        source="approvals",
    )
    with pytest.raises(ApprovalRequested):
        factories.run(org, job, actor=factories.person(org, email="lee@northside.example"), now=SLOT)
    pending = ask(org, job, now=SLOT + SECOND)
    words = "lee@northside.example asked on Wed 2 Jan 2030 13:00, and it waits for a decision until"
    expect(pending, Verdict.BLOCKED, ["APPROVAL_REQUIRED"], words, source="approvals")
    assert pending.evidence[0].link and pending.evidence[0].link.endpoint == "approvals.index"


def test_what_a_run_requires_and_what_the_rules_say_come_with_their_inputs(org: OrgOf) -> None:
    lacking = factories.job(
        org, "tests.tasks.needs_recipient", now=NOON, schedule={"type": "once", "at": SLOT.isoformat()}
    )
    found = ask(org, lacking, now=SLOT - SECOND)
    expect(
        found,
        Verdict.BLOCKED,
        ["MISSING_RECIPIENT"],
        "there is nobody to send it to",
        source="what Needs recipient requires",
    )
    friday = SATURDAY - DAY + 2 * HOUR
    weekdays = daily(org, "tests.tasks.weekdays_only", key="weekdays", now=friday)
    alive(SATURDAY)
    found = ask(org, weekdays, now=SATURDAY)
    expect(
        found,
        Verdict.BLOCKED,
        ["WEEKEND"],
        "the send date falls on a weekend",
        source="rules of Weekdays only",
    )
    foretold = ask(org, weekdays, SATURDAY + HOUR, now=friday)
    expect(
        foretold,
        Verdict.NOT_DUE,
        ["WEEKEND"],
        "As things stand it would be skipped then: The send date falls on a weekend.",
        source="rules of Weekdays only",
    )
    one_pass(SATURDAY + HOUR)
    expect(
        ask(org, weekdays, SATURDAY + HOUR, now=SATURDAY + HOUR),
        Verdict.SKIPPED,
        ["WEEKEND"],
        "It was skipped: the send date falls on a weekend.",
        source="run ",
    )


# Messages ------------------------------------------------------------------------------------------


def due(of: OrgOf, about: UUID | None, kind: Any = REMINDER, **fields: Any) -> JobView:
    return message(of, about, kind, at=SATURDAY, now=NOON, **fields)


def test_each_rule_of_messages_is_named_with_its_inputs_and_where_to_change_them(org: OrgOf) -> None:
    """Before its time and at it, in the order in which the rules are asked; each is then taken away."""
    admin = org.admin
    about = event(org, load_in_at=datetime(2030, 2, 1, 9, 30, tzinfo=UTC), starts_at=SATURDAY + 30 * DAY)
    sent = due(org, about, INIT, recipient=ANA.upper())
    edits.edit(admin, sent.id, Change(status=JobStatus.SENT, note="by phone"), now=NOON)
    off = SettingsChange(enabled=False, weekend_rule="previous_friday")
    message_settings.save(admin, off, now=NOON)
    message_settings.save_type(admin, INIT, TypeChange(enabled=False), now=NOON)
    db.session.commit()
    steps: list[tuple[str, str, str, Any]] = [
        ("DISABLED_GLOBAL", "automatic sending is switched off", "message_settings.show",
         lambda: message_settings.save(admin, SettingsChange(enabled=True), now=NOON)),
        ("DISABLED_TYPE", "of the type Init is off", "message_settings.show",
         lambda: message_settings.save_type(admin, INIT, TypeChange(enabled=True), now=NOON)),
        ("HAS_LOAD_IN_TIME", "the load-in time of “Hamlet” is known: Fri 1 Feb 2030 09:30", "events.edit",
         lambda: events.edit(admin, about, EventChange(load_in_at=None), now=NOON)),
        ("WEEKEND", "it is Saturday in UTC, and by the weekend rule", "message_settings.show",
         lambda: message_settings.save(admin, SettingsChange(weekend_rule="none"), now=NOON)),
        ("DUPLICATE", f"{ANA} already got the message of the type Init", "jobs.show", lambda: None),
    ]  # fmt: skip
    alive(SATURDAY)
    for code, words, where, away in steps:
        job = due(org, about, INIT)
        found = ask(org, job, now=SATURDAY - SECOND)
        expect(found, Verdict.BLOCKED, [code], words, source="rules of Send message")
        assert found.evidence[0].link and found.evidence[0].link.endpoint == where
        one_pass(SATURDAY)
        then = ask(org, job, SATURDAY, now=SATURDAY + SECOND)
        assert (then.verdict, codes(then)) == (Verdict.SKIPPED, [code]) and words in said(then)
        away()


def test_a_message_without_a_recipient_leads_to_its_event(org: OrgOf) -> None:
    about = event(org, contact_email=None)
    job = due(org, about, recipient=None)
    alive(SATURDAY)
    found = ask(org, job, now=SATURDAY - SECOND)
    expect(
        found,
        Verdict.BLOCKED,
        ["MISSING_RECIPIENT"],
        "“Hamlet” has no contact address",
        source="what Send message requires",
    )
    assert found.evidence[0].link and found.evidence[0].link.endpoint == "events.edit"
    one_pass(SATURDAY)
    then = ask(org, job, SATURDAY, now=SATURDAY)
    assert (then.verdict, codes(then)) == (Verdict.SKIPPED, ["MISSING_RECIPIENT"])


def test_a_message_that_was_marked_or_paused_says_by_whom(org: OrgOf) -> None:
    about = event(org)
    alive(SATURDAY)
    marked = due(org, about)
    edits.edit(org.admin, marked.id, Change(status=JobStatus.SENT, note="by phone"), now=NOON + HOUR)
    found = ask(org, marked, now=SATURDAY - SECOND)
    expect(
        found,
        Verdict.BLOCKED,
        ["ALREADY_SENT"],
        "this message was already sent (marked as sent by tests)",
        source="revision r2",
        revision=2,
    )
    then = ask(org, marked, SATURDAY, now=SATURDAY + HOUR)
    expect(
        then,
        Verdict.NOT_DUE,
        [],
        "It was over: tests marked it as sent in r2",
        source="revision r2",
        revision=2,
    )
    paused = due(org, about, recipient="lee@northside.example")
    edits.set_paused(org.admin, paused.id, True, note="wait for the cast", now=NOON)
    one_pass(SATURDAY)
    then = ask(org, paused, SATURDAY, now=SATURDAY + HOUR)
    expect(
        then,
        Verdict.BLOCKED,
        ["PAUSED"],
        "It was paused when its time came, and waits to be resumed",
        "“wait for the cast”",
        source="revision r2",
        revision=2,
    )


# What it costs ---------------------------------------------------------------------------------------


def test_a_job_with_many_runs_costs_as_many_statements_as_one_with_few(org: OrgOf) -> None:
    few, many = daily(org), daily(org, key="many")
    for job, count in ((few, 30), (many, 3000)):
        db.session.execute(
            text(
                "INSERT INTO runs (org_id, job_id, task, queue, trigger, state, revision, args, "
                "requested_by, requested_at, slot, started_at, finished_at, changes) "
                "SELECT :org, :job, 'x', 'q', 'schedule', 'succeeded', 1, '{}', 's', at, at, at, at, '[]' "
                "FROM generate_series(1, :count) AS n, LATERAL (SELECT :at - n * interval '1 min') AS x(at)"
            ),
            {"org": org.id, "job": job.id, "count": count, "at": SLOT},
        )
    db.session.commit()
    counts = []
    for job in (few, many):
        seen: list[str] = []

        def note(*arguments: Any, into: list[str] = seen) -> None:
            into.append(arguments[2])

        listening.listen(db.engine, "before_cursor_execute", note)
        explain.page(org.admin, job.id, SLOT - 10 * MINUTE, now=SLOT)
        listening.remove(db.engine, "before_cursor_execute", note)
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 40


def test_a_message_that_went_out_before_its_time_is_over_at_it(app: APIFlask, org: OrgOf) -> None:
    job = factories.job(org, now=NOON, schedule={"type": "once", "at": SATURDAY.isoformat()})
    executed(app, factories.run(org, job, now=SLOT), SLOT)
    ahead = ask(org, job, SATURDAY, now=SLOT + HOUR)
    expect(
        ahead,
        Verdict.NOT_DUE,
        [],
        "It will not be due then: it is sent, and nothing is to come",
        source="revision r1",
    )
    then = ask(org, job, SATURDAY, now=SATURDAY + HOUR)
    expect(
        then,
        Verdict.NOT_DUE,
        [],
        "It was over before: its run ended on Wed 2 Jan 2030 13:00, and it runs once",
        source="run ",
    )


# Whose it is ---------------------------------------------------------------------------------------


def test_another_orgs_job_is_not_found_and_a_viewer_may_ask(org: OrgOf) -> None:
    job = daily(org)
    with pytest.raises(NotFound):
        explain.explain(factories.org().admin, job.id, None, now=NOON)
    viewer = factories.person(org, Role.VIEWER)
    assert explain.explain(viewer, job.id, SLOT, now=SLOT).job_id == job.id
