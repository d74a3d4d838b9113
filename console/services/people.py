"""Users and their accounts in an org."""

import re
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update

from console.core.actor import Actor
from console.core.errors import Invalid, NotFound, Refused
from console.core.permissions import Permission
from console.core.states import ActorKind, Role
from console.core.tags import Tag
from console.db.people import LoginSession, Membership, User
from console.db.session import db, reading, transaction
from console.services import audit
from console.services.orgs import find_org
from console.services.secrets import hash_password, new_password
from console.services.sessions import LONGEST_EMAIL, session_actor, sign_in, sign_out
from console.services.tokens import create_token, list_tokens, revoke_token, token_actor
from console.services.views import Person

EMAIL = re.compile(r"^[^@\s]+@[^@\s]+$")
SHORTEST_PASSWORD = 10

__all__ = [
    "cli_actor",
    "create_token",
    "create_user",
    "list_people",
    "list_tokens",
    "revoke_token",
    "session_actor",
    "set_active",
    "sign_in",
    "sign_out",
    "token_actor",
]


def create_user(
    actor: Actor, email: str, role: Role, *, password: str | None, now: datetime
) -> tuple[Person, str]:
    """Creates a user of the actor's org; answers the person and the password (made up when None).

    Raises `Forbidden`, or `Invalid` that names `email` or `password`.
    """
    actor.require(Permission.MANAGE_PEOPLE)
    address = _address(email)
    secret = _password(password)
    with transaction():
        if db.session.scalar(select(User.id).where(User.email == address)):
            raise Invalid(f"email: {address} is taken", fields={"email": ["is taken"]})
        user = User(email=address, name=address.split("@")[0], password_hash=hash_password(secret))
        db.session.add(user)
        db.session.flush()
        db.session.add(Membership(org_id=actor.org_id, user_id=user.id, role=role))
        new = {"email": address, "role": role}
        audit.add(actor, Tag.USER_CREATED, audit.Subject("user", user.id), now=now, new=new)
        person = Person(user.id, address, user.name, role, True)
    return person, secret


def _address(email: str) -> str:
    address = email.strip().lower()
    if not EMAIL.match(address) or not address.isprintable() or len(address) > LONGEST_EMAIL:
        raise Invalid("email: this is no mail address", fields={"email": ["this is no mail address"]})
    return address


def _password(password: str | None) -> str:
    if password is not None and len(password) < SHORTEST_PASSWORD:
        text = f"at least {SHORTEST_PASSWORD} characters"
        raise Invalid(f"password: {text}", fields={"password": [text]})
    return password or new_password()


def set_active(actor: Actor, email: str, is_active: bool, *, now: datetime) -> Person:
    """Disables or enables a user of the actor's org at once, sessions included; raises `NotFound`."""
    actor.require(Permission.MANAGE_PEOPLE)
    with transaction():
        user, role = _member(actor.org_id, email)
        user.is_active = is_active
        db.session.flush()
        if not is_active:
            if role is Role.ADMIN:
                _keep_an_admin(actor.org_id)
            _end_sessions(user.id, now)
        tag = Tag.USER_ENABLED if is_active else Tag.USER_DISABLED
        audit.add(actor, tag, audit.Subject("user", user.id), now=now, new={"email": user.email})
        return Person(user.id, user.email, user.name, role, is_active)


def _keep_an_admin(org_id: UUID) -> None:
    if first_admin(org_id) is None:
        raise Refused("This is the last active admin here; make another one first. Nothing was changed.")


def _end_sessions(user_id: UUID, now: datetime) -> None:
    ended = update(LoginSession).where(LoginSession.user_id == user_id, LoginSession.revoked_at.is_(None))
    db.session.execute(ended.values(revoked_at=now))


def set_password(actor: Actor, email: str, password: str | None, *, now: datetime) -> str:
    """Gives a user of the actor's org a new password (made up when None), answers it, and ends all sessions.

    Raises `Forbidden`, `NotFound`, or `Invalid` that names `password`.
    """
    actor.require(Permission.MANAGE_PEOPLE)
    secret = _password(password)
    with transaction():
        user, _ = _member(actor.org_id, email)
        user.password_hash = hash_password(secret)
        _end_sessions(user.id, now)
        subject = audit.Subject("user", user.id)
        audit.add(actor, Tag.PASSWORD_CHANGED, subject, now=now, new={"email": user.email})
    return secret


def _member(org_id: UUID, email: str) -> tuple[User, Role]:
    query = select(User, Membership.role).join(Membership, Membership.user_id == User.id)
    found = db.session.execute(
        query.where(Membership.org_id == org_id, User.email == email.strip().lower())
    ).first()
    if found is None:
        raise NotFound(f"Nobody here has the address {email!r}.")
    return found[0], Role(found[1])


def list_people(actor: Actor) -> list[Person]:
    """Everybody in the actor's org, by address."""
    with reading():
        query = select(User, Membership.role).join(Membership, Membership.user_id == User.id)
        rows = db.session.execute(query.where(Membership.org_id == actor.org_id).order_by(User.email))
        return [Person(user.id, user.email, user.name, Role(role), user.is_active) for user, role in rows]


def first_admin(org_id: UUID) -> User | None:
    """The org's oldest active admin."""
    query = select(User).join(Membership, Membership.user_id == User.id)
    query = query.where(Membership.org_id == org_id, Membership.role == Role.ADMIN, User.is_active)
    return db.session.scalar(query.order_by(User.created_at, User.id).limit(1))


def cli_actor(org_slug: str | None, *, login: str) -> Actor:
    """A person at a shell of the server, who may do all; mail goes to the org's first admin."""
    org = find_org(org_slug)
    with reading():
        admin = first_admin(org.id)
        email = admin.email if admin else None
    return Actor(ActorKind.CLI, org.id, org.name, org.timezone, Role.ADMIN, f"{login} (shell)", email=email)
