"""Alert channels: where messages go. What is secret in them is locked, and opened only to send."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from console.core.actor import Actor
from console.core.alerts import ChannelKind
from console.core.errors import Refused
from console.core.permissions import Permission
from console.core.tags import Tag
from console.db.alerts import AlertChannel, AlertRule, AlertRuleChannel
from console.db.session import db, reading, transaction
from console.services import vault
from console.services.alert_records import Records
from console.services.alert_ways import ChannelGiven, Way, invalid, locked, merged, named, target

MOST_CHANNELS = 100
CHANNELS = Records(AlertChannel, "channel", "alert_channel", MOST_CHANNELS)


@dataclass(frozen=True)
class ChannelView:
    """A channel as it may be shown: `target` holds no secret. `rules` are the names of those that use it."""

    id: UUID
    name: str
    kind: ChannelKind
    target: str
    created_at: datetime
    rules: Sequence[str] = ()


def listing(actor: Actor) -> list[ChannelView]:
    """The channels of the actor's org by name."""
    actor.require(Permission.READ)
    query = select(AlertChannel).where(AlertChannel.org_id == actor.org_id)
    with reading():
        rows = db.session.scalars(query.order_by(func.lower(AlertChannel.name), AlertChannel.id)).all()
        rules = _rules_of([row.id for row in rows])
        return [_view(row, rules.get(row.id, ())) for row in rows]


def get(actor: Actor, channel_id: UUID) -> ChannelView:
    """The channel of this id; raises `NotFound`."""
    actor.require(Permission.READ)
    with reading():
        row = CHANNELS.get(actor, channel_id)
        return _view(row, _rules_of([row.id]).get(row.id, ()))


def create(actor: Actor, given: ChannelGiven, *, now: datetime) -> ChannelView:
    """Makes a channel; raises `Forbidden` and `Invalid` that names the field."""
    actor.require(Permission.EDIT_ALERTS)
    name = named(given.name)
    if given.kind is None:
        raise invalid("kind", "choose how messages go out")
    way = merged(Way(given.kind), given)
    with transaction():
        CHANNELS.check_room(actor)
        row = AlertChannel(
            org_id=actor.org_id, name=name, kind=given.kind, target=target(way), locked=locked(way)
        )
        db.session.add(row)
        CHANNELS.flush()
        CHANNELS.tell(actor, Tag.ALERT_CHANNEL_CREATED, row, now, new=_shown(row))
        db.session.refresh(row)
        return _view(row)


def change(actor: Actor, channel_id: UUID, given: ChannelGiven, *, now: datetime) -> ChannelView:
    """Changes a channel, whose kind stays; raises `NotFound` and `Invalid` that names the field."""
    actor.require(Permission.EDIT_ALERTS)
    with reading():
        held = _held(CHANNELS.get(actor, channel_id), given)
    if given.kind is not None and given.kind is not held.kind:
        raise invalid("kind", "can't be changed; make a new channel")
    name = named(given.name) if given.name is not None else None
    way = merged(held, given)
    with transaction():
        row = CHANNELS.get(actor, channel_id, lock=True)
        old = _shown(row)
        row.name, row.target, row.locked = name or row.name, target(way), locked(way)
        CHANNELS.flush()
        changed = {**_shown(row), **({"secret": "replaced"} if given.secret else {})}
        if changed != old or given.url:
            CHANNELS.tell(actor, Tag.ALERT_CHANNEL_CHANGED, row, now, old=old, new=changed)
        return _view(row, _rules_of([row.id]).get(row.id, ()))


def delete(actor: Actor, channel_id: UUID, *, now: datetime) -> None:
    """Deletes a channel; raises `Refused` when a rule would be left without one. The history stays."""
    actor.require(Permission.EDIT_ALERTS)
    with transaction():
        row = CHANNELS.get(actor, channel_id, lock=True)
        alone = _rules_only_here(channel_id)
        if alone:
            raise Refused(
                f"Nothing was deleted: {', '.join(alone)} would say it nowhere. Give such a rule another "
                "channel, or delete the rule first."
            )
        CHANNELS.tell(actor, Tag.ALERT_CHANNEL_DELETED, row, now, old=_shown(row))
        db.session.delete(row)


def _held(row: AlertChannel, given: ChannelGiven) -> Way:
    """What there is; when that can't be read any more, all of it has to be given anew."""
    try:
        return opened(row)
    except vault.Unreadable:
        kind = ChannelKind(row.kind)
        if given.url and (given.secret or kind is ChannelKind.APPRISE):
            return Way(kind)
        raise


def opened(row: AlertChannel) -> Way:
    """The channel with its secrets, inside the caller's transaction; raises `Unreadable`."""
    values = vault.opened(row.locked) if row.locked else {}
    kind = ChannelKind(row.kind)
    recipients = tuple(row.target.split(", ")) if kind is ChannelKind.MAIL else ()
    return Way(kind, recipients, values.get("url", ""), values.get("secret", ""))


def _rules_of(ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    """The names of the rules that use each of these channels."""
    query = select(AlertRuleChannel.channel_id, AlertRule.name).join(
        AlertRule, AlertRule.id == AlertRuleChannel.rule_id
    )
    found: dict[UUID, list[str]] = {}
    for channel_id, name in db.session.execute(
        query.where(AlertRuleChannel.channel_id.in_(ids)).order_by(AlertRule.name)
    ):
        found.setdefault(channel_id, []).append(name)
    return found


def _rules_only_here(channel_id: UUID) -> list[str]:
    number = (
        select(func.count())
        .select_from(AlertRuleChannel)
        .where(AlertRuleChannel.rule_id == AlertRule.id)
        .correlate(AlertRule)
        .scalar_subquery()
    )
    query = select(AlertRule.name).join(AlertRuleChannel, AlertRuleChannel.rule_id == AlertRule.id)
    query = query.where(AlertRuleChannel.channel_id == channel_id, number == 1)
    return list(db.session.scalars(query.order_by(AlertRule.name)))


def _shown(row: AlertChannel) -> dict[str, str]:
    return {"name": row.name, "kind": row.kind, "target": row.target}


def _view(row: AlertChannel, rules: Sequence[str] = ()) -> ChannelView:
    return ChannelView(row.id, row.name, ChannelKind(row.kind), row.target, row.created_at, tuple(rules))
