"""Numbers and instants as the reports say them; every instant in a zone that the report names."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from math import floor
from zoneinfo import ZoneInfo

from console.core.due import LATE_AFTER
from console.core.states import RunState
from console.plugins.reports.document import Cell, Tone
from console.services.report_views import Capped, JobLine, Period, RunTotals

LONGEST_SENTENCE = 240
TONES = {
    RunState.SUCCEEDED: Tone.GOOD,
    RunState.FAILED: Tone.BAD,
    RunState.UNKNOWN: Tone.BAD,
    RunState.STOPPED: Tone.WARN,
    RunState.MISSED: Tone.WARN,
}
GRACE = f"{int(LATE_AFTER.total_seconds())} s"
"""How long the scheduler may take with a slot or an edit before reports tell of it."""

NONE_OVERDUE = f"No slot has waited for more than {GRACE}."
RUN_NOTES = (
    "A run counts in the period in which it was asked for, with the state that it has now. Dry runs are "
    "left out.",
    "The success rate is that of runs which were executed to an end: succeeded, failed, stopped or unknown.",
    f"Late is what began more than {GRACE} after its slot, or still waits then.",
)


def counted(number: int, noun: str, *, is_capped: bool = False) -> str:
    """`1 run`, `41 runs`, `10000+ jobs`."""
    return f"{number}{'+' if is_capped else ''} {noun}{'' if number == 1 and not is_capped else 's'}"


def first_of(listed: int, total: int, *, is_capped: bool = False) -> str:
    """`first 20 of 131`; nothing when all are listed."""
    return f"first {listed} of {total}{'+' if is_capped else ''}" if listed < total or is_capped else ""


def percent(share: float | None) -> str:
    """`97.5 %`, rounded down, so that 100 % means all; `-` without a share."""
    return "-" if share is None else f"{floor(share * 1000 + 1e-6) / 10:g} %"


def clock(instant: datetime, zone: ZoneInfo, now: datetime) -> str:
    """`Mon 23 Nov 09:15`, with the year when it is not this one."""
    local = instant.astimezone(zone)
    return f"{day(instant, zone, now)} {local:%H:%M}"


def day(instant: datetime, zone: ZoneInfo, now: datetime) -> str:
    """`Mon 23 Nov`, with the year when it is not this one."""
    local = instant.astimezone(zone)
    year = f" {local.year}" if local.year != now.astimezone(zone).year else ""
    return f"{local:%a} {local.day} {local:%b}{year}"


def clocks(instants: Sequence[datetime], zone: ZoneInfo, now: datetime) -> str:
    """`Mon 23 Nov 09:15, 15:15; Tue 24 Nov 03:15`."""
    days = groupby(instants, key=lambda instant: day(instant, zone, now))
    return "; ".join(
        f"{name} {', '.join(f'{instant.astimezone(zone):%H:%M}' for instant in of_day)}"
        for name, of_day in days
    )


def span_of(period: Period, zone: ZoneInfo, now: datetime) -> str:
    return f"{clock(period.since, zone, now)} to {clock(period.until, zone, now)}"


def zone_of(zone: ZoneInfo, now: datetime) -> str:
    """`Asia/Ho_Chi_Minh (UTC+07:00)`."""
    offset = now.astimezone(zone).strftime("%z")
    return f"{zone.key} (UTC{offset[:3]}:{offset[3:]})"


def span(length: timedelta) -> str:
    """`0.02 s`, `41 s`, `2 min 5 s`, `3 h 12 min`, `2 d 4 h`."""
    seconds = max(length.total_seconds(), 0.0)
    if seconds < 59.5:
        return f"{seconds:.{2 if seconds < 1 else 1 if seconds < 10 else 0}f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"


def sentence(text: str | None) -> str:
    """The first line of it, cut where it grows too long for a mail."""
    line = " ".join((text or "").strip().split("\n")[0].split())
    return line if len(line) <= LONGEST_SENTENCE else f"{line[: LONGEST_SENTENCE - 1]}…"


def outcomes(totals: RunTotals) -> str:
    """`38 succeeded, 2 failed, 1 running`."""
    return ", ".join(f"{count} {state}" for state, count in totals.states.items()) or "no runs"


def job_cell(job_id: object, name: str, note: str = "") -> Cell:
    return Cell(sentence(name), note, path=f"/jobs/{job_id}")


def state_cell(state: RunState, note: str = "") -> Cell:
    return Cell(state, note, tone=TONES.get(state, Tone.QUIET))


def listing(jobs: Capped[JobLine]) -> str:
    return first_of(len(jobs.items), jobs.total, is_capped=jobs.is_capped)


def broken(totals: RunTotals) -> int:
    """The runs that failed, and those of which nobody knows."""
    return totals.states.get(RunState.FAILED, 0) + totals.states.get(RunState.UNKNOWN, 0)


def gist(totals: RunTotals) -> str:
    """`41 runs, 2 failed, 1 late`."""
    parts = [counted(totals.runs, "run") if totals.runs else "no runs"]
    if totals.runs:
        parts.append(f"{totals.states.get(RunState.FAILED, 0)} failed")
    for state in (RunState.UNKNOWN, RunState.MISSED):
        if totals.states.get(state):
            parts.append(f"{totals.states[state]} {state}")
    if totals.late:
        parts.append(f"{totals.late} late")
    return ", ".join(parts)


def why(job: JobLine) -> str:
    """The note that a person left, or what the reason says."""
    said = job.status_note or (job.status_reason.text if job.status_reason else job.last_run_note)
    return sentence(said) or "-"
