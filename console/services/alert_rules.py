"""Alert rules: what to look for, in which jobs, where it is said, and how seldom."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete as deleting
from sqlalchemy import func, select

from console.core.actor import Actor
from console.core.alerts import AlertOn, AlertScope
from console.core.permissions import Permission
from console.core.tags import Tag
from console.db.alerts import AlertChannel, AlertEvent, AlertRule, AlertRuleChannel
from console.db.jobs import Job
from console.db.session import db, reading, transaction
from console.services.alert_fields import RuleGiven, checked
from console.services.alert_records import Records
from console.services.alert_ways import invalid, named

MOST_RULES = 200
RULES = Records(AlertRule, "alert rule", "alert_rule", MOST_RULES)


@dataclass(frozen=True)
class Waiting:
    """What a rule has found and not said yet, because its last message is so recent."""

    count: int
    until: datetime | None


@dataclass(frozen=True)
class RuleView:
    """A rule. `channels` are ids and names; `throttle` is how long after a message the next one waits."""

    id: UUID
    name: str
    event: AlertOn
    scope: AlertScope
    job_id: UUID | None
    job_name: str | None
    job_key: str | None
    category: str | None
    count: int | None
    minutes: int | None
    throttle: timedelta
    enabled: bool
    channels: Sequence[tuple[UUID, str]]
    created_at: datetime
    sent_at: datetime | None
    waiting: Waiting

    @property
    def throttle_minutes(self) -> int:
        return int(self.throttle.total_seconds() // 60)


def listing(actor: Actor, *, job_id: UUID | None = None) -> list[RuleView]:
    """The rules of the actor's org by name; with `job_id` those that watch this job."""
    actor.require(Permission.READ)
    query = select(AlertRule, Job).outerjoin(Job, Job.id == AlertRule.job_id)
    query = query.where(AlertRule.org_id == actor.org_id)
    if job_id is not None:
        query = query.where(_watches(actor, job_id))
    with reading():
        rows = db.session.execute(query.order_by(func.lower(AlertRule.name), AlertRule.id)).all()
        return _views([(rule, job) for rule, job in rows])


def _watches(actor: Actor, job_id: UUID) -> Any:
    category = select(Job.category).where(Job.id == job_id, Job.org_id == actor.org_id).scalar_subquery()
    of_jobs = AlertRule.event.in_([event for event in AlertOn if event.is_of_jobs])
    return of_jobs & (
        (AlertRule.scope == AlertScope.ALL)
        | (AlertRule.job_id == job_id)
        | ((AlertRule.scope == AlertScope.CATEGORY) & (AlertRule.category == category))
    )


def get(actor: Actor, rule_id: UUID) -> RuleView:
    """The rule of this id; raises `NotFound`."""
    actor.require(Permission.READ)
    with reading():
        return _view(RULES.get(actor, rule_id))


def create(actor: Actor, given: RuleGiven, *, now: datetime) -> RuleView:
    """Makes a rule, which looks at what happens from now on; raises `Invalid` that names the field."""
    actor.require(Permission.EDIT_ALERTS)
    with transaction():
        RULES.check_room(actor)
        row = AlertRule(org_id=actor.org_id, name=named(given.name), since=now, enabled=True)
        _write(actor, row, given, now)
        db.session.add(row)
        RULES.flush()
        _connect(actor, row.id, given.channels)
        RULES.tell(actor, Tag.ALERT_RULE_CREATED, row, now, new=_shown(row))
        db.session.refresh(row)
        return _view(row)


def change(actor: Actor, rule_id: UUID, given: RuleGiven, *, now: datetime) -> RuleView:
    """Changes a rule; what is None stays. Raises `NotFound` and `Invalid` that names the field."""
    actor.require(Permission.EDIT_ALERTS)
    with transaction():
        row = RULES.get(actor, rule_id, lock=True)
        old, was = _shown(row), (row.enabled, row.event, row.scope, row.job_id, row.category)
        if given.name is not None:
            row.name = named(given.name)
        _write(actor, row, given, now)
        if was != (row.enabled, row.event, row.scope, row.job_id, row.category):
            row.since = now  # what happened before is none of the rule's business
        RULES.flush()
        if given.channels is not None:
            _connect(actor, row.id, given.channels)
        new = _shown(row)
        if new != old:
            RULES.tell(actor, Tag.ALERT_RULE_CHANGED, row, now, old=old, new=new)
        return _view(row)


def delete(actor: Actor, rule_id: UUID, *, now: datetime) -> None:
    """Deletes a rule with what it has found and not said; raises `NotFound`. The history stays."""
    actor.require(Permission.EDIT_ALERTS)
    with transaction():
        row = RULES.get(actor, rule_id, lock=True)
        RULES.tell(actor, Tag.ALERT_RULE_DELETED, row, now, old=_shown(row))
        db.session.delete(row)


def _write(actor: Actor, row: AlertRule, given: RuleGiven, now: datetime) -> None:
    wanted = checked(actor, row, given)
    for name, value in wanted.items():
        setattr(row, name, value)
    if given.enabled is not None:
        row.enabled = given.enabled


def _connect(actor: Actor, rule_id: UUID, wanted: Sequence[UUID] | None) -> None:
    """Makes these the rule's channels; raises `Invalid` when there is none, or one that is not the org's."""
    ids = list(dict.fromkeys(wanted or ()))
    if not ids:
        raise invalid("channels", "choose at least one; without one nobody would hear of it")
    known = select(AlertChannel.id).where(AlertChannel.org_id == actor.org_id, AlertChannel.id.in_(ids))
    found = set(db.session.scalars(known.with_for_update(read=True)))
    if len(found) < len(ids):
        raise invalid("channels", "there is no such channel; it may have been deleted meanwhile")
    db.session.execute(deleting(AlertRuleChannel).where(AlertRuleChannel.rule_id == rule_id))
    db.session.add_all(AlertRuleChannel(rule_id=rule_id, channel_id=channel_id) for channel_id in ids)
    db.session.flush()


def _shown(row: AlertRule) -> dict[str, Any]:
    """What the trail keeps of a rule."""
    names = select(AlertChannel.name).join(AlertRuleChannel, AlertRuleChannel.channel_id == AlertChannel.id)
    channels = db.session.scalars(
        names.where(AlertRuleChannel.rule_id == row.id).order_by(AlertChannel.name)
    ).all()
    return {
        "name": row.name,
        "event": row.event,
        "scope": row.scope,
        "job_id": str(row.job_id) if row.job_id else None,
        "category": row.category,
        "count": row.count,
        "minutes": row.minutes,
        "throttle_seconds": row.throttle_seconds,
        "enabled": row.enabled,
        "channels": list(channels),
    }


def _view(row: AlertRule) -> RuleView:
    return _views([(row, db.session.get(Job, row.job_id) if row.job_id else None)])[0]


def _views(rows: Sequence[tuple[AlertRule, Job | None]]) -> list[RuleView]:
    ids = [rule.id for rule, _ in rows]
    channels, waiting = _channels_of(ids), _waiting_of(ids)
    return [
        RuleView(
            id=rule.id,
            name=rule.name,
            event=AlertOn(rule.event),
            scope=AlertScope(rule.scope),
            job_id=rule.job_id,
            job_name=job.name if job else None,
            job_key=job.key if job else None,
            category=rule.category,
            count=rule.count,
            minutes=rule.minutes,
            throttle=timedelta(seconds=rule.throttle_seconds),
            enabled=rule.enabled,
            channels=channels.get(rule.id, []),
            created_at=rule.created_at,
            sent_at=rule.sent_at,
            waiting=_waiting(rule, waiting.get(rule.id, 0)),
        )
        for rule, job in rows
    ]


def _waiting(rule: AlertRule, count: int) -> Waiting:
    until = rule.sent_at + timedelta(seconds=rule.throttle_seconds) if rule.sent_at and count else None
    return Waiting(count, until)


def _channels_of(ids: Sequence[UUID]) -> dict[UUID, list[tuple[UUID, str]]]:
    query = select(AlertRuleChannel.rule_id, AlertChannel.id, AlertChannel.name)
    query = query.join(AlertChannel, AlertChannel.id == AlertRuleChannel.channel_id)
    found: dict[UUID, list[tuple[UUID, str]]] = {}
    ordered = query.where(AlertRuleChannel.rule_id.in_(ids)).order_by(func.lower(AlertChannel.name))
    for rule_id, channel_id, name in db.session.execute(ordered):
        found.setdefault(rule_id, []).append((channel_id, name))
    return found


def _waiting_of(ids: Sequence[UUID]) -> dict[UUID, int]:
    query = select(AlertEvent.rule_id, func.count()).where(
        AlertEvent.rule_id.in_(ids), AlertEvent.batch_id.is_(None)
    )
    return {rule_id: number for rule_id, number in db.session.execute(query.group_by(AlertEvent.rule_id))}
