"""`doctor`, `migrate` and `seed`, and what a command says when nothing is there."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from apiflask import APIFlask

from console.core.clock import utc_now
from tests import factories
from tests.conftest import Servers
from tests.factories import OrgOf, one

from .conftest import Console

NOTHING = {"DATABASE_URL": "", "REDIS_URL": "", "SMTP_URL": ""}


def test_a_command_says_that_nothing_is_running(shell: Console, tmp_path: Path) -> None:
    done = shell("job", "list", CONSOLE_HOME=str(tmp_path), **NOTHING)
    assert done.failed(1, "nothing is running", str(tmp_path))


def test_doctor_says_that_nothing_is_running(shell: Console, tmp_path: Path) -> None:
    done = shell("doctor", "--json", CONSOLE_HOME=str(tmp_path), **NOTHING)
    found = json.loads(done.out)
    assert (done.code, found["ok"]) == (1, False)
    assert "nothing is running" in found["checks"][0]["text"]
    assert found["checks"][0]["advice"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("DATABASE_URL", "mysql://x"),
        ("CONSOLE_TIMEZONE", "Mars/Base"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_an_invalid_setting_is_named_in_one_line(shell: Console, name: str, value: str) -> None:
    assert shell("job", "list", **{name: value}).failed(1, name)


def test_a_task_module_that_cannot_be_imported_is_named(shell: Console) -> None:
    assert shell("job", "list", CONSOLE_TASKS="no.such.module").failed(1, "CONSOLE_TASKS", "no.such.module")


@pytest.mark.parametrize(
    "command", [("job", "list"), ("web",), ("scheduler",), ("worker",), ("migrate",), ("run", "list")]
)
@pytest.mark.parametrize("text", ["def broken(:\n", "import no_such_module_here\n", "1 / 0\n"])
def test_a_broken_task_module_is_one_line_that_names_it(
    shell: Console, servers: Servers, tmp_path: Path, command: tuple[str, ...], text: str
) -> None:
    (tmp_path / "broken_tasks.py").write_text(text)
    path = f"{tmp_path}:{servers.environment['PYTHONPATH']}"
    done = shell(*command, CONSOLE_TASKS="broken_tasks", PYTHONPATH=path)
    assert done.failed(1, "CONSOLE_TASKS", "broken_tasks")


def test_a_lost_database_is_one_line(shell: Console, tmp_path: Path) -> None:
    url = f"postgresql://nobody@/none?host={tmp_path}"
    assert shell("job", "list", DATABASE_URL=url).failed(1, "database")
    doctor = shell("doctor", DATABASE_URL=url)
    assert doctor.code == 1
    assert "WRONG postgres" in doctor.out


def test_doctor_says_what_to_do(shell: Console, org: OrgOf) -> None:
    done = shell("doctor")
    assert done.code == 1
    wrong = [line for line in done.out.splitlines() if line.startswith("WRONG")]
    assert any("scheduler" in line for line in wrong)
    assert all(" → " in line for line in wrong)


def test_doctor_is_content_when_all_is_well(shell: Console, app: APIFlask) -> None:
    # A beat counts for seconds, and the start of the process takes as long as the machine is busy.
    begun = utc_now() + timedelta(minutes=10)
    factories.live_worker(now=begun)
    factories.live_watcher(now=begun)
    factories.live_scheduler(now=begun)
    done = shell("doctor", "--json")
    found = json.loads(done.out)
    assert (done.code, found["ok"]) == (0, True), done.out
    assert {"postgres", "migrations", "redis", "scheduler", "workers"} <= {c["name"] for c in found["checks"]}


def test_migrate_can_be_done_again(shell: Console) -> None:
    done = shell("migrate")
    assert done.code == 0, done
    assert one("SELECT version_num FROM alembic_version") in done.out


def test_seed_says_how_to_sign_in_once(shell: Console) -> None:
    first, second = shell("seed", "--demo"), shell("seed", "--demo")
    assert (first.code, second.code) == (0, 0), first.err
    assert "password" in first.out
    assert "password" not in second.out
    assert one("SELECT count(*) FROM users") == 1
    assert one("SELECT count(*) FROM jobs") >= 3


def test_seed_does_not_repeat_a_password_that_was_given(shell: Console) -> None:
    given = {"CONSOLE_ADMIN_EMAIL": "boss@example.com", "CONSOLE_ADMIN_PASSWORD": "correct horse battery"}
    done = shell("seed", "--demo", **given)
    assert "boss@example.com" in done.out
    assert "correct horse" not in done.out
