"""Whatever a request changes stands on the audit trail, in the same transaction.

The fixture watches every request that a test makes, so that each route that there is or will be is walked by
the tests that use it: a request that commits a change without an entry fails the test.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from apiflask import APIFlask
from flask import has_request_context, request
from sqlalchemy import event
from sqlalchemy.engine import Connection

from console.db.session import db

WRITES = re.compile(r"(INSERT INTO|(?<!FOR )(?<!DO )UPDATE|DELETE FROM)\s+(\w+)", re.IGNORECASE)
NO_CHANGE = (
    (r"UPDATE login_sessions SET last_seen_at", "that somebody looked"),
    (r"UPDATE api_tokens SET last_used_at", "that a program called"),
    (r"UPDATE runs SET seen_at", "that the end of a run was seen"),
    (r"UPDATE runs SET enqueued_at", "that a ticket was pushed; who asked for the run stands there"),
    (r"UPDATE alert_deliveries", "what was answered to a message"),
    (r"INTO heartbeats|UPDATE heartbeats", "that something lives"),
    (r"INTO audit_(chain|heads)", "the seals of entries"),
)
SCHEDULERS = ("/api/v1/scheduler/tick",)
"""What these do is what a scheduler does: due slots are records of their own."""


@dataclass
class Guard:
    """What was committed in requests without an entry: the request, and the tables."""

    missing: list[str] = field(default_factory=list)

    def executed(self, connection: Connection, statement: str, count: int) -> None:
        """Counts what a statement has done; what is inserted and taken away again is no change."""
        if not has_request_context() or any(re.search(known, statement) for known, _ in NO_CHANGE):
            return
        written = connection.info.setdefault("written", Counter())
        for verb, table in WRITES.findall(statement):
            key = (table.lower(), verb.upper() == "UPDATE")
            written[key] += -count if verb.upper() == "DELETE FROM" else count
        connection.info["by"] = f"{request.method} {request.path}"

    def ended(self, connection: Connection, *, is_committed: bool) -> None:
        counts, by = connection.info.pop("written", Counter()), connection.info.pop("by", "")
        written = {table for (table, _), count in counts.items() if count}
        if written and is_committed and "audit_entries" not in written and not by.endswith(SCHEDULERS):
            self.missing.append(f"{by} changed {', '.join(sorted(written))}")


@pytest.fixture(autouse=True)
def everything_is_on_the_trail(app: APIFlask) -> Iterator[Guard]:
    """Fails the test in which a request changed something without an entry."""
    guard = Guard()

    def executed(connection: Connection, cursor: Any, statement: str, *rest: Any) -> None:
        guard.executed(connection, statement, cursor.rowcount)

    def committed(connection: Connection) -> None:
        guard.ended(connection, is_committed=True)

    def rolled_back(connection: Connection) -> None:
        guard.ended(connection, is_committed=False)

    listeners = (
        ("after_cursor_execute", executed),
        ("commit", committed),
        ("rollback", rolled_back),
    )
    for name, listener in listeners:
        event.listen(db.engine, name, listener)
    yield guard
    for name, listener in listeners:
        event.remove(db.engine, name, listener)
    assert guard.missing == [], "; ".join(guard.missing)
