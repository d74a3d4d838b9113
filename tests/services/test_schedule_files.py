"""Schedules as code: written out, compared, and put in force as a whole."""

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import yaml
from apiflask import APIFlask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.core.errors import Forbidden, Invalid, Refused
from console.core.reasons import Reason
from console.core.states import Role
from console.core.strict_yaml import dump
from console.services import edits, job_creation, schedule_files
from console.services.changes import Change
from console.services.job_creation import NewJob
from tests import factories
from tests.factories import NOON, OrgOf, one, rows

DAILY = {"type": "daily", "hour": 7, "minute": 0}
STORED = """
    SELECT key, name, task, args, schedule, timezone, status <> 'paused', overlap, catch_up,
           catch_up_window_seconds, jitter_seconds, subject, recipient
    FROM jobs WHERE org_id = :org AND deleted_at IS NULL ORDER BY key
"""
FIELDS = (
    "key name task args schedule timezone enabled overlap catch_up "
    "catch_up_window_seconds jitter_seconds subject recipient"
).split()


def file(*entries: Mapping[str, Any]) -> str:
    return dump({"version": 1, "schedules": list(entries)})


def stored(org: OrgOf) -> dict[str, dict[str, Any]]:
    """The definitions that the database holds, by key."""
    return {row[0]: dict(zip(FIELDS, row, strict=True)) for row in rows(STORED, org=org.id)}


def apply(org: OrgOf, *entries: Mapping[str, Any], **more: Any) -> schedule_files.Plan:
    return schedule_files.apply(org.admin, file(*entries), now=NOON, **more)


def mistakes(org: OrgOf, text: str) -> dict[str, list[str]]:
    """What both plan and apply say is wrong; nothing may have changed."""
    before, trail = stored(org), one("SELECT count(*) FROM audit_entries")
    with pytest.raises(Invalid) as planned:
        schedule_files.plan(org.admin, text, now=NOON)
    with pytest.raises(Invalid) as refused:
        schedule_files.apply(org.admin, text, now=NOON)
    assert planned.value.fields == refused.value.fields
    assert refused.value.reason is not None
    assert "Nothing was changed" in refused.value.detail
    assert stored(org) == before
    assert one("SELECT count(*) FROM audit_entries") == trail
    return refused.value.fields


# Writing ------------------------------------------------------------------------------------------


def test_an_export_says_all_of_every_schedule_by_key(org: OrgOf) -> None:
    factories.job(org, key="b", schedule=DAILY, timezone="Asia/Ho_Chi_Minh", jitter_seconds=30, now=NOON)
    factories.job(
        org, "mark", key="a", args={"path": "on"}, subject="9:15", recipient="m@example.com", now=NOON
    )
    factories.job(factories.org(), key="theirs")
    text = schedule_files.export(org.admin, now=NOON)
    written = yaml.safe_load(text)
    assert written["version"] == 1
    assert written["schedules"] == [
        {
            "key": "a",
            "name": "Mark",
            "task": "tests.tasks.mark",
            "args": {"path": "on"},
            "schedule": {"type": "manual"},
            "timezone": "UTC",
            "enabled": True,
            "overlap": "skip",
            "catch_up": "latest",
            "catch_up_window_seconds": None,
            "jitter_seconds": None,
            "subject": "9:15",
            "recipient": "m@example.com",
            "then": {},
        },
        {
            "key": "b",
            "name": "Succeed",
            "task": "tests.tasks.succeed",
            "args": {},
            "schedule": DAILY,
            "timezone": "Asia/Ho_Chi_Minh",
            "enabled": True,
            "overlap": "skip",
            "catch_up": "latest",
            "catch_up_window_seconds": None,
            "jitter_seconds": 30,
            "then": {},
        },
    ]
    assert "  schedule: {type: daily, hour: 7, minute: 0}\n" in text
    assert schedule_files.export(org.admin, now=NOON + timedelta(hours=1)) == text


def test_a_job_that_ran_once_and_is_over_is_not_exported(org: OrgOf) -> None:
    at = {"type": "once", "at": (NOON + timedelta(hours=1)).isoformat()}
    factories.job(org, key="once", schedule=at, now=NOON)
    assert "once" in schedule_files.export(org.admin, now=NOON)
    later = schedule_files.export(org.admin, now=NOON + timedelta(hours=2))
    assert yaml.safe_load(later)["schedules"] == []
    assert schedule_files.plan(org.admin, later, now=NOON + timedelta(hours=2)).not_in_file == 0


def test_more_than_a_file_may_hold_is_not_exported(org: OrgOf, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.job(org, key="a")
    factories.job(org, key="b")
    monkeypatch.setattr(schedule_files, "MOST_ENTRIES", 1)
    with pytest.raises(Refused, match="One file holds at most 1 schedules"):
        schedule_files.export(org.admin, now=NOON)


# Round trips --------------------------------------------------------------------------------------


def test_a_round_trip_changes_nothing(org: OrgOf) -> None:
    past = {"type": "once", "at": (NOON + timedelta(minutes=1)).isoformat()}
    factories.job(org, key="once", schedule=past, now=NOON)
    factories.job(org, "mark", key="args", args={"path": "x", "seconds": 1.0}, schedule=DAILY, paused=True)
    job_creation.insert_all(org.admin, [NewJob("tests.tasks.mark", args=None)], now=NOON)
    factories.db.session.commit()
    text = schedule_files.export(org.admin, now=NOON)
    before = stored(org)
    for now in (NOON, NOON + timedelta(days=1)):
        done = schedule_files.apply(org.admin, text, now=now)
        assert (done.changes, done.unchanged, done.not_in_file) == ([], 3, 0)
    assert stored(org) == before
    assert one("SELECT max(revision) FROM jobs") == 1


def test_what_was_exported_can_be_taken_in_elsewhere(org: OrgOf) -> None:
    factories.job(org, "mark", key="a", args={"path": "x"}, schedule=DAILY, subject="trains", now=NOON)
    factories.job(org, key="b", schedule={"type": "cron", "cron": "15 9 * * 1-5"}, paused=True, now=NOON)
    text, other = schedule_files.export(org.admin, now=NOON), factories.org(timezone="Europe/Berlin")
    assert len(schedule_files.apply(other.admin, text, now=NOON).changes) == 2
    assert stored(other) == stored(org)
    assert schedule_files.export(other.admin, now=NOON) == text


def test_an_import_twice_changes_nothing_the_second_time(org: OrgOf) -> None:
    entry = {"key": "a", "task": "succeed", "schedule": DAILY, "jitter_seconds": 0}
    assert [change.action for change in apply(org, entry).changes] == ["create"]
    again = apply(org, entry)
    assert (again.changes, again.unchanged) == ([], 1)
    assert one("SELECT count(*) FROM job_revisions") == 1


# What a file does ---------------------------------------------------------------------------------


def test_what_the_file_leaves_out_stays_as_it_is(org: OrgOf) -> None:
    factories.job(org, key="a", name="Dawn", schedule=DAILY, overlap="allow_all", jitter_seconds=9)
    factories.job(org, key="b")
    before = stored(org)
    done = apply(org, {"key": "a", "timezone": "Europe/Berlin"})
    (change,) = done.changes
    assert (change.name, change.action) == ("a", "update")
    assert (change.before, change.after) == ({"timezone": "UTC"}, {"timezone": "Europe/Berlin"})
    assert done.not_in_file == 1
    before["a"]["timezone"] = "Europe/Berlin"
    assert stored(org) == before


def test_each_change_is_a_revision_and_an_audit_entry(org: OrgOf) -> None:
    factories.job(org, key="a", schedule=DAILY, now=NOON)
    apply(org, {"key": "a", "enabled": False}, {"key": "b", "task": "succeed"}, reason="summer")
    history = rows(
        "SELECT key, r.revision, reason FROM job_revisions r JOIN jobs ON job_id = jobs.id ORDER BY 1, 2"
    )
    assert history == [("a", 1, None), ("a", 2, "summer"), ("b", 1, "summer")]
    trail = rows("SELECT tag, reason FROM audit_entries WHERE reason = 'summer' ORDER BY tag")
    assert len(trail) == 2
    assert rows("SELECT key, next_run_at > :now FROM jobs WHERE kind = 'cron'", now=NOON) == [("a", True)]


def test_a_new_job_has_what_the_file_says_and_the_rest_of_its_task(org: OrgOf) -> None:
    berlin = factories.org(timezone="Europe/Berlin")
    entry = {"key": "Dusk-Sweep", "task": "tests.tasks.succeed", "recipient": "m@example.com"}
    (change,) = apply(berlin, entry).changes
    assert change.before is None
    assert change.after["timezone"] == "Europe/Berlin"
    assert change.after["recipient"] == "m@example.com"
    (made,) = stored(berlin).values()
    assert (made["key"], made["name"], made["schedule"]) == ("dusk_sweep", "Succeed", {"type": "manual"})
    assert (made["enabled"], made["recipient"], made["subject"]) == (True, "m@example.com", "")


def test_a_manual_job_may_get_its_arguments_with_each_run(org: OrgOf) -> None:
    apply(org, {"key": "a", "task": "mark"})
    assert stored(org)["a"]["args"] == {}
    wrong = mistakes(
        org, "version: 1\nschedules:\n\n- {key: b, task: mark, schedule: {type: daily, hour: 7, minute: 0}}"
    )
    assert wrong == {"schedules[0].args.path": ["line 4: Field required"]}


def test_a_job_may_be_named_by_any_spelling_of_its_task_or_a_former_path(org: OrgOf) -> None:
    factories.job(org, "tests.tasks.new_name", key="a")
    for spelling in ("new-name", "new_name", "tests.tasks.old_name"):
        assert apply(org, {"key": "a", "task": spelling}).unchanged == 1


def test_a_job_whose_task_is_gone_is_still_exported_and_taken_back(org: OrgOf) -> None:
    job = factories.job(org, key="a", schedule=DAILY)
    factories.db.session.execute(
        factories.text("UPDATE jobs SET task = 'gone.tasks.away' WHERE id = :id"), {"id": job.id}
    )
    factories.db.session.commit()
    text = schedule_files.export(org.admin, now=NOON)
    assert schedule_files.apply(org.admin, text, now=NOON).unchanged == 1
    assert len(apply(org, {"key": "a", "task": "gone.tasks.away", "enabled": False}).changes) == 1


def test_a_moment_without_quotes_is_taken_where_one_is_asked_for(org: OrgOf) -> None:
    entry = "{key: a, task: succeed, schedule: {type: once, at: 2030-01-31T09:15:00+07:00}}"
    schedule_files.apply(org.admin, f"version: 1\nschedules:\n- {entry}", now=NOON)
    assert stored(org)["a"]["schedule"] == {"type": "once", "at": "2030-01-31T02:15:00+00:00"}


def test_often_gives_pause_and_is_done(org: OrgOf) -> None:
    done = apply(org, {"key": "a", "task": "succeed", "schedule": {"type": "interval", "every_seconds": 60}})
    assert [caution.code for caution in done.changes[0].cautions] == ["TOO_OFTEN"]
    assert "a" in stored(org)


def test_a_slot_that_is_due_already_belongs_to_the_definition_before(org: OrgOf) -> None:
    job = factories.job(org, key="a", schedule={"type": "interval", "every_seconds": 600}, now=NOON)
    later = NOON + timedelta(minutes=15)
    schedule_files.apply(org.admin, file({"key": "a", "schedule": DAILY}), now=later)
    assert rows("SELECT slot, revision FROM runs WHERE job_id = :id", id=job.id) == [
        (NOON + timedelta(minutes=10), 1)
    ]


def test_an_empty_file_changes_nothing(org: OrgOf) -> None:
    factories.job(org)
    done = apply(org)
    assert (done.changes, done.unchanged, done.not_in_file) == ([], 0, 1)


def test_another_orgs_key_is_no_job_here(org: OrgOf) -> None:
    other = factories.org()
    factories.job(other, key="a", schedule=DAILY)
    wrong = mistakes(org, file({"key": "a", "enabled": False}))
    assert "a new one needs a task" in wrong["schedules[0].task"][0]
    assert stored(other)["a"]["enabled"]


def test_who_may_only_look_may_plan_and_export(org: OrgOf) -> None:
    viewer = replace(org.admin, role=Role.VIEWER)
    text = file({"key": "a", "task": "succeed"})
    assert len(schedule_files.plan(viewer, text, now=NOON).changes) == 1
    assert schedule_files.export(viewer, now=NOON)
    with pytest.raises(Forbidden):
        schedule_files.apply(viewer, text, now=NOON)
    assert stored(org) == {}


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "place", "words"),
    [
        ("schedule: {type: cron, cron: 0 9 31 2 *}", "cron", "never fires; make the job manual"),
        ("schedule: {type: cron, cron: 0 25 * * *}", "cron", "25"),
        ("schedule: {type: once, at: 2020-01-01T00:00:00Z}", "at", "past"),
        ("schedule: {type: once, at: 2099-01-01}", "at", "offset"),
        ("schedule: {type: daily, hour: 9:15, minute: 0}", "hour", "must be a whole number from 0 to 23"),
        ("schedule: {type: daily, hour: 25, minute: 0}", "hour", "must be a whole number from 0 to 23"),
        ("schedule: {type: daily, hour: '9', minute: 0}", "hour", "must be a whole number"),
        ("schedule: {type: daily, hour: 9}", "minute", "must be a whole number"),
        ("schedule: {type: daily, hour: 9, minute: 0, cron: x}", "cron", "is not for the type daily"),
        ("schedule: {type: daily, hour: 9, minut: 0}", "minut", "did you mean minute?"),
        ('schedule: {type: cron, cron: "0 9 * * \\0"}', "cron", "weekday"),
        ("schedule: {type: hourly}", "type", "must be one of cron"),
        ("schedule: {type: [daily]}", "type", "must be one of cron"),
        ("schedule: {hour: 9}", "type", "must be one of cron"),
        ("schedule: daily", "schedule", "must be a mapping"),
        ("timezone: Europe/Berln", "timezone", "Europe/Berln"),
        ("timezone:", "timezone", "is empty"),
        ("enabled: on", "enabled", "must be true or false"),
        ("enabled: 'true'", "enabled", "must be true or false"),
        ("name: on", "name", "in quotes"),
        ("name: 123", "name", "must be text; put it in quotes"),
        ("name: ' '", "name", "1 to 200 characters"),
        ('name: "a\\0"', "name", "NUL"),
        ("overlap: never", "overlap", "must be one of skip"),
        ("catch_up: 1", "catch_up", "must be text"),
        ("catch_up_window_seconds: 0", "catch_up_window_seconds", "from 1 to"),
        ("catch_up_window_seconds: 15:00", "catch_up_window_seconds", "whole number of seconds"),
        ("jitter_seconds: 1.5", "jitter_seconds", "whole number of seconds"),
        ("jitter_seconds: true", "jitter_seconds", "whole number of seconds"),
        ("args: [1]", "args", "must be a mapping"),
        ("args: {day: 2030-01-31}", "args.day", "can be read as a date"),
        ("args: {days: [1, {x: no}]}", "args.days[1].x", "can be read as yes or no"),
        ("args: {days: 1}", "args.days", "Extra inputs are not permitted"),
        ("task: explode", "task", "its task can't be changed"),
        ("task: sucede", "task", "its task can't be changed"),
        ("subject: another", "subject", "a file can't change"),
        ("recipient: x@example.com", "recipient", "a file can't change"),
        ("enable: true", "enable", "did you mean enabled?"),
        ("colour: red", "colour", "is no known field"),
    ],
)
def test_a_mistake_in_an_entry_is_refused_with_its_place(
    org: OrgOf, entry: str, place: str, words: str
) -> None:
    factories.job(org, key="a", schedule=DAILY)
    wrong = mistakes(org, f"version: 1\nschedules:\n- key: a\n  {entry}\n")
    assert list(wrong) == [f"schedules[0].{place}"]
    (said,) = wrong[f"schedules[0].{place}"]
    assert said.startswith("line 4: ")
    assert words in said


@pytest.mark.parametrize(
    ("entry", "place", "words"),
    [
        ("{key: b, task: sucede}", "schedules[1].task", "Did you mean succeed"),
        ("{key: b}", "schedules[1].task", "is missing"),
        ("{key: b, task: 7}", "schedules[1].task", "must be text"),
        ("{key: b, task: mark, args: {path: x, pth: x}}", "schedules[1].args.pth", "Extra inputs"),
        ("{key: b!, task: succeed}", "schedules[1].key", "letters, digits and _"),
        ("{key: A, task: succeed}", "schedules[1].key", "a is the key of schedules[0] (line 3) already"),
        ("{key: 08, task: succeed}", "schedules[1].key", "in quotes"),
        ("{task: succeed}", "schedules[1].key", "is missing"),
        ("{key: b, task: succeed, subject: ''}", "schedules[1].subject", "1 to 500 characters"),
        (
            "{key: b, task: succeed, schedule: {type: once, at: 2020-01-01T00:00:00Z}}",
            "schedules[1].at",
            "past",
        ),
        ("b", "schedules[1]", "must be a mapping with a key"),
    ],
)
def test_a_mistake_in_a_new_entry_is_refused_with_its_place(
    org: OrgOf, entry: str, place: str, words: str
) -> None:
    factories.job(org, key="a", schedule=DAILY)
    wrong = mistakes(org, f"version: 1\nschedules:\n- {{key: a, enabled: false}}\n- {entry}\n")
    assert list(wrong) == [place]
    assert wrong[place][0].startswith("line 4: ")
    assert words in wrong[place][0]


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("", "file", "line 1, column 1: the file is empty"),
        ("version: [1\n", "file", "line 2, column 1: did not find"),
        ("version: 1\nversion: 1\nschedules: []", "file", "line 2, column 1: version stands twice"),
        ("version: 1\nschedules:\n- &a {key: a}\n- *a", "file", "line 3, column 3: anchors"),
        ("version: !!int 1\nschedules: []", "file", "tags"),
        ("[]", "file", "must be a mapping with version and schedules"),
        ("schedules: []", "version", "must be 1"),
        ("version: 2\nschedules: []", "version", "must be 1"),
        ("version: true\nschedules: []", "version", "must be 1"),
        ("version: 1", "schedules", "must be a list"),
        ("version: 1\nschedules: {a: 1}", "schedules", "must be a list"),
        ("version: 1\nschedules: []\nscheduls: []", "scheduls", "did you mean schedules?"),
        ("version: 1\nschedules:\n" + "- {}\n" * 10_001, "schedules", "has 10,001 entries"),
        ("#" * (2 * 1024 * 1024 + 1), "file", "larger than 2 MiB"),
        ("#" + "é" * (1024 * 1024), "file", "larger than 2 MiB"),
    ],
    ids=lambda value: value[:30],
)
def test_what_is_no_file_of_schedules_is_refused(org: OrgOf, text: str, field: str, words: str) -> None:
    wrong = mistakes(org, text)
    assert list(wrong) == [field]
    assert words in wrong[field][0]


def test_all_mistakes_are_told_together(org: OrgOf) -> None:
    factories.job(org, key="a", schedule=DAILY)
    wrong = mistakes(
        org,
        file(
            {"key": "a", "timezone": "Nowhere", "overlap": "x", "args": {"a": 1, "b": 2}},
            {"key": "b", "task": "sucede", "schedule": {"type": "cron", "cron": "0 9 31 2 *"}},
            {"key": "a", "enabled": "yes"},
        ),
    )
    assert sorted(wrong) == [
        "schedules[0].args.a",
        "schedules[0].args.b",
        "schedules[0].overlap",
        "schedules[0].timezone",
        "schedules[1].cron",
        "schedules[1].task",
        "schedules[2].enabled",
        "schedules[2].key",
    ]


def test_the_first_hundred_mistakes_are_enough(org: OrgOf) -> None:
    wrong = mistakes(org, file(*({"key": f"k{number}"} for number in range(500))))
    assert len(wrong) == 100


def test_a_moment_that_is_past_may_stay_but_not_come(org: OrgOf) -> None:
    at = {"type": "once", "at": (NOON - timedelta(hours=1)).isoformat()}
    factories.job(org, key="a", schedule=at, now=NOON - timedelta(hours=2))
    assert apply(org, {"key": "a", "schedule": at, "name": "Dawn"}).changes[0].after == {"name": "Dawn"}
    other = {"type": "once", "at": (NOON - timedelta(minutes=1)).isoformat()}
    with pytest.raises(Invalid) as error:
        apply(org, {"key": "a", "schedule": other})
    assert error.value.reason is Reason.IN_THE_PAST


# Plan and apply are one ---------------------------------------------------------------------------

SCHEDULES = st.one_of(
    st.just({"type": "manual"}),
    st.builds(
        lambda hour, minute: {"type": "daily", "hour": hour, "minute": minute},
        st.integers(0, 23),
        st.integers(0, 59),
    ),
    st.builds(lambda seconds: {"type": "interval", "every_seconds": seconds}, st.integers(1, 10**6)),
    st.builds(
        lambda cron: {"type": "cron", "cron": cron},
        st.sampled_from(["*/7 * * * *", "0 9 1 * *", "0 9 * * 1#1"]),
    ),
    st.builds(
        lambda days: {"type": "once", "at": (NOON + timedelta(days=days)).isoformat()}, st.integers(1, 999)
    ),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(str.strip)
ENTRIES = st.fixed_dictionaries(
    {"key": st.sampled_from(["a", "b", "c", "new-one", "new_two"]), "task": st.just("tests.tasks.leave")},
    optional={
        "name": TEXTS,
        "args": st.fixed_dictionaries({}, optional={"code": st.integers(-9, 9)}),
        "schedule": SCHEDULES,
        "timezone": st.sampled_from(["UTC", "Europe/Berlin", "Asia/Ho_Chi_Minh"]),
        "enabled": st.booleans(),
        "overlap": st.sampled_from(["skip", "buffer_one", "allow_all", "cancel_other"]),
        "catch_up": st.sampled_from(["latest", "all", "none"]),
        "catch_up_window_seconds": st.none() | st.integers(1, 10**6),
        "jitter_seconds": st.none() | st.integers(0, 3600),
    },
)
FILES = st.lists(ENTRIES, max_size=5, unique_by=lambda entry: entry["key"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=FILES, second=FILES)
def test_a_plan_says_what_an_import_does_and_a_second_one_does_nothing(
    app: APIFlask, first: list[dict[str, Any]], second: list[dict[str, Any]]
) -> None:
    org = factories.org()
    schedule_files.apply(org.admin, file(*first), now=NOON)
    before, text = stored(org), file(*second)
    planned = schedule_files.plan(org.admin, text, now=NOON)
    assert stored(org) == before
    done = schedule_files.apply(org.admin, text, now=NOON)
    assert done == planned
    after = stored(org)
    changed = {change.name: change for change in planned.changes}
    for key, held in after.items():
        change = changed.pop(key, None)
        expected = before.get(key, held) | dict(change.after if change else {})
        assert held == expected
        if change and change.before is not None:
            assert {name: before[key][name] for name in change.before} == change.before
    assert changed == {}
    again = schedule_files.apply(org.admin, text, now=NOON)
    assert (again.changes, again.unchanged, again.not_in_file) == ([], len(second), done.not_in_file)
    exported = schedule_files.export(org.admin, now=NOON)
    assert schedule_files.apply(org.admin, exported, now=NOON).unchanged == len(after)
    assert stored(org) == after


def test_two_imports_and_an_edit_at_once_hold_up_or_refuse_each_other(app: APIFlask, org: OrgOf) -> None:
    ids = [factories.job(org, key=f"k{number}", schedule=DAILY, now=NOON).id for number in range(20)]
    failed: list[BaseException] = []

    def work(hour: int) -> None:
        schedule = {"type": "daily", "hour": hour, "minute": 1}
        entries = [{"key": f"k{number}", "task": "succeed", "schedule": schedule} for number in range(25)]
        try:
            with app.app_context():
                schedule_files.apply(org.admin, file(*reversed(entries)), now=NOON)
        except schedule_files.PlanMoved:
            pass  # the other one made a key in between, and so nothing of this one is there
        except Invalid as error:  # as before, only later
            assert "is taken" in error.detail
        except BaseException as error:
            failed.append(error)

    def rename() -> None:
        with app.app_context():
            for job_id in reversed(ids):
                edits.edit(org.admin, job_id, Change(name="Dawn"), now=NOON)

    threads = [threading.Thread(target=work, args=(hour,)) for hour in (8, 9)] + [
        threading.Thread(target=rename)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    found = stored(org)
    assert len(found) == 25
    assert len({job["schedule"]["hour"] for job in found.values()}) == 1
    assert {found[f"k{number}"]["name"] for number in range(20)} == {"Dawn"}
    assert (
        rows(
            "SELECT 1 FROM jobs WHERE revision <> (SELECT max(revision) FROM job_revisions WHERE job_id = id)"
        )
        == []
    )


def spent_on(org: OrgOf, prefix: str, count: int) -> float:
    """The seconds that this process works to make so many schedules and to change each of them."""
    entries = [
        {"key": f"{prefix}{n}", "task": "succeed", "schedule": {**DAILY, "minute": n % 60}}
        for n in range(count)
    ]
    begun = time.process_time()
    assert len(apply(org, *entries).changes) == count
    for entry in entries:
        entry["timezone"] = "Europe/Berlin"
    assert len(apply(org, *entries).changes) == count
    return time.process_time() - begun


def test_many_schedules_take_no_more_than_their_number_makes_them(org: OrgOf) -> None:
    """Ten times as many may take thirty times as long; work that grows with the square takes a hundred."""
    few = min(spent_on(org, prefix, 50) for prefix in ("a", "b"))
    assert spent_on(org, "k", 500) < 30 * few
