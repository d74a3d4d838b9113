"""A wrong setting stops the start with one line that names it and gives no secret away."""

import os
import stat
from pathlib import Path

import pytest

from console.core import runfile
from console.core.settings import Settings, SettingsError, load_environment, load_settings, secret_key

URLS = {
    "DATABASE_URL": "postgres://me:pw@db/callboard",
    "REDIS_URL": "redis://cache:6379/0",
    "SMTP_URL": "smtp://mail:25",
}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment in which nothing is set but a home of this test's own."""
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    for name in (*URLS, "SECRET_KEY", "CONSOLE_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CONSOLE_HOME", str(tmp_path / "home"))


def given(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://me:hush@db/x"),
        ("DATABASE_URL", "postgresql://me:hush@db:port/x"),
        ("REDIS_URL", "http://me:hush@x"),
        ("SMTP_URL", "mail"),
        ("SMTP_URL", "smtp://me:hush@mail:port"),
        ("SMTP_URL", "smtp://me:hush@mail?timeout=121"),
        ("SMTP_URL", "smtp://me:hush@mail?tls=perhaps"),
        ("SECRET_KEY", "hush"),
        ("PORT", "0"),
        ("PORT", "eight"),
        ("CONSOLE_TASKS", "my-tasks"),
        ("CONSOLE_TIMEZONE", "Mars/Olympus"),
        ("CONSOLE_ADMIN_EMAIL", "nobody"),
        ("CONSOLE_BASE_URL", "console.example"),
        ("CONSOLE_PROXIES", "-1"),
        ("CONSOLE_WORKERS", "0"),
        ("CONSOLE_OUTBOX", "perhaps"),
        ("CONSOLE_FROM_EMAIL", "@"),
        ("LOG_FORMAT", "xml"),
        ("CONSOLE_SCHEDULER_YELLOW", "0"),
        ("CONSOLE_SCHEDULER_RED", "30"),
        ("CONSOLE_CRON_YELLOW", "soon"),
        ("CONSOLE_CRON_RED", "899"),
    ],
)
def test_an_invalid_one_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    given(monkeypatch, **URLS)
    given(monkeypatch, **{name: value})
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"{name}: ")
    assert "\n" not in str(caught.value)
    assert "hush" not in str(caught.value)


def test_what_is_not_set_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, **URLS)
    settings = load_settings()
    assert settings.database_url == "postgresql+psycopg://me:pw@db/callboard"
    assert (settings.port, settings.timezone, settings.log_format) == (8000, "UTC", "text")
    assert settings.task_modules == ()
    assert settings.base_url == "http://localhost:8000"
    assert not settings.outbox


def test_a_light_that_would_turn_red_before_yellow_names_both_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given(monkeypatch, **URLS, CONSOLE_SCHEDULER_YELLOW="120")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    said = "CONSOLE_SCHEDULER_RED: must be more than CONSOLE_SCHEDULER_YELLOW, which is 120; it is 120"
    assert str(caught.value) == said
    given(monkeypatch, CONSOLE_SCHEDULER_RED="121", CONSOLE_CRON_YELLOW="60", CONSOLE_CRON_RED="90")
    found = load_settings()
    assert (found.scheduler_yellow, found.scheduler_red) == (120, 121)
    assert (found.cron_yellow, found.cron_red) == (60, 90)


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, **URLS, PORT="", CONSOLE_TASKS="")
    assert load_settings().port == 8000


def test_tasks_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, CONSOLE_TASKS="shop.tasks, ops.tasks,")
    assert load_environment().task_modules == ("shop.tasks", "ops.tasks")


def test_settings_say_no_secret_when_they_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, **URLS, SECRET_KEY="k" * 40, CONSOLE_ADMIN_PASSWORD="hush-hush-hush")
    assert not any(secret in repr(load_settings()) for secret in ("pw@", "k" * 40, "hush-hush-hush"))


def test_the_secret_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    key = secret_key(tmp_path / "home")
    assert len(key) > 40
    assert secret_key(tmp_path / "home") == key
    assert stat.S_IMODE((tmp_path / "home" / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["secret_key"]


def test_with_nothing_running_the_missing_variable_is_named() -> None:
    with pytest.raises(SettingsError, match=r"nothing is running on .*home: .* or set DATABASE_URL$"):
        load_settings()


def test_the_servers_of_a_running_up_are_found(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    runfile.write(home, "postgresql+psycopg://x@/y", "unix:///z", "smtp://127.0.0.1:1")
    assert load_settings().redis_url == "unix:///z"
    assert stat.S_IMODE(runfile.path_in(home).stat().st_mode) == 0o600


def test_a_note_of_a_process_that_is_gone_counts_for_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    runfile.write(home, "postgresql+psycopg://x@/y", "unix:///z", "smtp://127.0.0.1:1")
    note = runfile.path_in(home)
    note.write_text(note.read_text().replace('"started": ', '"started": 1'))
    assert runfile.read(home) is None
    note.write_text(note.read_text().replace(f'"pid": {os.getpid()}', '"pid": 4194304'))
    assert runfile.read(home) is None
    note.write_text("{")
    assert runfile.read(home) is None


def test_the_home_is_a_folder_beside_the_program_whatever_else_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CONSOLE_HOME")
    monkeypatch.chdir(tmp_path)
    given(monkeypatch, HOME="/elsewhere", WORKERS="7", TIMEZONE="Nowhere", OUTBOX="1", TASK_MODULES="x")
    settings = load_environment()
    assert settings.home == tmp_path / "var"
    assert (settings.workers, settings.timezone, settings.outbox, settings.task_modules) == (
        2,
        "UTC",
        False,
        (),
    )


def test_other_commands_know_the_tasks_of_what_is_running(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    runfile.write(home, "postgresql+psycopg://x@/y", "unix:///z", "smtp://127.0.0.1:1", "shop,stock")
    assert load_settings().task_modules == ("shop", "stock")
    given(monkeypatch, CONSOLE_TASKS="other")
    assert load_settings().task_modules == ("other",)
