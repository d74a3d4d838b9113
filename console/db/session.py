"""The session through which services reach Postgres."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session
from sqlalchemy import MetaData, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
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
ABANDONED_AFTER_SECONDS = 1
"""How often Postgres looks, in the middle of a statement, whether anybody still waits for its answer."""


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=CONVENTION)


IDLE_SECONDS = 1.0
KEPT_ALIVE: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""A server behind a broken network is noticed within 20 s; the kernel alone takes many minutes."""


class Rehearsable(Session):
    """A session that works on the rehearsal's connection while its thread rehearses (`db/rehearsing.py`)."""

    def get_bind(self, *args: Any, **kwargs: Any) -> Any:
        return getattr(stage, "connection", None) or super().get_bind(*args, **kwargs)


stage = threading.local()
"""The `connection` on which this thread rehearses, if it does."""

# On a connection that is in a transaction already, a session's commit is the release of a savepoint.
db = SQLAlchemy(
    model_class=Base,
    disable_autonaming=True,
    session_options={"class_": Rehearsable, "join_transaction_mode": "create_savepoint"},
)

if TYPE_CHECKING:
    Record = Base
else:
    Record = db.Model


def engine_options() -> dict[str, object]:
    """Options of the pool: a server that can't be reached is noticed within 5 s.

    Postgres ends a transaction whose process falls silent in the middle, for its locks would hold up
    every scheduler and worker. It also ends a statement whose process is gone: otherwise one of a run that
    was stopped, or took too long, would work on to its end.
    """
    options = (
        f"-c timezone=UTC -c idle_in_transaction_session_timeout={SILENT_TRANSACTION_SECONDS}s "
        f"-c client_connection_check_interval={ABANDONED_AFTER_SECONDS}s"
    )
    return {
        "pool_size": 12,
        "max_overflow": 20,
        "pool_timeout": 5,
        "hide_parameters": True,
        "connect_args": {**KEPT_ALIVE, "application_name": "callboard", "options": options},
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
    """Commits at the end, rolls back on any error.

    Raises `Unavailable` when Postgres can't be reached, and RuntimeError within another transaction,
    which it would end half-way.
    """
    with _entered() as is_inner:
        if is_inner:
            raise RuntimeError("a transaction within another one")
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
    """A read: ends its transaction, so that the next read sees what others have committed.

    Within a transaction it is part of it: a task's rules may ask services while slots are decided.
    Raises `Unavailable` when Postgres can't be reached.
    """
    with _entered() as is_inner:
        try:
            yield
        except (DBAPIError, PoolTimeout) as error:
            if is_unreachable(error) and not is_inner:
                raise Unavailable() from error
            raise
        finally:
            if not is_inner:
                _roll_back()


@contextmanager
def _entered() -> Iterator[bool]:
    """Whether this session is inside of a read or a transaction already."""
    info = db.session().info
    is_inner = info.get("is_entered", False)
    info["is_entered"] = True
    try:
        yield is_inner
    finally:
        info["is_entered"] = is_inner


def _roll_back() -> None:
    """Ends the transaction; a server that has just gone away has rolled it back by itself."""
    try:
        db.session.rollback()
    except DBAPIError as error:
        if not is_unreachable(error):
            raise
        db.session.remove()


GONE = ("08", "25P03", "40", "53300", "57P")
"""SQLSTATE classes of a server that is gone, shutting down or full, or that ended this transaction because it
idled or stood in another's way: the same may go well later. Others mean a wrong statement."""


def is_unreachable(error: BaseException) -> bool:
    """Whether an error means that the server can't be reached, rather than that the statement is wrong."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return str(state).startswith(GONE)
    return error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))


def forget_connections(app: Flask) -> None:
    """Drops inherited connections in a forked child without closing the parent's."""
    with app.app_context():
        db.engine.dispose(close=False)


def ping() -> None:
    """Raises `Unavailable` unless Postgres answers."""
    with reading():
        db.session.execute(text("SELECT 1"))
