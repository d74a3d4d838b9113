"""Changing an org's switches, leads and send times; every planned message follows in the same transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, time
from typing import Any

from console.core.actor import Actor
from console.core.errors import Invalid
from console.core.permissions import Permission
from console.core.states import MessageType
from console.core.tags import Tag
from console.db.session import db, reading, transaction
from console.plugins.messages import events, planner, preferences, stale, templates, templating
from console.plugins.messages.models import MessageSettings, MessageTypeSettings
from console.plugins.messages.planner import Planned
from console.plugins.messages.stale import StaleSettings
from console.plugins.messages.templates import Template
from console.plugins.messages.templating import Words
from console.plugins.messages.views import PLANNED, Preferences, TypePreference, WeekendRule
from console.services import audit, pushing
from console.services.changes import UNSET, Unset

FURTHEST = 365
LEADS = {
    MessageType.INIT: (-FURTHEST, 0),
    MessageType.REMINDER: (-FURTHEST, 0),
    MessageType.FOLLOW_UP: (0, FURTHEST),
}
"""The days that a type may lie from the event's day: a follow-up never before it, the others never after."""


@dataclass(frozen=True)
class SettingsChange:
    """What an edit of the org's message settings wants; what is left `UNSET` stays as it is."""

    enabled: bool | Unset = UNSET
    weekend_rule: str | Unset = UNSET


@dataclass(frozen=True)
class TypeChange:
    """What an edit of one type wants; `words` are a new template, begun on `version` (None: any)."""

    enabled: bool | Unset = UNSET
    lead_days: int | Unset = UNSET
    send_time: str | time | Unset = UNSET
    words: Words | Unset = UNSET
    version: int | None = None


@dataclass(frozen=True)
class Kept:
    """All preferences and templates after a save, and what became of the planned messages."""

    preferences: Preferences
    templates: Mapping[MessageType, Template]
    planned: Planned
    is_changed: bool


def get(actor: Actor) -> Kept:
    """What holds in the actor's org."""
    with reading():
        return _kept(actor, Planned(), False)


def save(actor: Actor, change: SettingsChange, *, seen: int | None = None, now: datetime) -> Kept:
    """Sets the global switch and the weekend rule, and plans all messages anew.

    `seen` is the revision that the caller saw. Raises `Forbidden`, `Invalid` that names the field, and
    `StaleSettings` when somebody else was first. What holds already makes no revision.
    """
    actor.require(Permission.EDIT_MESSAGES)
    with transaction():
        events.hold(actor.org_id)
        held = preferences.of(actor.org_id)
        _check_seen(actor, held, seen)
        old = {"enabled": held.enabled, "weekend_rule": held.weekend_rule.value}
        new = old | _given(change)
        new["weekend_rule"] = _rule(new["weekend_rule"]).value
        if new == old:
            return _kept(actor, Planned(), False)
        _write(MessageSettings(org_id=actor.org_id, **_stamped(actor, held.revision, now), **new))
        _audit(actor, Tag.MESSAGE_SETTINGS_CHANGED, _subject(actor), held.revision + 1, old, new, now)
        done = _kept(actor, planner.plan_all(actor, now=now), True)
    pushing.push_tickets(done.planned.tickets, now=now)
    return done


def save_type(
    actor: Actor, message_type: MessageType, change: TypeChange, *, seen: int | None = None, now: datetime
) -> Kept:
    """Sets a type's switch, lead, send time and template, and plans all messages anew; raises as `save`.

    Raises `StaleTemplate` too, and `Invalid` for a template with a mistake: then nothing is saved.
    """
    actor.require(Permission.EDIT_MESSAGES)
    check_planned(message_type)
    words = _words(change)
    with transaction():
        events.hold(actor.org_id)
        held = preferences.of(actor.org_id).types[message_type]
        _check_type_seen(actor, held, seen)
        old = _timing(held)
        new = _checked(message_type, old | _given(change))
        is_reworded = words is not None and _reword(actor, message_type, words, change.version, now)
        if new != old:
            _write_type(actor, held, new, now)
        planned = planner.plan_all(actor, now=now) if new != old else Planned()
        done = _kept(actor, planned, new != old or is_reworded)
    pushing.push_tickets(done.planned.tickets, now=now)
    return done


def check_planned(message_type: MessageType) -> None:
    """Raises `Invalid` for a type that is not planned by itself."""
    if message_type not in PLANNED:
        word = f"must be one of {', '.join(PLANNED)}"
        raise Invalid(f"message_type: {word}", fields={"message_type": [word]})


def _kept(actor: Actor, planned: Planned, is_changed: bool) -> Kept:
    found = {message_type: templates.current(actor.org_id, message_type) for message_type in PLANNED}
    return Kept(preferences.of(actor.org_id), found, planned, is_changed)


# What each field may hold -------------------------------------------------------------------------


def _given(change: SettingsChange | TypeChange) -> dict[str, Any]:
    given = {item.name: getattr(change, item.name) for item in fields(change)}
    template = ("words", "version")
    return {name: value for name, value in given.items() if value is not UNSET and name not in template}


def _rule(value: str) -> WeekendRule:
    try:
        return WeekendRule(value)
    except ValueError:
        raise _wrong("weekend_rule", f"must be one of {', '.join(WeekendRule)}") from None


def _checked(message_type: MessageType, given: Mapping[str, Any]) -> dict[str, Any]:
    wrong: dict[str, list[str]] = {}
    low, high = LEADS[message_type]
    if not low <= given["lead_days"] <= high:
        side = "0 or below: it goes out before the event" if high == 0 else "0 or above: it goes out after it"
        wrong["lead_days"] = [f"must be from {low} to {high}; for {message_type.label} it is {side}"]
    send_time = read_time(given["send_time"])
    if send_time is None:
        wrong["send_time"] = ["must be a time of day such as 09:30"]
    if wrong or send_time is None:
        said = "; ".join(f"{name}: {texts[0]}" for name, texts in wrong.items())
        raise Invalid(f"{said}. Nothing was changed.", fields=wrong)
    return {**given, "send_time": f"{send_time:%H:%M}"}


def read_time(value: str | time) -> time | None:
    """A time of day to the minute, out of `HH:MM`; None for what is none."""
    if isinstance(value, time):
        return value
    try:
        found = time.fromisoformat(value) if len(value) in (5, 8) and value[2] == ":" else None
    except ValueError:
        return None
    return found if found and not found.second else None


def _wrong(name: str, text: str) -> Invalid:
    return Invalid(f"{name}: {text}. Nothing was changed.", fields={name: [text]})


def _words(change: TypeChange) -> Words | None:
    if isinstance(change.words, Unset):
        return None
    words = change.words.tidied()
    templating.check(words)
    return words


# What is written ----------------------------------------------------------------------------------


def _timing(held: TypePreference) -> dict[str, Any]:
    return {
        "enabled": held.enabled,
        "lead_days": held.lead_days,
        "send_time": f"{held.send_time:%H:%M}",
    }


def _reword(
    actor: Actor, message_type: MessageType, words: Words, version: int | None, now: datetime
) -> bool:
    """Whether the words make a new version of the template."""
    before = templates.current(actor.org_id, message_type)
    seen = before.version if version is None else version
    return templates.write(actor, message_type, words, seen, None, now).version != before.version


def _write_type(actor: Actor, held: TypePreference, new: Mapping[str, Any], now: datetime) -> None:
    row = MessageTypeSettings(
        org_id=actor.org_id,
        message_type=held.message_type,
        **_stamped(actor, held.revision, now),
        **{**new, "send_time": read_time(new["send_time"])},
    )
    _write(row)
    subject = audit.Subject("message_type", held.message_type.value)
    _audit(actor, Tag.MESSAGE_TYPE_CHANGED, subject, held.revision + 1, _timing(held), new, now)


def _write(row: MessageSettings | MessageTypeSettings) -> None:
    """Inserts the row or takes the place of the one that is there; the lock keeps others out."""
    db.session.merge(row)
    db.session.flush()


def _stamped(actor: Actor, revision: int, now: datetime) -> dict[str, Any]:
    return {"revision": revision + 1, "changed_at": now, "changed_by": actor.name}


def _subject(actor: Actor) -> audit.Subject:
    return audit.Subject("message_settings", actor.org_id)


def _audit(
    actor: Actor,
    tag: Tag,
    subject: audit.Subject,
    revision: int,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    now: datetime,
) -> None:
    names = [name for name in new if new[name] != old[name]]
    changed = {**{name: new[name] for name in names}, "revision": revision}
    audit.add(actor, tag, subject, now=now, old={name: old[name] for name in names}, new=changed)


def _check_seen(actor: Actor, held: Preferences, seen: int | None) -> None:
    if seen is None or seen == held.revision:
        return
    stale.check_known(seen, held.revision)
    tag = Tag.MESSAGE_SETTINGS_CHANGED
    later = stale.later(actor, tag, _subject(actor), seen=seen, newest=held.revision)
    raise StaleSettings("the message settings", later, held)


def _check_type_seen(actor: Actor, held: TypePreference, seen: int | None) -> None:
    if seen is None or seen == held.revision:
        return
    stale.check_known(seen, held.revision)
    subject = audit.Subject("message_type", held.message_type.value)
    later = stale.later(actor, Tag.MESSAGE_TYPE_CHANGED, subject, seen=seen, newest=held.revision)
    raise StaleSettings(f"the settings of {held.message_type.label}", later, held)
