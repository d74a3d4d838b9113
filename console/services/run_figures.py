"""Figures over the runs of some days: how they ended, how long they took and how late they began."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Float,
    Select,
    Subquery,
    TableValuedAlias,
    and_,
    cast,
    func,
    literal,
    or_,
    select,
    true,
)

from console.core.actor import Actor
from console.core.states import RunState
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db, reading
from console.services import run_filters
from console.services.report_views import EXECUTED, Period
from console.services.run_measures import (
    asked,
    day_bounds,
    is_executed,
    is_troubled,
    lateness,
    percentiles,
    seconds,
    took,
)
from console.services.run_views import RunFilter

TOP = 5
ENOUGH = 3
"""Of a job with fewer runs there is nothing to say."""
SHARES = (0.5, 0.95)


@dataclass(frozen=True)
class Spread:
    """Of `count` values in seconds: half are at most `p50`, 95 of 100 at most `p95`."""

    count: int
    p50: float
    p95: float


@dataclass(frozen=True)
class Day:
    """The runs that were asked for on one day of the org's zone, by the state that they have now.

    `duration` is that of runs which were executed to an end, `lateness` that of those with a slot which
    began; None without one. Dry runs are left out.
    """

    period: Period
    states: dict[RunState, int]
    duration: Spread | None
    lateness: Spread | None

    @property
    def runs(self) -> int:
        return sum(self.states.values())

    @property
    def executed(self) -> int:
        return sum(self.states.get(state, 0) for state in EXECUTED)


@dataclass(frozen=True)
class JobRuns:
    """The runs of one job: how many were executed, the share that had trouble, and how long they took.

    `turns` is how often a run ended otherwise than the one before it.
    """

    job_id: UUID
    name: str
    executed: int
    troubled: int
    turns: int
    duration: Spread

    @property
    def share(self) -> float:
        return self.troubled / self.executed


@dataclass(frozen=True)
class RunFigures:
    """The days in their order, the slowest jobs by p95, and the flakiest by the share of trouble."""

    period: Period
    days: Sequence[Day]
    slowest: Sequence[JobRuns]
    flakiest: Sequence[JobRuns]
    as_of: datetime

    @property
    def states(self) -> dict[RunState, int]:
        """All days together."""
        found = {state: sum(day.states.get(state, 0) for day in self.days) for state in RunState}
        return {state: count for state, count in found.items() if count}

    @property
    def runs(self) -> int:
        return sum(self.states.values())

    @property
    def executed(self) -> int:
        return sum(self.states.get(state, 0) for state in EXECUTED)

    @property
    def success_share(self) -> float | None:
        """Succeeded among executed runs, 0 to 1; None when none was executed."""
        return self.states.get(RunState.SUCCEEDED, 0) / self.executed if self.executed else None


def last_days(count: int, zone: ZoneInfo, now: datetime) -> Period:
    """The last `count` days of the zone up to now, today among them."""
    first = now.astimezone(zone).date() - timedelta(days=count - 1)
    return Period(datetime.combine(first, time.min, zone), now)


def figures(actor: Actor, wanted: RunFilter, period: Period, *, now: datetime) -> RunFigures:
    """The figures of the period for the runs that are meant, whatever `wanted` says of state and dates."""
    with reading():
        meant = _meant(actor, wanted, period)
        slowest, flakiest = _top(meant)
        days = _days(meant, period, ZoneInfo(actor.zone), now)
        return RunFigures(period, days, slowest, flakiest, as_of=now)


def _meant(actor: Actor, wanted: RunFilter, period: Period) -> list[ColumnElement[bool]]:
    held = list(asked(actor.org_id, period))
    if wanted.job_id:
        held.append(Run.job_id == wanted.job_id)
    if wanted.trigger:
        held.append(Run.trigger == wanted.trigger)
    conditions = run_filters.of_jobs(wanted)
    if conditions:
        few = run_filters.few_jobs(actor, conditions)
        many: Select[UUID] = select(Job.id).where(Job.org_id == actor.org_id, *conditions)
        held.append(Run.job_id.in_(many if few is None else few))
    return held


def _spread(value: ColumnElement[Any], condition: ColumnElement[bool]) -> list[ColumnElement[Any]]:
    return [func.count(value).filter(condition), percentiles(seconds(value), *SHARES).filter(condition)]


def _days(meant: Sequence[ColumnElement[bool]], period: Period, zone: ZoneInfo, now: datetime) -> list[Day]:
    """One range of `ix_runs_recent` for each day, so that none but the values of a day is sorted."""
    bounds = day_bounds(period, zone)
    day = _pairs(bounds)
    late = func.greatest(lateness(now), literal(timedelta(0)))
    began = Run.started_at.is_not(None) & Run.slot.is_not(None)
    counts = [func.count().filter(Run.state == state) for state in RunState]
    of_day = select(*counts, *_spread(took(), is_executed()), *_spread(late, began))
    of_day = of_day.where(*meant, Run.requested_at >= day.c.since, Run.requested_at < day.c.until)
    each = of_day.lateral()
    query = select(each).select_from(day.join(each, true())).order_by(day.c.number)
    rows = db.session.execute(query).all()
    return [_day(Period(*pair), row) for pair, row in zip(pairwise(bounds), rows, strict=True)]


def _pairs(bounds: Sequence[datetime]) -> TableValuedAlias:
    """The days between the bounds as rows: `since`, `until` and their number."""
    instants = ARRAY(DateTime(timezone=True))
    begins, ends = cast(list(bounds[:-1]), instants), cast(list(bounds[1:]), instants)
    return func.unnest(begins, ends).table_valued("since", "until", with_ordinality="number").render_derived()


def _day(period: Period, row: Any) -> Day:
    count = len(RunState)
    states = {state: row[place] for place, state in enumerate(RunState) if row[place]}
    return Day(period, states, _read(*row[count : count + 2]), _read(*row[count + 2 : count + 4]))


def _read(count: int, values: Sequence[float] | None) -> Spread | None:
    return Spread(count, values[0], values[1]) if count and values else None


def _top(meant: Sequence[ColumnElement[bool]]) -> tuple[list[JobRuns], list[JobRuns]]:
    """The slowest jobs and the flakiest ones, out of one pass over the period."""
    seen = _by_job(meant)
    share = seen.c.troubled * 1.0 / seen.c.executed
    slow = func.row_number().over(order_by=(seen.c.p95.desc(), seen.c.job_id))
    flaky = func.row_number().over(order_by=(share.desc(), seen.c.troubled.desc(), seen.c.job_id))
    ranked = select(seen, slow.label("slow"), flaky.label("flaky")).subquery()
    is_flaky = and_(ranked.c.flaky <= TOP, ranked.c.troubled > 0)
    query = select(ranked.c.job_id, ranked.c.slow <= TOP, is_flaky)
    rows = db.session.execute(query.where(or_(ranked.c.slow <= TOP, is_flaky))).all()
    found = {job.job_id: job for job in _of_jobs(meant, [row[0] for row in rows])}
    slowest, flakiest = ([found[row[0]] for row in rows if row[at] and row[0] in found] for at in (1, 2))
    return (
        sorted(slowest, key=lambda job: (-job.duration.p95, job.job_id)),
        sorted(flakiest, key=lambda job: (-job.share, -job.troubled, job.job_id)),
    )


def _by_job(meant: Sequence[ColumnElement[bool]]) -> Subquery:
    """Of each job with enough runs: `executed`, `troubled` and `p95`.

    The values are collected as they come and sorted job by job: a percentile as an aggregate of its own would
    have Postgres sort all runs by job first, and on one core.
    """
    lasted = func.array_agg(seconds(took()), type_=ARRAY(Float)).label("took")
    counts = (func.count().label("executed"), func.count().filter(is_troubled()).label("troubled"))
    collected = select(Run.job_id, *counts, lasted).where(*meant, *_ran()).group_by(Run.job_id)
    job = collected.having(func.count() >= ENOUGH).subquery()
    value: ColumnElement[float] = func.unnest(job.c.took).column_valued("value")
    p95 = select(func.percentile_cont(SHARES[-1]).within_group(value)).scalar_subquery().label("p95")
    return select(job.c.job_id, job.c.executed, job.c.troubled, p95).subquery()


def _ran() -> tuple[ColumnElement[bool], ...]:
    """What holds of a run that took its time: one that was stopped in the queue never began."""
    return is_executed(), took().is_not(None)


def _of_jobs(meant: Sequence[ColumnElement[bool]], ids: Sequence[UUID]) -> list[JobRuns]:
    """The figures of a few jobs: one range of `ix_runs_job` for each."""
    if not ids:
        return []
    before = func.lag(Run.state).over(partition_by=Run.job_id, order_by=(Run.requested_at, Run.id))
    turned = func.coalesce(before != Run.state, False).label("turned")
    columns = (Run.job_id, is_troubled().label("troubled"), took().label("took"))
    seen = select(*columns, turned).where(*meant, *_ran(), Run.job_id.in_(ids)).subquery()
    counts = (func.count(), func.count().filter(seen.c.troubled), func.count().filter(seen.c.turned))
    query = select(seen.c.job_id, Job.name, *counts, percentiles(seconds(seen.c.took), *SHARES))
    query = query.join(Job, Job.id == seen.c.job_id).group_by(seen.c.job_id, Job.name)
    return [_job_runs(*row) for row in db.session.execute(query).all()]


def _job_runs(
    job_id: UUID, name: str, executed: int, troubled: int, turns: int, spread: Sequence[float]
) -> JobRuns:
    return JobRuns(job_id, name, executed, troubled, turns, Spread(executed, spread[0], spread[1]))
