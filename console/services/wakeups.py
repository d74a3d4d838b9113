"""The bell by which a committed change wakes the scheduler: Postgres' LISTEN and NOTIFY."""

from datetime import timedelta
from types import TracebackType

import psycopg
from sqlalchemy import text
from sqlalchemy.engine import make_url

from console.core.errors import Unavailable
from console.db.session import KEPT_ALIVE, db

CHANNEL = "callboard_scheduler"


def notify() -> None:
    """Rings when the caller's transaction commits, and not at all when it rolls back."""
    db.session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})


class Bell:
    """A connection of its own that listens; raises `Unavailable` when Postgres can't be reached."""

    def __init__(self, database_url: str) -> None:
        dsn = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        try:
            self._connection = psycopg.connect(dsn, autocommit=True, **KEPT_ALIVE)
            self._connection.execute(f"LISTEN {CHANNEL}".encode())
        except psycopg.OperationalError as error:
            raise Unavailable() from error

    def __enter__(self) -> "Bell":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def fileno(self) -> int:
        """The descriptor that becomes readable when the bell rings."""
        return self._connection.fileno()

    def drain(self) -> int:
        """Takes all rings that have come; answers how many. Raises `Unavailable`."""
        try:
            return sum(1 for _ in self._connection.notifies(timeout=timedelta(0).total_seconds()))
        except psycopg.OperationalError as error:
            raise Unavailable() from error
