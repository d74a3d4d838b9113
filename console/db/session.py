"""The session through which services reach Postgres."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from console.core.errors import Unavailable

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


SILENT_TRANSACTION_SECONDS = 30


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=CONVENTION)


IDLE_SECONDS = 1.0

db = SQLAlchemy(model_class=Base, disable_autonaming=True)

if TYPE_CHECKING:
    Record = Base
else:
    Record = db.Model


def engine_options() -> dict[str, object]:
    """Options of the pool: a server that can't be reached is noticed within 5 s.

    Postgres ends a transaction whose process falls silent in the middle, for its locks would hold up
    every scheduler and worker.
    """
    options = f"-c timezone=UTC -c idle_in_transaction_session_timeout={SILENT_TRANSACTION_SECONDS}s"
    return {
        "pool_size": 12,
        "max_overflow": 20,
        "pool_timeout": 5,
        "connect_args": {"connect_timeout": 5, "application_name": "callboard", "options": options},
    }


@event.listens_for(Pool, "checkin")
def _note_use(_: object, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()


@event.listens_for(Pool, "checkout")
def _try_if_idle(connection: Any, record: ConnectionPoolEntry, _: object) -> None:
    """Tries a connection that has been idle for a second, so that a restart of Postgres stays unseen.

    SQLAlchemy's own `pool_pre_ping` tries before every use, which doubled the price of a poll.
    """
    if time.monotonic() - record.info.get("used_at", time.monotonic()) < IDLE_SECONDS:
        return
    try:
        connection.execute("")
        connection.rollback()
    except psycopg.Error as error:
        raise DisconnectionError() from error


@contextmanager
def transaction() -> Iterator[None]:
    """Commits at the end, rolls back on any error; raises `Unavailable` when Postgres can't be reached."""
    try:
        yield
        db.session.commit()
    except BaseException as error:
        _roll_back()
        if is_unreachable(error):
            raise Unavailable() from error
        raise


@contextmanager
def reading() -> Iterator[None]:
    """A read: ends its transaction, so that the next read sees what others have committed."""
    try:
        yield
    except DBAPIError as error:
        if is_unreachable(error):
            db.session.remove()
            raise Unavailable() from error
        raise
    finally:
        _roll_back()


def _roll_back() -> None:
    """Ends the transaction; a server that has just gone away has rolled it back by itself."""
    try:
        db.session.rollback()
    except DBAPIError as error:
        if not is_unreachable(error):
            raise
        db.session.remove()


def is_unreachable(error: BaseException) -> bool:
    """Whether an error means that the server is gone, rather than that the statement is wrong."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, (OperationalError, InterfaceError))


def forget_connections(app: Flask) -> None:
    """Drops inherited connections in a forked child without closing the parent's."""
    with app.app_context():
        db.engine.dispose(close=False)


def ping() -> None:
    """Raises `Unavailable` unless Postgres answers."""
    with reading():
        db.session.execute(text("SELECT 1"))
