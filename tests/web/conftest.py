"""What the tests of the pages share: signed-in visitors with real CSRF tokens, and second apps."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from apiflask import APIFlask
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from console.app import create_app
from console.core.actor import Actor
from console.core.clock import utc_now
from console.core.settings import Settings
from console.core.states import Role
from console.db.session import db
from console.queue import queues
from console.services import deletions, jobs, mail, outbox
from tests import factories
from tests.factories import OrgOf, one
from tests.trail_guard import everything_is_on_the_trail  # noqa: F401

CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')
DEAD_POSTGRES = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"
DEAD_REDIS = "redis://127.0.0.1:1/0"


class Client(FlaskClient):
    """Gives each request a `g` of its own, as a server does; the test's app context would share one."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        with self.application.app_context():
            return super().open(*args, **kwargs)


@pytest.fixture(autouse=True)
def _requests_stand_alone(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests stand alone."""
    monkeypatch.setattr(app, "test_client_class", Client)


@pytest.fixture
def _still() -> Iterator[None]:
    """The clock stands still: what is asked for twice has the same words for its times."""
    with time_machine.travel(datetime.now(UTC), tick=False):
        yield


@dataclass(frozen=True)
class Visitor:
    """A browser that is signed in; `post` sends the token that the page holds."""

    client: FlaskClient
    actor: Actor

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        return self.client.get(path, **kwargs)

    def post(
        self, path: str, data: dict[str, str] | None = None, *, htmx: bool = False, **headers: str
    ) -> TestResponse:
        sent = {"HX-Request": "true", "HX-Target": "dialog", **headers} if htmx else headers
        fields = {"csrf_token": csrf_of(self.client), **(data or {})}
        return self.client.post(path, data=fields, headers=sent)

    @property
    def cookie(self) -> str:
        held = self.client.get_cookie("callboard")
        assert held is not None
        return held.value


def csrf_of(client: FlaskClient) -> str:
    """The token of this browser's session, as a page hands it out."""
    found = CSRF.search(client.get("/help", follow_redirects=True).text)
    assert found is not None
    return unescape(found[1])


def sign_in(
    client: FlaskClient, email: str, password: str = factories.PASSWORD, **fields: str
) -> TestResponse:
    data = {"csrf_token": csrf_of(client), "email": email, "password": password, **fields}
    return client.post("/sign-in", data=data)


def visit(app: Flask, actor: Actor) -> Visitor:
    """The actor in a browser of their own."""
    client = app.test_client()
    assert actor.email is not None
    assert sign_in(client, actor.email).status_code == 303
    return Visitor(client, actor)


@pytest.fixture
def operator(app: APIFlask, org: OrgOf) -> Visitor:
    return visit(app, factories.person(org))


@pytest.fixture
def viewer(app: APIFlask, org: OrgOf) -> Visitor:
    return visit(app, factories.person(org, Role.VIEWER))


@pytest.fixture
def stranger(app: APIFlask) -> Visitor:
    """An admin of another org."""
    return visit(app, factories.person(factories.org(), Role.ADMIN))


@pytest.fixture
def no_redis(app: APIFlask, settings: Settings) -> Iterator[None]:
    """The queues point where nobody listens."""
    queues.configure(DEAD_REDIS)
    yield
    queues.configure(settings.redis_url)


@pytest.fixture
def another_app(app: APIFlask, settings: Settings) -> Iterator[Callable[..., APIFlask]]:
    """Makes the app again with other settings; what it set for the whole process is set back."""
    made: list[APIFlask] = []

    def make(**changes: object) -> APIFlask:
        made.append(create_app(settings.model_copy(update=changes)))
        return made[-1]

    yield make
    for other in made:
        with other.app_context():
            db.session.remove()
            db.engine.dispose()
    queues.configure(settings.redis_url)
    mail.configure(settings.smtp_url, settings.from_email)
    outbox.configure(embedded=settings.outbox)


def change(sql: str, **values: Any) -> None:
    """Makes history: changes rows past the product."""
    db.session.execute(text(sql), values)
    db.session.commit()


def catch(of: OrgOf, subject: str = "Hello", body: str = "Read me", run_id: UUID | None = None) -> UUID:
    """A mail in the outbox of the org."""
    statement = text(
        "INSERT INTO caught_mails (org_id, run_id, received_at, sender, recipients, subject, text, raw) "
        "VALUES (:org, :run, clock_timestamp(), 'callboard@localhost', '{a@x.example}', :subject, :body, '') "
        "RETURNING id"
    )
    values = {"org": of.id, "run": run_id, "subject": subject, "body": body}
    made: UUID = db.session.execute(statement, values).scalar_one()
    db.session.commit()
    return made


@dataclass(frozen=True)
class Things:
    """One of each thing that has a page, all of one org."""

    job_id: UUID
    run_id: UUID
    mail_id: UUID
    number: int = 1
    message_type: str = "INIT"
    name: str = "default"
    event_id: UUID = field(default_factory=uuid4)
    deletion_id: UUID = field(default_factory=uuid4)
    approval_id: UUID = field(default_factory=uuid4)
    channel_id: UUID = field(default_factory=uuid4)
    rule_id: UUID = field(default_factory=uuid4)
    delivery_id: UUID = field(default_factory=uuid4)
    person_id: UUID = field(default_factory=uuid4)
    token_id: UUID = field(default_factory=uuid4)
    session_id: UUID = field(default_factory=uuid4)

    def fill(self, rule: Rule) -> str:
        """The address of the rule with these ids in it."""
        _, path = rule.build({name: getattr(self, name) for name in rule.arguments}) or ("", "")
        return path


NOTHING = Things(uuid4(), uuid4(), uuid4())


@pytest.fixture
def things(org: OrgOf) -> Things:
    job = factories.job(org, name="Sweep the stage", subject="Confidential subject")
    run = factories.run(org, job)
    # One that is over has no messages to come, which would stand among the jobs.
    event = factories.event(org, "Confidential event", starts_at=utc_now() - timedelta(days=60))
    mail_id = catch(org, "Confidential mail", run_id=run.id)
    jobs.delete(org.admin, factories.job(org, key="confidential_key").id, now=utc_now())
    (deletion,) = deletions.recent(org.admin, now=utc_now())
    assert deletion.id
    person = factories.person(org, Role.VIEWER, f"confidential-{event.id}@example.com")
    assert person.id
    asked = factories.approval(org, job)
    channel, alert_rule, delivery = factories.alert(org)
    return Things(
        job.id,
        run.id,
        mail_id,
        event_id=event.id,
        person_id=person.id,
        deletion_id=deletion.id,
        approval_id=asked.id,
        channel_id=channel.id,
        rule_id=alert_rule.id,
        delivery_id=delivery.id,
    )


def rules(app: Flask, method: str) -> list[Rule]:
    """Every page and fragment of this method; those of the API and the files are others' matter."""
    found = [rule for rule in app.url_map.iter_rules() if method in (rule.methods or ())]
    return [rule for rule in found if rule.endpoint != "static" and not rule.rule.startswith("/api/")]


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def words(answer: TestResponse | str) -> str:
    """What a reader reads, with single spaces."""
    parser = _Words()
    parser.feed(answer if isinstance(answer, str) else answer.text)
    return " ".join("".join(parser.found).split())


def part(answer: TestResponse, element_id: str) -> str:
    """The row or section that has the id, up to its end."""
    found = re.search(
        rf'<(\w+)(?=[^>]*\bid="{re.escape(element_id)}").*?</\1>', answer.text, re.DOTALL | re.ASCII
    )
    assert found is not None, f"nothing has the id {element_id}"
    return found[0]


def counts() -> tuple[int, int, int]:
    """How many runs, audit entries and revoked sessions there are: what a refused request leaves alone."""
    revoked = one("SELECT count(*) FROM login_sessions WHERE revoked_at IS NOT NULL")
    return one("SELECT count(*) FROM runs"), one("SELECT count(*) FROM audit_entries"), revoked
