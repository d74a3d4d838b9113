"""Who is signed in: everybody's browsers for admins, one's own for all, and how they are put out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, update

from console.core import browsers
from console.core.actor import Actor
from console.core.errors import NotFound
from console.core.permissions import Permission
from console.core.states import ActorKind
from console.core.tags import Tag
from console.db.people import LoginSession, Org, User
from console.db.session import db, reading, transaction
from console.services import audit
from console.services.account_views import SessionView
from console.services.secrets import digest

LIMIT = 500


def mine(actor: Actor, *, secret: str | None, now: datetime) -> Sequence[SessionView]:
    """The actor's own browsers, in every org, newest first; none for who is no person.

    `secret` is that of the session through which they ask.
    """
    if actor.kind is not ActorKind.PERSON:
        return ()
    query = _open(now).where(LoginSession.user_id == actor.id)
    return _listed(query, actor, secret)


def others(actor: Actor, *, now: datetime) -> Sequence[SessionView]:
    """The browsers of everybody else in the actor's org, newest first, at most 500; raises `Forbidden`."""
    actor.require(Permission.MANAGE_SESSIONS)
    query = _open(now).where(LoginSession.org_id == actor.org_id)
    if actor.kind is ActorKind.PERSON:
        query = query.where(LoginSession.user_id != actor.id)
    return _listed(query, actor, None)


def _open(now: datetime) -> Select[LoginSession, str, str]:
    query = select(LoginSession, User.email, Org.name).join(User, User.id == LoginSession.user_id)
    query = query.join(Org, Org.id == LoginSession.org_id)
    query = query.where(LoginSession.revoked_at.is_(None), LoginSession.expires_at > now)
    return query.order_by(LoginSession.last_seen_at.desc(), LoginSession.id.desc()).limit(LIMIT)


def _listed(query: Select[LoginSession, str, str], actor: Actor, secret: str | None) -> Sequence[SessionView]:
    held = digest(secret) if secret else None
    with reading():
        return [_view(row, email, name, actor, held) for row, email, name in db.session.execute(query)]


def _view(row: LoginSession, email: str, org_name: str, actor: Actor, held: bytes | None) -> SessionView:
    return SessionView(
        id=row.id,
        user_id=row.user_id,
        email=email,
        org_name=org_name,
        address=row.address,
        browser=browsers.plain(row.user_agent),
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        expires_at=row.expires_at,
        is_current=row.secret_hash == held,
        is_mine=actor.kind is ActorKind.PERSON and row.user_id == actor.id,
    )


def revoke(actor: Actor, session_id: UUID, *, now: datetime) -> None:
    """Puts one browser out at once, and once: one's own, or, with the permission, another's of the org.

    Raises `NotFound` or `Forbidden`.
    """
    with transaction():
        row = db.session.get(LoginSession, session_id, with_for_update={"key_share": True})
        is_mine = row is not None and actor.kind is ActorKind.PERSON and row.user_id == actor.id
        if row is None or not (is_mine or row.org_id == actor.org_id):
            raise NotFound("There is no such session.")
        if not is_mine:
            actor.require(Permission.MANAGE_SESSIONS)
        if row.revoked_at is None:
            row.revoked_at = now
            _record(actor, row, now)


def revoke_mine(actor: Actor, *, but: str, now: datetime) -> int:
    """Puts out all of one's own browsers `but` the one with this secret; answers how many."""
    if actor.kind is not ActorKind.PERSON:
        return 0
    return _revoke_all(
        actor, (LoginSession.user_id == actor.id, LoginSession.secret_hash != digest(but)), now
    )


def revoke_others(actor: Actor, *, now: datetime) -> int:
    """Puts out the browsers of everybody else in the actor's org; answers how many. Raises `Forbidden`."""
    actor.require(Permission.MANAGE_SESSIONS)
    which = [LoginSession.org_id == actor.org_id]
    if actor.kind is ActorKind.PERSON:
        which.append(LoginSession.user_id != actor.id)
    return _revoke_all(actor, which, now)


def _revoke_all(actor: Actor, which: Sequence[Any], now: datetime) -> int:
    alive = (LoginSession.revoked_at.is_(None), LoginSession.expires_at > now)
    with transaction():
        ended = update(LoginSession).where(*which, *alive).values(revoked_at=now).returning(LoginSession)
        rows = list(db.session.scalars(ended))
        for row in rows:
            _record(actor, row, now)
        return len(rows)


def _record(actor: Actor, row: LoginSession, now: datetime) -> None:
    email = db.session.scalar(select(User.email).where(User.id == row.user_id))
    old = {"person": email, "browser": browsers.plain(row.user_agent), "address": row.address}
    audit.add(actor, Tag.SESSION_REVOKED, audit.Subject("session", row.id), now=now, old=old)
