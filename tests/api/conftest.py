"""What the tests of the API share: an org with a token for each role, a job, and callers."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
import time_machine
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from console import Params, Result, Run, task
from console.core.actor import Actor
from console.core.clock import utc_now
from console.core.states import ActorKind, Role
from console.plugins.messages import events
from console.plugins.messages.events import NewEvent
from console.services import dispatch, job_creation, jobs, orgs, people
from console.services.job_creation import NewJob
from tests import factories
from tests.trail_guard import everything_is_on_the_trail  # noqa: F401


class Greeting(Params):
    """Whom to greet."""

    name: str = "world"


@task(title="Greet somebody", params=Greeting, dry_run=True)
def greet_somebody(run: Run) -> Result:
    """Says hello."""
    run.log(f"hello {run.args.name}")
    run.log("and goodbye")
    run.progress(1, 2, "half way")
    run.changed("greeting", before=None, after=run.args.name)
    return Result("greeted", {"name": run.args.name})


@task(title="Always fails")
def always_fails(run: Run) -> None:
    """Raises."""
    raise RuntimeError("no way")


@dataclass(frozen=True)
class Caller:
    """A program with a token: `call("GET", "/runs")` is GET /api/v1/runs in its name."""

    app: APIFlask
    token: str

    def call(
        self, method: str, path: str, headers: dict[str, str] | None = None, **kwargs: Any
    ) -> TestResponse:
        client: FlaskClient = self.app.test_client()
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        return client.open(f"/api/v1{path}", method=method, headers=sent, **kwargs)

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        return self.call("GET", path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> TestResponse:
        return self.call("POST", path, **kwargs)

    def patch(self, path: str, **kwargs: Any) -> TestResponse:
        return self.call("PATCH", path, **kwargs)

    def put(self, path: str, **kwargs: Any) -> TestResponse:
        return self.call("PUT", path, **kwargs)


@dataclass(frozen=True)
class Org:
    """An org with its shell actor and a caller of each role."""

    actor: Actor
    viewer: Caller
    operator: Caller
    admin: Caller


def make_org(app: APIFlask, slug: str, timezone: str = "Asia/Bangkok") -> Org:
    with app.app_context():
        org_id = orgs.create_org(slug.title(), slug, timezone)
        system = Actor(ActorKind.SYSTEM, org_id, slug.title(), timezone, Role.ADMIN, "set-up")
        people.create_user(system, f"owner@{slug}.example", Role.ADMIN, password=None, now=utc_now())
        actor = people.cli_actor(slug, login="tester")
        tokens = {role: people.create_token(actor, role, role, now=utc_now()).secret for role in Role}
    callers = {role.value: Caller(app, secret) for role, secret in tokens.items()}
    return Org(actor, **callers)


@pytest.fixture
def _from_noon() -> Iterator[None]:
    """It is noon: far from seven o'clock in any zone that is used here, at which a slot comes due."""
    with time_machine.travel(factories.NOON):
        yield


@pytest.fixture
def org(app: APIFlask) -> Org:
    return make_org(app, "harbour")


@pytest.fixture
def other_org(app: APIFlask) -> Org:
    return make_org(app, "elsewhere", "UTC")


@pytest.fixture
def port(app: APIFlask) -> Iterator[int]:
    """The app behind a real socket, a thread for each call."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def make_job(app: APIFlask, org: Org, task_name: str = "greet_somebody", **values: Any) -> UUID:
    with app.app_context():
        return job_creation.create(org.actor, NewJob(task=task_name, **values), now=utc_now()).id


def make_approval(app: APIFlask, org: Org, job_id: UUID) -> UUID:
    """A pending request of somebody else than the tokens' owner."""
    of = factories.OrgOf(org.actor.org_id, org.actor)
    with app.app_context():
        job = jobs.get(org.actor, job_id, now=utc_now())
        return factories.approval(of, job, actor=factories.person(of)).id


def make_event(app: APIFlask, org: Org, **values: Any) -> UUID:
    with app.app_context():
        new = NewEvent(**{"name": "Hamlet", "starts_at": utc_now() + timedelta(days=30), **values})
        return events.create(org.actor, new, now=utc_now()).id


@pytest.fixture
def job_id(app: APIFlask, org: Org) -> UUID:
    return make_job(app, org)


@contextmanager
def in_background(function: Any, *args: Any, **kwargs: Any) -> Iterator[Future[TestResponse]]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(function, *args, **kwargs)


PROBLEM = {"type", "title", "status", "detail", "reason_code", "errors", "suggestions"}
STALE = {
    "current", "yours", "base", "base_revision", "fields",
    "saved_by", "saved_from", "saved_at", "saved_reason",
}  # fmt: skip


def scheduler_pass(at: datetime) -> None:
    """One pass of a scheduler at this instant, which also says what it acts on."""
    dispatch.dispatch(scheduler="scheduler-1", now=at)
    dispatch.acknowledge()


def assert_stale(response: TestResponse) -> dict[str, Any]:
    """The answer is a whole problem of a stale save; returns it."""
    assert (response.status_code, response.mimetype) == (409, "application/problem+json"), response.text
    problem: dict[str, Any] = response.get_json(force=True)
    assert set(problem) == PROBLEM | STALE
    assert problem["reason_code"] == "STALE_REVISION"
    assert response.headers["ETag"] == f'"{problem["current"]["revision"]}"'
    return problem


def assert_problem(response: TestResponse, status: int, field: str | None = None) -> dict[str, Any]:
    """The answer is a whole problem of this status that names `field`; returns it."""
    assert response.status_code == status, response.text
    assert response.mimetype == "application/problem+json"
    problem: dict[str, Any] = response.get_json(force=True)
    assert set(problem) - ({"explain"} if status == 409 else set()) == PROBLEM
    assert problem["status"] == status
    assert problem["title"] and problem["detail"]
    if field is not None:
        assert field in problem["errors"], problem
    return problem
