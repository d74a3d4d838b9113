"""Passwords: those that an admin sets for others, and one's own."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update

from console.core.actor import Actor
from console.core.errors import Invalid, Refused
from console.core.permissions import Permission
from console.core.states import ActorKind
from console.core.tags import Tag
from console.db.people import User
from console.db.session import db, reading, transaction
from console.services import audit, members
from console.services.secrets import hash_password, new_password, verify_password

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 1000


def checked_password(password: str) -> str:
    """The password, when it follows the rules; raises `Invalid` that names `password`."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        text = f"at least {SHORTEST_PASSWORD} characters"
        text = text if len(password) < SHORTEST_PASSWORD else f"at most {LONGEST_PASSWORD} characters"
        raise Invalid(f"password: {text}", fields={"password": [text]})
    return password


def set_password(actor: Actor, email: str, password: str | None, *, now: datetime) -> str:
    """As `reset_password` for the person of this address."""
    actor.require(Permission.MANAGE_PEOPLE)
    return reset_password(actor, members.find(actor, email).id, password, now=now)


def reset_password(actor: Actor, user_id: UUID, password: str | None, *, now: datetime) -> str:
    """Gives somebody of the actor's org a new password, made up when None, and ends all sessions; answers it.

    Raises `Forbidden`, `NotFound`, `Invalid` that names `password`, or `Refused` for one's own, which takes
    the present one, and for who is also a member of another org: one password opens both, so that only the
    person, or whoever has the shell, may set it.
    """
    actor.require(Permission.MANAGE_PEOPLE)
    if actor.kind is ActorKind.PERSON and actor.id == user_id:
        raise Refused("Change your own password under Settings, Account. Nothing was changed.")
    secret = checked_password(password) if password else new_password()
    hashed = hash_password(secret)
    with transaction():
        person = members.person(actor.org_id, user_id)
        if actor.kind is not ActorKind.CLI and members.has_other_orgs(actor.org_id, user_id):
            raise Refused(
                "This account opens another org as well, so its password is not yours to set. "
                "Its owner changes it under Settings, Account. Nothing was changed."
            )
        db.session.execute(update(User).where(User.id == user_id).values(password_hash=hashed))
        ended = members.end_sessions(user_id, now)
        subject = audit.Subject("user", user_id)
        new = {"email": person.email, "sessions_ended": ended}
        audit.add(actor, Tag.PASSWORD_CHANGED, subject, now=now, new=new)
    return secret


def change_own(actor: Actor, secret: str, present: str, wanted: str, *, now: datetime) -> int:
    """Gives the person who asks a new password, and ends their other sessions; answers how many there were.

    `secret` is that of the session that stays. Raises `Invalid` that names `present` or `password`, and
    `Refused` for who is no person.
    """
    if actor.kind is not ActorKind.PERSON or actor.id is None:
        raise Refused("Only a person has a password. Nothing was changed.")
    checked_password(wanted)
    kept = _check_present(actor.id, present)
    if present == wanted:
        raise Invalid("password: is the present one", fields={"password": ["is the present one"]})
    hashed = hash_password(wanted)
    with transaction():
        _replace(actor.id, kept, hashed)
        ended = members.end_sessions(actor.id, now, but=secret)
        new = {"email": actor.email, "sessions_ended": ended}
        audit.add(actor, Tag.PASSWORD_CHANGED, audit.Subject("user", actor.id), now=now, new=new)
    return ended


def _check_present(user_id: UUID, present: str) -> str:
    """The hash that the present password fits."""
    with reading():
        kept = db.session.scalar(select(User.password_hash).where(User.id == user_id))
    if kept is None or not verify_password(kept, present):
        raise _not_yours()
    return kept


def _replace(user_id: UUID, kept: str, hashed: str) -> None:
    """Only what was looked at: whoever knew a password that an admin has replaced meanwhile gets nowhere."""
    mine = (User.id == user_id, User.password_hash == kept)
    done = update(User).where(*mine).values(password_hash=hashed).returning(User.id)
    if db.session.execute(done).first() is None:
        raise _not_yours()


def _not_yours() -> Invalid:
    return Invalid("present: is not your password", fields={"present": ["is not your password"]})
