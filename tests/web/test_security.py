"""What stands on every answer, and what no page may hold."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from uuid import uuid4

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from console.core.states import Role
from tests import factories
from tests.factories import OrgOf
from tests.web.conftest import Things, Visitor, change, csrf_of, rules, visit

DIRECTIVES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}


def answers(client: FlaskClient, visitor: Visitor, things: Things) -> Iterator[tuple[int, TestResponse]]:
    """Answers of every kind, each with the status that it should have."""
    run = f"/jobs/{things.job_id}/send-now"
    yield 200, client.get("/sign-in")
    yield 200, client.get("/healthz")
    yield 200, client.get("/static/console.css", buffered=True)
    yield 302, client.get("/")
    yield 401, client.get("/fragments/jobs/table")
    yield 401, client.get("/api/v1/scheduler/jobs")
    yield 200, visitor.get("/")
    yield 200, visitor.get(f"/runs/{things.run_id}")
    table = visitor.get("/fragments/jobs/table")
    yield 200, table
    yield 204, visitor.get(poll_of(table))
    yield 303, visitor.post(run)
    yield 200, visitor.post(run, htmx=True)
    yield 400, client.post("/sign-in")
    yield 401, client.post("/sign-in", data={"csrf_token": csrf_of(client), "email": "a@b", "password": "c"})
    yield 404, visitor.get("/nothing/here")
    yield 404, visitor.get(f"/jobs/{uuid4()}")
    yield 404, visitor.get("/static/nothing.css")
    yield 405, visitor.client.delete("/")
    yield 413, visitor.client.post(run, data={"csrf_token": "x" * 3_000_000})
    yield 422, visitor.get("/?status=nonsense")


def poll_of(table: TestResponse) -> str:
    found = re.search(r'hx-get="([^"]+)"', table.text)
    assert found is not None
    return found[1].replace("&amp;", "&")


def test_the_headers_stand_on_every_kind_of_answer(
    client: FlaskClient, operator: Visitor, things: Things
) -> None:
    for status, answer in answers(client, operator, things):
        where = f"{answer.request.method} {answer.request.path}"
        assert answer.status_code == status, where
        policy = dict(
            part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";")
        )
        assert policy == DIRECTIVES, where
        assert answer.headers["X-Content-Type-Options"] == "nosniff", where
        assert answer.headers["Referrer-Policy"] == "same-origin", where
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin", where
        assert answer.headers["X-Request-ID"], where
        assert "Strict-Transport-Security" not in answer.headers, where
        if not answer.request.path.startswith("/static/"):
            assert answer.headers["Cache-Control"] == "no-store", where


def test_an_error_of_the_console_itself_has_them_too(
    app: APIFlask, operator: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_help(app, monkeypatch)
    answer = operator.get("/help")
    assert answer.status_code == 500
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


def break_help(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The help page meets an error of its own, and the app answers as it does outside of tests."""

    def broken(*_: object) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("console.web.help.page", broken)
    monkeypatch.setattr(app, "testing", False)


def test_a_request_id_is_kept_when_it_is_one_and_made_anew_otherwise(client: FlaskClient) -> None:
    given = client.get("/healthz", headers={"X-Request-ID": "caller-0001"})
    assert given.headers["X-Request-ID"] == "caller-0001"
    made = client.get("/healthz", headers={"X-Request-ID": "no <b>id</b>"})
    assert re.fullmatch("[0-9a-f]{32}", made.headers["X-Request-ID"])


def test_every_template_compiles(app: APIFlask) -> None:
    names = app.jinja_env.list_templates(extensions=["html"])
    assert len(names) > 50
    for name in names:
        app.jinja_env.get_template(name)


INLINE = {
    "a script that is not a file": re.compile(r"<script(?![^>]*\bsrc=)", re.I),
    "a style sheet that is not a file": re.compile(r"<style\b", re.I),
    "a style attribute": re.compile(r"\sstyle\s*=", re.I),
    "an event attribute": re.compile(r"<[^>]*\son[a-z]+\s*=\s*[\"']", re.I),
    "htmx's own inline code": re.compile(r"\bhx-on\b|\bhx-vals\s*=\s*[\"']js:|\bhx-vars\b", re.I),
    "an address that is code": re.compile(r"javascript:", re.I),
    "text that is not escaped": re.compile(r"\|\s*safe\b|autoescape\s+false", re.I),
}


@pytest.mark.parametrize("what", INLINE)
def test_no_template_holds(app: APIFlask, what: str) -> None:
    assert app.jinja_env.loader is not None
    for name in app.jinja_env.list_templates(extensions=["html"]):
        source, _, _ = app.jinja_env.loader.get_source(app.jinja_env, name)
        assert not INLINE[what].search(source), name


class _Code(HTMLParser):
    """Finds code and style that stand in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(tag)
        self.found += [name for name in names if name == "style" or name.startswith(("on", "hx-on"))]
        self.found += [value for value in names.values() if value and value.startswith("javascript:")]
        if names.get("id"):
            self.ids.append(str(names["id"]))


def test_no_page_holds_code_or_an_id_twice(app: APIFlask, org: OrgOf, things: Things) -> None:
    change("UPDATE runs SET state = 'running', started_at = now(), progress = '{\"done\": 1, \"total\": 2}'")
    factories.live_worker()
    visitor = visit(app, factories.person(org, Role.ADMIN))
    for rule in rules(app, "GET"):
        answer = visitor.get(things.fill(rule))
        if answer.mimetype != "text/html" or answer.status_code == 302:
            continue
        page = _Code()
        page.feed(answer.text)
        assert page.found == [], rule
        assert len(page.ids) == len(set(page.ids)), rule
