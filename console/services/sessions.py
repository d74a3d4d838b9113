"""Signed-in browsers: a row for each, so that signing out and disabling take effect at once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, func, select, text, update

from console.core.actor import Actor
from console.core.errors import BadCredentials, NotFound
from console.core.states import ActorKind, Role
from console.core.tags import Tag
from console.core.texts import storable
from console.db.people import LoginSession, Membership, Org, User
from console.db.session import db, reading, transaction
from console.services import audit
from console.services.account_views import Place, SignedIn
from console.services.secrets import digest, new_secret, verify_password

LONGEST_EMAIL = 254
LASTS = timedelta(days=14)
SEEN_EVERY = timedelta(minutes=1)


def sign_in(
    email: str,
    password: str,
    *,
    now: datetime,
    address: str | None,
    user_agent: str | None,
    request_id: str | None = None,
) -> SignedIn:
    """Opens a session in the org that was used last, or in the first one that the person may come into.

    Raises `BadCredentials`, which never says which of the two was wrong.
    """
    actor, hashed = _check(email, password, address, request_id, now)
    secret = new_secret()
    with transaction():
        _still_holds(actor, hashed)
        row = LoginSession(
            org_id=actor.org_id,
            user_id=actor.id,
            secret_hash=digest(secret),
            created_at=now,
            last_seen_at=now,
            expires_at=now + LASTS,
            address=address,
            user_agent=(user_agent or "")[:300],
        )
        db.session.add(row)
        db.session.flush()
        audit.add(actor, Tag.SIGNED_IN, audit.Subject("session", row.id), now=now)
    return SignedIn(secret, now + LASTS)


def _still_holds(actor: Actor, hashed: str) -> None:
    """Keeps the account as it is until the session is there; raises `BadCredentials` if it was changed.

    A hash takes its time, in which the password may become another one: that one ends all sessions, and has
    to end this one too, or forestall it.
    """
    kept = select(User.password_hash).where(User.id == actor.id, User.is_active).with_for_update(read=True)
    if db.session.scalar(kept) != hashed:
        raise BadCredentials()


def _check(
    email: str, password: str, address: str | None, request_id: str | None, now: datetime
) -> tuple[Actor, str]:
    """Who it is, and the hash that the password fits."""
    query = _memberships().where(User.email == storable(email.strip().lower(), LONGEST_EMAIL))
    with reading():
        found = db.session.execute(query.limit(1)).first()
        user, membership, org = found or (None, None, None)
        hashed = user.password_hash if user else None
        is_active = bool(user and user.is_active and membership and membership.disabled_at is None)
        actor = _actor(user, membership, org, address, request_id) if user and membership and org else None
    is_right = verify_password(hashed, password)
    if is_right and is_active and actor and hashed:
        return actor, hashed
    if actor:
        why = "may not come in any more" if is_right else "another password"
        with transaction():
            subject = audit.Subject("user", actor.id or "")
            audit.add(actor, Tag.SIGN_IN_REFUSED, subject, now=now, reason=why)
    raise BadCredentials()


def _memberships() -> Select[User, Membership, Org]:
    """People in their orgs: those that they may come into first, of those the one that was used last."""
    mine = (LoginSession.user_id == User.id, LoginSession.org_id == Org.id)
    used = select(func.max(LoginSession.last_seen_at)).where(*mine).scalar_subquery()
    query = select(User, Membership, Org).join(Membership, Membership.user_id == User.id)
    query = query.join(Org, Org.id == Membership.org_id)
    return query.order_by(
        Membership.disabled_at.is_not(None), used.desc().nulls_last(), Membership.created_at, Org.id
    )


def _actor(
    user: User, membership: Membership, org: Org, address: str | None, request_id: str | None
) -> Actor:
    return Actor(
        ActorKind.PERSON,
        org.id,
        org.name,
        org.timezone,
        Role(membership.role),
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
     AND memberships.disabled_at IS NULL
    JOIN orgs ON orgs.id = login_sessions.org_id
    WHERE secret_hash = :hash AND revoked_at IS NULL AND expires_at > :now
    """
)


def session_actor(secret: str, *, now: datetime, address: str | None, request_id: str | None) -> Actor | None:
    """Who holds this session; None when it is unknown, expired or revoked, or its user may not come in."""
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


def places(actor: Actor) -> Sequence[Place]:
    """The orgs that this person may come into, by name; none for who is no person."""
    if actor.kind is not ActorKind.PERSON:
        return ()
    query = select(Org.id, Org.name, Membership.role).join(Membership, Membership.org_id == Org.id)
    query = query.where(Membership.user_id == actor.id, Membership.disabled_at.is_(None))
    with reading():
        found = db.session.execute(query.order_by(Org.name, Org.id)).all()
        return [Place(org_id, name, Role(role)) for org_id, name, role in found]


def move(secret: str, actor: Actor, org_id: UUID, *, now: datetime) -> Place:
    """Takes the session to another org of the same person; raises `NotFound` for one that is closed to them.

    Both orgs have it on their trails: one was left, the other entered.
    """
    place = next((item for item in places(actor) if item.org_id == org_id), None)
    if place is None:
        raise NotFound("You have no way into this org.")
    if org_id == actor.org_id:
        return place
    with transaction():
        held = update(LoginSession).where(
            LoginSession.secret_hash == digest(secret),
            LoginSession.user_id == actor.id,
            LoginSession.revoked_at.is_(None),
        )
        moved = held.values(org_id=org_id, last_seen_at=now).returning(LoginSession.id)
        row = db.session.execute(moved).first()
        if row is None:
            raise NotFound("This session has ended.")
        _record_move(actor, place, audit.Subject("session", row[0]), now)
    return place


def _record_move(actor: Actor, place: Place, subject: audit.Subject, now: datetime) -> None:
    there = Actor(
        actor.kind,
        place.org_id,
        place.name,
        actor.zone,
        place.role,
        actor.name,
        id=actor.id,
        email=actor.email,
        address=actor.address,
        request_id=actor.request_id,
    )
    audit.add(actor, Tag.SIGNED_OUT, subject, now=now, reason="went to another org")
    audit.add(there, Tag.SIGNED_IN, subject, now=now, reason="came from another org")
