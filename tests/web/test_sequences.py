"""Selected rows in sequence: the dialog in order, moves, refusals, and the start."""

import re
from uuid import UUID

import pytest
from apiflask import APIFlask
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

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
