"""Every error below /api/ is a problem, whatever went wrong."""

from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from console.app import create_app
from console.core.errors import Unavailable
from console.core.settings import Settings
from console.services import runs
from tests.factories import one

from .conftest import Caller, Org, assert_problem

SEND = "/scheduler/jobs"


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v1", "/api/v1/", "/api/v2/runs", "/api/v1/runs/", "/api/v1/nope"]
)
def test_an_unknown_address_is_a_problem(client: FlaskClient, path: str) -> None:
    assert_problem(client.get(path), 404)


def test_a_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    response = client.post("/api/v1/runs")
    assert_problem(response, 405)
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize(
    "body", [b"{", b"nonsense", b'{"task": NaN}', b'{"a": 1, "a": 2}', b"\xff\xfe", b"[" * 100_000]
)
def test_a_body_that_is_no_json_is_a_bad_request(org: Org, body: bytes) -> None:
    assert_problem(org.operator.post(SEND, data=body, content_type="application/json"), 400)
    assert one("SELECT count(*) FROM jobs") == 0


def test_a_body_of_another_type_is_refused(org: Org) -> None:
    assert_problem(org.operator.post(SEND, data={"task": "greet_somebody"}), 415)
    assert_problem(org.operator.post(SEND, data=b"{}", content_type="text/plain"), 415)
    assert one("SELECT count(*) FROM jobs") == 0


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'"text"'])
def test_a_body_that_is_no_object_is_invalid(org: Org, body: bytes) -> None:
    assert_problem(org.operator.post(SEND, data=body, content_type="application/json"), 422, "body")


def test_a_body_that_is_too_large_is_refused(org: Org) -> None:
    body = b'{"task": "' + b"x" * (3 * 1024 * 1024) + b'"}'
    assert_problem(org.operator.post(SEND, data=body, content_type="application/json"), 413)


@pytest.mark.parametrize("value", ["\x00", "a\ud800b", {"deep": ["\x00"]}, {"\x00": 1}])
def test_what_postgres_cannot_hold_is_invalid(org: Org, value: Any) -> None:
    body = {"task": "greet_somebody", "args": {"name": value}}
    assert_problem(org.operator.post(SEND, json=body), 422, "args")


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("/runs", "cb_wrong", 401),
        ("/runs?limit=0", None, 422),
        ("/runs?colour=red", None, 422),
        ("/runs?cursor=x", None, 422),
        ("/runs?job=x", None, 404),
        ("/scheduler/jobs/nonsense", None, 404),
        ("/nope", None, 404),
    ],
)
def test_who_only_reads_is_not_told_that_nothing_was_changed(
    org: Org, path: str, token: str | None, status: int
) -> None:
    caller = org.viewer if token is None else Caller(org.viewer.app, token)
    assert "nothing was changed" not in assert_problem(caller.get(path), status)["detail"].lower()


def test_all_fields_that_are_wrong_are_said(org: Org) -> None:
    problem = assert_problem(org.operator.post(SEND, json={"colour": "red"}), 422)
    assert problem["detail"] == "task: is required; colour: is not known here. Nothing was changed."


def test_a_number_beyond_all_bounds_is_invalid(org: Org) -> None:
    body = b'{"task": "greet_somebody", "args": {"name": 1e999}}'
    assert_problem(org.operator.post(SEND, data=body, content_type="application/json"), 422, "args")


def test_an_error_of_the_console_tells_nothing_of_its_inside(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(runs, "page", broken)
    response = org.viewer.get("/runs")
    assert_problem(response, 500)
    assert "secret inside" not in response.text


def test_a_lost_database_says_when_to_come_back(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*args: object, **kwargs: object) -> None:
        raise Unavailable

    monkeypatch.setattr(runs, "page", gone)
    response = org.viewer.get("/runs")
    assert_problem(response, 503)
    assert int(response.headers["Retry-After"]) > 0


def test_a_reason_leads_to_its_words_on_the_page(app: APIFlask, org: Org) -> None:
    problem = org.operator.post("/scheduler/manual-trigger", json={"task_name": "zzz"}).get_json(force=True)
    page, _, anchor = problem["type"].partition("#")
    assert anchor == problem["reason_code"] == "UNKNOWN_TASK"
    assert f'id="{anchor}"' in app.test_client().get(page).text


def test_a_call_without_a_database_is_unavailable(app: APIFlask, settings: Settings, tmp_path: Path) -> None:
    nowhere = f"postgresql+psycopg://nobody@/none?host={tmp_path}"
    lost = create_app(settings.model_copy(update={"database_url": nowhere}))
    response = lost.test_client().get("/api/v1/runs", headers={"Authorization": "Bearer any"})
    assert_problem(response, 503)
    assert int(response.headers["Retry-After"]) > 0
