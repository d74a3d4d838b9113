"""Delete all for programs: never without confirm=true, by type and status, and the way back."""

from uuid import UUID, uuid4

import pytest
from apiflask import APIFlask
from sqlalchemy import text

from console.db.session import db
from tests.factories import one, rows

from .conftest import Org, assert_problem, make_job

AT = {"type": "once", "at": "2099-01-01T00:00:00+00:00"}


@pytest.fixture
def three(app: APIFlask, org: Org) -> list[UUID]:
    return [
        make_job(app, org, key="a", schedule=AT),
        make_job(app, org, key="b", schedule=AT, paused=True),
        make_job(app, org, key="c"),
    ]


def alive() -> list[str]:
    return [key for (key,) in rows("SELECT key FROM jobs WHERE deleted_at IS NULL ORDER BY key")]


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("query", ["", "?confirm=false", "?confirm=1", "?confirm=True", "?status=paused"])
def test_without_confirmation_nothing_is_deleted(org: Org, query: str) -> None:
    problem = assert_problem(org.operator.call("DELETE", f"/scheduler/jobs{query}"), 400)
    assert "confirm=true" in problem["detail"] and "nothing was deleted" in problem["detail"]
    assert alive() == ["a", "b", "c"]


@pytest.mark.usefixtures("three")
def test_what_matches_is_deleted_and_comes_back(org: Org) -> None:
    answer = org.operator.call("DELETE", "/scheduler/jobs?confirm=true&status=scheduled&kind=once")
    assert answer.status_code == 200, answer.text
    assert (answer.json["deleted"], answer.json["left_running"]) == (1, 0)
    assert alive() == ["b", "c"]
    token = {"undo_token": answer.json["undo_token"]}
    back = org.operator.post("/scheduler/jobs/undo-delete", json=token)
    assert (back.status_code, back.json["restored"], back.json["deleted"]) == (200, 1, 1)
    assert alive() == ["a", "b", "c"]
    assert org.operator.post("/scheduler/jobs/undo-delete", json=token).json == back.json


@pytest.mark.usefixtures("three")
def test_the_type_of_a_message_keeps_the_other_jobs(org: Org) -> None:
    # Made past the product, for this is about the filter alone.
    db.session.execute(text("UPDATE jobs SET message_type = 'INIT' WHERE key = 'a'"))
    db.session.commit()
    answer = org.operator.call("DELETE", "/scheduler/jobs?confirm=true&message_type=INIT")
    assert answer.json["deleted"] == 1
    assert alive() == ["b", "c"]
    answer = org.operator.call("DELETE", "/scheduler/jobs?confirm=true&message_type=REMINDER")
    assert (answer.json["deleted"], answer.json["undo_token"]) == (0, None)


@pytest.mark.usefixtures("three")
def test_another_number_than_expected_deletes_nothing(org: Org) -> None:
    problem = assert_problem(org.operator.call("DELETE", "/scheduler/jobs?confirm=true&expected=2"), 409)
    assert "3 jobs match by now, not 2" in problem["detail"]
    assert alive() == ["a", "b", "c"]


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("query", "field"),
    [("message_type=NOISE", "message_type"), ("status=gone", "status"), ("typo=1", "typo")],
)
def test_a_filter_that_is_misspelled_deletes_nothing(org: Org, query: str, field: str) -> None:
    assert_problem(org.operator.call("DELETE", f"/scheduler/jobs?confirm=true&{query}"), 422, field)
    assert alive() == ["a", "b", "c"]


@pytest.mark.usefixtures("three")
def test_viewers_and_strangers_neither_delete_nor_undo(org: Org, other_org: Org) -> None:
    assert_problem(org.viewer.call("DELETE", "/scheduler/jobs?confirm=true"), 403)
    assert other_org.admin.call("DELETE", "/scheduler/jobs?confirm=true").json["deleted"] == 0
    assert alive() == ["a", "b", "c"]
    token = {"undo_token": org.operator.call("DELETE", "/scheduler/jobs?confirm=true").json["undo_token"]}
    assert_problem(org.viewer.post("/scheduler/jobs/undo-delete", json=token), 403)
    assert_problem(other_org.admin.post("/scheduler/jobs/undo-delete", json=token), 404)
    assert_problem(org.operator.post("/scheduler/jobs/undo-delete", json={"undo_token": str(uuid4())}), 404)
    assert alive() == []
    assert one("SELECT count(*) FROM deletions") == 1
