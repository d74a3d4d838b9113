"""Why a job waits, how a run may have ended, and what stands in the way of the next one.

The clock is passed in; each situation is really brought about.
"""

import pytest
from apiflask import APIFlask

from console.core.explaining import Verdict
from console.core.settings import Settings
from console.core.states import RunState
from console.queue import queues
from console.services import losing, queue_pauses, resolving, runs
from console.services.approvals import ApprovalRequested
from console.services.run_views import RunFilter
from tests import factories
from tests.factories import NOON, OrgOf
from tests.services.explain.asking import (
    DAY,
    HOUR,
    MINUTE,
    SATURDAY,
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
from tests.services.test_policies import end, one_pass, start
from tests.web.conftest import DEAD_REDIS

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


def test_a_run_for_later_is_in_no_slots_way_and_each_is_named_at_its_own_minute(org: OrgOf) -> None:
    job = daily(org)
    for hours in range(2, 7):
        factories.run(org, job, start_at=SLOT + hours * HOUR, now=NOON)
    present = ask(org, job, now=NOON + MINUTE)
    expect(present, Verdict.WAITING, [], "waits for the time that was asked for", source="run ")
    assert "Due now, it would run at once." in said(present)
    for hours in range(2, 7):
        at = SLOT + hours * HOUR
        found = ask(org, job, at, now=NOON + MINUTE)
        assert f"waits for the time that was asked for (Wed 2 Jan 2030 {at:%H:%M})" in said(found)
    one_pass(SLOT)
    all_of_it = runs.page(org.admin, RunFilter(job_id=job.id), cursor=None, limit=9, now=SLOT).runs
    (begun,) = [run for run in all_of_it if run.slot]
    assert begun.state is RunState.QUEUED and begun.reason_code is None, "as the page had said"


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
