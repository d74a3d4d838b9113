"""Work that is never kept: a transaction around what this thread's sessions do, rolled back at the end."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError

from console.core.errors import ConsoleError, Unavailable
from console.core.rehearsal import LOCK_SECONDS
from console.db.session import db, is_unreachable, stage

HELD_BY_ANOTHER = "55P03"
# Quoted text and comments, in which a word or a semicolon means nothing.
UNSAID = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$).*?\1|--[^\n]*|/\*.*?\*/""",
    re.DOTALL,
)
ENDS_IT = re.compile(
    r"(^|;)\s*(commit|end|abort|begin|start\s+transaction|prepare\s+transaction|rollback(?!\s+(work\s+|transaction\s+)?to))\b",
    re.IGNORECASE,
)
LIMITS = text(
    """
    SELECT set_config('lock_timeout', :wait, true), set_config('transaction_timeout', :most, true),
        set_config('idle_in_transaction_session_timeout', :most, true)
    """
)
SPARE = 5
"""Seconds after its deadline at which Postgres itself ends a rehearsal that does not listen."""


class Occupied(ConsoleError):
    """Something that a dry run would change is held by another transaction; try again in a moment."""


@contextmanager
def rehearsing(*, seconds: int) -> Iterator[None]:
    """Whatever this thread writes inside is seen by it alone, and is gone at the end.

    A commit in here, a service's or the task's own, is the release of a savepoint; notifications are never
    sent. It may take `seconds`, and waits `LOCK_SECONDS` for a lock. What a task writes over a connection
    or from a thread of its own is not held back.
    Raises `Occupied` when a lock is not to be had, `Unavailable` when Postgres can't be reached, and
    RuntimeError within a transaction.
    """
    if getattr(stage, "connection", None) is not None or db.session().info.get("is_entered"):
        raise RuntimeError("a rehearsal within a transaction")
    db.session.rollback()
    with _connection() as connection:
        _limit(connection, seconds)
        stage.connection = connection
        try:
            yield
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == HELD_BY_ANOTHER:
                raise Occupied() from error
            raise
        finally:
            _close_session(connection)
            stage.connection = None


@contextmanager
def _connection() -> Iterator[Connection]:
    """One whose transaction can't be committed, and is rolled back at the end."""
    try:
        connection = db.engine.connect()
    except Exception as error:
        if is_unreachable(error):
            raise Unavailable() from error
        raise
    with connection:
        outer = connection.begin()
        event.listen(connection, "commit", _refuse)
        event.listen(connection, "before_cursor_execute", _refuse_by_hand)
        try:
            yield connection
        finally:
            if not outer.is_active:  # a commit that was refused: the pool would not roll it back
                connection.invalidate()


def _limit(connection: Connection, seconds: int) -> None:
    values = {"wait": f"{LOCK_SECONDS}s", "most": f"{seconds + SPARE}s"}
    connection.execute(LIMITS, values)


def _close_session(connection: Connection) -> None:
    """Ends the session's savepoint; a conversation that broke off in the middle is given up.

    What Postgres was doing then is cancelled, for others wait for what it holds.
    """
    try:
        db.session.close()
    except Exception:
        db.session.remove()
        with suppress(Exception):
            driver: Any = connection.connection.driver_connection
            driver.cancel_safe(timeout=SPARE)
        connection.invalidate()


def _refuse(_: Connection) -> None:
    raise RuntimeError("a dry run can't be committed; leave transactions to db.session")


def _refuse_by_hand(_: Connection, __: Any, statement: str, *___: Any) -> None:
    if ENDS_IT.search(UNSAID.sub(" ", statement)):
        raise RuntimeError("a dry run can't begin or end a transaction by hand; leave it to db.session")
