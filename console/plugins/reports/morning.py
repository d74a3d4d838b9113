"""The morning report: what ran since yesterday and how, and what comes until tomorrow."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from console.core.states import JobStatus, RunState
from console.plugins.reports.document import Cell, Report, Section, Tile, Tone
from console.plugins.reports.words import (
    NONE_OVERDUE,
    RUN_NOTES,
    broken,
    clock,
    clocks,
    counted,
    first_of,
    gist,
    job_cell,
    listing,
    outcomes,
    percent,
    sentence,
    span,
    span_of,
    state_cell,
    why,
    zone_of,
)
from console.services import figures
from console.services.report_views import (
    Capped,
    ComingJob,
    JobLine,
    LateRun,
    LongRun,
    MorningFigures,
    Period,
    ReportFrame,
    RunGroup,
)

TITLE = "Morning report"


def report(org_id: UUID, frame: ReportFrame, *, hours: int, ahead_hours: int, now: datetime) -> Report:
    """The runs of the `hours` before it was asked for, and the slots of the `ahead_hours` from now."""
    zone = ZoneInfo(frame.timezone)
    period = Period(frame.asked_at - timedelta(hours=hours), frame.asked_at)
    until = now + timedelta(hours=ahead_hours)
    found = figures.morning(org_id, period, until=until, now=now)
    return Report(
        title=TITLE,
        gist=gist(found.totals),
        facts=(
            ("Workspace", frame.org_name),
            ("Runs", f"{span_of(period, zone, now)}, the {counted(hours, 'hour')} before it was asked for"),
            ("Outcomes", outcomes(found.totals)),
            ("As of", clock(now, zone, now)),
            ("Times", f"{zone_of(zone, now)}, the zone of this report's job"),
        ),
        tiles=_tiles(found),
        sections=_sections(found, zone, ahead_hours, now),
        notes=RUN_NOTES,
        data=_data(found, period),
    )


def _tiles(found: MorningFigures) -> Sequence[Tile]:
    totals = found.totals
    failed = broken(totals)
    passed = totals.states.get(RunState.SKIPPED, 0) + totals.states.get(RunState.MISSED, 0)
    rate = f"{totals.states.get(RunState.SUCCEEDED, 0)} of {totals.executed} executed"
    return (
        Tile("Runs", str(totals.runs)),
        Tile("Success rate", percent(totals.success_share), rate),
        Tile("Failed or unknown", str(failed), tone=Tone.BAD if failed else Tone.GOOD),
        Tile("Late", str(totals.late), tone=Tone.WARN if totals.late else Tone.GOOD),
        Tile("Skipped or missed", str(passed), tone=Tone.WARN if passed else Tone.GOOD),
    )


def _sections(found: MorningFigures, zone: ZoneInfo, ahead_hours: int, now: datetime) -> Sequence[Section]:
    return (
        _ended("Failed or unknown", found.failures, "Nothing failed.", zone, now),
        _late(found.late, found.totals.late, zone, now),
        _ended("Skipped or missed", found.not_run, "No slot was skipped or missed.", zone, now),
        _longest(found.longest, zone, now),
        _overdue(found.overdue, zone, now),
        _coming(found.coming, zone, ahead_hours, now),
        _at_rest(found.at_rest),
    )


def _ended(title: str, groups: Capped[RunGroup], empty: str, zone: ZoneInfo, now: datetime) -> Section:
    rows = [
        (
            job_cell(group.job_id, group.job_name, sentence(group.last_sentence)),
            state_cell(group.state, group.reason_code or ""),
            Cell(str(group.count)),
            Cell(clock(group.last_at, zone, now), path=f"/runs/{group.last_run_id}"),
        )
        for group in groups.items
    ]
    return Section(title, ("Job", "Outcome", "Times", "Last"), rows, empty, first_of(len(rows), groups.total))


def _late(late: Sequence[LateRun], total: int, zone: ZoneInfo, now: datetime) -> Section:
    rows = [
        (
            Cell(sentence(run.job_name), path=f"/runs/{run.run_id}"),
            Cell(clock(run.slot, zone, now)),
            Cell(span(run.lateness), tone=Tone.WARN),
            state_cell(run.state),
        )
        for run in late
    ]
    heads = ("Job", "Due", "Late by", "State")
    return Section("Late", heads, rows, "Every run began on time.", first_of(len(rows), total))


def _longest(longest: Sequence[LongRun], zone: ZoneInfo, now: datetime) -> Section:
    rows = [
        (
            Cell(sentence(run.job_name), path=f"/runs/{run.run_id}"),
            Cell(clock(run.started_at, zone, now)),
            Cell(span(run.duration)),
            state_cell(run.state),
        )
        for run in longest
    ]
    return Section("Longest runs", ("Job", "Started", "Took", "State"), rows, "No run was executed.")


def _overdue(jobs: Capped[JobLine], zone: ZoneInfo, now: datetime) -> Section:
    """What came due and was not decided; apart from what comes, for its time is past."""
    rows = [
        (job_cell(job.id, job.name), Cell(clock(job.next_run_at, zone, now), tone=Tone.WARN))
        for job in jobs.items
        if job.next_run_at is not None
    ]
    return Section("Overdue", ("Job", "Due"), rows, NONE_OVERDUE, listing(jobs))


def _coming(jobs: Capped[ComingJob], zone: ZoneInfo, ahead_hours: int, now: datetime) -> Section:
    rows = [(job_cell(job.job_id, job.name, job.schedule_text), _slots(job, zone, now)) for job in jobs.items]
    title = f"Coming in the next {counted(ahead_hours, 'hour')}"
    note = first_of(len(rows), jobs.total, is_capped=jobs.is_capped)
    return Section(title, ("Job", "When"), rows, "Nothing is due.", note)


def _slots(job: ComingJob, zone: ZoneInfo, now: datetime) -> Cell:
    more = f"and {'at least ' if job.is_capped else ''}{job.more} more" if job.more else ""
    return Cell(clocks(job.slots, zone, now), more)


def _at_rest(jobs: Capped[JobLine]) -> Section:
    rows = [(job_cell(job.id, job.name), _status(job), Cell(why(job))) for job in jobs.items]
    heads = ("Job", "Status", "Why")
    return Section("Blocked or paused", heads, rows, "No job is blocked or paused.", listing(jobs))


def _status(job: JobLine) -> Cell:
    return Cell(job.status, tone=Tone.BAD if job.status is JobStatus.BLOCKED else Tone.WARN)


def _data(found: MorningFigures, period: Period) -> dict[str, object]:
    totals = found.totals
    return {
        "runs": totals.runs,
        "states": {state.value: count for state, count in totals.states.items()},
        "success_rate": totals.success_share,
        "late": totals.late,
        "overdue_jobs": found.overdue.total,
        "coming_jobs": found.coming.total,
        "jobs_at_rest": found.at_rest.total,
        "period": {"from": period.since.isoformat(), "to": period.until.isoformat()},
    }
