"""Figures over runs and jobs for reports; each report reads one snapshot, so that its numbers agree.

A run belongs to the period in which it was asked for, and stands there as it stands now. Dry runs are
left out everywhere.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from console.core.reasons import Reason
from console.core.states import JobStatus, RunState
from console.db.jobs import Job, JobRevision
from console.db.runs import Run
from console.db.session import db
from console.services.job_lists import LISTED, coming, job_lines, overdue
from console.services.report_frames import snapshot
from console.services.report_views import (
    EXECUTED,
    Capped,
    DayFigures,
    JobFigures,
    LateRun,
    LongRun,
    MorningFigures,
    Period,
    PersonChanges,
    RunGroup,
    RunTotals,
    WeekFigures,
)
from console.services.run_measures import (
    BROKEN,
    asked,
    day_bounds,
    day_of,
    is_executed,
    is_late,
    is_troubled,
    lateness,
    took,
)

TOP = 5
NOT_RUN = (RunState.SKIPPED, RunState.MISSED)


def morning(org_id: UUID, period: Period, *, until: datetime, now: datetime) -> MorningFigures:
    """The runs of a period, and what comes due after `now` and before `until`."""
    with snapshot():
        return MorningFigures(
            totals=_totals(org_id, period, now),
            failures=_groups(org_id, period, BROKEN),
            late=_late(org_id, period, now),
            not_run=_groups(org_id, period, NOT_RUN),
            longest=_longest(org_id, period),
            overdue=overdue(org_id, now),
            coming=coming(org_id, until, now),
            at_rest=job_lines(org_id, Job.status.in_((JobStatus.BLOCKED, JobStatus.PAUSED)), by=Job.status),
        )


def week(org_id: UUID, period: Period, before: Period, zone: ZoneInfo, *, now: datetime) -> WeekFigures:
    """The runs of a period by job and by day of the zone, beside the period before it."""
    with snapshot():
        jobs, flakiest, slowest, latest = _by_job(org_id, period, now)
        shown = {job.job_id for job in (*jobs.items, *flakiest, *slowest, *latest)}
        return WeekFigures(
            totals=_totals(org_id, period, now),
            before=_totals(org_id, before, now),
            days=_days(org_id, period, zone, now),
            jobs=jobs,
            before_by_job=_of_jobs(org_id, before, shown, now),
            flakiest=flakiest,
            slowest=slowest,
            latest=latest,
            changes=_changes(org_id, period),
        )


# Runs ------------------------------------------------------------------------------------------


def _totals(org_id: UUID, period: Period, now: datetime) -> RunTotals:
    late = func.count().filter(is_late(now))
    query = select(Run.state, func.count(), late, func.count().filter(Run.attempt > 1))
    rows = db.session.execute(query.where(*asked(org_id, period)).group_by(Run.state)).all()
    states = {RunState(row[0]): row[1] for row in rows}
    ordered = {state: states[state] for state in RunState if state in states}
    return RunTotals(ordered, sum(row[2] for row in rows), sum(row[3] for row in rows))


def _groups(org_id: UUID, period: Period, states: Sequence[RunState]) -> Capped[RunGroup]:
    """The runs in these states by job, state and reason: the most frequent ones first."""
    ids = func.array_agg(aggregate_order_by(Run.id, Run.requested_at.desc()), type_=ARRAY(Run.id.type))
    by = (Run.job_id, Job.name, Run.state, Run.reason_code)
    counted = (func.count().label("runs"), func.max(Run.requested_at).label("last_at"))
    query = select(*by, *counted, ids[1].label("last_run_id"), func.count().over().label("groups"))
    query = query.join(Job, Job.id == Run.job_id).where(*asked(org_id, period), Run.state.in_(states))
    query = query.group_by(*by).order_by(text("runs DESC"), text("last_at DESC"), Job.name, Run.job_id)
    rows: Sequence[Any] = db.session.execute(query.limit(LISTED)).all()
    sentences = _sentences([row.last_run_id for row in rows])
    groups = [_group(row, sentences[row.last_run_id]) for row in rows]
    return Capped(groups, rows[0].groups if rows else 0)


def _sentences(run_ids: Sequence[UUID]) -> dict[UUID, str | None]:
    """Asked for by themselves: a group may have many runs, and each reason may be long."""
    return {
        row[0]: row[1] for row in db.session.execute(select(Run.id, Run.reason).where(Run.id.in_(run_ids)))
    }


def _group(row: Any, sentence: str | None) -> RunGroup:
    return RunGroup(
        job_id=row.job_id,
        job_name=row.name,
        state=RunState(row.state),
        reason_code=Reason(row.reason_code) if row.reason_code else None,
        count=row.runs,
        last_run_id=row.last_run_id,
        last_at=row.last_at,
        last_sentence=sentence,
    )


def _late(org_id: UUID, period: Period, now: datetime) -> list[LateRun]:
    late_by = lateness(now).label("late_by")
    query = select(Run.id, Job.name, Run.state, Run.slot, late_by).join(Job, Job.id == Run.job_id)
    query = query.where(*asked(org_id, period), is_late(now))
    rows: Sequence[Any] = db.session.execute(query.order_by(late_by.desc(), Run.id).limit(LISTED)).all()
    return [LateRun(row[0], row[1], RunState(row[2]), row[3], row[4]) for row in rows]


def _longest(org_id: UUID, period: Period) -> list[LongRun]:
    length = took().label("took")
    query = select(Run.id, Job.name, Run.state, Run.started_at, length).join(Job, Job.id == Run.job_id)
    query = query.where(*asked(org_id, period), Run.state.in_(EXECUTED), length.is_not(None))
    rows: Sequence[Any] = db.session.execute(query.order_by(length.desc(), Run.id).limit(TOP)).all()
    return [LongRun(row[0], row[1], RunState(row[2]), row[3], row[4]) for row in rows]


# By job and by day -----------------------------------------------------------------------------


def _measures(now: datetime) -> list[ColumnElement[Any]]:
    """What `JobFigures` says of a job's runs, in its order."""
    return [
        func.count().label("runs"),
        func.count().filter(is_executed()).label("executed"),
        func.count().filter(Run.state == RunState.SUCCEEDED).label("succeeded"),
        func.count().filter(Run.state.in_(BROKEN)).label("failed"),
        func.count().filter(is_troubled()).label("troubled"),
        func.count().filter(is_late(now)).label("late"),
        func.max(lateness(now)).filter(is_late(now)).label("worst_lateness"),
        func.avg(took()).filter(is_executed()).label("mean_duration"),
        func.max(took()).filter(is_executed()).label("longest_duration"),
    ]


Lists = tuple[Capped[JobFigures], list[JobFigures], list[JobFigures], list[JobFigures]]


def _by_job(org_id: UUID, period: Period, now: datetime) -> Lists:
    """The busiest jobs, the flakiest, the slowest and the latest, out of one pass over the period."""
    per_job = select(Run.job_id, *_measures(now)).where(*asked(org_id, period)).group_by(Run.job_id)
    seen = per_job.cte("seen")
    share = seen.c.troubled * 1.0 / func.nullif(seen.c.executed, 0)
    orders: dict[str, Sequence[ColumnElement[Any]]] = {
        "busiest": (seen.c.runs.desc(),),
        "flakiest": (share.desc().nulls_last(), seen.c.troubled.desc()),
        "slowest": (seen.c.mean_duration.desc().nulls_last(),),
        "latest": (seen.c.worst_lateness.desc().nulls_last(),),
    }
    ranks = [
        func.row_number().over(order_by=[*order, seen.c.job_id]).label(name) for name, order in orders.items()
    ]
    ranked = select(seen, func.count().over().label("jobs"), *ranks).cte("ranked")
    is_top = or_(ranked.c.busiest <= LISTED, *(ranked.c[name] <= TOP for name in orders))
    rows = db.session.execute(select(ranked).where(is_top)).all()
    names = _names([row.job_id for row in rows])
    return (
        Capped(_top(rows, names, "busiest", LISTED), rows[0].jobs if rows else 0),
        [job for job in _top(rows, names, "flakiest", TOP) if job.troubled],
        [job for job in _top(rows, names, "slowest", TOP) if job.mean_duration is not None],
        [job for job in _top(rows, names, "latest", TOP) if job.late],
    )


def _names(job_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Asked for by themselves: Postgres can't know how few jobs a ranking leaves, and would join them all."""
    return {row[0]: row[1] for row in db.session.execute(select(Job.id, Job.name).where(Job.id.in_(job_ids)))}


def _top(rows: Sequence[Any], names: Mapping[UUID, str], rank: str, limit: int) -> list[JobFigures]:
    ranked = sorted(rows, key=lambda row: int(getattr(row, rank)))
    return [_job_figures(row, names[row.job_id]) for row in ranked if getattr(row, rank) <= limit]


def _job_figures(row: Any, name: str) -> JobFigures:
    return JobFigures(
        job_id=row.job_id,
        name=name,
        runs=row.runs,
        executed=row.executed,
        succeeded=row.succeeded,
        failed=row.failed,
        troubled=row.troubled,
        late=row.late,
        worst_lateness=row.worst_lateness,
        mean_duration=row.mean_duration,
        longest_duration=row.longest_duration,
    )


def _of_jobs(org_id: UUID, period: Period, job_ids: set[UUID], now: datetime) -> dict[UUID, JobFigures]:
    """The figures of some jobs in another period: one range of `ix_runs_job` for each."""
    query = select(Run.job_id, Job.name, *_measures(now)).join(Job, Job.id == Run.job_id)
    query = query.where(*asked(org_id, period), Run.job_id.in_(job_ids)).group_by(Run.job_id, Job.name)
    return {row.job_id: _job_figures(row, row.name) for row in db.session.execute(query)}


def _days(org_id: UUID, period: Period, zone: ZoneInfo, now: datetime) -> list[DayFigures]:
    """One line for each calendar day that the period touches, those without a run included."""
    bounds = day_bounds(period, zone)
    day = day_of(bounds).label("day")
    late, retried = func.count().filter(is_late(now)), func.count().filter(Run.attempt > 1)
    query = select(day, Run.state, func.count(), late, retried).where(*asked(org_id, period))
    rows = db.session.execute(query.group_by(day, Run.state)).all()
    return [
        DayFigures(Period(*pair), _day_totals([row for row in rows if row[0] == number]))
        for number, pair in enumerate(pairwise(bounds), start=1)
    ]


def _day_totals(rows: Sequence[Any]) -> RunTotals:
    states = {RunState(row[1]): int(row[2]) for row in rows}
    return RunTotals(states, sum(row[3] for row in rows), sum(row[4] for row in rows))


def _changes(org_id: UUID, period: Period) -> Capped[PersonChanges]:
    """Who made and changed jobs, the busiest first."""
    created = func.count().filter(JobRevision.revision == 1)
    query = select(
        JobRevision.actor,
        created,
        func.count() - created,
        func.count(JobRevision.job_id.distinct()),
        func.count().over(),
    )
    query = query.where(
        JobRevision.org_id == org_id,
        JobRevision.created_at >= period.since,
        JobRevision.created_at < period.until,
    )
    query = query.group_by(JobRevision.actor).order_by(func.count().desc(), JobRevision.actor)
    rows = db.session.execute(query.limit(LISTED)).all()
    return Capped([PersonChanges(*row[:4]) for row in rows], rows[0][4] if rows else 0)
