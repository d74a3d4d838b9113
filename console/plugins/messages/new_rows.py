"""The message that a row of a file makes: the type, its event, to whom, when, and the words of a free one."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, or_, select

from console.core.actor import Actor
from console.core.errors import Invalid
from console.core.registry import registry
from console.core.states import JobStatus, MessageType
from console.db.session import db
from console.plugins.messages import event_rows, naming
from console.plugins.messages.event_rows import Faults
from console.plugins.messages.event_views import view_of
from console.plugins.messages.message_rows import Row
from console.plugins.messages.models import Event
from console.plugins.messages.old_rows import SETTABLE
from console.services import definitions
from console.services.job_creation import NewJob
from console.services.orgs import zone

TASK = "send_message"
LATEST_SECONDS = 900
NEEDED = ("message_type", "recipient", "send_at")
WORDS = {"message_subject": "subject", "message_text": "text"}


def events(actor: Actor, rows: Sequence[Row], *, lock: bool) -> dict[UUID | str, list[Event]]:
    """The events that rows name, by id and by name in lower case; locked, none is deleted meanwhile."""
    ids = [found for found in (_id(row) for row in rows) if found]
    names = {row.cells.get("event", "").lower() for row in rows} - {""}
    named = or_(Event.id.in_(ids), func.lower(Event.name).in_(names))
    query = select(Event).where(Event.org_id == actor.org_id, Event.deleted_at.is_(None), named)
    query = query.order_by(Event.id)
    found: dict[UUID | str, list[Event]] = {}
    for event in db.session.scalars(query.with_for_update(read=True) if lock else query) if rows else ():
        found[event.id] = [event]
        found.setdefault(event.name.lower(), []).append(event)
    return found


def _id(row: Row) -> UUID | None:
    try:
        return UUID(row.cells.get("event_id", ""))
    except ValueError:
        return None


def job_of(
    actor: Actor, row: Row, found: Mapping[UUID | str, Sequence[Event]], faults: Faults, now: datetime
) -> NewJob | None:
    """The job to make; None when the row is wrong, which `faults` then says."""
    wrong = len(faults.found)
    kind, event = _type(row, faults), _event(row, found, faults)
    for name in NEEDED:
        if not row.cells.get(name):
            faults.add(row.number, name, "is missing; every new message needs it")
    if row.cells.get("status", JobStatus.SCHEDULED).lower() not in ("", *SETTABLE):
        faults.add(row.number, "status", "a new message is scheduled or paused")
    if kind is None or event is None or len(faults.found) > wrong:
        return None
    return _checked(row, kind, event, faults, now)


def _type(row: Row, faults: Faults) -> MessageType | None:
    given = row.cells.get("message_type", "").upper().replace("-", "_")
    if given in tuple(MessageType):
        return MessageType(given)
    if given:
        faults.add(row.number, "message_type", f"must be one of {', '.join(MessageType)}")
    return None


def _event(row: Row, found: Mapping[UUID | str, Sequence[Event]], faults: Faults) -> Event | None:
    """The event of this id, or the only one of this name."""
    given, name = row.cells.get("event_id", ""), row.cells.get("event", "")
    if given:
        (event,) = found.get(_id(row) or "", (None,))
        if event is None:
            faults.add(row.number, "event_id", "no event has this id")
        return event
    named = found.get(name.lower(), ()) if name else ()
    if len(named) == 1:
        return named[0]
    text = f"{len(named)} events are called so; say which by event_id" if named else "no event is called so"
    faults.add(row.number, "event", text if name else "is missing; give its name, or event_id")
    return None


def _checked(row: Row, kind: MessageType, event: Event, faults: Faults, now: datetime) -> NewJob | None:
    """The job, with each of its fields checked as the service that makes it would."""
    try:
        place = zone(row.cells.get("timezone") or event.timezone)
        at = event_rows.moment(row.cells["send_at"], place)
        new = _job(row, kind, event, place, at)
        definitions.check_recipient(new.recipient)
        definitions.check_name(new.name or "")
        definitions.check_subject(new.subject)
        definitions.check_args(registry.resolve(TASK), new.args or {})
        definitions.check_schedule(new.schedule, now)
    except Invalid as error:
        for name, texts in error.fields.items():
            faults.add(row.number, _column(name), "; ".join(texts))
        return None
    except ValueError as error:
        faults.add(row.number, "send_at", str(error))
        return None
    return new


def _column(field: str) -> str:
    """The column in which a field of the job stands."""
    if field == "at":
        return "send_at"
    return {"args": "message_type", "args.subject": "message_subject", "args.text": "message_text"}.get(
        field, field
    )


def _job(row: Row, kind: MessageType, event: Event, place: ZoneInfo, at: datetime) -> NewJob:
    """Its key is made of what it says, so that the same row makes it once."""
    view, cells = view_of(event), row.cells
    words = {name: cells[column] for column, name in WORDS.items() if cells.get(column)}
    said = [kind, event.id, cells["recipient"].lower(), at.timestamp(), *words.items()]
    mark = sha256("\n".join(map(str, said)).encode()).hexdigest()[:16]
    return NewJob(
        task=TASK,
        name=cells.get("name") or naming.job_name(view, kind),
        key=f"{kind.lower()}_{mark}",
        args={"message_type": kind, "event_id": str(event.id), **words},
        schedule={"type": "once", "at": at},
        timezone=place.key,
        subject=cells.get("subject") or naming.subject_of(view),
        recipient=cells["recipient"],
        catch_up_window_seconds=LATEST_SECONDS,
        paused=cells.get("status", "").lower() == JobStatus.PAUSED,
    )
