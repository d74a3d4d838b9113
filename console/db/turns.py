"""Turns: what one process does at a time, however many there are."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from console.core.errors import Unavailable
from console.db.session import db, is_unreachable

WAIT = text("SELECT true FROM pg_advisory_lock(hashtextextended('turn ' || :name, 0))")
TRY = text("SELECT pg_try_advisory_lock(hashtextextended('turn ' || :name, 0))")
RELEASE = text("SELECT pg_advisory_unlock(hashtextextended('turn ' || :name, 0))")


@contextmanager
def turn(name: str, *, waits: bool = False) -> Iterator[bool]:
    """Whether it is the caller's turn, if need be after a wait; it ends with the block, or with the process.

    Has a connection of its own, beside the session's transactions. Raises `Unavailable`.
    """
    with _connected() as connection:
        is_mine = bool(connection.scalar(WAIT if waits else TRY, {"name": name}))
        try:
            yield is_mine
        finally:
            if is_mine:
                _give_back(connection, name)


@contextmanager
def _connected() -> Iterator[Connection]:
    try:
        connection = db.engine.connect()
    except (DBAPIError, PoolTimeout) as error:
        if is_unreachable(error):
            raise Unavailable() from error
        raise
    with connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


def _give_back(connection: Connection, name: str) -> None:
    """A connection that can't say so any more is closed, which gives it back too."""
    try:
        connection.execute(RELEASE, {"name": name})
    except DBAPIError:
        connection.invalidate()
