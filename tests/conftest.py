"""Real Postgres and real Valkey for every test, out of the pinned wheels, started once a session."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from apiflask import APIFlask
from argon2 import PasswordHasher
from flask.testing import FlaskClient
from hypothesis import HealthCheck
from hypothesis import settings as examples
from redis import Redis
from sqlalchemy import text

from console.app import create_app
from console.core.settings import Settings, load_settings
from console.db.session import db
from console.embedded import start_postgres, start_valkey
from console.services import mail, migrations, secrets
from console.worker import RunWorker
from tests import factories
from tests.smtp import Smtp, serving

COSTLY_HASHER = secrets._hasher
IS_PARALLEL = "PYTEST_XDIST_WORKER" in os.environ
LONG = ("browser", "system")
# Of one example, and of making ten, Hypothesis measures how busy the machine is; and what a change did not
# break must not fail the change because other examples were drawn.
examples.register_profile(
    "tests", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
examples.load_profile("tests")
TASK_MODULES = ("console.plugins.examples.tasks", "tests.tasks")


@dataclass(frozen=True)
class Servers:
    """Where this session's servers answer."""

    database_url: str
    redis_url: str
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process of the product that works on these servers."""
        return {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "SMTP_URL": "smtp://127.0.0.1:1",
            "SECRET_KEY": "a key for tests that is long enough",
            "CONSOLE_HOME": str(self.home),
            "CONSOLE_TASKS": ",".join(TASK_MODULES),
            "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
        }


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Parallel workers begin with the long files, so that the last to end has little left to do."""
    if IS_PARALLEL:
        items.sort(key=lambda item: item.path.parent.name not in LONG)


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    """A password costs next to nothing in this process; nearly every test makes one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture
def costly_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password costs what it costs in the product."""
    monkeypatch.setattr(secrets, "_hasher", COSTLY_HASHER)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Their home is open to all, so that Postgres, which refuses root, reaches its data there."""
    home = Path(tempfile.mkdtemp(prefix="callboard-"))
    home.chmod(0o755)
    postgres, valkey = start_postgres(home), start_valkey(home)
    yield Servers(postgres.url, valkey.url, home)
    valkey.stop()
    postgres.stop()
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def settings(servers: Servers) -> Iterator[Settings]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in servers.environment.items():
            patch.setenv(name, value)
        patch.setenv("CONSOLE_OUTBOX", "1")
        yield load_settings()


@pytest.fixture(scope="session")
def one_app(settings: Settings) -> Iterator[APIFlask]:
    app = create_app(settings)
    app.testing = True
    with app.app_context():
        migrations.upgrade()
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def app(one_app: APIFlask, settings: Settings) -> Iterator[APIFlask]:
    """The app on empty tables and an empty Valkey."""
    with one_app.app_context():
        factories.empty_trail()
        db.session.execute(text("DELETE FROM orgs"))
        db.session.execute(text("DELETE FROM users"))
        db.session.execute(text("DELETE FROM heartbeats"))
        db.session.commit()
        db.session.remove()
    with Redis.from_url(settings.redis_url) as redis:
        redis.flushall()
    with one_app.app_context():
        yield one_app
        db.session.remove()


@pytest.fixture
def redis(app: APIFlask, settings: Settings) -> Iterator[Redis]:
    with Redis.from_url(settings.redis_url) as connection:
        yield connection


@pytest.fixture
def client(app: APIFlask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def org(app: APIFlask) -> factories.OrgOf:
    return factories.org()


@pytest.fixture
def worker(app: APIFlask, redis: Redis) -> Iterator[RunWorker]:
    """A worker in this process whose horse is a real child; `work(burst=True)` empties the queues."""
    from console.core.registry import registry

    made = RunWorker(app, registry.queues(), redis, "worker-1")
    yield made
    made._horse.kill()


@pytest.fixture
def smtp(app: APIFlask, settings: Settings) -> Iterator[Smtp]:
    """A mail server whose answers the test chooses (see `tests.smtp`); mail of this process goes there."""
    with serving() as server:
        mail.configure(server.url, settings.from_email)
        yield server
        mail.configure(settings.smtp_url, settings.from_email)
