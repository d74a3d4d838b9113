"""An error page says what happened and what to do, and never how the console is made."""

from collections.abc import Callable

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from console.core.clock import utc_now
from console.services import jobs
from tests import factories
from tests.factories import UNKNOWN_ID, OrgOf, one
from tests.web.conftest import DEAD_POSTGRES, Things, Visitor, csrf_of, words
from tests.web.test_security import break_help

INSIDES = ("Traceback", "File &#34;", "werkzeug", "sqlalchemy", "psycopg", "127.0.0.1")


def assert_plain(text: str) -> None:
    for word in INSIDES:
        assert word not in text


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/jobs/not-an-id",
        "/jobs/",
        f"/jobs/{UNKNOWN_ID}",
        f"/runs/{UNKNOWN_ID}",
        f"/outbox/{UNKNOWN_ID}",
    ],
)
def test_an_address_where_nothing_is(operator: Visitor, path: str) -> None:
    answer = operator.get(path)
    assert answer.status_code == 404
    assert "Nothing here" in words(answer) and "To the jobs" in words(answer)
    assert_plain(answer.text)


def test_a_button_of_something_deleted_meanwhile_speaks_of_no_address(operator: Visitor, org: OrgOf) -> None:
    job = factories.job(org)
    jobs.delete(org.admin, job.id, now=utc_now())
    sent = {"idempotency_key": "mine"}
    for answer in (
        operator.get(f"/fragments/jobs/{job.id}/send-now"),
        operator.post(f"/jobs/{job.id}/send-now", sent, htmx=True),
        operator.post(f"/jobs/{job.id}/send-now", sent),
    ):
        assert answer.status_code == 404
        assert "It may have been deleted while this page stood open. Reload the page" in words(answer)
        assert "Check the address" not in words(answer)
    assert one("SELECT count(*) FROM runs") == 0


def test_an_address_where_nothing_is_says_so_without_a_session_too(client: FlaskClient) -> None:
    answer = client.get("/nothing?<script>")
    assert answer.status_code == 404
    assert "<script>" not in answer.text


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/"), ("POST", "/runs"), ("PUT", "/healthz")])
def test_a_method_that_a_page_does_not_take(operator: Visitor, method: str, path: str) -> None:
    answer = operator.client.open(path, method=method, data={"csrf_token": csrf_of(operator.client)})
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert "nothing was changed" in words(answer)
    assert_plain(answer.text)


def test_a_request_that_is_too_large(operator: Visitor, things: Things) -> None:
    before = one("SELECT count(*) FROM runs")
    answer = operator.post(f"/jobs/{things.job_id}/send-now", {"idempotency_key": "x" * 3_000_000})
    assert answer.status_code == 413
    assert "Too large" in words(answer) and "nothing was changed" in words(answer)
    assert one("SELECT count(*) FROM runs") == before


def test_an_error_of_the_console_itself_gives_a_number_and_no_secrets(
    app: APIFlask, operator: Visitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    break_help(app, monkeypatch)
    answer = operator.get("/help", headers={"X-Request-ID": "request-4711"})
    assert answer.status_code == 500
    assert "Something went wrong" in words(answer) and "request-4711" in words(answer)
    assert "a secret detail" not in answer.text
    assert_plain(answer.text)
    assert "a secret detail" in caplog.text


def test_an_error_inside_an_open_page_becomes_its_notice(
    app: APIFlask, operator: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_help(app, monkeypatch)
    answer = operator.get("/help", headers={"HX-Request": "true"})
    assert answer.status_code == 500
    assert (answer.headers["HX-Retarget"], answer.headers["HX-Reswap"]) == ("#notices", "innerHTML")
    assert "<html" not in answer.text and 'role="alert"' in answer.text


@pytest.mark.parametrize("path", ["/", "/runs", "/workers", "/outbox", "/sign-in"])
def test_without_postgres_a_page_says_when_to_come_back(
    operator: Visitor, another_app: Callable[..., APIFlask], path: str
) -> None:
    client = another_app(database_url=DEAD_POSTGRES).test_client()
    client.set_cookie("callboard", operator.cookie)
    answer = client.get(path)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "Back in a moment" in words(answer) and "Nothing is lost" in words(answer)
    assert_plain(answer.text)


def test_without_postgres_a_fragment_leaves_the_page_as_it_is(
    operator: Visitor, another_app: Callable[..., APIFlask]
) -> None:
    client = another_app(database_url=DEAD_POSTGRES).test_client()
    client.set_cookie("callboard", operator.cookie)
    answer = client.get("/fragments/jobs/table")
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (503, "#notices")
    assert int(answer.headers["Retry-After"]) > 0
    assert_plain(answer.text)


def test_without_postgres_nobody_can_sign_in_and_is_told_why(
    app: APIFlask, org: OrgOf, another_app: Callable[..., APIFlask]
) -> None:
    client = another_app(database_url=DEAD_POSTGRES).test_client()
    assert client.get("/").status_code == 302
    form = client.get("/sign-in")
    assert form.status_code == 200
    fields = {"csrf_token": csrf_of(client), "email": "a@example.com", "password": "some password"}
    answer = client.post("/sign-in", data=fields)
    assert answer.status_code == 503
    assert "some password" not in answer.text
    assert_plain(answer.text)
