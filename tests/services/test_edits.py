"""Edits: each makes a revision, a due slot is never lost, and nobody's edit is overwritten."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from apiflask import APIFlask

from console.core.errors import Forbidden, Invalid, NotFound, Refused
from console.core.reasons import Reason
from console.core.states import Role
from console.services import dispatch, edits, jobs, revisions
from console.services.changes import Change
from console.services.conflicts import StaleRevision
from console.services.views import JobView
from tests import factories
from tests.factories import NOON, OrgOf, one, rows
from tests.web.conftest import change as past_the_product

SEVEN = {"type": "daily", "hour": 7, "minute": 0}
QUARTER_PAST_NINE = {"type": "daily", "hour": 9, "minute": 15}
SAIGON = "Asia/Ho_Chi_Minh"


def daily(org: OrgOf, **fields: Any) -> JobView:
    return factories.job(org, schedule=SEVEN, timezone=SAIGON, now=NOON, **fields)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_an_edit_moves_the_next_run_and_is_a_revision_with_old_and_new_value(org: OrgOf) -> None:
    job = daily(org)
    done = edits.edit(
        org.admin, job.id, Change(schedule=QUARTER_PAST_NINE), seen=1, reason="too early", now=NOON
    )
    assert (done.next_before, done.job.next_run_at) == (at("2030-01-03T00:00"), at("2030-01-03T02:15"))
    assert (done.job.revision, done.job.applied_revision, done.revision_before) == (2, 0, 1)
    (revision,) = rows("SELECT * FROM job_revisions WHERE revision = 2")
    assert revision.changes == {"schedule": {"old": SEVEN, "new": QUARTER_PAST_NINE}}
    assert (revision.reason, revision.actor, revision.origin) == ("too early", "tests", "system")
    assert revision.definition["schedule"] == QUARTER_PAST_NINE
    (entry,) = rows("SELECT * FROM audit_entries WHERE tag = 'job:changed'")
    assert (entry.old, entry.new) == ({"schedule": SEVEN}, {"schedule": QUARTER_PAST_NINE, "revision": 2})
    assert entry.reason == "too early"


def test_an_edit_that_changes_nothing_makes_no_revision(org: OrgOf) -> None:
    job = daily(org)
    same = Change(
        name=job.name, schedule={"type": "daily", "minute": 0, "hour": 7}, timezone=SAIGON, enabled=True
    )
    done = edits.edit(org.admin, job.id, same, seen=1, now=NOON + timedelta(hours=1))
    assert not done.is_changed
    assert (done.job.revision, done.job.next_run_at) == (1, job.next_run_at)
    assert one("SELECT count(*) FROM job_revisions") == 1


def test_every_field_of_a_definition_can_be_edited_at_once(org: OrgOf) -> None:
    job = daily(org)
    change = Change(
        name="Morning report",
        schedule={"type": "cron", "cron": "15 9 * * 1-5"},
        timezone="Europe/London",
        enabled=False,
        overlap="buffer_one",
        catch_up="all",
        catch_up_window_seconds=3600,
        jitter_seconds=30,
        note="until the audit is over",
    )
    view = edits.edit(org.admin, job.id, change, now=NOON).job
    assert (view.name, view.kind, view.timezone, view.overlap) == (
        "Morning report",
        "cron",
        "Europe/London",
        "buffer_one",
    )
    assert (view.catch_up, view.catch_up_window_seconds, view.status) == ("all", 3600, "paused")
    assert (view.status_note, view.revision) == ("until the audit is over", 2)
    assert one("SELECT jitter_seconds FROM jobs") == 30
    assert set(rows("SELECT changes FROM job_revisions WHERE revision = 2")[0].changes) == {
        "name",
        "schedule",
        "timezone",
        "enabled",
        "overlap",
        "catch_up",
        "catch_up_window_seconds",
        "jitter_seconds",
        "note",
    }


@pytest.mark.parametrize(
    ("change", "field", "reason", "said"),
    [
        (Change(schedule={"type": "cron", "cron": "0 9 31 2 *"}), "cron", Reason.NEVER_FIRES, "never fires"),
        (Change(schedule={"type": "cron", "cron": "0 25 * * *"}), "cron", Reason.INVALID_SCHEDULE, "25"),
        (
            Change(schedule={"type": "once", "at": "2020-01-01T00:00:00+00:00"}),
            "at",
            Reason.IN_THE_PAST,
            "past",
        ),
        (Change(timezone="Mars/Olympus"), "timezone", Reason.INVALID_SCHEDULE, "Mars/Olympus"),
        (Change(overlap="often"), "overlap", Reason.INVALID_SCHEDULE, "must be one of"),
        (Change(catch_up="never"), "catch_up", Reason.INVALID_SCHEDULE, "must be one of"),
        (Change(catch_up_window_seconds=0), "catch_up_window_seconds", Reason.INVALID_SCHEDULE, "1 to"),
        (Change(jitter_seconds=99999), "jitter_seconds", Reason.INVALID_SCHEDULE, "1 to"),
        (Change(name="  "), "name", None, "1 to 200"),
        (Change(send_at=NOON), "send_at", Reason.INVALID_SCHEDULE, "recurs"),
        (Change(args={"nope": 1}), "args.nope", None, "Extra"),
    ],
)
def test_a_refused_edit_names_its_field_and_changes_nothing(
    org: OrgOf, change: Change, field: str, reason: Reason | None, said: str
) -> None:
    job = daily(org)
    with pytest.raises(Invalid) as refused:
        edits.edit(org.admin, job.id, change, now=NOON)
    assert list(refused.value.fields) == [field]
    assert refused.value.reason is reason
    assert said in refused.value.fields[field][0]
    assert jobs.get(org.admin, job.id, now=NOON) == job
    assert one("SELECT count(*) FROM job_revisions") == 1
    assert rows("SELECT 1 FROM audit_entries WHERE tag = 'job:changed'") == []


def test_all_mistakes_of_one_edit_are_named_together(org: OrgOf) -> None:
    job = daily(org)
    change = Change(schedule={"type": "cron", "cron": "0 9 31 2 *"}, timezone="Nowhere", overlap="x")
    with pytest.raises(Invalid) as refused:
        edits.edit(org.admin, job.id, change, now=NOON)
    assert set(refused.value.fields) == {"cron", "timezone", "overlap"}


def test_arguments_are_kept_as_the_task_reads_them(org: OrgOf) -> None:
    job = factories.job(org, task="tests.tasks.leave", args={"code": 1}, now=NOON)
    assert not edits.edit(org.admin, job.id, Change(args={"code": 1.0}), now=NOON).is_changed
    assert edits.edit(org.admin, job.id, Change(args={"code": "2"}), now=NOON).job.args == {"code": 2}
    assert one("SELECT args FROM jobs") == {"code": 2}


def test_a_manual_job_without_its_arguments_gets_no_schedule(org: OrgOf) -> None:
    job = factories.job(org, task="tests.tasks.mark", args=None, now=NOON)
    with pytest.raises(Invalid) as refused:
        edits.edit(org.admin, job.id, Change(schedule=SEVEN), now=NOON)
    assert list(refused.value.fields) == ["args.path"]
    both = Change(schedule=SEVEN, args={"path": "x"})
    assert edits.edit(org.admin, job.id, both, now=NOON).job.kind == "cron"


def test_send_at_moves_a_job_that_runs_once_and_brings_an_ended_one_back(org: OrgOf) -> None:
    job = factories.job(org, schedule={"type": "once", "at": NOON + timedelta(days=1)}, now=NOON)
    moved = edits.edit(org.admin, job.id, Change(send_at=NOON - timedelta(minutes=4)), now=NOON).job
    assert moved.next_run_at == NOON - timedelta(minutes=4)
    with pytest.raises(Invalid) as refused:
        edits.edit(org.admin, job.id, Change(send_at=NOON - timedelta(minutes=6)), now=NOON)
    assert (refused.value.reason, list(refused.value.fields)) == (Reason.IN_THE_PAST, ["send_at"])
    dispatch.dispatch(scheduler="s", now=NOON)
    past_the_product("UPDATE jobs SET status = 'failed'")
    later = NOON + timedelta(days=2)
    again = edits.edit(org.admin, job.id, Change(send_at=later), now=NOON)
    assert again.job.status == "scheduled"
    assert [caution.code for caution in again.cautions] == ["ALREADY_DUE"]


def test_the_note_of_a_paused_job_can_be_changed_and_goes_with_the_pause(org: OrgOf) -> None:
    job = daily(org)
    edits.set_paused(org.admin, job.id, True, note="until Friday", now=NOON)
    noted = edits.set_paused(org.admin, job.id, True, note="until Monday", now=NOON)
    assert (noted.revision, noted.status_note) == (3, "until Monday")
    kept = edits.edit(org.admin, job.id, Change(name="Other"), now=NOON).job
    assert (kept.status, kept.status_note) == ("paused", "until Monday")
    assert edits.set_paused(org.admin, job.id, False, note=None, now=NOON).status_note is None
    assert rows("SELECT tag FROM audit_entries WHERE tag LIKE 'job:%' ORDER BY number") == [
        ("job:created",),
        ("job:paused",),
        ("job:changed",),
        ("job:changed",),
        ("job:resumed",),
    ]


def test_a_slot_that_is_due_when_the_edit_comes_has_its_run_under_the_old_revision(org: OrgOf) -> None:
    job = daily(org)
    assert job.next_run_at
    now = job.next_run_at + timedelta(milliseconds=300)
    done = edits.edit(org.admin, job.id, Change(schedule=QUARTER_PAST_NINE), seen=1, now=now)
    assert done.job.next_run_at == job.next_run_at + timedelta(hours=2, minutes=15)
    (run,) = rows("SELECT slot, state, revision, trigger, enqueued_at FROM runs")
    assert (run.slot, run.state, run.revision, run.trigger) == (job.next_run_at, "queued", 1, "schedule")
    assert run.enqueued_at is not None
    assert (done.job.revision, done.job.applied_revision) == (2, 0), "no scheduler has seen it"
    assert dispatch.dispatch(scheduler="s", now=now).due == 0


def test_slots_of_hours_without_a_scheduler_are_decided_before_the_edit_takes_effect(org: OrgOf) -> None:
    shape = {"type": "interval", "every_seconds": 3600}
    job = factories.job(org, schedule=shape, now=NOON, catch_up="latest")
    edits.edit(
        org.admin, job.id, Change(schedule=QUARTER_PAST_NINE), now=NOON + timedelta(hours=6, minutes=1)
    )
    states = [row.state for row in rows("SELECT state FROM runs ORDER BY slot")]
    assert states == ["missed"] * 5 + ["queued"]


def test_a_new_name_or_policy_leaves_the_next_run_alone(org: OrgOf) -> None:
    job = factories.job(org, schedule={"type": "interval", "every_seconds": 3600}, now=NOON)
    later = NOON + timedelta(minutes=20)
    for change in (Change(name="Other"), Change(overlap="allow_all"), Change(timezone="Europe/London")):
        assert edits.edit(org.admin, job.id, change, now=later).job.next_run_at == job.next_run_at


def test_a_stale_edit_is_refused_with_the_three_versions_of_each_field(org: OrgOf) -> None:
    job = daily(org)
    edits.edit(
        org.admin,
        job.id,
        Change(schedule=QUARTER_PAST_NINE, overlap="allow_all"),
        seen=1,
        reason="late",
        now=NOON,
    )
    eight = {"type": "daily", "hour": 8, "minute": 0}
    with pytest.raises(StaleRevision) as refused:
        edits.edit(org.admin, job.id, Change(schedule=eight, name="Mine"), seen=1, now=NOON)
    conflict = refused.value.conflict
    found = {item.name: (item.base, item.theirs, item.mine, item.clashes) for item in conflict.fields}
    assert found == {
        "name": (job.name, job.name, "Mine", False),
        "schedule": (SEVEN, QUARTER_PAST_NINE, eight, True),
        "overlap": ("skip", "allow_all", "skip", False),
    }
    assert (conflict.seen, conflict.current.revision, conflict.saved_by, conflict.reason) == (
        1,
        2,
        "tests",
        "late",
    )
    assert refused.value.reason is Reason.STALE_REVISION
    assert one("SELECT name FROM jobs") == job.name


def test_ten_editors_at_once_one_wins_nine_are_told_and_nothing_is_lost(org: OrgOf, app: APIFlask) -> None:
    job = daily(org)

    def save(minute: int) -> str:
        with app.app_context():
            shape = {"type": "daily", "hour": 9, "minute": minute}
            try:
                edits.edit(org.admin, job.id, Change(schedule=shape), seen=1, now=NOON)
            except StaleRevision as refused:
                assert refused.conflict.yours["schedule"]["minute"] == minute
                return "stale"
            return "saved"

    with ThreadPoolExecutor(10) as pool:
        answers = sorted(pool.map(save, range(10)))
    assert answers == ["saved"] + ["stale"] * 9
    assert rows("SELECT revision FROM job_revisions ORDER BY 1") == [(1,), (2,)]
    assert one("SELECT revision FROM jobs") == 2


def test_a_revision_that_never_was_is_no_conflict_but_a_mistake(org: OrgOf) -> None:
    job = daily(org)
    with pytest.raises(Invalid) as refused:
        edits.edit(org.admin, job.id, Change(name="x"), seen=7, now=NOON)
    assert "newest is 1" in refused.value.fields["revision"][0]


def test_viewers_and_other_orgs_edit_nothing(org: OrgOf) -> None:
    job = daily(org)
    with pytest.raises(Forbidden):
        edits.edit(factories.person(org, Role.VIEWER), job.id, Change(name="x"), now=NOON)
    with pytest.raises(NotFound):
        edits.edit(factories.org().admin, job.id, Change(name="x"), now=NOON)
    assert one("SELECT name FROM jobs") == job.name


def test_restoring_a_revision_is_a_new_one_and_undo_takes_it_back(org: OrgOf) -> None:
    job = daily(org)
    edits.edit(org.admin, job.id, Change(schedule=QUARTER_PAST_NINE), now=NOON)
    edits.edit(org.admin, job.id, Change(name="Other", enabled=False, note="calm"), now=NOON)
    back = revisions.restore(org.admin, job.id, 1, seen=3, now=NOON).job
    assert (back.revision, back.schedule, back.name, back.status) == (4, SEVEN, job.name, "scheduled")
    undone = revisions.undo(org.admin, job.id, now=NOON).job
    assert (undone.revision, undone.schedule, undone.name, undone.status) == (
        5,
        QUARTER_PAST_NINE,
        "Other",
        "paused",
    )
    page = revisions.page(org.admin, job.id, now=NOON)
    assert [(item.revision, item.reason) for item in page.revisions] == [
        (5, "restored r3"),
        (4, "restored r1"),
        (3, "calm"),
        (2, None),
        (1, None),
    ]
    assert [item.revision for item in page.revisions if item.is_current] == [5]


def test_what_can_not_be_restored_says_why(org: OrgOf) -> None:
    soon = NOON + timedelta(minutes=1)
    job = factories.job(org, schedule={"type": "once", "at": soon}, now=NOON)
    with pytest.raises(Refused, match="nothing to undo"):
        revisions.undo(org.admin, job.id, now=NOON)
    edits.edit(org.admin, job.id, Change(schedule={"type": "manual"}), now=NOON)
    with pytest.raises(Refused) as refused:
        revisions.restore(org.admin, job.id, 1, now=NOON + timedelta(hours=1))
    assert refused.value.reason is Reason.IN_THE_PAST
    with pytest.raises(NotFound):
        revisions.restore(org.admin, job.id, 9, now=NOON)
    assert one("SELECT revision FROM jobs") == 2


def test_history_is_paged_by_revision(org: OrgOf) -> None:
    job = daily(org)
    for number in range(4):
        edits.edit(org.admin, job.id, Change(name=f"Name {number}"), now=NOON)
    first = revisions.page(org.admin, job.id, limit=2, now=NOON)
    assert [item.revision for item in first.revisions] == [5, 4]
    second = revisions.page(org.admin, job.id, before=first.next_before, limit=2, now=NOON)
    assert [item.revision for item in second.revisions] == [3, 2]
    last = revisions.page(org.admin, job.id, before=second.next_before, limit=2, now=NOON)
    assert ([item.revision for item in last.revisions], last.next_before) == ([1], None)


def test_an_edit_warns_of_runs_that_come_too_often_and_of_a_twin_in_the_same_minute(org: OrgOf) -> None:
    job = daily(org)
    often = edits.edit(
        org.admin, job.id, Change(schedule={"type": "interval", "every_seconds": 60}), now=NOON
    )
    assert [caution.code for caution in often.cautions] == ["TOO_OFTEN"]
    daily(org, name="The twin")
    twin = edits.edit(org.admin, job.id, Change(schedule=SEVEN), now=NOON)
    assert [caution.code for caution in twin.cautions] == ["SAME_MINUTE"]
    assert "The twin" in twin.cautions[0].text
