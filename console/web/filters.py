"""Time in words for the templates: relative, on the clock of the org's zone, and exact."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask
from flask_login import current_user
from markupsafe import Markup, escape

from console.core.permissions import Permission, why_not
from console.core.registry import registry
from console.core.spans import span_text
from console.services import outbox
from console.web.identity import moment, zone
from console.web.pulse import heartbeat

FAR = timedelta(hours=18)
LATE = timedelta(seconds=60)
MINUTE = 60
HOUR = 3600
JOINTS = re.compile(r"(?<=_)(?!_)|(?=@)")
PATH_JOINTS = re.compile(r"(?<=_)(?!_)|(?<=\.)")


def relative(instant: datetime, now: datetime, zone: ZoneInfo) -> str:
    """`in 4 min`, `2 h 5 min ago`, `tomorrow`, `Mon`, `28 Nov`. The browser's script has the same words."""
    gap = instant - now
    if abs(gap) < FAR or instant.astimezone(zone).date() == now.astimezone(zone).date():
        return _near(gap.total_seconds())
    return _far(instant.astimezone(zone), now.astimezone(zone))


def _near(seconds: float) -> str:
    if -5 < seconds < 1:
        return "just now" if seconds < 0 else "now"
    said = span(abs(seconds))
    return f"in {said}" if seconds > 0 else f"{said} ago"


def span(seconds: float, *, ticks: bool = False) -> str:
    """`41 s`, `9 min`, `1 h 59 min`, `11 h`, `2 d 3 h`: short in a row, and never half an hour off.

    With `ticks` it also has the seconds of the first ten minutes: `4 min 5 s`.
    """
    whole = int(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return (
            _two(whole, MINUTE, "min", 1, "s") if ticks and whole < 10 * MINUTE else f"{whole // MINUTE} min"
        )
    if whole < 10 * HOUR:
        return _two(whole, HOUR, "h", MINUTE, "min")
    hours = (whole + HOUR // 2) // HOUR
    return f"{hours} h" if hours < 48 else _two(hours, 24, "d", 1, "h")


def _two(count: int, large: int, unit: str, small: int, lesser: str) -> str:
    """A count in two units; of the lesser one only what there is."""
    rest = count % large // small
    return f"{count // large} {unit} {rest} {lesser}" if rest else f"{count // large} {unit}"


def _far(local: datetime, now: datetime) -> str:
    days = (local.date() - now.date()).days
    if abs(days) == 1:
        return "tomorrow" if days > 0 else "yesterday"
    if 1 < days < 7:
        return local.strftime("%a")
    if -7 < days < -1:
        return f"{-days} days ago"
    return _date(local, now)


def _date(local: datetime, now: datetime) -> str:
    year = f" {local.year}" if local.year != now.year else ""
    return f"{local.day} {local:%b}{year}"


def due(instant: datetime, now: datetime, zone: ZoneInfo) -> str:
    """As `relative` for what is to come; what should have happened is `due now`, then `4 min late`."""
    gap = now - instant
    if gap <= timedelta(0):
        return relative(instant, now, zone)
    return "due now" if gap < LATE else f"{span(gap.total_seconds())} late"


def clock(instant: datetime, now: datetime, zone: ZoneInfo) -> str:
    """`Today 14:06` or `Sun 22 Nov 10:00`, in the org's zone."""
    local, today = instant.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"Today {local:%H:%M}"
    return f"{local:%a} {_date(local, today)} {local:%H:%M}"


def exact(instant: datetime, zone: ZoneInfo) -> str:
    """Everything that is known of an instant, with its zone."""
    local = instant.astimezone(zone)
    offset = local.strftime("%z")
    date = f"{local:%A} {local.day} {local:%B} {local.year}"
    time = f"{local:%H:%M:%S}.{local.microsecond // 1000:03}"
    return f"{date}, {time} ({zone.key}, UTC{offset[:3]}:{offset[3:]})"


def stamp(instant: datetime, zone: ZoneInfo) -> str:
    """`14:02:08.1`, in the org's zone."""
    local = instant.astimezone(zone)
    return f"{local:%H:%M:%S}.{local.microsecond // 100_000}"


def duration(span: timedelta | float) -> str:
    """`0.02 s`, `1.4 s`, `41 s`, `2 min 5 s`, `3 h 12 min`; never less than 0."""
    seconds = max(span.total_seconds() if isinstance(span, timedelta) else span, 0)
    if seconds < 60:
        digits = 2 if seconds < 1 else 1 if seconds < 10 else 0
        return f"{seconds:.{digits}f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def elapsed(since: datetime, now: datetime) -> str:
    """How long it has been going on, with its seconds at first: `2 s`, `4 min 5 s`, `12 min`."""
    return span(max((now - since).total_seconds(), 0), ticks=True)


def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def trail_value(value: Any) -> str:
    """A value of an entry on one line: texts as they are, all else as JSON, a dash for nothing."""
    if value is None or value == "":
        return "\u2013"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def breakable(text: str) -> Markup:
    """A key or dotted path that may break behind its _ and dots; a mail address, before its @ instead."""
    joints = JOINTS if "@" in text else PATH_JOINTS
    return Markup("<wbr>").join(escape(part) for part in joints.split(text))


def register(app: Flask) -> None:
    """Binds the filters to the request's instant and zone."""
    app.add_template_filter(lambda instant: relative(instant, moment(), zone()), "relative")
    app.add_template_filter(lambda instant: due(instant, moment(), zone()), "due")
    app.add_template_filter(lambda instant: clock(instant, moment(), zone()), "clock")
    app.add_template_filter(lambda instant: exact(instant, zone()), "exact")
    app.add_template_filter(lambda instant: stamp(instant, zone()), "stamp")
    app.add_template_filter(lambda instant: elapsed(instant, moment()), "elapsed")
    app.add_template_filter(lambda instant: instant.astimezone(UTC).isoformat(), "iso")
    app.add_template_filter(duration, "duration")
    app.add_template_filter(lambda seconds: span_text(timedelta(seconds=seconds)), "span")
    app.add_template_filter(pretty, "pretty")
    app.add_template_filter(trail_value, "trail_value")
    app.add_template_filter(breakable, "breakable")
    app.context_processor(_context)


def _context() -> dict[str, Any]:
    return {
        "current_user": current_user,
        "heartbeat": heartbeat,
        "moment": moment,
        "plugin_nav": registry.nav,
        "has_outbox": outbox.is_embedded,
        "may": lambda name: current_user.actor.may(Permission(name)),
        "why_not": lambda name: why_not(current_user.actor.role, Permission(name)),
    }
