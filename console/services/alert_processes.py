"""Finds out of the heartbeats that the scheduler or a worker is lost, and that it is back.

Heartbeats belong to the installation, so each org that has such a rule is told. What ended in good order is
not lost: a restart alerts nobody, unless nothing is there long after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from console.core.alerts import AlertOn
from console.core.hops import light_of
from console.core.reasons import Reason
from console.core.states import Beating, Light
from console.db.alerts import AlertEvent, AlertRule
from console.db.operations import Heartbeat
from console.db.session import db
from console.services import heartbeats, workers
from console.services.workers import Fleet

SCHEDULER, WORKERS = "scheduler", "workers"


@dataclass(frozen=True)
class Fault:
    """Something that is red: `what` it is, `name` for people, and when it was last heard."""

    what: str
    name: str
    since: datetime
    reason: Reason


@dataclass(frozen=True)
class Seen:
    """What the heartbeats say at one instant; what is neither in `faults` nor in `well` is in between."""

    faults: Sequence[Fault]
    well: frozenset[str]


def look(rule: AlertRule, fleet: Fleet) -> int:
    """Keeps what this rule finds, inside the caller's transaction; answers how much that was."""
    seen = _clock(rule, fleet) if rule.event == AlertOn.SCHEDULER_RED else _workers(rule, fleet)
    query = select(AlertEvent).where(AlertEvent.rule_id == rule.id, AlertEvent.over_at.is_(None))
    opened = {str(event.facts["what"]): event for event in db.session.scalars(query) if "what" in event.facts}
    found = sum(_add(rule, fault, fleet.now) for fault in seen.faults if fault.what not in opened)
    red = {fault.what for fault in seen.faults}
    listed = {_worker_key(item.name) for item in fleet.components} | {SCHEDULER, WORKERS}
    for what, event in opened.items():
        if what in seen.well:
            found += _over(rule, event, fleet.now)
        elif what not in red and what not in listed:
            event.over_at = fleet.now  # ended in good order, or forgotten: no news
    return found


def _clock(rule: AlertRule, fleet: Fleet) -> Seen:
    """Whether anything turns due slots into runs: a scheduler, or an external cron."""
    ticks = (fleet.cron or Light.RED) if fleet.cron_age is not None else Light.RED
    heard = _last_heard(Beating.SCHEDULER)
    light = light_of(Beating.SCHEDULER, fleet.now - (heard or rule.since), heartbeats.thresholds())
    light = workers.better(light, ticks)
    if light is not Light.RED:
        return Seen((), frozenset({SCHEDULER}) if light is Light.GREEN and heard else frozenset())
    return Seen((Fault(SCHEDULER, "The scheduler", heard or rule.since, Reason.SCHEDULER_DOWN),), frozenset())


def _workers(rule: AlertRule, fleet: Fleet) -> Seen:
    items = [item for item in fleet.components if item.kind is Beating.WORKER]
    red_after = heartbeats.thresholds()[Beating.WORKER][1]
    faults = [
        Fault(_worker_key(item.name), f"Worker {item.name}", item.last_seen, Reason.WORKER_LOST)
        for item in items
        if item.light is Light.RED and item.last_seen + red_after >= rule.since
    ]
    well = {_worker_key(item.name) for item in items if item.light is Light.GREEN}
    heard = _last_heard(Beating.WORKER)
    if fleet.live_workers:
        well.add(WORKERS)
    elif fleet.now - (heard or rule.since) >= red_after:
        faults.append(Fault(WORKERS, "Every worker", heard or rule.since, Reason.NO_LIVE_WORKER))
    return Seen(faults, frozenset(well))


def _worker_key(name: str) -> str:
    return f"worker:{name}"


def _last_heard(kind: Beating) -> datetime | None:
    """Also of those that ended in good order."""
    return db.session.scalar(select(func.max(Heartbeat.beat_at)).where(Heartbeat.kind == kind))


def _add(rule: AlertRule, fault: Fault, now: datetime) -> int:
    facts = {"what": fault.what, "name": fault.name, "reason_code": fault.reason.value}
    return _keep(rule, f"{fault.what}:{fault.since.isoformat()}", fault.since, now, facts)


def _over(rule: AlertRule, event: AlertEvent, now: datetime) -> int:
    event.over_at = now
    facts = {"name": event.facts["name"], "is_over": True, "since": event.happened_at.isoformat()}
    return _keep(rule, f"over:{event.id}", now, now, facts, over_at=now)


def _keep(
    rule: AlertRule,
    key: str,
    at: datetime,
    now: datetime,
    facts: dict[str, Any],
    over_at: datetime | None = None,
) -> int:
    row = insert(AlertEvent).values(
        org_id=rule.org_id,
        rule_id=rule.id,
        key=key,
        event=rule.event,
        happened_at=at,
        found_at=now,
        facts=facts,
        over_at=over_at,
    )
    kept = row.on_conflict_do_nothing(index_elements=["rule_id", "key"]).returning(AlertEvent.id)
    return len(db.session.scalars(kept).all())
