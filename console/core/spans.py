"""Spans and instants in the sentences that are kept; pages have words of their own for what changes."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def span_text(span: timedelta) -> str:
    """The two largest units that it has: `37.4 s`, `2 min 5 s`, `3 h 10 min`, `6 h`, `2 d 1 h`."""
    seconds = max(span.total_seconds(), 0.0)
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    largest = next(index for index, (_, size) in enumerate(UNITS) if seconds >= size)
    parts, left = [], int(seconds)
    for unit, size in UNITS[largest : largest + 2]:
        count, left = divmod(left, size)
        parts.append(f"{count} {unit}" if count else "")
    return " ".join(filter(None, parts))


def instant_text(instant: datetime, zone: ZoneInfo) -> str:
    """`2030-01-02 13:00:00 (Europe/Berlin)`."""
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M:%S} ({zone.key})"
