"""The inventory check: each thing that one side expects and the other lacks is found, and nothing else."""

from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from console.core.registry import registry
from console.core.states import Beating, RunState
from console.plugins.reports.findings import Finding, Severity, findings
from console.services import heartbeats, inventory
from console.services.heartbeats import Beat
from tests import factories
from tests.factories import NOON, OrgOf
from tests.plugins.history import past_run
from tests.web.conftest import change

EVERY_HOUR = {"type": "interval", "every_seconds": 3600}
UTC = ZoneInfo("UTC")
WEEK = timedelta(days=7)


@pytest.fixture
def _alive(app: object) -> None:
    """A scheduler and a worker that serves and offers everything."""
    factories.live_scheduler(now=NOON)
    factories.live_worker(now=NOON)


def check(of: OrgOf) -> dict[str, Finding]:
    """The checks that found something, by name; a task without a job is everywhere in these tests."""
    found = findings(inventory.inventory(of.id, unused_for=WEEK, now=NOON), UTC, NOON)
    assert len(found) == 12
    return {
        item.name: item
        for item in found
        if item.severity is not Severity.OK and item.name != "Tasks without a job"
    }


def words(item: Finding) -> str:
    return " ".join(f"{cell.text} {cell.note}" for row in item.rows for cell in row)


def a_job(of: OrgOf, **fields: Any) -> UUID:
    """A job in good order: applied, with its next run to come, made yesterday."""
    made = NOON - timedelta(minutes=30)
    job = factories.job(of, name="Sync", schedule=fields.pop("schedule", EVERY_HOUR), now=made, **fields)
    change("UPDATE jobs SET applied_revision = revision")
    return job.id


@pytest.mark.usefixtures("_alive")
def test_where_all_is_well_nothing_is_found(org: OrgOf) -> None:
    a_job(org)
    assert check(org) == {}


@pytest.mark.usefixtures("_alive")
@pytest.mark.parametrize(
    ("damage", "name", "severity", "detail"),
    [
        ("task = 'shop.gone'", "Jobs with an unknown task", "problem", "shop.gone"),
        ("status = 'blocked', status_note = 'no photos'", "Blocked jobs", "problem", "no photos"),
        ("status = 'failed', last_run_note = '502'", "Failed jobs", "warning", "502"),
        ("revision = 1, applied_revision = 0", "Edits not in force", "warning", "saved r1, scheduler on r0"),
        ("next_run_at = NULL", "Schedules without a next run", "problem", "no next run"),
        ("next_run_at = '2030-01-02 11:58:59Z'", "Overdue jobs", "problem", "due Wed 2 Jan 11:58"),
        ("created_at = '2029-12-26 11:00Z'", "Jobs that never ran", "note", "made Wed 26 Dec 2029 11:00"),
    ],
)
def test_each_kind_of_damage_is_found_under_its_name(
    org: OrgOf, damage: str, name: str, severity: str, detail: str
) -> None:
    job, _ = a_job(org), a_job(org)
    change(f"UPDATE jobs SET {damage} WHERE id = :id", id=job)  # noqa: S608
    found = check(org)
    assert set(found) == {name}
    assert (found[name].severity, found[name].text.split()[0]) == (severity, "1")
    assert len(found[name].rows) == 1 and detail in words(found[name]) and found[name].advice
    assert found[name].rows[0][0].path == f"/jobs/{job}"


@pytest.mark.usefixtures("_alive")
def test_damage_of_another_org_or_of_a_deleted_job_is_not_told(org: OrgOf) -> None:
    stranger = factories.org()
    for of in (org, stranger):
        a_job(of)
    change("UPDATE jobs SET deleted_at = now() WHERE org_id = :id", id=org.id)
    change(
        "UPDATE jobs SET task = 'shop.gone', status = 'blocked', applied_revision = 0, "
        "next_run_at = '2029-01-01Z', created_at = '2029-01-01Z'"
    )
    assert check(org) == {}
    assert len(check(stranger)) == 5


@pytest.mark.usefixtures("_alive")
@pytest.mark.parametrize(
    "fields", [{"paused": True, "schedule": {"type": "once", "at": "2030-01-02T11:45Z"}}]
)
def test_what_is_at_rest_is_not_overdue(org: OrgOf, fields: dict[str, Any]) -> None:
    a_job(org, **fields)
    assert check(org) == {}


@pytest.mark.usefixtures("_alive")
def test_an_edit_of_this_moment_is_not_called_late(org: OrgOf) -> None:
    factories.job(org, schedule=EVERY_HOUR, now=NOON - timedelta(seconds=59))
    assert check(org) == {}


@pytest.mark.usefixtures("_alive")
def test_a_job_that_ran_or_is_about_to_is_not_unused(org: OrgOf) -> None:
    ran, runs = a_job(org), factories.job(org, now=NOON)
    change("UPDATE jobs SET created_at = '2029-01-01Z', last_run_id = uuidv7() WHERE id = :id", id=ran)
    run = past_run(org, runs, RunState.QUEUED, NOON)
    change(
        "UPDATE jobs SET created_at = '2029-01-01Z', active_run_id = :run WHERE id = :id", run=run, id=runs.id
    )
    assert check(org) == {}


def test_a_task_that_no_live_worker_offers_is_told_apart_from_an_unknown_one(org: OrgOf) -> None:
    a_job(org)
    factories.live_scheduler(now=NOON)
    factories.live_worker(now=NOON, tasks=["tests.tasks.mark"])
    found = check(org)
    assert set(found) == {"Jobs that no worker can execute"}
    assert "tests.tasks.succeed" in words(found["Jobs that no worker can execute"])


def test_a_task_that_only_another_worker_knows_is_known(org: OrgOf) -> None:
    change("UPDATE jobs SET task = 'shop.elsewhere' WHERE id = :id", id=a_job(org))
    factories.live_scheduler(now=NOON)
    factories.live_worker(now=NOON, tasks=["shop.elsewhere"])
    assert check(org) == {}


def test_without_processes_that_is_the_problem_and_not_each_job(org: OrgOf) -> None:
    a_job(org)
    found = check(org)
    assert {name: item.severity.value for name, item in found.items()} == {
        "Schedulers": "problem",
        "Workers": "problem",
        "Queues": "problem",
    }
    assert "default jobs wait for it" in " ".join(words(found["Queues"]).split())
    assert "maintenance no job needs it" in " ".join(words(found["Queues"]).split())


def test_a_queue_that_nobody_serves_is_a_warning_while_no_job_needs_it(org: OrgOf) -> None:
    a_job(org)
    factories.live_scheduler(now=NOON)
    queues = [name for name in registry.queues() if name != "elsewhere"]
    factories.live_worker(now=NOON, queues=queues)
    found = check(org)["Queues"]
    assert (found.severity, found.text) == (Severity.WARNING, "1 queue without a live worker.")
    a_job(org, task="tests.tasks.on_another_queue")
    assert check(org)["Queues"].severity is Severity.PROBLEM


def a_scheduler(name: str, silent_for: timedelta, host: str = "host", up_for: timedelta = WEEK) -> None:
    beat = Beat(Beating.SCHEDULER, name, host, 1, NOON - up_for)
    heartbeats.beat(beat, now=NOON - silent_for)


@pytest.mark.parametrize("seconds", [30, 60, 300])
def test_without_a_live_scheduler_nothing_comes_due_however_short_the_silence(
    org: OrgOf, seconds: int
) -> None:
    factories.live_worker(now=NOON)
    a_scheduler("scheduler-0", timedelta(seconds=seconds))
    a_scheduler("ended", timedelta(0))
    heartbeats.stopped(Beating.SCHEDULER, "ended", now=NOON)
    found = check(org)
    assert set(found) == {"Schedulers"}
    assert found["Schedulers"].severity is Severity.PROBLEM
    assert found["Schedulers"].text == "No scheduler is alive; nothing comes due."
    assert "scheduler-0" in words(found["Schedulers"]) and "ended" not in words(found["Schedulers"])


@pytest.mark.parametrize(
    ("host", "up_for"), [("host", timedelta(minutes=6)), ("another", timedelta(minutes=4))]
)
def test_a_silent_scheduler_beside_a_live_one_is_a_warning(org: OrgOf, host: str, up_for: timedelta) -> None:
    factories.live_worker(now=NOON)
    a_scheduler("scheduler-0", timedelta(minutes=5))
    a_scheduler("scheduler-1", timedelta(seconds=29), host, up_for)
    found = check(org)
    assert set(found) == {"Schedulers"}
    assert found["Schedulers"].severity is Severity.WARNING
    assert found["Schedulers"].text == "1 scheduler of 2 fell silent."
    assert "scheduler-0" in words(found["Schedulers"]) and "silent for 5 min" in words(found["Schedulers"])


def test_a_scheduler_that_was_replaced_on_its_machine_is_not_told(org: OrgOf) -> None:
    factories.live_worker(now=NOON)
    a_scheduler("scheduler-0", timedelta(minutes=5))
    a_scheduler("scheduler-1", timedelta(0), up_for=timedelta(minutes=4))
    assert check(org) == {}


@pytest.mark.usefixtures("_alive")
def test_what_has_a_grace_period_says_so(org: OrgOf) -> None:
    a_job(org)
    change("UPDATE jobs SET next_run_at = '2030-01-02 11:59Z', applied_revision = 0")
    change("UPDATE job_revisions SET created_at = '2030-01-02 11:59Z'")
    found = findings(inventory.inventory(org.id, unused_for=WEEK, now=NOON), UTC, NOON)
    said = {item.name: (item.severity, item.text) for item in found}
    assert said["Overdue jobs"] == (Severity.OK, "No slot has waited for more than 60 s.")
    assert said["Edits not in force"] == (Severity.OK, "No edit has waited for more than 60 s.")


def test_a_worker_that_fell_silent_is_named_and_one_that_ended_in_good_order_is_not(org: OrgOf) -> None:
    factories.live_scheduler(now=NOON)
    factories.live_worker(now=NOON)
    factories.live_worker("gone", now=NOON - timedelta(hours=1))
    factories.live_worker("ended", now=NOON - timedelta(hours=1))
    heartbeats.stopped(Beating.WORKER, "ended", now=NOON - timedelta(hours=1))
    found = check(org)
    assert set(found) == {"Workers"}
    assert found["Workers"].severity is Severity.WARNING
    assert "gone" in words(found["Workers"]) and "ended" not in words(found["Workers"])


@pytest.mark.usefixtures("_alive")
def test_tasks_without_a_job_are_a_note_whatever_path_the_job_names(org: OrgOf) -> None:
    keys = inventory.inventory(org.id, unused_for=WEEK, now=NOON).tasks_without_job
    assert set(keys) == {task.key for task in registry.all()}
    change("UPDATE jobs SET task = 'tests.tasks.old_name' WHERE id = :id", id=a_job(org))
    keys = inventory.inventory(org.id, unused_for=WEEK, now=NOON).tasks_without_job
    assert "new_name" not in keys and "succeed" in keys


@pytest.mark.usefixtures("_alive")
def test_of_many_the_first_twenty_are_listed_and_all_are_counted(org: OrgOf) -> None:
    for _ in range(21):
        a_job(org)
    change("UPDATE jobs SET status = 'blocked'")
    found = check(org)["Blocked jobs"]
    assert (len(found.rows), found.text, found.note) == (20, "21 jobs blocked.", "first 20 of 21")
