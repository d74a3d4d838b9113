"""Brings the tables to the newest revision, one process at a time."""

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from flask_migrate import upgrade as alembic_upgrade
from sqlalchemy import text

from console.core.errors import ConsoleError
from console.db.session import db, reading

FOLDER = Path(__file__).resolve().parent.parent / "db" / "migrations"
LOCK = 0x63616C6C
OLDEST_SERVER = 180000


class ServerTooOld(ConsoleError):
    """Postgres 18 or newer is needed."""


def head() -> str:
    """The newest revision that this version of the product has."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return ScriptDirectory.from_config(config).get_current_head() or ""


def current() -> str:
    """The revision of the database; empty when it has none. Raises `Unavailable`."""
    with reading():
        exists = db.session.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
        return str(db.session.scalar(text("SELECT version_num FROM alembic_version")) or "") if exists else ""


def upgrade() -> str:
    """Migrates forward under an advisory lock and answers the revision; raises `ServerTooOld`."""
    with reading():
        version = int(db.session.scalar(text("SHOW server_version_num")) or 0)
    if version < OLDEST_SERVER:
        raise ServerTooOld(f"Postgres 18 or newer is needed; this server is {version // 10000}.")
    with db.engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        connection.commit()  # the lock stays; a transaction that idles through a long migration would not
        try:
            alembic_upgrade(directory=str(FOLDER))
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
    return current()
