"""Alerts, from what the records say to messages that are ready to go; `alert_sending` sends them.

Each look has two parts, and each commits by itself: 1 what rules find is kept, once for each rule;
2 what a rule has found and not said yet becomes one message to each of its channels: at once when the rule
was silent for as long as its throttle, else when that is over. So nothing is lost and nothing is said twice,
however many watchers look, and wherever one of them dies.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import func, or_, select, text, update

from console.core.alerts import OF_PROCESSES, AlertOn
from console.db.alerts import AlertChannel, AlertDelivery, AlertEvent, AlertRule, AlertRuleChannel
from console.db.people import Org
from console.db.session import db, reading, transaction
from console.services import alert_findings, alert_processes, workers
from console.services.alert_messages import IN_PAYLOAD, About, Finding, Message, compose

LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended('alerts ' || CAST(:org_id AS text), 0))")


def look(now: datetime) -> int:
    """Finds, and makes messages of what was found; answers how many findings and messages that were."""
    found = sum(_find(org_id, events, now) for org_id, events in _waited_for().items())
    return found + sum(_say(rule_id, now) for rule_id in _ripe(now))


def _waited_for() -> dict[UUID, frozenset[str]]:
    """What the rules of each org wait for."""
    query = select(AlertRule.org_id, func.array_agg(AlertRule.event.distinct())).where(AlertRule.enabled)
    with reading():
        rows = db.session.execute(query.group_by(AlertRule.org_id)).all()
        return {org_id: frozenset(events) for org_id, events in rows}


def _find(org_id: UUID, events: frozenset[str], now: datetime) -> int:
    with transaction():
        if not db.session.scalar(LOCK, {"org_id": org_id}):
            return 0  # another watcher is at it
        found = alert_findings.of_runs(org_id, now=now, events=events)
        if events & set(OF_PROCESSES):
            found += _find_processes(org_id, now)
        return found


def _find_processes(org_id: UUID, now: datetime) -> int:
    rules = db.session.scalars(
        select(AlertRule).where(
            AlertRule.org_id == org_id, AlertRule.enabled, AlertRule.event.in_(OF_PROCESSES)
        )
    ).all()
    fleet = workers.fleet(now, org_id)
    return sum(alert_processes.look(rule, fleet) for rule in rules)


def _ripe(now: datetime) -> Sequence[UUID]:
    """The rules that have something to say and may say it."""
    waiting = select(AlertEvent.rule_id).where(AlertEvent.batch_id.is_(None))
    over = AlertRule.sent_at + func.make_interval(0, 0, 0, 0, 0, 0, AlertRule.throttle_seconds) <= now
    query = select(AlertRule.id).where(AlertRule.id.in_(waiting), or_(AlertRule.sent_at.is_(None), over))
    with reading():
        return db.session.scalars(query.order_by(AlertRule.id)).all()


def _say(rule_id: UUID, now: datetime) -> int:
    """Makes one message of all that the rule has not said; answers to how many channels it goes."""
    with transaction():
        rule = db.session.scalar(
            select(AlertRule).where(AlertRule.id == rule_id).with_for_update(skip_locked=True)
        )
        if rule is None or not _may_speak(rule, now):
            return 0
        batch = uuid4()
        total, found = _taken(rule_id, batch)
        if not total:
            return 0
        message = compose(_about(rule), found, total=total, now=now)
        rule.sent_at = now
        return _address(rule, batch, message, total, now)


def _may_speak(rule: AlertRule, now: datetime) -> bool:
    return rule.sent_at is None or rule.sent_at + timedelta(seconds=rule.throttle_seconds) <= now


def _taken(rule_id: UUID, batch: UUID) -> tuple[int, list[Finding]]:
    """How many there are, and the oldest of them, which are told one by one."""
    mine = update(AlertEvent).where(AlertEvent.rule_id == rule_id, AlertEvent.batch_id.is_(None))
    total = len(db.session.execute(mine.values(batch_id=batch).returning(AlertEvent.id)).all())
    query = select(AlertEvent).where(AlertEvent.rule_id == rule_id, AlertEvent.batch_id == batch)
    rows = db.session.scalars(query.order_by(AlertEvent.happened_at, AlertEvent.id).limit(IN_PAYLOAD))
    return total, [Finding(row.id, row.job_id, row.run_id, row.happened_at, row.facts) for row in rows]


def _about(rule: AlertRule) -> About:
    org = db.session.get_one(Org, rule.org_id)
    return About(rule.id, rule.name, AlertOn(rule.event), org.name, org.timezone)


def _address(rule: AlertRule, batch: UUID, message: Message, total: int, now: datetime) -> int:
    query = select(AlertChannel).join(AlertRuleChannel, AlertRuleChannel.channel_id == AlertChannel.id)
    channels = db.session.scalars(query.where(AlertRuleChannel.rule_id == rule.id)).all()
    for channel in channels:
        db.session.add(
            AlertDelivery(
                org_id=rule.org_id,
                rule_id=rule.id,
                rule_name=rule.name,
                channel_id=channel.id,
                channel_name=channel.name,
                channel_kind=channel.kind,
                target=channel.target,
                event=rule.event,
                event_count=total,
                subject=message.subject,
                body=message.body,
                payload={**message.payload, "batch": str(batch)},
                next_at=now,
                created_at=now,
            )
        )
    return len(channels)
