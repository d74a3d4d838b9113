"""What may be given for an alert rule, and what of it belongs together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select

from console.core.actor import Actor
from console.core.alerts import AlertOn, AlertScope
from console.db.alerts import AlertRule
from console.db.jobs import Job
from console.db.session import db
from console.services.alert_ways import invalid

FEWEST_IN_A_ROW, MOST_IN_A_ROW, USUAL_IN_A_ROW = 2, 50, 3
SHORTEST_LATE, LONGEST_LATE, USUAL_LATE = 1, 7 * 24 * 60, 10
LONGEST_THROTTLE, USUAL_THROTTLE = 7 * 24 * 60, 15
LONGEST_CATEGORY = 200


@dataclass(frozen=True)
class RuleGiven:
    """What somebody wants a rule to be; None leaves as it is what there is.

    `count` is of failures in a row, `minutes` of lateness, `throttle_minutes` of silence after a message.
    """

    name: str | None = None
    event: AlertOn | None = None
    scope: AlertScope | None = None
    job_id: UUID | None = None
    category: str | None = None
    count: int | None = None
    minutes: int | None = None
    throttle_minutes: int | None = None
    channels: Sequence[UUID] | None = None
    enabled: bool | None = None


def checked(actor: Actor, row: AlertRule, given: RuleGiven) -> dict[str, Any]:
    """The columns of the row with what is given in their place; raises `Invalid` that names the field."""
    event = given.event or (AlertOn(row.event) if row.event else None)
    if event is None:
        raise invalid("event", "choose what to look for")
    scope = given.scope or (AlertScope(row.scope) if row.scope else AlertScope.ALL)
    if not event.is_of_jobs and scope is not AlertScope.ALL:
        raise invalid("scope", "this is about the whole installation; choose “all”")
    throttle = given.throttle_minutes
    seconds = row.throttle_seconds if row.throttle_seconds is not None else USUAL_THROTTLE * 60
    if throttle is not None:
        seconds = 60 * _within("throttle_minutes", throttle, 0, LONGEST_THROTTLE)
    return {
        "event": event,
        "scope": scope,
        "job_id": _job(actor, row, given) if scope is AlertScope.JOB else None,
        "category": _category(row, given) if scope is AlertScope.CATEGORY else None,
        "count": _count(row, given) if event is AlertOn.FAILED_IN_A_ROW else None,
        "minutes": _minutes(row, given) if event is AlertOn.LATE else None,
        "throttle_seconds": seconds,
    }


def _job(actor: Actor, row: AlertRule, given: RuleGiven) -> UUID:
    wanted = given.job_id or row.job_id
    if wanted is None:
        raise invalid("job_id", "choose the job")
    query = select(Job.id).where(Job.id == wanted, Job.org_id == actor.org_id, Job.deleted_at.is_(None))
    if db.session.scalar(query) is None:
        raise invalid("job_id", "there is no such job")
    return wanted


def _category(row: AlertRule, given: RuleGiven) -> str:
    wanted = (given.category or row.category or "").strip()
    if not wanted:
        raise invalid("category", "choose the category")
    if len(wanted) > LONGEST_CATEGORY:
        raise invalid("category", f"at most {LONGEST_CATEGORY} characters")
    return wanted


def _count(row: AlertRule, given: RuleGiven) -> int:
    wanted = given.count if given.count is not None else row.count or USUAL_IN_A_ROW
    return _within("count", wanted, FEWEST_IN_A_ROW, MOST_IN_A_ROW)


def _minutes(row: AlertRule, given: RuleGiven) -> int:
    wanted = given.minutes if given.minutes is not None else row.minutes or USUAL_LATE
    return _within("minutes", wanted, SHORTEST_LATE, LONGEST_LATE)


def _within(field: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise invalid(field, f"must be from {least} to {most}")
    return value
