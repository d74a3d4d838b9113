"""What is measured of runs, for reports and for the figures above the list; dry runs are left out everywhere.

A run belongs to the period in which it was asked for, and stands there as it stands now.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Float,
    Integer,
    Interval,
    WithinGroup,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
)
from sqlalchemy.dialects.postgresql import ARRAY

from console.core.due import LATE_AFTER
from console.core.states import RunState
from console.db.runs import Run
from console.services.report_views import EXECUTED, Period

BROKEN = (RunState.FAILED, RunState.UNKNOWN)


def asked(org_id: UUID, period: Period) -> tuple[ColumnElement[bool], ...]:
    """The runs that were asked for in the period: one range of `ix_runs_recent`."""
    return (
        Run.org_id == org_id,
        Run.requested_at >= period.since,
        Run.requested_at < period.until,
        Run.dry_run.is_(False),
    )


def lateness(now: datetime) -> ColumnElement[timedelta]:
    """How long after its slot a run began, or has been waiting; null when it has no slot or never began.

    The start of a later attempt overwrites that of the first, so the instant of its decision stands in.
    A start that jitter alone has moved is late from the time that it chose, as on the run's page.
    """
    begun = case(
        (and_(Run.attempt == 1, Run.started_at.is_not(None)), Run.started_at),
        (Run.attempt > 0, Run.requested_at),
        (Run.state == RunState.QUEUED, literal(now, DateTime(timezone=True))),
    )
    by_jitter = and_(Run.start_after.is_not(None), Run.decision_code.is_(None))
    return begun - case((by_jitter, Run.start_after), else_=Run.slot)


def is_late(now: datetime) -> ColumnElement[bool]:
    """Whether it began more than a minute after its slot, or still waits then."""
    return and_(Run.slot.is_not(None), lateness(now) > literal(LATE_AFTER, Interval))


def is_executed() -> ColumnElement[bool]:
    """Whether it was executed to an end, whatever came of it."""
    return Run.state.in_(EXECUTED)


def is_troubled() -> ColumnElement[bool]:
    """Whether it failed, or took more than one attempt."""
    return and_(is_executed(), or_(Run.state.in_(BROKEN), Run.attempt > 1))


def took() -> ColumnElement[Any]:
    """From the start of its last attempt to its end."""
    return Run.finished_at - Run.started_at


def day_of(bounds: Sequence[datetime]) -> ColumnElement[int]:
    """Which of the days between the bounds it was asked for in, counted from 1."""
    edges = cast(list(bounds), ARRAY(DateTime(timezone=True)))
    return func.width_bucket(Run.requested_at, edges, type_=Integer)


def day_bounds(period: Period, zone: ZoneInfo) -> list[datetime]:
    """The period's ends and every midnight of the zone between them, in their order, in UTC."""
    bounds = [period.since]
    day = period.since.astimezone(zone).date()
    while True:
        day += timedelta(days=1)
        midnight = datetime.combine(day, time(), zone).astimezone(UTC)
        if midnight >= period.until:
            return [*bounds, period.until]
        bounds.append(midnight)


def seconds(value: ColumnElement[timedelta]) -> ColumnElement[float]:
    """An interval in seconds, as a float; `extract` makes a numeric, which is slow to make and to sort."""
    return func.date_part("epoch", value, type_=Float)


def percentiles(ordered_by: ColumnElement[float], *shares: float) -> WithinGroup[Any]:
    """The values below which these shares of all lie, as one array."""
    ordered = func.percentile_cont(cast(list(shares), ARRAY(Float)), type_=ARRAY(Float))
    return ordered.within_group(ordered_by)
