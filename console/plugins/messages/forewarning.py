"""What gives pause about messages before they are made: the rules at their time, what is there already.

Nothing of it forbids them.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Row, exists, func, select

from console.core.actor import Actor
from console.core.reasons import Reason
from console.core.registry import registry
from console.core.states import JobStatus, MessageType, RunState
from console.core.task import Check
from console.db.jobs import Job
from console.db.runs import Run
from console.db.session import db
from console.plugins.messages import message_rules
from console.plugins.messages.naming import local_and_home
from console.plugins.messages.views import EventView
from console.plugins.messages.wishes import Warned, Wish
from console.services.workers import fleet

TO_COME = (JobStatus.SCHEDULED, JobStatus.PAUSED, JobStatus.RETRYING)
BEFORE_THE_START = (MessageType.INIT, MessageType.REMINDER)
NAMED = 3
SENT = (Job.status == JobStatus.SENT) | exists().where(
    Run.job_id == Job.id, Run.state == RunState.SUCCEEDED, Run.dry_run.is_(False)
)


def warnings(
    actor: Actor, wish: Wish, event: EventView, task: str, *, is_timed: bool, now: datetime
) -> list[Warned]:
    """What gives pause, inside the caller's transaction; without `is_timed` nothing is said of the time."""
    found = [*_unoffered(task, now)] if is_timed and wish.at is None else []
    if is_timed:
        found += [*_begun(actor, wish, event), *_against(actor, wish, now)]
    return [*found, *_duplicates(actor, wish, event)]


def _unoffered(task: str, now: datetime) -> Iterator[Warned]:
    """What goes at once is refused when nobody can take it."""
    path = registry.resolve(task).path
    if not fleet(now).offers(path):
        yield Warned(f"No live worker offers {path}. Choose a time to come.", Reason.NOT_REGISTERED)


def _begun(actor: Actor, wish: Wish, event: EventView) -> Iterator[Warned]:
    if wish.at and wish.at > event.starts_at and wish.message_type in BEFORE_THE_START:
        at = local_and_home(event.starts_at, event.timezone, actor.zone)
        yield Warned(f"“{event.name}” will have begun by then: {at}.")


def _against(actor: Actor, wish: Wish, now: datetime) -> Iterator[Warned]:
    """The rules' word at that time for the first recipient; duplicates are looked for among all of them."""
    args = {"message_type": wish.message_type, "event_id": str(wish.event_id)}
    refusal = message_rules.may_go(Check(str(actor.org_id), args, "", wish.at or now))
    if refusal is None:
        return
    if wish.at is None:
        yield Warned(f"{refusal.sentence} Sent at once, it passes over this rule.", refusal.reason)
    else:
        yield Warned(_skipped(refusal.sentence), refusal.reason)


def _skipped(sentence: str) -> str:
    return f"As things stand it would be skipped then: {sentence} Send now passes over this rule."


def _duplicates(actor: Actor, wish: Wish, event: EventView) -> Iterator[Warned]:
    """Who got, or is to get, this very message; one that is free is no second of another."""
    if wish.message_type is MessageType.FREE or not wish.recipients:
        return
    rows = _others(actor, wish)
    about = f"the message of the type {wish.message_type.label} about “{event.name}”"
    sent = _names([row.recipient for row in rows if row.is_sent])
    if sent:
        word = f"{sent} already got {about}."
        is_now = wish.at is None
        yield Warned(f"{word} It goes out once more." if is_now else _skipped(word), Reason.DUPLICATE)
    waiting = [row for row in rows if not row.is_sent and row.deleted_at is None and row.status in TO_COME]
    if waiting:
        at = min((row.next_run_at for row in waiting if row.next_run_at), default=None)
        when = f" for {local_and_home(at, event.timezone, actor.zone)}" if at else ""
        word = f"{about} is there already{when}: {_names([row.recipient for row in waiting])}."
        text = f"{word[0].upper()}{word[1:]} Of two, the later one is skipped once the first has gone out."
        yield Warned(text, Reason.DUPLICATE)


def _others(
    actor: Actor, wish: Wish
) -> Sequence[Row[str | None, str, datetime | None, datetime | None, bool]]:
    """The jobs of this type about this event to any of the recipients, those that were deleted too."""
    query = select(Job.recipient, Job.status, Job.next_run_at, Job.deleted_at, SENT.label("is_sent"))
    addresses = [address.lower() for address in wish.recipients]
    return db.session.execute(
        query.where(
            Job.org_id == actor.org_id,
            Job.subject_id == wish.event_id,
            Job.message_type == wish.message_type,
            func.lower(Job.recipient).in_(addresses),
        ).order_by(Job.id)
    ).all()


def _names(recipients: Sequence[str | None]) -> str:
    """The addresses, each once, the first few by name."""
    known = list({address.lower(): address for address in recipients if address}.values())
    rest = f" and {len(known) - NAMED} more" if len(known) > NAMED else ""
    return ", ".join(known[:NAMED]) + rest
