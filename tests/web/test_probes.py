"""What a platform asks before it sends people here."""

from collections.abc import Callable, Iterator

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from tests.factories import one
from tests.web.conftest import DEAD_POSTGRES, change


@pytest.fixture
def _behind(app: APIFlask) -> Iterator[None]:
    """The database stands at a migration before the newest."""
    head = one("SELECT version_num FROM alembic_version")
    change("UPDATE alembic_version SET version_num = 'older'")
    yield
    change("UPDATE alembic_version SET version_num = :head", head=head)


def findings(client: FlaskClient) -> tuple[int, dict[str, bool]]:
    answer = client.get("/readyz")
    assert answer.json is not None
    return answer.status_code, {check["name"]: check["ok"] for check in answer.json["checks"]}


def test_a_process_that_lives_says_so_whatever_else_is_down(
    client: FlaskClient, another_app: Callable[..., APIFlask], no_redis: None
) -> None:
    for asked in (client, another_app(database_url=DEAD_POSTGRES).test_client()):
        answer = asked.get("/healthz")
        assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_all_is_ready(client: FlaskClient) -> None:
    assert findings(client) == (200, {"postgres": True, "migrations": True, "redis": True})


def test_it_is_not_ready_while_migrations_are_behind(client: FlaskClient, _behind: None) -> None:
    assert findings(client) == (503, {"postgres": True, "migrations": False, "redis": True})


def test_it_is_not_ready_without_redis(client: FlaskClient, no_redis: None) -> None:
    assert findings(client) == (503, {"postgres": True, "migrations": True, "redis": False})


def test_it_is_not_ready_without_postgres(another_app: Callable[..., APIFlask]) -> None:
    client = another_app(database_url=DEAD_POSTGRES).test_client()
    assert findings(client) == (503, {"postgres": False, "redis": True})
    assert "nobody@" not in client.get("/readyz").text
