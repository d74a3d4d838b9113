"""Migrations there and back, on empty tables and on data, in a database of their own."""

import subprocess
import sys
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from apiflask import APIFlask
from flask_migrate import downgrade
from flask_migrate import upgrade as upgrade_to
from sqlalchemy import text

from console.app import create_app
from console.cli import console as commands
from console.cli import context
from console.cli.errors import run
from console.core.clock import utc_now
from console.core.settings import Settings
from console.db.session import db
from console.queue import queues
from console.services import health, jobs, mail, migrations, outbox
from tests import factories
from tests.conftest import Servers
from tests.factories import one, rows
from tests.processes import ROOT, eventually

NAME = "migrated"
FOLDER = str(migrations.FOLDER)
REVISIONS = [script.revision for script in ScriptDirectory(FOLDER).walk_revisions()][::-1]

# A row in each table of the first revision, past the product: its tables may have moved on since.
ROWS = """
INSERT INTO orgs (id, slug, name, timezone) VALUES (:org, 'north', 'North', 'Europe/Berlin');
INSERT INTO users (id, email, name, password_hash) VALUES (:user, 'a@example.com', 'a', 'x');
INSERT INTO memberships (org_id, user_id, role) VALUES (:org, :user, 'admin');
INSERT INTO login_sessions (org_id, user_id, secret_hash, last_seen_at, expires_at)
    VALUES (:org, :user, 'a', now(), now());
INSERT INTO api_tokens (org_id, owner_id, name, role, prefix, secret_hash)
    VALUES (:org, :user, 'ci', 'viewer', 'cb_1', 'b');
INSERT INTO jobs (id, org_id, key, name, task, category, kind, schedule, timezone)
    VALUES (:job, :org, 'sweep', 'Sweep', 'tests.tasks.succeed', 'Tests', 'manual', '{}', 'UTC');
INSERT INTO job_revisions (job_id, revision, org_id, definition, actor, origin)
    VALUES (:job, 1, :org, '{}', 'a', 'person');
INSERT INTO runs (id, org_id, job_id, task, queue, trigger, state, revision, requested_by, requested_at)
    VALUES (:run, :org, :job, 'tests.tasks.succeed', 'default', 'manual', 'succeeded', 1, 'a', now());
INSERT INTO run_logs (run_id, attempt, at, message) VALUES (:run, 1, now(), 'said');
INSERT INTO audit_entries (org_id, at, tag, actor_kind, actor_name, object_kind, object_id)
    VALUES (:org, now(), 'job:created', 'person', 'a', 'job', 'sweep');
INSERT INTO approvals (org_id, job_id, run_id, requested_at, expires_at)
    VALUES (:org, :job, :run, now(), now());
INSERT INTO settings (org_id, name, value) VALUES (:org, 'weekend', 'true');
INSERT INTO caught_mails (org_id, run_id, received_at, sender, recipients, subject, text, raw)
    VALUES (:org, :run, now(), 'a', '{b}', 'Hello', 'text', 'raw');
INSERT INTO heartbeats (kind, name, host, pid, started_at, beat_at)
    VALUES ('worker', 'w', 'h', 1, now(), now())
"""


@pytest.fixture
def url(servers: Servers) -> Iterator[str]:
    """A database without a single table."""
    maintenance = servers.database_url.replace("+psycopg", "")
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {NAME}".encode())
        yield servers.database_url.replace("/callboard?", f"/{NAME}?")
        connection.execute(f"DROP DATABASE {NAME} WITH (FORCE)".encode())


@pytest.fixture
def empty(url: str, settings: Settings) -> Iterator[APIFlask]:
    """The app on that database."""
    app = create_app(settings.model_copy(update={"database_url": url}))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()
    queues.configure(settings.redis_url)
    mail.configure(settings.smtp_url, settings.from_email)
    outbox.configure(embedded=settings.outbox)


def tables() -> set[str]:
    return {row.tablename for row in rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def leftovers() -> list[str]:
    """What stands in the schema beside tables and what belongs to an extension."""
    found = rows(
        "SELECT 'type ' || typname FROM pg_type "
        "WHERE typnamespace = 'public'::regnamespace AND typtype = 'e' "
        "UNION ALL SELECT 'sequence ' || relname FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('S', 'v', 'm') "
        "UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
        "AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')"
    )
    return [row[0] for row in found]


def fill() -> dict[str, int]:
    """Puts a row into each table that there is; answers how many rows each has."""
    ids = {name: uuid4() for name in ("org", "user", "job", "run")}
    for statement in ROWS.split(";\n"):
        named = {name: value for name, value in ids.items() if f":{name}" in statement}
        db.session.execute(text(statement), named)
    db.session.commit()
    return counts()


def counts() -> dict[str, int]:
    data = sorted(tables() - {"alembic_version"})
    return {name: one(f"SELECT count(*) FROM {name}") for name in data}  # noqa: S608


COLUMNS = (
    "SELECT table_name, column_name, data_type, udt_name, is_nullable, column_default, is_identity, "
    "generation_expression FROM information_schema.columns WHERE table_schema = :schema"
)
INDEXES = (
    "SELECT tablename, indexname, replace(indexdef, :schema || '.', '') FROM pg_indexes "
    "WHERE schemaname = :schema"
)
CONSTRAINTS = (
    "SELECT conname, replace(pg_get_constraintdef(oid), :schema || '.', '') "
    "FROM pg_constraint WHERE connamespace = CAST(:schema AS regnamespace)"
)
OPTIONS = "SELECT relname, reloptions FROM pg_class WHERE relnamespace = CAST(:schema AS regnamespace)"


def shape(schema: str) -> set[tuple[object, ...]]:
    """Every column, index, constraint and storage option of a schema, in Postgres' own words."""
    found = [
        (kind, *map(str, row))
        for kind, query in enumerate((COLUMNS, INDEXES, CONSTRAINTS, OPTIONS))
        for row in rows(query, schema=schema)
    ]
    return {line for line in found if "alembic_version" not in str(line)}


def test_the_migrated_tables_are_letter_for_letter_those_of_the_models(empty: APIFlask) -> None:
    migrations.upgrade()
    with db.engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA modelled"))
        db.metadata.create_all(connection.execution_options(schema_translate_map={None: "modelled"}))
    migrated = shape("public")
    assert len(migrated) > 200
    assert migrated == shape("modelled")


# Alembic can't compare computed columns; the test above does.
@pytest.mark.filterwarnings("ignore:Computed default")
def test_an_empty_database_becomes_what_the_models_say_and_nothing_else(empty: APIFlask) -> None:
    assert migrations.current() == ""
    assert migrations.upgrade() == migrations.head() == REVISIONS[-1]
    assert tables() == {*db.metadata.tables, "alembic_version"}
    with db.engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), db.metadata)
    assert found == []
    ready = {check.name: check.ok for check in health.readiness()}
    assert ready["migrations"]


@pytest.mark.filterwarnings("ignore:Computed default")
def test_a_difference_between_models_and_tables_would_be_found(empty: APIFlask) -> None:
    migrations.upgrade()
    with db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE jobs DROP COLUMN status_note"))
        connection.execute(text("DROP INDEX ix_jobs_due"))
        found = str(compare_metadata(MigrationContext.configure(connection), db.metadata))
    assert "status_note" in found and "ix_jobs_due" in found


def test_the_way_back_leaves_nothing_but_the_mark_and_the_extension(empty: APIFlask) -> None:
    migrations.upgrade()
    fill()
    db.session.remove()
    downgrade(directory=FOLDER, revision="base")
    assert tables() == {"alembic_version"}
    assert leftovers() == []
    assert rows("SELECT extname FROM pg_extension ORDER BY extname") == [("pg_trgm",), ("plpgsql",)]
    assert migrations.current() == ""
    assert not all(check.ok for check in health.readiness())


def test_after_the_way_back_it_goes_forward_again_and_works(empty: APIFlask) -> None:
    migrations.upgrade()
    downgrade(directory=FOLDER, revision="base")
    migrations.upgrade()
    org = factories.org()
    job = factories.job(org)
    factories.run(org, job)
    assert rows("SELECT state FROM runs") == [("queued",)]
    shown = jobs.get(org.admin, job.id, now=utc_now()).active_run
    assert shown is not None


def test_every_row_of_the_first_revision_is_still_there_at_the_newest(empty: APIFlask) -> None:
    upgrade_to(directory=FOLDER, revision=REVISIONS[0])
    before = fill()
    assert set(before.values()) == {1}, "the first revision has a table without a row here"
    assert migrations.upgrade() == REVISIONS[-1]
    after = counts()
    assert {name: after[name] for name in before} == before


def test_each_step_can_be_taken_back_and_forth_on_data(empty: APIFlask) -> None:
    upgrade_to(directory=FOLDER, revision=REVISIONS[0])
    fill()
    for revision in REVISIONS[1:]:
        upgrade_to(directory=FOLDER, revision=revision)
        downgrade(directory=FOLDER, revision="-1")
        upgrade_to(directory=FOLDER, revision=revision)
    assert migrations.current() == migrations.head()


def test_migrating_what_is_migrated_changes_nothing(empty: APIFlask) -> None:
    migrations.upgrade()
    before = fill()
    assert migrations.upgrade() == migrations.head()
    assert counts() == before


def test_two_that_migrate_at_once_both_succeed(url: str, empty: APIFlask, servers: Servers) -> None:
    environment = {**servers.environment, "DATABASE_URL": url}
    command = [sys.executable, "-m", "console", "migrate"]
    pair = [
        subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], said
    for out, _ in said:
        assert out == f"The tables are at revision {migrations.head()}.\n"
    assert tables() == {*db.metadata.tables, "alembic_version"}


def test_a_migration_waits_for_the_one_that_is_under_way(url: str, empty: APIFlask, servers: Servers) -> None:
    environment = {**servers.environment, "DATABASE_URL": url}
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as under_way:
        under_way.execute("SELECT pg_advisory_lock(%s)", [migrations.LOCK])
        second = subprocess.Popen(
            [sys.executable, "-m", "console", "migrate"], env=environment, cwd=ROOT, stdout=subprocess.PIPE
        )
        eventually(lambda: one(waiting) == 1)
        assert tables() == set()
        under_way.execute("SELECT pg_advisory_unlock(%s)", [migrations.LOCK])
        second.communicate(timeout=60)
    assert second.returncode == 0
    assert migrations.current() == migrations.head()


def test_an_older_server_is_refused_before_anything_is_written(
    empty: APIFlask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "OLDEST_SERVER", 990000)
    with pytest.raises(migrations.ServerTooOld) as caught:
        migrations.upgrade()
    assert caught.value.detail == "Postgres 18 or newer is needed; this server is 18."
    assert tables() == set()


def test_an_older_server_is_one_line_at_the_shell(
    empty: APIFlask, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(migrations, "OLDEST_SERVER", 990000)
    monkeypatch.setattr(context, "make_app", lambda: empty)
    assert run(commands, ["migrate"]) == 1
    said = capsys.readouterr()
    assert said.err == "error: Postgres 18 or newer is needed; this server is 18.\n"
    assert said.out == ""
