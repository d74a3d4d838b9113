"""Why a job ran, ran late, was missed or was skipped: the answer names what decided.

The clock is passed in; each situation is really brought about.
"""

from typing import Any

import pytest
from apiflask import APIFlask

from console.core.explaining import Verdict
from console.core.states import RunState
from console.services import edits, run_control
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
    codes,
    daily,
    executed,
    expect,
    only_run,
    said,
)
from tests.services.test_policies import one_pass, start

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
