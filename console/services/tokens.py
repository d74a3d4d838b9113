"""API tokens: 256 bits, kept hashed, shown once."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update

from console.core.actor import Actor
from console.core.errors import Invalid, NotFound
from console.core.permissions import Permission
from console.core.states import ActorKind, Role
from console.core.tags import Tag
from console.db.people import ApiToken, Membership, Org, User
from console.db.session import db, reading, transaction
from console.services import audit
from console.services.secrets import digest, new_secret
from console.services.views import NewToken, TokenView

PREFIX = "cb_"
SHOWN = len(PREFIX) + 6
USED_EVERY = timedelta(minutes=1)


def create_token(
    actor: Actor, name: str, role: Role, *, now: datetime, expires_at: datetime | None = None
) -> NewToken:
    """Makes a token of the actor's org; raises `Forbidden`, or `Invalid` that names the field.

    A token made at a shell belongs to the org's first admin.
    """
    actor.require(Permission.MANAGE_TOKENS)
    if not name.strip() or len(name) > 100:
        raise Invalid("name: 1 to 100 characters", fields={"name": ["1 to 100 characters"]})
    secret = new_secret(PREFIX)
    with transaction():
        row = ApiToken(
            org_id=actor.org_id,
            owner_id=actor.id or _user_id(actor.email),
            name=name.strip(),
            role=role,
            prefix=secret[:SHOWN],
            secret_hash=digest(secret),
            expires_at=expires_at,
            created_at=now,
        )
        db.session.add(row)
        db.session.flush()
        new = {"name": row.name, "role": role}
        audit.add(actor, Tag.TOKEN_CREATED, audit.Subject("token", row.id), now=now, new=new)
        view = _view(row)
    return NewToken(secret, view)


def _user_id(email: str | None) -> UUID | None:
    return db.session.scalar(select(User.id).where(User.email == email)) if email else None


def _view(row: ApiToken) -> TokenView:
    return TokenView(
        row.id,
        row.name,
        Role(row.role),
        row.prefix,
        row.created_at,
        row.last_used_at,
        row.expires_at,
        row.revoked_at is not None,
    )


def list_tokens(actor: Actor) -> list[TokenView]:
    """All tokens of the actor's org, newest first; raises `Forbidden`."""
    actor.require(Permission.MANAGE_TOKENS)
    with reading():
        query = select(ApiToken).where(ApiToken.org_id == actor.org_id).order_by(ApiToken.id.desc())
        return [_view(row) for row in db.session.scalars(query)]


def revoke_token(actor: Actor, token_id: UUID, *, now: datetime) -> None:
    """Ends a token at once, and once; raises `NotFound` or `Forbidden`."""
    actor.require(Permission.MANAGE_TOKENS)
    mine = (ApiToken.id == token_id, ApiToken.org_id == actor.org_id)
    with transaction():
        if not db.session.scalar(select(ApiToken.id).where(*mine)):
            raise NotFound("There is no such token.")
        ended = update(ApiToken).where(*mine, ApiToken.revoked_at.is_(None)).values(revoked_at=now)
        if not db.session.execute(ended.returning(ApiToken.id)).first():
            return
        audit.add(actor, Tag.TOKEN_REVOKED, audit.Subject("token", token_id), now=now)


def token_actor(secret: str, *, now: datetime, address: str | None, request_id: str | None) -> Actor | None:
    """Who holds this token; None when it is unknown, expired or revoked, or its owner is disabled.

    A token never does more than its owner may: its role is capped by the owner's present role.
    """
    query = (
        select(ApiToken, Org, User, Membership.role)
        .join(Org, Org.id == ApiToken.org_id)
        .outerjoin(User, User.id == ApiToken.owner_id)
        .outerjoin(
            Membership, (Membership.user_id == ApiToken.owner_id) & (Membership.org_id == ApiToken.org_id)
        )
        .where(ApiToken.secret_hash == digest(secret), ApiToken.revoked_at.is_(None))
    )
    with reading():
        found = db.session.execute(query).first()
        if found is None:
            return None
        token, org, owner, owner_role = found
        is_expired = token.expires_at is not None and token.expires_at <= now
        if is_expired or (owner and (not owner.is_active or owner_role is None)):
            return None
        actor = _actor(token, org, owner, owner_role, address, request_id)
        is_fresh = token.last_used_at is not None and now - token.last_used_at < USED_EVERY
    if not is_fresh:
        _mark_used(actor, now)
    return actor


def _actor(
    token: ApiToken,
    org: Org,
    owner: User | None,
    owner_role: str | None,
    address: str | None,
    request_id: str | None,
) -> Actor:
    role = Role(token.role)
    if owner_role is not None and not Role(owner_role).includes(role):
        role = Role(owner_role)
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
