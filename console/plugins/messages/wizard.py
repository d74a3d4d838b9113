"""New messages that a person writes: what they would be, and making them, one job for each recipient."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from console.core.actor import Actor
from console.core.errors import Invalid
from console.core.permissions import Permission
from console.core.states import Trigger
from console.db.jobs import Job
from console.db.session import db, reading, transaction
from console.plugins.messages import events, naming, templating, writing
from console.plugins.messages.forewarning import warnings
from console.plugins.messages.views import EventView
from console.plugins.messages.wishes import Foreseen, Made, Wish
from console.plugins.messages.writing import Letter
from console.services import definitions, job_creation, pushing, triggers
from console.services.edit_validation import SEND_AT_GRACE
from console.services.job_creation import KeyTaken, NewJob
from console.services.run_requests import Request

TASK = "send_message"
MOST_RECIPIENTS = 200
LATEST_SECONDS = 900
REASON = "written by hand"


def foresee(actor: Actor, wish: Wish, *, is_timed: bool = True, now: datetime) -> Foreseen:
    """What the wish would make, as things stand; nothing is changed. Raises `NotFound` without its event.

    Without `is_timed` its time is not known yet, and nothing is said of it.
    """
    with reading():
        event = events.view_of(events.row_of(actor, wish.event_id))
        warned = warnings(actor, wish, event, TASK, is_timed=is_timed, now=now)
        try:
            return Foreseen(_written(actor, wish), warned)
        except Invalid as error:
            return Foreseen(None, warned, error.fields)


def make(actor: Actor, wish: Wish, form: str, *, now: datetime) -> Made:
    """Makes the messages, all of them or none; those that go at once pass over the rules, as Send now does.

    The same wish out of the same `form` makes them once. Raises `Forbidden`, `NotFound`, `Invalid` that
    names `recipients`, `send_at` or the words, and `Refused` when they can't be sent at once.
    """
    actor.require(Permission.EDIT_JOBS)
    wish = _checked(wish, now)
    try:
        with transaction():
            event = events.view_of(events.row_of(actor, wish.event_id, lock=True))
            _written(actor, wish)
            made = job_creation.insert_all(actor, _new(wish, event, form, now), reason=REASON, now=now)
            run_ids = [_asked(actor, job, now) for job in made] if wish.at is None else []
    except KeyTaken:
        return _made_before(actor, wish, form)
    pushing.push(run_ids, now=now)
    return Made(event, len(made))


def _made_before(actor: Actor, wish: Wish, form: str) -> Made:
    """The answer to a form that was sent twice: whoever came first has made them, and committed."""
    with reading():
        event = events.view_of(events.row_of(actor, wish.event_id))
        return Made(event, len(wish.recipients), is_again=True)


def _checked(wish: Wish, now: datetime) -> Wish:
    """The wish with each recipient once; a time that passed while the form was filled in is let pass."""
    if wish.at is not None and wish.at < now - SEND_AT_GRACE:
        raise definitions.in_the_past("send_at")
    return replace(wish, recipients=check_recipients(wish.recipients))


def check_recipients(addresses: Sequence[str]) -> tuple[str, ...]:
    """The addresses, each once; raises `Invalid` that names `recipients` with every one that is none."""
    given = [address.strip() for address in reversed(addresses) if address.strip()]
    found = {address.casefold(): address for address in given}
    texts = [f"“{address[:60]}” is not a mail address" for address in found.values() if not _is_one(address)]
    if not found:
        texts = ["choose at least one, or write an address"]
    if len(found) > MOST_RECIPIENTS:
        texts = [f"up to {MOST_RECIPIENTS} at once; these are {len(found)}"]
    if texts:
        raise Invalid(f"recipients: {'; '.join(texts)}", fields={"recipients": texts[::-1]})
    return tuple(found.values())[::-1]


def _is_one(address: str) -> bool:
    try:
        return definitions.check_recipient(address) is not None
    except Invalid:
        return False


def _written(actor: Actor, wish: Wish) -> Letter:
    """The message of the first recipient; raises `Invalid` that names the part that can't be written."""
    if wish.words is not None:
        templating.check(wish.words)
    return writing.compose(actor.org_id, wish.order, wish.recipients[0] if wish.recipients else "")


def _new(wish: Wish, event: EventView, form: str, now: datetime) -> list[NewJob]:
    return [
        NewJob(
            task=TASK,
            name=naming.job_name(event, wish.message_type),
            key=naming.key_of(event, wish.message_type, _mark(wish, form, number)),
            args=_args(wish),
            schedule={"type": "once", "at": max(wish.at or now, now)},
            timezone=event.timezone,
            subject=naming.subject_of(event),
            recipient=address,
            catch_up_window_seconds=LATEST_SECONDS,
        )
        for number, address in enumerate(wish.recipients)
    ]


def _mark(wish: Wish, form: str, number: int) -> str:
    """One for each message of a form: the same form sent again finds its keys taken."""
    return f"{sha256(f'{form} {wish}'.encode()).hexdigest()[:12]}{number:03d}"


def _args(wish: Wish) -> Mapping[str, Any]:
    args = {"message_type": wish.message_type, "event_id": str(wish.event_id)}
    if wish.order.words is None:
        return args
    words = wish.order.words
    return args | {
        "subject": words.subject,
        "text": words.text,
        **({"html": words.html} if words.html else {}),
    }


def _asked(actor: Actor, job: Job, now: datetime) -> UUID:
    """A run that a person asked for; the clock, which would ask the rules, has nothing to do with it."""
    job.next_run_at = None
    db.session.flush()
    return triggers.ask(actor, job, Request(Trigger.MANUAL), now=now)
