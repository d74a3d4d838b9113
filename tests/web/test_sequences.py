"""Selected rows in sequence: the dialog in order, moves, refusals, and the start."""

import re
from uuid import UUID

import pytest
from apiflask import APIFlask
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from console.core.clock import utc_now
from console.core.reasons import Reason
from console.core.states import RunState
from console.services import chains, execution, holding
from console.services.outcomes import Outcome
from console.services.views import JobView
from tests import factories
from tests.factories import OrgOf, one, rows
from tests.web.conftest import Visitor, csrf_of, part, words


@pytest.fixture
def row(app: APIFlask, org: OrgOf) -> list[JobView]:
    factories.live_worker()
    return [factories.job(org, name=name, key=name.lower()) for name in ("Alpha", "Beta", "Gamma")]


def post(visitor: Visitor, path: str, htmx: bool = False, **fields: object) -> TestResponse:
    data = MultiDict([("csrf_token", csrf_of(visitor.client))])
    for name, value in fields.items():
        for item in value if isinstance(value, list) else [value]:
            data.add(name, str(item))
    headers = {"HX-Request": "true", "HX-Target": "dialog"} if htmx else {}
    return visitor.client.post(path, data=data, headers=headers)


def ids_of(answer: TestResponse) -> list[UUID]:
    return [UUID(text) for text in re.findall(r'name="job" value="([^"]+)"', answer.text)]


def test_the_dialog_numbers_the_rows_as_they_stand_and_lets_them_be_moved(
    operator: Visitor, row: list[JobView]
) -> None:
    a, b, c = (job.id for job in row)
    answer = post(
        operator, "/jobs/bulk/confirmation", htmx=True, action="sequence", selected=[c, a, b], type="TASKS"
    )
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (200, "#dialog")
    assert ids_of(answer) == [a, b, c]
    assert "Run 3 jobs in sequence?" in words(answer)
    moves = {
        "up:" + str(b): [b, a, c],
        "down:" + str(a): [b, a, c],
        "drop:" + str(b): [a, c],
        "up:x": [a, b, c],
    }
    for move, order in moves.items():
        moved = post(operator, "/jobs/sequence/confirmation", job=[a, b, c], move=move, type="TASKS", key="k")
        assert ids_of(moved) == order
        assert 'name="type" value="TASKS"' in moved.text
    assert rows("SELECT 1 FROM runs") == []
    alone = post(operator, "/jobs/sequence/confirmation", job=[a])
    assert "A sequence has two jobs at least." in words(alone)


@pytest.mark.parametrize("htmx", [True, False])
def test_it_starts_once_in_the_order_shown_and_the_table_says_what_waits(
    operator: Visitor, row: list[JobView], htmx: bool
) -> None:
    order = [row[1].id, row[0].id, row[2].id]
    for _ in range(2):
        answer = post(operator, "/jobs/sequence", htmx=htmx, job=order, key="once", type="TASKS")
        if htmx:
            assert answer.headers["HX-Retarget"] == "#notices"
            assert "3 runs in sequence: Beta, then Alpha, then Gamma." in words(answer)
        else:
            assert (answer.status_code, answer.headers["Location"]) == (303, "/?type=TASKS")
    found = [row.job_id for row in rows("SELECT job_id FROM runs ORDER BY id")]
    assert found == order
    assert one("SELECT count(*) FROM runs WHERE held_by = 'sequence' AND requested_by <> ''") == 2
    table = operator.get("/?type=TASKS")
    assert "waits for the run before it in its sequence" in words(part(table, f"job-{row[0].id}"))
    second = one("SELECT id FROM runs WHERE job_id = :id", id=row[0].id)
    place = words(part(operator.get(f"/runs/{second}"), "place"))
    assert place == "2 of 3 in a sequence, after Beta queued, before Gamma queued."


@pytest.mark.parametrize("name", ["endpoint", "_external", "_scheme"])
def test_a_field_that_the_table_does_not_know_starts_nothing(
    operator: Visitor, row: list[JobView], name: str
) -> None:
    """What is sent goes into the address of the table, in whose making these names mean something else."""
    jobs = [row[0].id, row[1].id]
    for path in ("/jobs/sequence/confirmation", "/jobs/sequence"):
        answer = post(operator, path, job=jobs, key="once", **{name: "x"})
        assert (answer.status_code, f"{name}: is not known here" in words(answer)) == (422, True)
    assert rows("SELECT 1 FROM runs") == []


def test_one_that_would_be_refused_is_marked_and_keeps_the_rest_from_starting(
    operator: Visitor, viewer: Visitor, org: OrgOf, row: list[JobView]
) -> None:
    lost = factories.job(org, "tests.tasks.explode", name="Lost")
    factories.live_worker(tasks=["tests.tasks.succeed"])
    order = [row[0].id, lost.id]
    shown = post(operator, "/jobs/sequence/confirmation", job=order)
    assert "NOT_REGISTERED" in words(part(shown, f"step-{lost.id}"))
    assert "1 of them would be refused, so none can be started." in words(shown)
    answer = post(operator, "/jobs/sequence", htmx=True, job=order, key="k")
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (409, "#dialog")
    assert "Nothing was started." in words(answer) and ids_of(answer) == order
    assert rows("SELECT 1 FROM runs") == []
    assert post(viewer, "/jobs/sequence", job=[row[0].id, row[1].id]).status_code == 403
    assert post(operator, "/jobs/sequence", job=["x"]).status_code == 422


def test_the_dialog_names_what_follows_each_in_its_chain(
    operator: Visitor, org: OrgOf, row: list[JobView]
) -> None:
    a, b, _ = row
    chains.put(org.admin, a.id, on_success=["beta"], on_failure=["gamma"], now=utc_now())
    shown = post(operator, "/jobs/sequence/confirmation", job=[a.id, b.id])
    said = words(part(shown, f"step-{a.id}"))
    assert "its chain: Beta after success; Gamma after failure" in said
    assert "Beta stands in this sequence too, so it may run twice" in said
    assert "its chain" not in words(part(shown, f"step-{b.id}"))


def test_the_page_of_a_failed_run_offers_the_rest_of_its_sequence_as_a_new_one(
    operator: Visitor, viewer: Visitor, row: list[JobView]
) -> None:
    post(operator, "/jobs/sequence", job=[job.id for job in row], key="first")
    ids = [row[0] for row in rows("SELECT id FROM runs ORDER BY id")]
    claim = execution.claim(ids[0], worker="w", offered=["tests.tasks.succeed"], now=utc_now())
    assert claim is not None
    execution.finish(claim, Outcome(RunState.FAILED, Reason.EXCEPTION, "boom"), now=utc_now())
    holding.release(now=utc_now())

    for run_id in (ids[0], ids[2]):
        page = operator.get(f"/runs/{run_id}")
        assert "Left of it: Alpha, Beta, Gamma." in words(part(page, "sequence-rest"))
    offered = ids_of(page)
    assert offered == [job.id for job in row]
    refused = part(viewer.get(f"/runs/{ids[0]}"), "sequence-rest")
    assert "disabled" in refused and "<form" not in refused and "needs the role operator" in words(refused)

    dialog = post(operator, "/jobs/sequence/confirmation", htmx=True, job=offered)
    assert "Run 3 jobs in sequence?" in words(dialog) and ids_of(dialog) == offered
    post(operator, "/jobs/sequence", htmx=True, job=offered[1:], key="second")
    assert one("SELECT count(*) FROM runs") == 5
    assert one("SELECT count(DISTINCT sequence_id) FROM runs") == 2
    fragment = operator.get(f"/fragments/runs/{ids[0]}/place")
    assert "sequence-rest" not in fragment.text, "it is on its way"
