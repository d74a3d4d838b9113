"""The people of an org: who they are, what their role is, and whether they may come in."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from console.core.actor import Actor
from console.core.errors import Invalid, Refused
from console.core.permissions import Permission
from console.core.states import ActorKind, Role
from console.core.tags import Tag
from console.core.texts import storable
from console.db.people import Membership, User
from console.db.session import db, reading, transaction
from console.services import audit, members
from console.services.account_views import Person
from console.services.members import first_admin, list_people
from console.services.orgs import find_org
from console.services.passwords import checked_password, set_password
from console.services.secrets import hash_password, new_password
from console.services.sessions import LONGEST_EMAIL, session_actor, sign_in, sign_out
from console.services.tokens import create_token, list_tokens, revoke_token, token_actor

EMAIL = re.compile(r"^[^@\s]+@[^@\s]+$")
LONGEST_NAME = 100

__all__ = [
    "cli_actor",
    "create_token",
    "create_user",
    "first_admin",
    "list_people",
    "list_tokens",
    "revoke_token",
    "session_actor",
    "set_active",
    "set_password",
    "sign_in",
    "sign_out",
    "token_actor",
]


# Adding --------------------------------------------------------------------------------------------


def create_user(
    actor: Actor, email: str, role: Role, *, password: str | None, now: datetime, name: str | None = None
) -> tuple[Person, str | None]:
    """Adds somebody to the actor's org; answers the person and the password (made up when None).

    Who has an account in another org can be let in by a person at the shell alone, and keeps it as it is:
    the password is None then, and nothing is told of the account. Raises `Forbidden`, or `Invalid` that names
    `email`, `name` or `password`.
    """
    actor.require(Permission.MANAGE_PEOPLE)
    address = _address(email)
    called = checked_name(name) if name and name.strip() else None
    secret = checked_password(password) if password else new_password()
    hashed = hash_password(secret)
    called = called or address.split("@")[0]
    with transaction():
        members.lock(actor.org_id)
        user_id, is_new = _account(address, called, hashed)
        if db.session.get(Membership, (actor.org_id, user_id)) is not None:
            raise Invalid(
                f"email: {address} is taken",
                fields={"email": ["is in this org already; the list of people leads to them"]},
            )
        _keep_orgs_apart(actor, user_id)
        label = None if is_new else called
        db.session.add(Membership(org_id=actor.org_id, user_id=user_id, role=role, name=label))
        db.session.flush()
        new = {"email": address, "role": str(role), "name": called}
        audit.add(actor, Tag.USER_CREATED, audit.Subject("user", user_id), now=now, new=new)
        person = members.person(actor.org_id, user_id)
    return person, secret if is_new else None


def _account(address: str, name: str, hashed: str) -> tuple[UUID, bool]:
    """The account of this address, and whether it was made just now; an older one stays as it is."""
    made = insert(User).values(email=address, name=name, password_hash=hashed)
    made = made.on_conflict_do_nothing(index_elements=["email"])
    user_id = db.session.scalar(made.returning(User.id))
    if user_id is not None:
        return user_id, True
    return db.session.scalars(select(User.id).where(User.email == address)).one(), False


def _keep_orgs_apart(actor: Actor, user_id: UUID) -> None:
    """Raises `Invalid` when an admin would let in an account of another org.

    An admin there may have made up its password and know it still; and from then on nobody there could set
    another one. So two orgs share an account where somebody who answers for both says so.
    """
    if actor.kind in (ActorKind.PERSON, ActorKind.TOKEN) and members.has_other_orgs(actor.org_id, user_id):
        text = "has an account in another org; whoever has the server lets it in, with “user create”"
        raise Invalid(f"email: {text}. Nothing was changed.", fields={"email": [text]})


def _address(email: str) -> str:
    address = email.strip().lower()
    if not EMAIL.match(address) or not address.isprintable() or len(address) > LONGEST_EMAIL:
        raise Invalid("email: this is no mail address", fields={"email": ["this is no mail address"]})
    return address


def checked_name(name: str) -> str:
    """The name with single spaces; raises `Invalid` that names `name`."""
    called = " ".join(storable(name, LONGEST_NAME + 1).split())
    if not called or len(called) > LONGEST_NAME or not called.isprintable():
        text = f"1 to {LONGEST_NAME} characters on one line"
        raise Invalid(f"name: {text}", fields={"name": [text]})
    return called


# Changing ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PersonChange:
    """What is to change of a person; None leaves it as it is."""

    name: str | None = None
    role: Role | None = None
    is_active: bool | None = None


def change(actor: Actor, user_id: UUID, wanted: PersonChange, *, now: datetime) -> Person:
    """Changes a person of the actor's org, at once: who is disabled here is put out here.

    Raises `Forbidden`, `NotFound`, `Invalid` that names `name`, or `Refused` for the last active admin and
    for taking one's own way in.
    """
    actor.require(Permission.MANAGE_PEOPLE)
    if wanted.name is not None:
        wanted = replace(wanted, name=checked_name(wanted.name))
    with transaction():
        members.lock(actor.org_id)
        before = members.person(actor.org_id, user_id)
        _keep_a_way_in(actor, before, wanted)
        _write(actor, user_id, wanted, before, now)
        db.session.flush()
        after = members.person(actor.org_id, user_id)
        if before.role is Role.ADMIN and (after.role is not Role.ADMIN or not after.is_active):
            members.keep_an_admin(actor.org_id)
        _record(actor, before, after, now)
    return after


def _keep_a_way_in(actor: Actor, person: Person, wanted: PersonChange) -> None:
    if actor.kind is not ActorKind.PERSON or actor.id != person.id:
        return
    if wanted.is_active is False:
        raise Refused("You would lock yourself out. Ask another admin to disable you. Nothing was changed.")
    if wanted.role is not None and wanted.role is not person.role:
        raise Refused("You can't change your own role. Ask another admin for it. Nothing was changed.")


def _write(actor: Actor, user_id: UUID, wanted: PersonChange, before: Person, now: datetime) -> None:
    values: dict[str, Any] = {}
    if wanted.name is not None and wanted.name != before.name:
        values["name"] = wanted.name
    if wanted.role is not None and wanted.role is not before.role:
        values["role"] = wanted.role
    if wanted.is_active is not None and wanted.is_active != (before.disabled_at is None):
        values |= {"disabled_at": None, "disabled_by": None}
        if not wanted.is_active:
            values |= {"disabled_at": now, "disabled_by": actor.name}
            members.end_sessions(user_id, now, org_id=actor.org_id)
    if values:
        mine = (Membership.org_id == actor.org_id, Membership.user_id == user_id)
        db.session.execute(update(Membership).where(*mine).values(**values))


def _record(actor: Actor, before: Person, after: Person, now: datetime) -> None:
    """An entry for each kind of change; none for what stayed as it was."""
    subject = audit.Subject("user", after.id)
    if before.role is not after.role:
        old, new = {"role": str(before.role)}, {"email": after.email, "role": str(after.role)}
        audit.add(actor, Tag.ROLE_CHANGED, subject, now=now, old=old, new=new)
    if (before.disabled_at is None) != (after.disabled_at is None):
        tag = Tag.USER_ENABLED if after.disabled_at is None else Tag.USER_DISABLED
        was = {"disabled": before.disabled_at is not None}
        becomes = {"email": after.email, "disabled": after.disabled_at is not None}
        audit.add(actor, tag, subject, now=now, old=was, new=becomes)
    if before.name != after.name:
        old, new = {"name": before.name}, {"email": after.email, "name": after.name}
        audit.add(actor, Tag.USER_CHANGED, subject, now=now, old=old, new=new)


def set_active(actor: Actor, email: str, is_active: bool, *, now: datetime) -> Person:
    """As `change` for the person of this address: disables or enables them in the actor's org."""
    actor.require(Permission.MANAGE_PEOPLE)
    return change(actor, members.find(actor, email).id, PersonChange(is_active=is_active), now=now)


def set_shut_out(actor: Actor, email: str, is_shut_out: bool, *, now: datetime) -> Person:
    """Closes or opens a whole account, in every org; only a person at the shell may.

    Raises `Forbidden`, `NotFound`, or `Refused` where it would leave an org without an active admin.
    """
    actor.require(Permission.MANAGE_PEOPLE)
    if actor.kind is not ActorKind.CLI:
        raise Refused("An account is closed in every org only at the shell. Nothing was changed.")
    with transaction():
        before = members.person(actor.org_id, members.find(actor, email).id)
        orgs = _orgs_of_admin(before.id)
        for org_id in orgs:
            members.lock(org_id)
        db.session.execute(update(User).where(User.id == before.id).values(is_active=not is_shut_out))
        if is_shut_out:
            members.end_sessions(before.id, now)
            for org_id in orgs:
                members.keep_an_admin(org_id)
        if before.is_shut_out != is_shut_out:
            _record_shut_out(actor, before, is_shut_out, now)
        return members.person(actor.org_id, before.id)


def _orgs_of_admin(user_id: UUID) -> list[UUID]:
    query = select(Membership.org_id).where(Membership.user_id == user_id, Membership.role == Role.ADMIN)
    return sorted(db.session.scalars(query.where(Membership.disabled_at.is_(None))))


def _record_shut_out(actor: Actor, before: Person, is_shut_out: bool, now: datetime) -> None:
    tag = Tag.USER_DISABLED if is_shut_out else Tag.USER_ENABLED
    old, new = {"shut_out": before.is_shut_out}, {"email": before.email, "shut_out": is_shut_out}
    audit.add(actor, tag, audit.Subject("user", before.id), now=now, old=old, new=new)


def cli_actor(org_slug: str | None, *, login: str) -> Actor:
    """A person at a shell of the server, who may do all; mail goes to the org's first admin."""
    org = find_org(org_slug)
    with reading():
        admin = members.first_admin(org.id)
        email = admin.email if admin else None
    return Actor(ActorKind.CLI, org.id, org.name, org.timezone, Role.ADMIN, f"{login} (shell)", email=email)
