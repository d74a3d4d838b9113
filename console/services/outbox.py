"""The mail that the embedded catcher accepted, for a newcomer to see it arrive."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Literal
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import defer

from console.core.actor import Actor
from console.core.errors import NotFound
from console.core.texts import storable
from console.db.alerts import AlertDelivery
from console.db.operations import CaughtMail
from console.db.people import Org
from console.db.runs import Run
from console.db.session import db, reading, transaction
from console.services import paging
from console.services.mail import RUN_HEADER

TEXT_LIMIT = 200_000
_embedded = [False]


@dataclass(frozen=True)
class Mail:
    """A mail in the outbox; `html_text` is its HTML part as source, None without one and in lists."""

    id: UUID
    run_id: UUID | None
    received_at: datetime
    sender: str
    recipients: Sequence[str]
    subject: str
    text: str
    html_text: str | None = None


@dataclass(frozen=True)
class MailPage:
    mails: Sequence[Mail]
    next_cursor: str | None
    as_of: datetime


def configure(*, embedded: bool) -> None:
    """Says whether mail goes to the embedded catcher."""
    _embedded[0] = embedded


def is_embedded() -> bool:
    """Whether mail goes to the embedded catcher, so that there is an outbox to show."""
    return _embedded[0]


def record(raw: bytes, sender: str, recipients: tuple[str, ...], now: datetime) -> None:
    """Keeps a caught mail for the org of the run or alert that sent it, or for the oldest org."""
    mail = message_from_bytes(raw, policy=policy.default)
    with transaction():
        run_id, org_id = _owner(str(mail.get(RUN_HEADER, "")))
        if org_id is None:
            return
        db.session.add(
            CaughtMail(
                org_id=org_id,
                run_id=run_id,
                received_at=now,
                sender=storable(sender, 300),
                recipients=[storable(item, 300) for item in recipients],
                subject=storable(str(mail.get("Subject", "")), 500),
                text=storable(_text(mail), TEXT_LIMIT),
                raw=raw,
            )
        )


def _owner(run_header: str) -> tuple[UUID | None, UUID | None]:
    try:
        run = db.session.execute(select(Run.id, Run.org_id).where(Run.id == UUID(run_header.strip()))).first()
    except ValueError:
        run = None
    if run:
        return run[0], run[1]
    org_id = _owner_of_alert(run_header)
    if org_id is not None:
        return None, org_id
    return None, db.session.scalar(select(Org.id).order_by(Org.created_at, Org.id).limit(1))


def _owner_of_alert(header: str) -> UUID | None:
    """The org whose alert it is: such a mail carries the id of its delivery."""
    try:
        wanted = UUID(header.strip())
    except ValueError:
        return None
    return db.session.scalar(select(AlertDelivery.org_id).where(AlertDelivery.id == wanted))


def _text(mail: EmailMessage) -> str:
    return _body(mail, "plain", "html")


def _body(mail: EmailMessage, *kinds: Literal["plain", "html"]) -> str:
    """The first part of these kinds that there is; empty when it can't be read."""
    body = mail.get_body(preferencelist=kinds)
    try:
        return str(body.get_content()) if body else ""
    except (LookupError, UnicodeError):
        return ""


def page(actor: Actor, *, cursor: str | None, limit: int, now: datetime) -> MailPage:
    """One page of caught mail, newest first; raises `Invalid` that names `cursor` or `limit`."""
    query = select(CaughtMail).where(CaughtMail.org_id == actor.org_id).options(defer(CaughtMail.raw))
    if cursor:
        query = query.where(
            tuple_(CaughtMail.received_at, CaughtMail.id) < tuple_(*paging.decode(cursor, "du"))
        )
    query = query.order_by(CaughtMail.received_at.desc(), CaughtMail.id.desc())
    with reading():
        rows = db.session.scalars(query.limit(paging.check_limit(limit) + 1)).all()
        mails = [_view(row) for row in rows[:limit]]
    last = mails[-1] if len(rows) > limit else None
    return MailPage(mails, paging.encode(last.received_at, last.id) if last else None, now)


def of_run(actor: Actor, run_id: UUID, *, since: datetime, until: datetime) -> UUID | None:
    """The id of the mail that this run sent within these instants; None when the catcher has none."""
    found = select(CaughtMail.id).where(CaughtMail.org_id == actor.org_id, CaughtMail.run_id == run_id)
    with reading():
        return db.session.scalar(found.where(CaughtMail.received_at.between(since, until)).limit(1))


def get(actor: Actor, mail_id: UUID) -> Mail:
    """The mail of this id in the actor's org; raises `NotFound`."""
    with reading():
        row = db.session.scalar(
            select(CaughtMail).where(CaughtMail.id == mail_id, CaughtMail.org_id == actor.org_id)
        )
        if row is None:
            raise NotFound("There is no such mail.")
        return replace(_view(row), html_text=_html(row.raw))


def _html(raw: bytes) -> str | None:
    """The HTML part as source; None when there is none."""
    mail = message_from_bytes(raw, policy=policy.default)
    return storable(_body(mail, "html"), TEXT_LIMIT) or None


def _view(row: CaughtMail) -> Mail:
    return Mail(row.id, row.run_id, row.received_at, row.sender, tuple(row.recipients), row.subject, row.text)
