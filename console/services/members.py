"""Who belongs to an org: the rows behind people, as their services read and hold them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select, update

from console.core.actor import Actor
from console.core.errors import NotFound, Refused
from console.core.permissions import Permission
from console.core.states import Role
from console.db.people import LoginSession, Membership, Org, User
from console.db.session import db, reading
from console.services.account_views import Person
from console.services.secrets import digest


def list_people(actor: Actor) -> list[Person]:
    """Everybody in the actor's org, by address; raises `Forbidden`."""
    actor.require(Permission.READ)
    with reading():
        return [_seen(*row) for row in db.session.execute(_people(actor.org_id).order_by(User.email))]


def get(actor: Actor, user_id: UUID) -> Person:
    """One of them; raises `NotFound` or `Forbidden`."""
    actor.require(Permission.READ)
    with reading():
        return person(actor.org_id, user_id)


def find(actor: Actor, email: str) -> Person:
    """The one with this address; raises `NotFound`."""
    with reading():
        query = _people(actor.org_id).where(User.email == email.strip().lower())
        found = db.session.execute(query).first()
    if found is None:
        raise NotFound(f"Nobody here has the address {email!r}.")
    return _seen(*found)


def person(org_id: UUID, user_id: UUID) -> Person:
    """As `get`, inside the caller's transaction or read, and without asking for the role."""
    query = _people(org_id).where(User.id == user_id).execution_options(populate_existing=True)
    found = db.session.execute(query).first()
    if found is None:
        raise NotFound("There is no such person here.")
    return _seen(*found)


def _people(org_id: UUID) -> Select[User, Membership, datetime | None]:
    mine = (LoginSession.user_id == User.id, LoginSession.org_id == org_id)
    seen = select(func.max(LoginSession.last_seen_at)).where(*mine).scalar_subquery()
    query = select(User, Membership, seen).join(Membership, Membership.user_id == User.id)
    return query.where(Membership.org_id == org_id)


def _seen(user: User, membership: Membership, last_seen_at: datetime | None) -> Person:
    return Person(
        id=user.id,
        email=user.email,
        name=membership.name or user.name,
        role=Role(membership.role),
        is_active=user.is_active and membership.disabled_at is None,
        is_shut_out=not user.is_active,
        last_seen_at=last_seen_at,
        disabled_at=membership.disabled_at,
        disabled_by=membership.disabled_by,
    )


def first_admin(org_id: UUID) -> User | None:
    """The org's oldest admin who may come in."""
    query = select(User).join(Membership, Membership.user_id == User.id)
    query = query.where(Membership.org_id == org_id, Membership.role == Role.ADMIN, User.is_active)
    query = query.where(Membership.disabled_at.is_(None))
    return db.session.scalar(query.order_by(User.created_at, User.id).limit(1))


def has_other_orgs(org_id: UUID, user_id: UUID) -> bool:
    query = select(Membership.org_id).where(Membership.user_id == user_id, Membership.org_id != org_id)
    return db.session.scalar(query.limit(1)) is not None


def lock(org_id: UUID) -> None:
    """Admins who change people at the same time take turns, lest two of them take each other's role."""
    db.session.execute(select(Org.id).where(Org.id == org_id).with_for_update(key_share=True))


def keep_an_admin(org_id: UUID) -> None:
    """Raises `Refused` when an org that has people has no admin who may come in."""
    if first_admin(org_id) is None:
        raise Refused("This is the last active admin here; make another one first. Nothing was changed.")


def end_sessions(user_id: UUID, now: datetime, *, org_id: UUID | None = None, but: str | None = None) -> int:
    """Ends a person's sessions, all or those of one org, `but` the one with this secret; answers how many."""
    ended = update(LoginSession).where(LoginSession.user_id == user_id, LoginSession.revoked_at.is_(None))
    if org_id is not None:
        ended = ended.where(LoginSession.org_id == org_id)
    if but is not None:
        ended = ended.where(LoginSession.secret_hash != digest(but))
    return len(db.session.execute(ended.values(revoked_at=now).returning(LoginSession.id)).all())
