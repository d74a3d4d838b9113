"""API tokens: 256 bits, kept hashed, shown once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, update

from console.core.actor import Actor
from console.core.errors import Invalid, NotFound
from console.core.permissions import Permission
from console.core.states import ActorKind, Role
from console.core.tags import Tag
from console.core.texts import storable
from console.db.people import ApiToken, Membership, Org, User
from console.db.session import db, reading, transaction
from console.services import audit
from console.services.account_views import NewToken, TokenView
from console.services.secrets import digest, new_secret

PREFIX = "cb_"
SHOWN = len(PREFIX) + 6
USED_EVERY = timedelta(minutes=1)
LONGEST_NAME = 100
LATEST = datetime(2201, 1, 1, tzinfo=UTC)


def create_token(
    actor: Actor, name: str, role: Role, *, now: datetime, expires_at: datetime | None = None
) -> NewToken:
    """Makes a token of the actor's org, of no more than the actor's own role.

    It belongs to whoever makes it: one made with a token to that token's owner, one made at a shell to the
    org's first admin. Raises `Forbidden`, or `Invalid` that names the field.
    """
    actor.require(Permission.MANAGE_TOKENS)
    called = _checked(actor, name, role, expires_at, now)
    secret = new_secret(PREFIX)
    with transaction():
        row = ApiToken(
            org_id=actor.org_id,
            owner_id=actor.id if actor.kind is ActorKind.PERSON else _user_id(actor.email),
            name=called,
            role=role,
            prefix=secret[:SHOWN],
            secret_hash=digest(secret),
            expires_at=expires_at,
            created_at=now,
        )
        db.session.add(row)
        db.session.flush()
        subject = audit.Subject("token", row.id)
        audit.add(actor, Tag.TOKEN_CREATED, subject, now=now, new=_facts(row))
        view = _one(actor.org_id, row.id)
    return NewToken(secret, view)


def _checked(actor: Actor, name: str, role: Role, expires_at: datetime | None, now: datetime) -> str:
    fields: dict[str, list[str]] = {}
    called = name.strip()
    if not called or len(called) > LONGEST_NAME or not called.isprintable():
        fields["name"] = [f"1 to {LONGEST_NAME} characters on one line"]
    if not actor.role.includes(role):
        fields["role"] = [f"no more than your own role, {actor.role}"]
    if expires_at is not None and not now < expires_at < LATEST:
        fields["expires_at"] = ["an instant to come, before the year 2201"]
    if fields:
        text = "; ".join(f"{field}: {', '.join(texts)}" for field, texts in fields.items())
        raise Invalid(text, fields=fields)
    return storable(called, LONGEST_NAME)


def _user_id(email: str | None) -> UUID | None:
    return db.session.scalar(select(User.id).where(User.email == email)) if email else None


def _facts(row: ApiToken) -> dict[str, Any]:
    until = row.expires_at.isoformat() if row.expires_at else None
    return {"name": row.name, "role": str(row.role), "prefix": row.prefix, "expires_at": until}


def _held() -> Select[ApiToken, User | None, Membership | None]:
    """Tokens, each with its owner and what the owner is in the token's org; none for one without an owner."""
    inside = (Membership.user_id == ApiToken.owner_id) & (Membership.org_id == ApiToken.org_id)
    query = select(ApiToken, User, Membership)
    return query.outerjoin(User, User.id == ApiToken.owner_id).outerjoin(Membership, inside)


def _is_blocked(owner: User | None, membership: Membership | None) -> bool:
    if owner is None:
        return False
    return not owner.is_active or membership is None or membership.disabled_at is not None


def _allows(token: ApiToken, membership: Membership | None) -> Role:
    role = Role(token.role)
    if membership is None or Role(membership.role).includes(role):
        return role
    return Role(membership.role)


def _view(token: ApiToken, owner: User | None, membership: Membership | None) -> TokenView:
    return TokenView(
        id=token.id,
        name=token.name,
        role=Role(token.role),
        allows=_allows(token, membership),
        prefix=token.prefix,
        owner=owner.email if owner else None,
        is_blocked=_is_blocked(owner, membership),
        created_at=token.created_at,
        last_used_at=token.last_used_at,
        expires_at=token.expires_at,
        is_revoked=token.revoked_at is not None,
    )


def _one(org_id: UUID, token_id: UUID) -> TokenView:
    found = db.session.execute(_held().where(ApiToken.id == token_id, ApiToken.org_id == org_id)).first()
    if found is None:
        raise NotFound("There is no such token.")
    return _view(*found)


def list_tokens(actor: Actor) -> Sequence[TokenView]:
    """All tokens of the actor's org, newest first; raises `Forbidden`."""
    actor.require(Permission.MANAGE_TOKENS)
    with reading():
        query = _held().where(ApiToken.org_id == actor.org_id).order_by(ApiToken.id.desc())
        return [_view(*row) for row in db.session.execute(query)]


def revoke_token(actor: Actor, token_id: UUID, *, now: datetime) -> TokenView:
    """Ends a token at once, and once; raises `NotFound` or `Forbidden`."""
    actor.require(Permission.MANAGE_TOKENS)
    mine = (ApiToken.id == token_id, ApiToken.org_id == actor.org_id)
    with transaction():
        ended = update(ApiToken).where(*mine, ApiToken.revoked_at.is_(None)).values(revoked_at=now)
        row = db.session.scalar(ended.returning(ApiToken))
        if row is not None:
            subject = audit.Subject("token", token_id)
            audit.add(actor, Tag.TOKEN_REVOKED, subject, now=now, old=_facts(row))
        return _one(actor.org_id, token_id)


def token_actor(secret: str, *, now: datetime, address: str | None, request_id: str | None) -> Actor | None:
    """Who holds this token; None when it is unknown, expired or revoked, or its owner may not come in.

    A token never does more than its owner may: its role is capped by the owner's present role.
    """
    query = _held().join(Org, Org.id == ApiToken.org_id).add_columns(Org)
    query = query.where(ApiToken.secret_hash == digest(secret), ApiToken.revoked_at.is_(None))
    with reading():
        found = db.session.execute(query).first()
        if found is None:
            return None
        token, owner, membership, org = found
        is_expired = token.expires_at is not None and token.expires_at <= now
        if is_expired or _is_blocked(owner, membership):
            return None
        actor = _actor(token, org, owner, _allows(token, membership), address, request_id)
        is_fresh = token.last_used_at is not None and now - token.last_used_at < USED_EVERY
    if not is_fresh:
        _mark_used(actor, now)
    return actor


def _actor(
    token: ApiToken, org: Org, owner: User | None, role: Role, address: str | None, request_id: str | None
) -> Actor:
    return Actor(
        ActorKind.TOKEN,
        org.id,
        org.name,
        org.timezone,
        role,
        f"token {token.name}",
        id=token.id,
        email=owner.email if owner else None,
        address=address,
        request_id=request_id,
    )


def _mark_used(actor: Actor, now: datetime) -> None:
    with transaction():
        db.session.execute(update(ApiToken).where(ApiToken.id == actor.id).values(last_used_at=now))
