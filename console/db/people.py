"""Orgs, users, their roles, sessions and tokens."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from console.db.columns import Created, Id, Instant, OrgId
from console.db.session import Record

ROLES = "role in ('viewer', 'operator', 'admin')"


class Org(Record):
    """A tenant: everything else belongs to one."""

    __tablename__ = "orgs"
    id: Mapped[Id]
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    timezone: Mapped[str]
    created_at: Mapped[Created]


class User(Record):
    """A person; the email is kept in lower case."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint("email = lower(email)", name="email_lower"),)
    id: Mapped[Id]
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[Created]


class Membership(Record):
    """A person's role in an org; one that is disabled opens nothing there, and other orgs as before.

    `name` is what the org calls them; null stands for the name of the account.
    """

    __tablename__ = "memberships"
    __table_args__ = (CheckConstraint(ROLES, name="role"),)
    org_id: Mapped[UUID] = mapped_column(ForeignKey("orgs.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[str]
    name: Mapped[str | None]
    created_at: Mapped[Created]
    disabled_at: Mapped[Instant | None]
    disabled_by: Mapped[str | None]


class LoginSession(Record):
    """A signed-in browser; its cookie holds a secret of which only the hash is kept."""

    __tablename__ = "login_sessions"
    __table_args__ = (Index(None, "user_id"),)
    id: Mapped[Id]
    org_id: Mapped[OrgId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[Created]
    last_seen_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    revoked_at: Mapped[Instant | None]
    address: Mapped[str | None]
    user_agent: Mapped[str | None]


class ApiToken(Record):
    """A program's key of 256 bits, kept hashed; `owner_id` is the person who answers for it."""

    __tablename__ = "api_tokens"
    __table_args__ = (CheckConstraint(ROLES, name="role"), Index(None, "org_id"))
    id: Mapped[Id]
    org_id: Mapped[OrgId]
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    name: Mapped[str]
    role: Mapped[str]
    prefix: Mapped[str]
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[Created]
    last_used_at: Mapped[Instant | None]
    expires_at: Mapped[Instant | None]
    revoked_at: Mapped[Instant | None]
