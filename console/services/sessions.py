"""Signed-in browsers: a row for each, so that signing out and disabling take effect at once."""

from datetime import datetime, timedelta

from sqlalchemy import Select, select, text, update

from console.core.actor import Actor
from console.core.errors import BadCredentials
from console.core.states import ActorKind, Role
from console.core.tags import Tag
from console.core.texts import storable
from console.db.people import LoginSession, Membership, Org, User
from console.db.session import db, reading, transaction
from console.services import audit
from console.services.secrets import digest, new_secret, verify_password
from console.services.views import SignedIn

LONGEST_EMAIL = 254
LASTS = timedelta(days=14)
SEEN_EVERY = timedelta(minutes=1)


def sign_in(
    email: str, password: str, *, now: datetime, address: str | None, user_agent: str | None
) -> SignedIn:
    """Opens a session; raises `BadCredentials`, which never says which of the two was wrong."""
    actor = _check(email, password, address, now)
    secret = new_secret()
    with transaction():
        row = LoginSession(
            org_id=actor.org_id,
            user_id=actor.id,
            secret_hash=digest(secret),
            last_seen_at=now,
            expires_at=now + LASTS,
            address=address,
            user_agent=(user_agent or "")[:300],
        )
        db.session.add(row)
        db.session.flush()
        audit.add(actor, Tag.SIGNED_IN, audit.Subject("session", row.id), now=now)
    return SignedIn(secret, now + LASTS)


def _check(email: str, password: str, address: str | None, now: datetime) -> Actor:
    query = _memberships().where(User.email == storable(email.strip().lower(), LONGEST_EMAIL))
    with reading():
        found = db.session.execute(query).first()
        hashed = found[0].password_hash if found else None
        is_active = bool(found and found[0].is_active)
        actor = _actor(*found, address=address) if found else None
    if verify_password(hashed, password) and is_active and actor:
        return actor
    if actor:
        with transaction():
            audit.add(actor, Tag.SIGN_IN_REFUSED, audit.Subject("user", actor.id or ""), now=now)
    raise BadCredentials()


def _memberships() -> Select[User, str, Org]:
    query = select(User, Membership.role, Org).join(Membership, Membership.user_id == User.id)
    return query.join(Org, Org.id == Membership.org_id).order_by(Membership.created_at).limit(1)


def _actor(user: User, role: str, org: Org, address: str | None, request_id: str | None = None) -> Actor:
    return Actor(
        ActorKind.PERSON,
        org.id,
        org.name,
        org.timezone,
        Role(role),
        user.email,
        id=user.id,
        email=user.email,
        address=address,
        request_id=request_id,
    )


# A text, for every request asks this: it costs half of what the expression does.
HOLDER = text(
    """
    SELECT login_sessions.id AS session_id, login_sessions.last_seen_at, users.id AS user_id, users.email,
           memberships.role, orgs.id AS org_id, orgs.name AS org_name, orgs.timezone
    FROM login_sessions
    JOIN users ON users.id = login_sessions.user_id AND users.is_active
    JOIN memberships ON memberships.user_id = users.id AND memberships.org_id = login_sessions.org_id
    JOIN orgs ON orgs.id = login_sessions.org_id
    WHERE secret_hash = :hash AND revoked_at IS NULL AND expires_at > :now
    """
)


def session_actor(secret: str, *, now: datetime, address: str | None, request_id: str | None) -> Actor | None:
    """Who holds this session; None when it is unknown, expired or revoked, or its user is disabled."""
    with reading():
        found = db.session.execute(HOLDER, {"hash": digest(secret), "now": now}).first()
    if found is None:
        return None
    if now - found.last_seen_at > SEEN_EVERY:
        with transaction():
            seen = update(LoginSession).where(LoginSession.id == found.session_id)
            db.session.execute(seen.values(last_seen_at=now))
    return Actor(
        ActorKind.PERSON,
        found.org_id,
        found.org_name,
        found.timezone,
        Role(found.role),
        found.email,
        id=found.user_id,
        email=found.email,
        address=address,
        request_id=request_id,
    )


def sign_out(secret: str, actor: Actor, *, now: datetime) -> None:
    """Ends the session at once; ending it twice changes nothing."""
    with transaction():
        ended = update(LoginSession).where(
            LoginSession.secret_hash == digest(secret), LoginSession.revoked_at.is_(None)
        )
        row = db.session.execute(ended.values(revoked_at=now).returning(LoginSession.id)).first()
        if row:
            audit.add(actor, Tag.SIGNED_OUT, audit.Subject("session", row[0]), now=now)
