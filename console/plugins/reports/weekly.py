"""The weekly summary: some days against as many days before, by job, by day and by person."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from console.plugins.reports.document import Cell, Report, Section, Tile, Tone
from console.plugins.reports.words import (
    RUN_NOTES,
    broken,
    clock,
    counted,
    day,
    first_of,
    gist,
    job_cell,
    outcomes,
    percent,
    span,
    span_of,
    zone_of,
)
from console.services import figures
from console.services.report_views import (
    Capped,
    DayFigures,
    JobFigures,
    Period,
    PersonChanges,
    ReportFrame,
    RunTotals,
    WeekFigures,
)

TITLE = "Weekly summary"


def report(org_id: UUID, frame: ReportFrame, *, days: int, now: datetime) -> Report:
    """The runs of the `days` before it was asked for, beside those of as many days before them."""
    zone = ZoneInfo(frame.timezone)
    period = Period(days_before(frame.asked_at, days, zone), frame.asked_at)
    before = Period(days_before(frame.asked_at, 2 * days, zone), period.since)
    found = figures.week(org_id, period, before, zone, now=now)
    return Report(
        title=TITLE,
        gist=_gist(found),
        facts=(
            ("Workspace", frame.org_name),
            ("Runs", f"{span_of(period, zone, now)}, the {counted(days, 'day')} before it was asked for"),
            ("Outcomes", outcomes(found.totals)),
            ("Compared", f"{span_of(before, zone, now)}, the {counted(days, 'day')} before that"),
            ("As of", clock(now, zone, now)),
            ("Times", f"{zone_of(zone, now)}, the zone of this report's job"),
        ),
        tiles=_tiles(found.totals, found.before),
        sections=_sections(found, zone, now),
        notes=(*RUN_NOTES, *_young(frame, before, zone, now)),
        data=_data(found, period, before),
    )


def days_before(instant: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The same time of day so many days earlier, also across a change to daylight saving."""
    local = instant.astimezone(zone).replace(tzinfo=None) - timedelta(days=days)
    return local.replace(tzinfo=zone).astimezone(instant.tzinfo)


def _young(frame: ReportFrame, before: Period, zone: ZoneInfo, now: datetime) -> Sequence[str]:
    if frame.org_since <= before.since:
        return ()
    since = clock(frame.org_since, zone, now)
    return (f"This workspace exists since {since}: there is less to compare with than the period says.",)


def _gist(found: WeekFigures) -> str:
    rate = found.totals.success_share
    return gist(found.totals) + (f", success rate {percent(rate)}" if rate is not None else "")


def _tiles(now: RunTotals, before: RunTotals) -> Sequence[Tile]:
    failed, failed_before = broken(now), broken(before)
    return (
        Tile("Runs", str(now.runs), _before(now.runs, before.runs)),
        Tile("Success rate", percent(now.success_share), f"was {percent(before.success_share)}"),
        Tile("Failed or unknown", str(failed), _before(failed, failed_before), _tone(failed, Tone.BAD)),
        Tile("Late", str(now.late), _before(now.late, before.late), _tone(now.late, Tone.WARN)),
        Tile("Tried again", str(now.retried), _before(now.retried, before.retried)),
    )


def _before(now: int, before: int) -> str:
    """`was 38 (+3)`."""
    return f"was {before} ({now - before:+d})" if now != before else f"was {before}"


def _tone(number: int, tone: Tone) -> Tone:
    return tone if number else Tone.GOOD


def _sections(found: WeekFigures, zone: ZoneInfo, now: datetime) -> Sequence[Section]:
    return (
        _days(found.days, zone, now),
        _jobs(found.jobs, found.before_by_job),
        _top("Flakiest jobs", "Failed or tried again", found.flakiest, _trouble, "No job gave trouble."),
        _top("Slowest jobs", "Takes on average", found.slowest, _slow, "No run was executed."),
        _top("Most late", "Latest start", found.latest, _latest, "Every run began on time."),
        _changes(found.changes),
    )


def _days(days: Sequence[DayFigures], zone: ZoneInfo, now: datetime) -> Section:
    rows = [
        (
            Cell(day(item.period.since, zone, now), _part(item.period, zone)),
            Cell(str(item.totals.runs)),
            Cell(percent(item.totals.success_share)),
            _number(broken(item.totals), Tone.BAD),
            _number(item.totals.late, Tone.WARN),
        )
        for item in days
    ]
    return Section("By day", ("Day", "Runs", "Success rate", "Failed", "Late"), rows)


def _part(period: Period, zone: ZoneInfo) -> str:
    """Which part of its day a line covers; nothing for the whole day."""
    since, until = period.since.astimezone(zone), period.until.astimezone(zone)
    begins = f"from {since:%H:%M}" if (since.hour, since.minute) != (0, 0) else ""
    ends = f"until {until:%H:%M}" if (until.hour, until.minute) != (0, 0) else ""
    return " ".join(filter(None, (begins, ends)))


def _number(number: int, tone: Tone) -> Cell:
    return Cell(str(number), tone=tone if number else Tone.QUIET)


def _jobs(jobs: Capped[JobFigures], before: Mapping[UUID, JobFigures]) -> Section:
    rows = [
        (
            job_cell(job.job_id, job.name),
            Cell(str(job.runs), _before(job.runs, before[job.job_id].runs if job.job_id in before else 0)),
            Cell(percent(_share(job)), f"was {percent(_share(before.get(job.job_id)))}"),
            _number(job.failed, Tone.BAD),
            _number(job.late, Tone.WARN),
        )
        for job in jobs.items
    ]
    heads = ("Job", "Runs", "Success rate", "Failed", "Late")
    return Section("By job", heads, rows, "No job ran.", first_of(len(rows), jobs.total))


def _share(job: JobFigures | None) -> float | None:
    return job.succeeded / job.executed if job is not None and job.executed else None


def _top(
    title: str, head: str, jobs: Sequence[JobFigures], say: Callable[[JobFigures], Cell], empty: str
) -> Section:
    rows = [(job_cell(job.job_id, job.name), say(job)) for job in jobs]
    return Section(title, ("Job", head), rows, empty)


def _trouble(job: JobFigures) -> Cell:
    share = percent(job.troubled / job.executed)
    return Cell(f"{job.troubled} of {job.executed} ({share})", f"{job.failed} failed", tone=Tone.BAD)


def _slow(job: JobFigures) -> Cell:
    longest = f"longest {span(job.longest_duration)}" if job.longest_duration is not None else ""
    return Cell(span(job.mean_duration or timedelta(0)), longest)


def _latest(job: JobFigures) -> Cell:
    worst = span(job.worst_lateness or timedelta(0))
    return Cell(f"{worst} after its slot", f"{job.late} of {counted(job.runs, 'run')} late", tone=Tone.WARN)


def _changes(changes: Capped[PersonChanges]) -> Section:
    rows = [
        (Cell(item.person), Cell(str(item.created)), Cell(str(item.changed)), Cell(str(item.jobs)))
        for item in changes.items
    ]
    heads = ("Who", "Jobs made", "Changes", "Jobs touched")
    note = first_of(len(rows), changes.total)
    return Section("Changes to jobs", heads, rows, "Nobody made or changed a job.", note)


def _data(found: WeekFigures, period: Period, before: Period) -> dict[str, object]:
    return {
        **_period_data(found.totals, period),
        "before": _period_data(found.before, before),
        "jobs": found.jobs.total,
        "changes": {item.person: item.created + item.changed for item in found.changes.items},
    }


def _period_data(totals: RunTotals, period: Period) -> dict[str, object]:
    return {
        "runs": totals.runs,
        "states": {state.value: count for state, count in totals.states.items()},
        "success_rate": totals.success_share,
        "late": totals.late,
        "retried": totals.retried,
        "period": {"from": period.since.isoformat(), "to": period.until.isoformat()},
    }
