"""Chromium before a real web server; modules that need them add a real scheduler, worker and catcher."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from apiflask import APIFlask
from flask import Flask, current_app
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect
from redis import Redis
from sqlalchemy import text

from console.core.actor import Actor
from console.core.settings import Settings
from console.core.states import Role
from console.db.session import db
from tests import factories
from tests.browser import tasks  # noqa: F401  (this process knows them too)
from tests.conftest import TASK_MODULES, Servers
from tests.factories import OrgOf, one
from tests.processes import eventually, free_port, process
from tests.web.conftest import Client
from tests.web.conftest import sign_in as through_form

# How long Chromium waits for what it should see; a poll comes every second, a machine may be busy.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The system's Chromium, as root or not, without a GPU and without calls home."""
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    return {
        **browser_type_launch_args,
        "executable_path": next(path for path in found if path),
        "args": [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
        ],
    }


@pytest.fixture(scope="session")
def base_url() -> None:
    """Takes the place of pytest-base-url's fixture, of which pytest 9 warns; the context has the address."""


@dataclass(frozen=True)
class Site:
    """Where the console answers, and the environment of its processes."""

    url: str
    port: int
    environment: dict[str, str]


@dataclass(frozen=True)
class Crew:
    """The processes that act; stop and continue them to hold a run at a hop."""

    worker: "subprocess.Popen[bytes]"
    catcher: "subprocess.Popen[bytes]"


@dataclass
class Watch:
    """What happened on a page since it was opened."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    navigations: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def forget(self) -> None:
        self.navigations.clear()
        self.requests.clear()

    def asked(self, path: str) -> list[str]:
        return [url for url in self.requests if path in url]


@contextmanager
def serving(environment: dict[str, str], port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A web server that answers."""
    with process(environment, "web", "--port", str(port)) as web:
        eventually(lambda: answers(port))
        yield web


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


@pytest.fixture(scope="package")
def site(one_app: APIFlask, servers: Servers, settings: Settings) -> Iterator[Site]:
    """A web server on empty tables."""
    with one_app.app_context():
        for table in ("orgs", "users", "heartbeats"):
            db.session.execute(text(f"DELETE FROM {table}"))  # noqa: S608
        db.session.commit()
    with Redis.from_url(settings.redis_url) as redis:
        redis.flushall()
    port = free_port()
    environment = {
        **servers.environment,
        "CONSOLE_OUTBOX": "1",
        "CONSOLE_TASKS": ",".join((*TASK_MODULES, "tests.browser.tasks")),
    }
    with serving(environment, port):
        yield Site(f"http://127.0.0.1:{port}", port, environment)


@pytest.fixture(scope="module")
def crew(one_app: APIFlask, site: Site) -> Iterator[Crew]:
    """A live scheduler, worker and mail catcher."""
    smtp = free_port()
    environment = {**site.environment, "SMTP_URL": f"smtp://127.0.0.1:{smtp}"}
    with one_app.app_context():
        forget_heartbeats()
    with (
        process(environment, "catcher", "--port", str(smtp)) as catcher,
        process(environment, "scheduler"),
        process(environment, "worker", "--name", "worker-1") as worker,
    ):
        with one_app.app_context():
            live = "SELECT count(DISTINCT kind) FROM heartbeats WHERE stopped_at IS NULL"
            eventually(lambda: one(live) == 2)
        eventually(lambda: listens(smtp))
        yield Crew(worker, catcher)


def forget_heartbeats() -> None:
    """Nobody was ever heard."""
    db.session.execute(text("DELETE FROM heartbeats"))
    db.session.commit()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def app(one_app: APIFlask, site: Site) -> Iterator[Flask]:
    """The app of this process on the tables of the live one; each test has an org of its own."""
    with one_app.app_context():
        yield one_app
        db.session.remove()


@pytest.fixture
def org(app: Flask) -> Iterator[OrgOf]:
    """Takes what it left behind out of the way of the live processes.

    They may be at work on it: where one waits for the other, it is theirs to give way, as they know how to.
    """
    made = factories.org()
    yield made
    db.session.rollback()
    db.session.execute(text("SET LOCAL deadlock_timeout = '1min'"))
    db.session.execute(text("DELETE FROM orgs WHERE id = :id"), {"id": made.id})
    db.session.commit()


@pytest.fixture
def person(org: OrgOf) -> Actor:
    return factories.person(org, Role.OPERATOR)


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any], site: Site) -> dict[str, Any]:
    return {**browser_context_args, "base_url": site.url, "viewport": {"width": 1280, "height": 800}}


def watch(page: Page) -> Watch:
    """Keeps what the page asks for and what the browser has to say against it."""
    seen = Watch(page)

    def complain(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            seen.complaints.append(message.text)

    page.on("console", complain)
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("framenavigated", lambda frame: seen.navigations.append(frame.url))
    page.on("request", lambda request: seen.requests.append(request.url))
    return seen


def sign_in(page: Page, person: Actor) -> None:
    """Through the form, as a person does."""
    page.goto("/sign-in")
    page.get_by_label("Email").fill(person.email or "")
    page.get_by_label("Password").fill(factories.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    has_scripts(page)


def has_scripts(page: Page) -> None:
    """Waits for the scripts of a page that a click or a key led to: its words are there before them.

    What is pressed until then goes the way of a page without scripts, and a key of ours means nothing. It is
    asked once something of the new page is seen; `goto` and `wait_for_url` wait for as much by themselves.
    """
    page.wait_for_load_state("load")


def box_of(control: Locator) -> dict[str, float]:
    """Where it stands and how large it is, in px; asked anew when a poll has just put another there."""
    measure = "it => it.isConnected && it.getClientRects().length && it.getBoundingClientRect().toJSON()"
    found: dict[str, float] = eventually(lambda: control.evaluate(measure))
    return found


def enter(page: Page, person: Actor) -> None:
    """With the cookie of a session that was begun in this process: most tests are not about the form."""
    client = Client(current_app._get_current_object())  # type: ignore[attr-defined]
    assert through_form(client, person.email or "").status_code == 303
    held = client.get_cookie("callboard")
    assert held is not None
    page.context.add_cookies([{"name": held.key, "value": held.value, "domain": "127.0.0.1", "path": "/"}])
    page.goto("/")
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()


@pytest.fixture
def seen(page: Page, person: Actor) -> Iterator[Watch]:
    """A signed-in page; at the end the browser must have had nothing to say against it."""
    watched = watch(page)
    enter(page, person)
    watched.forget()
    yield watched
    assert watched.complaints == []


@pytest.fixture
def plain_page(browser: Browser, browser_context_args: dict[str, Any]) -> Iterator[Page]:
    """A page without JavaScript."""
    context: BrowserContext = browser.new_context(**browser_context_args, java_script_enabled=False)
    yield context.new_page()
    context.close()


@contextmanager
def at_page(browser: Browser, person: Actor, **arguments: Any) -> Iterator[Watch]:
    """A signed-in page in a context of its own."""
    context = browser.new_context(**arguments)
    watched = watch(context.new_page())
    enter(watched.page, person)
    yield watched
    context.close()
