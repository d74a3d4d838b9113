"""Message jobs and their events for the tests of sending, past the planner, which has plans of its own."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Flask

from console.core.clock import utc_now
from console.core.states import MessageType, RunState
from console.db.session import db, transaction
from console.plugins.messages.models import Event
from console.services import jobs, runs
from console.services.run_views import RunView
from console.services.views import JobView
from console.worker.execute import execute
from tests import factories
from tests.factories import OrgOf

ANA = "ana@northside.example"
INIT, REMINDER, FREE = MessageType.INIT, MessageType.REMINDER, MessageType.FREE
WORDS = {"subject": "About {{ event_name }}", "text": "Dear {{ recipient }}"}


def event(of: OrgOf, name: str = "Hamlet", **fields: Any) -> UUID:
    """The row of an event that begins in 30 days and has a contact; nothing is planned for it."""
    given = {"contact_email": ANA, "starts_at": utc_now() + timedelta(days=30), "timezone": "UTC", **fields}
    with transaction():
        row = Event(org_id=of.id, name=name, **given)
        db.session.add(row)
        db.session.flush()
        return row.id


def message(
    of: OrgOf,
    event_id: UUID | None,
    message_type: MessageType = REMINDER,
    recipient: str | None = ANA,
    *,
    at: datetime | None = None,
    now: datetime | None = None,
    name: str | None = None,
    **args: Any,
) -> JobView:
    """A message job for tomorrow; a free one has words unless `args` bring others."""
    now = now or utc_now()
    about = {"event_id": str(event_id)} if event_id else {}
    words = WORDS if message_type is FREE else {}
    return factories.job(
        of,
        "send_message",
        args={"message_type": message_type.value, **about, **words, **args},
        name=name,
        recipient=recipient,
        schedule={"type": "once", "at": at or now + timedelta(days=1)},
        now=now,
    )


def executed(app: Flask, of: OrgOf, run: RunView, *, now: datetime | None = None) -> RunView:
    """The run after its first attempt, in this process."""
    state = execute(app, run.id, worker="worker-1", clock=(lambda: now) if now else utc_now)
    assert state is None or state in RunState
    return runs.get(of.admin, run.id, now=now or utc_now())


def read(of: OrgOf, job: JobView, *, now: datetime | None = None) -> JobView:
    return jobs.get(of.admin, job.id, now=now or utc_now())
