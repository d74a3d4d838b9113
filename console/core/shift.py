"""A schedule moved by some minutes, where that can be said exactly."""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from console.core.cron import Times, times
from console.core.errors import Invalid
from console.core.reasons import Reason
from console.core.schedule import Schedule, parse
from console.core.wall import instant, wall_at

DAY = 24 * 60
NO_MANUAL = "a manual job has no time to shift"
NO_INTERVAL = "an interval counts from its last slot; set the next run to move it"
NO_DAYS = "this would cross midnight, and its days can't move along exactly; write the cron anew"
NO_CALENDAR = "this lies outside the calendar"
NO_PATTERN = "this cron can't be shifted exactly; write the cron anew"


def shift(schedule: Schedule, minutes: int) -> Schedule:
    """The schedule whose slots come `minutes` later, or earlier when negative, in a zone without jumps.

    Raises `Invalid` with a sentence when no schedule of the same type says exactly that.
    """
    if schedule.type == "manual":
        raise _cannot(NO_MANUAL)
    if schedule.type == "interval":
        raise _cannot(NO_INTERVAL)
    if schedule.at is not None:
        return _once(schedule.at, minutes)
    if schedule.cron is not None:
        return parse({"type": "cron", "cron": _moved(schedule.cron, minutes)})
    days, minute_of_day = divmod((schedule.hour or 0) * 60 + (schedule.minute or 0) + minutes, DAY)
    hour, minute = divmod(minute_of_day, 60)
    weekday = None if schedule.weekday is None else (schedule.weekday + days) % 7
    return replace(schedule, hour=hour, minute=minute, weekday=weekday)


def _once(at: datetime, minutes: int) -> Schedule:
    try:
        return parse({"type": "once", "at": at + timedelta(minutes=minutes)})
    except OverflowError as error:
        raise _cannot(NO_CALENDAR) from error


def later(at: datetime, zone: ZoneInfo, minutes: int) -> datetime:
    """The instant `minutes` later, or earlier when negative; whole days keep the time on the zone's clock.

    Raises `Invalid` for one outside the calendar.
    """
    span = timedelta(minutes=minutes)
    try:
        return at + span if minutes % DAY else instant(wall_at(at, zone) + span)
    except OverflowError as error:
        raise _cannot(NO_CALENDAR) from error


def _moved(expression: str, minutes: int) -> str:
    """The expression that names each time moved: still some minutes in each of some hours."""
    named = times(expression)
    minute, hour, *days = expression.split()
    moved = [at * 60 + past + minutes for at in named.hours for past in named.minutes]
    days = _moved_days(named, days, {at // DAY for at in moved})
    minute = _written(minute, named.minutes, {at % 60 for at in moved})
    hour = _written(hour, named.hours, {at % DAY // 60 for at in moved})
    found = " ".join((minute, hour, *days))
    same = times(found)
    is_exact = len(same.minutes) * len(same.hours) == len({at % DAY for at in moved})
    # A star in front means elapsed time when clocks jump: it must not get lost.
    if not is_exact or same.is_fixed != named.is_fixed:
        raise _cannot(NO_PATTERN)
    return found


def _moved_days(named: Times, days: list[str], crossed: set[int]) -> list[str]:
    """The last three fields for times that cross midnight so many times; weekdays move along."""
    if crossed == {0} or days == ["*", "*", "*"]:
        return days
    if days[:2] != ["*", "*"] or named.weekdays is None or len(crossed) > 1:
        raise _cannot(NO_DAYS)
    moved = {(weekday + sum(crossed)) % 7 for weekday in named.weekdays}
    return ["*", "*", _written(days[2], named.weekdays, moved)]


def _written(text: str, before: tuple[int, ...], values: set[int]) -> str:
    """A field that names these values: as it stood when they are the same, else a list with ranges."""
    if set(before) == values:
        return text
    runs: list[list[int]] = []
    for value in sorted(values):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)


def _cannot(text: str) -> Invalid:
    sentence = f"{text[0].upper()}{text[1:]}."
    return Invalid(sentence, reason=Reason.INVALID_SCHEDULE, fields={"schedule": [text]})
