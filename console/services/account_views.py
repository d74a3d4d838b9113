"""What the console tells of people, their browsers and their tokens; never a secret but at its making."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from console.core.states import Role, TokenState


@dataclass(frozen=True)
class Person:
    """A user and their role in one org.

    `is_active` is whether they may come in here; `is_shut_out` that a person at the shell closed the whole
    account, which no admin of an org can take back.
    """

    id: UUID
    email: str
    name: str
    role: Role
    is_active: bool
    is_shut_out: bool = False
    last_seen_at: datetime | None = None
    disabled_at: datetime | None = None
    disabled_by: str | None = None


@dataclass(frozen=True)
class Place:
    """An org in which a person has a role."""

    org_id: UUID
    name: str
    role: Role


@dataclass(frozen=True)
class TokenView:
    """A token of an org; `allows` is what it may do at present, which its owner's role limits."""

    id: UUID
    name: str
    role: Role
    allows: Role
    prefix: str
    owner: str | None
    is_blocked: bool
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    is_revoked: bool

    def state(self, now: datetime) -> TokenState:
        if self.is_revoked:
            return TokenState.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return TokenState.EXPIRED
        return TokenState.BLOCKED if self.is_blocked else TokenState.IN_FORCE


@dataclass(frozen=True)
class NewToken:
    """A token at its making: the only time that `secret` is known."""

    secret: str
    token: TokenView


@dataclass(frozen=True)
class SignedIn:
    """A new session: the cookie's `secret` and when it ends."""

    secret: str
    expires_at: datetime


@dataclass(frozen=True)
class SessionView:
    """A signed-in browser; `browser` is what it calls itself, in plain words."""

    id: UUID
    user_id: UUID
    email: str
    org_name: str
    address: str | None
    browser: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    is_current: bool
    is_mine: bool
