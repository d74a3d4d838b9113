"""The message desk of the demonstration workspace: two dozen events, with every case that a desk knows.

Nothing is made up: what is shown as sent, failed and duplicate came about by itself, seconds after the first
start, in real mails to the embedded catcher, which refuses everybody at bounce.example.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select

from console.core import wall
from console.core.actor import Actor
from console.core.states import MessageType
from console.core.tags import Tag
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db
from console.plugins.messages import event_shape, events, planner
from console.plugins.messages.event_shape import NewEvent
from console.plugins.messages.models import Event, MessageSettings
from console.plugins.messages.views import WeekendRule
from console.services import audit, edit_writing, job_creation
from console.services.changes import Change
from console.services.job_creation import NewJob

DAY = timedelta(days=1)
SATURDAY, SUNDAY = 5, 6
SENT, FAILED, DUPLICATE = timedelta(seconds=6), timedelta(seconds=8), timedelta(seconds=28)
"""How long after the seed these cases come about; the duplicate comes due when its twin has been sent."""
RULE_SET = timedelta(seconds=45)
RULE = WeekendRule.PREVIOUS_FRIDAY
CREW = ("light@northside.example", "sound@northside.example", "stage@northside.example")


@dataclass(frozen=True)
class Play:
    """An event so many days from now (or on the first such weekday after that), at an hour of its zone.

    `load_in` is the hour of the load-in on the same day, None while unknown; the contact is a name.
    """

    name: str
    venue: str
    days: int
    begins: time
    contact: str | None
    crew: int = 0
    load_in: int | None = None
    weekday: int | None = None
    domain: str = "northside.example"


EVENING, LATE, MATINEE = time(19, 30), time(20, 0), time(15, 0)
PLAYS = (
    Play("Hamlet", "Main Stage", 1, EVENING, "Ana Berg", crew=2),
    Play("Faust", "Studio", 2, LATE, "Stage Door", domain="bounce.example"),
    Play("Peer Gynt", "Main Stage", 3, EVENING, "Solveig Dahl", crew=1, load_in=9),
    Play("The Tempest", "Studio", 4, LATE, None, crew=2),
    Play("Woyzeck", "Courtyard", 5, LATE, "Marie Lenz", crew=1, load_in=8),
    Play("Uncle Vanya", "Main Stage", 7, EVENING, "Sonja Perl"),
    Play("The Cherry Orchard", "Main Stage", 9, EVENING, "Ana Berg", crew=3, load_in=10, weekday=SUNDAY),
    Play("Medea", "Courtyard", 9, LATE, "Jason Holt", weekday=SATURDAY),
    Play("Antigone", "Studio", 11, LATE, "Ismene Frey", crew=1),
    Play("Tartuffe", "Main Stage", 13, EVENING, "Ana Berg", crew=2, load_in=9),
    Play("Hedda Gabler", "Studio", 15, LATE, "Thea Lund"),
    Play("Macbeth", "Main Stage", 16, EVENING, "Ana Berg", crew=3, weekday=SUNDAY),
    Play("The Seagull", "Courtyard", 17, LATE, None),
    Play("Nathan the Wise", "Main Stage", 18, MATINEE, "Recha Stein", crew=1),
    Play("Three Sisters", "Main Stage", 20, EVENING, "Sonja Perl", crew=2),
    Play("Miss Julie", "Studio", 21, LATE, "Kristin Ahl", load_in=11),
    Play("Mother Courage", "Main Stage", 23, EVENING, "Ana Berg", crew=3),
    Play("Leonce and Lena", "Courtyard", 24, MATINEE, "Rosetta Voss", weekday=SATURDAY),
    Play("Waiting for Godot", "Studio", 27, LATE, "Lucky Ward", crew=1),
    Play("The Broken Jug", "Main Stage", 29, EVENING, "Eve Rull"),
    Play("Twelfth Night", "Main Stage", 31, EVENING, "Viola Kern", crew=2, load_in=9),
    Play("The Misanthrope", "Studio", 34, LATE, "Ana Berg"),
    Play("Lysistrata", "Courtyard", 38, LATE, "Myrrhine Oak", crew=1),
    Play("A Midsummer Night's Dream", "Courtyard", 43, LATE, "Viola Kern", crew=3),
)


def fill(actor: Actor, now: datetime) -> None:
    """Fills a workspace in which nothing has happened yet, in the caller's transaction."""
    if _has_begun(actor):
        return
    is_weekend = _is_weekend(actor, now)
    if not is_weekend:
        _set_rule(actor, now)
    facts = [event_shape.checked_new(_event(play, actor.zone, now), actor.zone) for play in PLAYS]
    rows = events.insert_all(actor, facts, now=now)
    planner.plan_events(actor, rows, now=now)
    _live(actor, rows, now)
    if is_weekend:
        _set_rule_later(actor, now)


def _has_begun(actor: Actor) -> bool:
    """Whether anything was made here or has run: what a person deleted does not come back."""
    of_events = select(Event.id).where(Event.org_id == actor.org_id).limit(1)
    of_runs = select(Run.id).where(Run.org_id == actor.org_id).limit(1)
    has_settings = db.session.get(MessageSettings, actor.org_id) is not None
    return has_settings or any(db.session.scalar(query) is not None for query in (of_events, of_runs))


def _event(play: Play, zone_name: str, now: datetime) -> NewEvent:
    zone = ZoneInfo(zone_name)
    day = now.astimezone(zone).date() + play.days * DAY
    if play.weekday is not None:
        day += (play.weekday - day.weekday()) % 7 * DAY
    load_in = _at(day, time(play.load_in), zone) if play.load_in is not None else None
    return NewEvent(
        name=play.name,
        venue=play.venue,
        starts_at=_at(day, play.begins, zone),
        load_in_at=load_in,
        contact_name=play.contact or "",
        contact_email=f"{play.contact.lower().replace(' ', '.')}@{play.domain}" if play.contact else None,
        crew=CREW[: play.crew],
    )


def _at(day: date, hour: time, zone: ZoneInfo) -> datetime:
    return wall.instant(datetime.combine(day, hour, tzinfo=zone))


# The cases that come about by themselves, and the one by hand -------------------------------------


def _live(actor: Actor, rows: Sequence[Event], now: datetime) -> None:
    hamlet, faust, peer_gynt = rows[:3]
    reminder = _job(hamlet, MessageType.REMINDER)
    _edit(actor, reminder, Change(send_at=now + SENT), now)
    _edit(actor, _job(faust, MessageType.REMINDER), Change(send_at=now + FAILED), now)
    paused = Change(enabled=False, note="wait for photos")
    _edit(actor, _job(peer_gynt, MessageType.FOLLOW_UP), paused, now)
    _twin(actor, reminder, now)


def _job(event: Event, message_type: MessageType) -> Job:
    """The message of this type to the event's contact."""
    query = select(Job).where(Job.subject_id == event.id, Job.message_type == message_type)
    return db.session.scalars(query.where(Job.recipient == event.contact_email)).one()


def _edit(actor: Actor, job: Job, change: Change, now: datetime) -> None:
    edit_writing.write_row(actor, job, change, reason="for the demonstration", now=now)


def _twin(actor: Actor, job: Job, now: datetime) -> None:
    """The same message once more, which comes due when the other has been sent."""
    new = NewJob(
        task=job.task,
        name=job.name,
        key=f"{job.key}_again",
        args=job.args,
        schedule={"type": "once", "at": now + DUPLICATE},
        timezone=job.timezone,
        subject=job.subject,
        recipient=job.recipient,
    )
    job_creation.insert(actor, new, now)


# The weekend rule ---------------------------------------------------------------------------------


def _is_weekend(actor: Actor, now: datetime) -> bool:
    """Whether the rule would keep back what is about to be sent."""
    zone = ZoneInfo(actor.zone)
    return any(at.astimezone(zone).weekday() >= SATURDAY for at in (now, now + RULE_SET))


def _set_rule(actor: Actor, now: datetime) -> None:
    db.session.add(
        MessageSettings(
            org_id=actor.org_id, enabled=True, weekend_rule=RULE, changed_at=now, changed_by=actor.name
        )
    )
    new = {"weekend_rule": RULE}
    subject = audit.Subject("message_settings", actor.org_id)
    audit.add(actor, Tag.MESSAGE_SETTINGS_CHANGED, subject, now=now, new=new)
    db.session.flush()


def _set_rule_later(actor: Actor, now: datetime) -> None:
    """At a weekend nothing would be sent under the rule, so it comes after what shows how things are sent."""
    new = NewJob(
        task="set_weekend_rule",
        args={"rule": RULE},
        schedule={"type": "once", "at": now + RULE_SET},
        timezone=actor.zone,
    )
    job_creation.insert(actor, new, now)
