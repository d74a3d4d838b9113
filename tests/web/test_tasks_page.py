"""Each task has its line: without a schedule, under a former name, and when it is gone from the code."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from apiflask import APIFlask

from console.core.clock import utc_now
from console.core.registry import registry
from console.core.states import Role, RunState, Trigger
from console.core.task import Task
from console.services import guarding, jobs, runs, tasks, triggers
from console.services.run_requests import Request
from console.services.run_views import RunFilter
from console.worker.execute import execute
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import Visitor, change, part, visit, words

PRESENT = "tests.tasks.succeed"
FORMER = "legacy.jobs.succeed_quietly"


def line(path: str) -> str:
    return f"task-{path.replace('.', '-')}"


@pytest.fixture
def renamed() -> Iterator[None]:
    """The task once had another path."""
    task = registry.get(PRESENT)
    assert task is not None
    registry._tasks[PRESENT] = replace(task, aliases=(FORMER,))
    yield
    registry._tasks[PRESENT] = task


@pytest.fixture
def removed() -> Iterator[Callable[[str], Task]]:
    """Takes a task out of the code."""
    taken: list[Task] = []

    def remove(path: str) -> Task:
        taken.append(registry._tasks.pop(path))
        return taken[-1]

    yield remove
    for task in taken:
        registry._tasks[task.path] = task


def ran(app: APIFlask, org: OrgOf, **fields: object) -> RunState | None:
    run = factories.run(org, factories.job(org, **fields))  # type: ignore[arg-type]
    return execute(app, run.id, worker="tester")


@pytest.mark.usefixtures("_still")
def test_a_task_that_never_had_a_job_is_there_and_can_be_run(
    app: APIFlask, operator: Visitor, org: OrgOf
) -> None:
    factories.live_worker()
    shown = words(part(operator.get("/tasks"), line(PRESENT)))
    assert "Registered offered by 1 worker, queue default" in shown
    assert "never ran" in shown

    answer = operator.post("/tasks/job", {"task": PRESENT})

    job_id = one("SELECT id FROM jobs WHERE kind = 'manual'")
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"/jobs/{job_id}/send-now")
    assert one(
        "SELECT count(*) FROM audit_entries WHERE tag = 'job:created' AND object_id = :id", id=str(job_id)
    )
    again = operator.post("/tasks/job", {"task": PRESENT}, htmx=True)
    assert again.headers["Location"] == f"/fragments/jobs/{job_id}/send-now?region=run"
    assert one("SELECT count(*) FROM jobs") == 1
    operator.post(f"/jobs/{job_id}/send-now", {})
    execute(app, one("SELECT id FROM runs"), worker="tester")
    assert "now done" in words(part(operator.get("/tasks"), line(PRESENT)))


def test_the_button_of_a_task_that_sends_reads_send_now(operator: Visitor, org: OrgOf) -> None:
    factories.live_worker()
    buttons = re.findall(r"(Send now|Run now)<span[^>]*>: ([^<]+)</span>", operator.get("/tasks").text)
    said = {title: word for word, title in buttons}
    assert said["Succeed"] == "Run now"
    assert {said[task.title] for task in registry.all() if task.sends and task.title in said} == {"Send now"}


def test_a_viewer_sees_why_the_button_is_disabled_and_can_make_no_job(viewer: Visitor, org: OrgOf) -> None:
    assert "needs the role operator" in words(part(viewer.get("/tasks"), line(PRESENT)))
    assert viewer.post("/tasks/job", {"task": PRESENT}).status_code == 403
    assert rows("SELECT 1 FROM jobs") == []


def test_a_task_says_that_its_job_needs_and_waits_for_a_second_person(operator: Visitor, org: OrgOf) -> None:
    factories.live_worker()
    job, path = factories.job(org, "tests.tasks.critical"), "tests.tasks.critical"
    plain = factories.job(org)
    assert "needs a second person" in words(part(operator.get("/tasks"), line(path)))
    assert "second person" not in words(part(operator.get("/tasks"), line(PRESENT)))

    operator.post(f"/jobs/{job.id}/send-now", {})

    asked = one("SELECT id FROM approvals")
    shown = part(operator.get("/fragments/tasks/list"), line(path))
    assert "waits for a second person" in words(shown) and f"/approvals/{asked}" in shown
    guarding.set_guard(org.admin, plain.id, True, now=utc_now())
    assert "needs a second person" in words(part(operator.get("/tasks"), line(PRESENT)))


def test_a_name_that_finds_nothing_gets_suggestions_and_makes_no_job(operator: Visitor) -> None:
    answer = operator.post("/tasks/job", {"task": "tests.tasks.suceed"})
    assert answer.status_code == 404
    assert rows("SELECT 1 FROM jobs") == []


@pytest.mark.usefixtures("_still", "renamed")
def test_a_renamed_task_keeps_its_history_under_its_present_name(
    app: APIFlask, operator: Visitor, org: OrgOf
) -> None:
    assert ran(app, org, key="old") is RunState.SUCCEEDED
    change(f"UPDATE jobs SET task = '{FORMER}' WHERE key = 'old'")  # noqa: S608
    change(f"UPDATE runs SET task = '{FORMER}'")  # noqa: S608
    factories.job(org, key="new")
    factories.live_worker(tasks=registry.offered())

    page = operator.get("/tasks")

    shown = words(part(page, line(PRESENT)))
    assert f"formerly {FORMER}" in shown
    assert "2 jobs" in shown and "now done" in shown
    assert f'id="{line(FORMER)}"' not in page.text
    listed = runs.page(org.admin, RunFilter(task=PRESENT), cursor=None, limit=10, now=utc_now())
    assert [run.task_title for run in listed.runs] == ["Succeed"]
    assert [run.id for run in listed.runs] == [
        run.id
        for run in runs.page(org.admin, RunFilter(task=FORMER), cursor=None, limit=10, now=utc_now()).runs
    ]
    found = {task.schedule_name: task for task in tasks.status(org.admin, now=utc_now())}
    assert found["old"].task_path == PRESENT
    assert (found["old"].is_registered, found["old"].last_run_state) == (True, "succeeded")


@pytest.mark.usefixtures("renamed")
@pytest.mark.parametrize("name", [FORMER, "succeed_quietly", "succeed-quietly"])
def test_a_former_name_in_any_spelling_runs_the_task(app: APIFlask, org: OrgOf, name: str) -> None:
    run = triggers.manual_trigger(org.admin, name, Request(Trigger.API), now=utc_now())
    assert run.task == PRESENT
    assert execute(app, run.id, worker="tester") is RunState.SUCCEEDED


@pytest.mark.usefixtures("renamed")
def test_a_job_of_a_former_path_is_executed_by_a_worker_that_knows_the_new_one(
    app: APIFlask, org: OrgOf
) -> None:
    job = factories.job(org, key="old")
    change(f"UPDATE jobs SET task = '{FORMER}'")  # noqa: S608
    run = factories.run(org, job)
    assert run.task_title == "Succeed"
    assert execute(app, run.id, worker="tester") is RunState.SUCCEEDED
    assert jobs.get(org.admin, job.id, now=utc_now()).task_title == "Succeed"


@pytest.mark.usefixtures("_still")
def test_a_run_of_a_task_that_no_longer_exists_still_shows(
    app: APIFlask, operator: Visitor, org: OrgOf, removed: Callable[[str], Task]
) -> None:
    assert ran(app, org, name="Sweep the stage") is RunState.SUCCEEDED
    run_id = one("SELECT id FROM runs")
    jobs.delete(org.admin, one("SELECT id FROM jobs"), now=utc_now())
    removed(PRESENT)

    shown = words(part(operator.get("/tasks"), line(PRESENT)))

    assert shown.startswith("Succeed tests.tasks.succeed Not in the code its jobs and runs are kept")
    assert "none" in shown and "now done" in shown
    assert "Run now: Succeed not in the code" in shown
    assert "Sweep the stage" in operator.get("/runs").text
    assert operator.get(f"/runs/{run_id}").status_code == 200
    (status,) = tasks.status(org.admin, now=utc_now())
    assert (status.task_path, status.is_registered, status.last_run_state) == (PRESENT, False, "succeeded")


def test_a_task_that_no_live_worker_offers_says_so(operator: Visitor, org: OrgOf) -> None:
    factories.live_worker(tasks=[])
    shown = words(part(operator.get("/tasks"), line(PRESENT)))
    assert "Not registered no live worker offers it" in shown
    assert "not registered" in shown


def test_another_orgs_jobs_and_runs_are_no_part_of_it(app: APIFlask, org: OrgOf) -> None:
    assert ran(app, org) is RunState.SUCCEEDED
    other = visit(app, factories.person(factories.org(), Role.ADMIN))
    assert "never ran" in words(part(other.get("/tasks"), line(PRESENT)))
