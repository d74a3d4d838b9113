"""Why, for programs: the minute, the problem that leads there, and what can't be asked."""

from urllib.parse import quote
from uuid import UUID

import pytest
from apiflask import APIFlask

from tests import factories
from tests.factories import UNKNOWN_ID

from .conftest import Org, assert_problem, make_job
from .test_edits import SEVEN, path


@pytest.fixture
def daily(app: APIFlask, org: Org) -> UUID:
    return make_job(app, org, key="report", name="Report", schedule=SEVEN, timezone="UTC")


def test_a_viewer_may_ask_about_now_and_about_any_minute(org: Org, daily: UUID) -> None:
    now = org.viewer.get(f"{path(daily)}/explain")
    assert now.status_code == 200 and now.json["at"] == now.json["as_of"]
    then = org.viewer.get(f"{path(daily)}/explain?at={quote('2031-05-01T07:00:30+00:00')}")
    assert (then.json["verdict"], then.json["at"]) == ("not_due", "2031-05-01T07:00:30+00:00")
    assert "its slot of Thu 1 May 2031 07:00 UTC (14:00 Asia/Bangkok) is to come" in then.json["summary"]
    assert set(then.json["evidence"][0]) == {"reason_code", "text", "at", "source", "url"}


@pytest.mark.parametrize("at", ["tomorrow", "2031-05-01", "2031-05-01T07:00", "9999-01-01T00:00:00Z"])
def test_what_is_no_instant_is_refused_by_name(org: Org, daily: UUID, at: str) -> None:
    response = org.viewer.get(f"{path(daily)}/explain?at={at}")
    assert_problem(response, 422)
    assert list(response.json["errors"]) == ["at"]


def test_an_unknown_job_and_one_of_another_org_are_not_found(org: Org) -> None:
    assert_problem(org.viewer.get(f"{path(UUID(UNKNOWN_ID))}/explain"), 404)


def test_a_refused_click_says_where_to_ask_why(org: Org, daily: UUID) -> None:
    factories.live_worker(tasks=[])
    address = f"/api/v1/scheduler/jobs/{daily}/explain"
    for refused in (
        org.operator.post(f"{path(daily)}/send-now"),
        org.operator.post("/scheduler/manual-trigger", json={"task_name": "report"}),
    ):
        assert_problem(refused, 409)
        assert (refused.json["reason_code"], refused.json["explain"]) == ("NOT_REGISTERED", address)
    assert org.operator.post(f"{path(daily)}/send-now", json={"args": 1}).json.keys().isdisjoint({"explain"})
    asked = org.viewer.get(address.removeprefix("/api/v1"))
    assert (asked.json["verdict"], asked.json["evidence"][0]["reason_code"]) == ("blocked", "NOT_REGISTERED")
    assert asked.json["evidence"][0]["url"] == "/workers"
