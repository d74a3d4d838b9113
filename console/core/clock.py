"""The only place that reads the clock; loops and edges call it, logic is handed the result."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The current instant, aware, in UTC, with microseconds."""
    return datetime.now(UTC)
