"""What must hold before a message goes out: for any run, and for one that comes by itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, text

from console.core.reasons import Reason, Refusal
from console.core.states import MessageType
from console.core.task import Check
from console.db.session import db, reading
from console.plugins.messages.models import Event
from console.plugins.messages.naming import local_and_home
from console.plugins.messages.preferences import DEFAULTS
from console.plugins.messages.views import WeekendRule

SATURDAY = 5
# Ten thousand messages may come due at once, so all that the rules ask of one is asked in one statement. The
# jobs of an event are looked up in two indexes, one of those that are alive and one of the deleted ones.
FACTS = text(
    """
    SELECT events.name, events.deleted_at, events.load_in_at,
        coalesce(events.timezone, orgs.timezone) AS timezone, orgs.timezone AS home,
        coalesce(settings.enabled, true) AS is_on,
        coalesce(settings.weekend_rule, 'none') AS weekend_rule,
        types.enabled AS is_type_on,
        EXISTS (
            SELECT FROM (
                SELECT id, status, message_type, recipient FROM jobs
                WHERE org_id = :org_id AND subject_id = :event_id AND deleted_at IS NULL
                UNION ALL
                SELECT id, status, message_type, recipient FROM jobs
                WHERE org_id = :org_id AND subject_id = :event_id AND deleted_at IS NOT NULL
            ) AS other
            WHERE other.message_type = :message_type AND lower(other.recipient) = lower(:recipient)
              AND other.id IS DISTINCT FROM CAST(:job_id AS uuid)
              AND (other.status = 'sent' OR EXISTS (
                  SELECT FROM runs
                  WHERE runs.job_id = other.id AND runs.state = 'succeeded' AND NOT runs.dry_run))
        ) AS is_sent
    FROM orgs
    LEFT JOIN events ON events.id = :event_id AND events.org_id = orgs.id
    LEFT JOIN message_settings AS settings ON settings.org_id = orgs.id
    LEFT JOIN message_types AS types ON types.org_id = orgs.id AND types.message_type = :message_type
    WHERE orgs.id = :org_id
    """
)


@dataclass(frozen=True)
class Facts:
    """What the rules look at; `event` is the event's name, None without one that is there.

    `timezone` is the event's, `home` the org's.
    """

    message_type: MessageType
    recipient: str
    event: str | None
    is_gone: bool
    load_in_at: datetime | None
    timezone: str
    home: str
    is_on: bool
    is_type_on: bool
    weekend_rule: WeekendRule
    is_sent: bool


def has_recipient(check: Check) -> Refusal | None:
    """For any run: there is somebody to send it to. Only of one without it the event is looked up."""
    if check.recipient:
        return None
    event_id = _event_id(check)
    with reading():
        query = select(Event.name).where(Event.id == event_id, Event.org_id == UUID(check.org_id))
        name = db.session.scalar(query) if event_id else None
    if name is None:
        return Refusal(Reason.MISSING_RECIPIENT, "This message has no recipient.")
    return Refusal(Reason.MISSING_RECIPIENT, f"“{name}” has no contact address; the event's page takes one.")


def may_go(check: Check) -> Refusal | None:
    """For a run that comes by itself: the first rule that is against it."""
    return next(_refusals(_facts(check), check.now), None)


def _refusals(facts: Facts, now: datetime) -> Iterator[Refusal]:
    about = f"“{facts.event}”" if facts.event else "its event"
    label = facts.message_type.label
    if facts.is_gone:
        yield Refusal(Reason.DELETED, "The event that it is about was deleted.")
    if not facts.is_on:
        yield Refusal(Reason.DISABLED_GLOBAL)
    if not facts.is_type_on:
        yield Refusal(Reason.DISABLED_TYPE, f"Automatic sending of messages of the type {label} is off.")
    if facts.message_type is MessageType.INIT and facts.load_in_at:
        at = local_and_home(facts.load_in_at, facts.timezone, facts.home)
        yield Refusal(Reason.HAS_LOAD_IN_TIME, f"The load-in time of {about} is known: {at}.")
    today = now.astimezone(ZoneInfo(facts.timezone))
    if facts.weekend_rule is not WeekendRule.NONE and today.weekday() >= SATURDAY:
        word = f"It is {today:%A} in {facts.timezone}, and by the weekend rule nothing goes out at weekends."
        yield Refusal(Reason.WEEKEND, word)
    if facts.is_sent and facts.message_type is not MessageType.FREE:
        word = f"{facts.recipient} already got the message of the type {label} about {about}."
        yield Refusal(Reason.DUPLICATE, word)


def _facts(check: Check) -> Facts:
    message_type, event_id = MessageType(check.args["message_type"]), _event_id(check)
    values = {
        "org_id": check.org_id,
        "event_id": event_id,
        "message_type": message_type,
        "recipient": check.recipient,
        "job_id": check.job_id,
    }
    row = db.session.execute(FACTS, values).one()
    preference = DEFAULTS.get(message_type)
    default = preference.enabled if preference else True
    return Facts(
        message_type=message_type,
        recipient=check.recipient or "",
        event=row.name,
        is_gone=event_id is not None and (row.name is None or row.deleted_at is not None),
        load_in_at=row.load_in_at,
        timezone=row.timezone,
        home=row.home,
        is_on=row.is_on,
        is_type_on=default if row.is_type_on is None else row.is_type_on,
        weekend_rule=WeekendRule(row.weekend_rule),
        is_sent=row.is_sent,
    )


def _event_id(check: Check) -> UUID | None:
    found = check.args.get("event_id")
    return UUID(str(found)) if found else None
