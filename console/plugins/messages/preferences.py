"""An org's switches, leads and send times for messages."""

from datetime import time
from uuid import UUID

from sqlalchemy import select

from console.core.states import MessageType
from console.db.session import db
from console.plugins.messages.models import MessageSettings, MessageTypeSettings
from console.plugins.messages.views import Preferences, TypePreference, WeekendRule

DEFAULTS = {
    MessageType.INIT: TypePreference(MessageType.INIT, True, -14, time(10, 0)),
    MessageType.REMINDER: TypePreference(MessageType.REMINDER, True, -1, time(10, 0)),
    MessageType.FOLLOW_UP: TypePreference(MessageType.FOLLOW_UP, True, 1, time(10, 0)),
}


def of(org_id: UUID) -> Preferences:
    """The org's preferences, inside the caller's transaction; the defaults where it has set none."""
    row = db.session.get(MessageSettings, org_id)
    stored = db.session.scalars(select(MessageTypeSettings).where(MessageTypeSettings.org_id == org_id))
    types = DEFAULTS | {MessageType(item.message_type): _type(item) for item in stored}
    if row is None:
        return Preferences(True, WeekendRule.NONE, types)
    return Preferences(row.enabled, WeekendRule(row.weekend_rule), types, row.revision)


def _type(row: MessageTypeSettings) -> TypePreference:
    kind = MessageType(row.message_type)
    return TypePreference(kind, row.enabled, row.lead_days, row.send_time, row.revision)
