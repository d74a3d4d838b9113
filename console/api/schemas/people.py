"""People, tokens and sessions of an org."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from console.api.schemas.common import Body, Instant, Moved, Out
from console.core.states import Role, TokenState
from console.services.account_views import NewToken, Person, SessionView, TokenView
from console.services.passwords import LONGEST_PASSWORD, SHORTEST_PASSWORD

Name = Annotated[str, Field(max_length=100)]
Password = Annotated[str, Field(min_length=SHORTEST_PASSWORD, max_length=LONGEST_PASSWORD)]
Email = Annotated[str, Field(max_length=254)]


def _of(view: Person | TokenView | SessionView, shape: type[Out]) -> dict[str, Any]:
    """What the shape takes over from the view as it is."""
    known = {field.name for field in fields(view)}
    return {name: getattr(view, name) for name in shape.model_fields if name in known and name != "state"}


class PersonIn(Body):
    """Somebody to add; without a `password` one is made up, and answered this once."""

    email: Email
    role: Annotated[Role, Field(strict=False)]
    name: Name | None = None
    password: Password | None = None


class PersonChangeIn(Body):
    """What is to change; what is left out stays."""

    name: Name | None = None
    role: Annotated[Role, Field(strict=False)] | None = None
    is_active: bool | None = Field(None, description="False disables them in this org at once.")


class PersonOut(Out):
    """A person and their role; `is_active` is whether they may come in."""

    id: UUID
    email: str
    name: str
    role: Role
    is_active: bool
    last_seen_at: Instant | None

    @classmethod
    def of(cls, person: Person) -> "PersonOut":
        return cls(**_of(person, cls))


class AddedOut(PersonOut):
    """`password` is there when one was made up, and never again."""

    password: str | None

    @classmethod
    def made(cls, person: Person, password: str | None) -> "AddedOut":
        return cls(password=password, **_of(person, PersonOut))


class PeopleOut(Out):
    people: list[PersonOut]

    @classmethod
    def all(cls, people: Sequence[Person]) -> "PeopleOut":
        return cls(people=[PersonOut.of(person) for person in people])


class TokenIn(Body):
    """A token to make, of no more than the caller's own role; without `expires_at` it has no end."""

    name: Name
    role: Annotated[Role, Field(strict=False)]
    expires_at: Moved | None = None


class TokenOut(Out):
    """A token without its secret; `allows` is its role, or its owner's where that is less."""

    id: UUID
    name: str
    role: Role
    allows: Role
    prefix: str
    owner: str | None
    state: TokenState
    created_at: Instant
    last_used_at: Instant | None
    expires_at: Instant | None

    @classmethod
    def of(cls, token: TokenView, now: datetime) -> "TokenOut":
        return cls(state=token.state(now), **_of(token, TokenOut))


class NewTokenOut(TokenOut):
    """`secret` is answered this once."""

    secret: str

    @classmethod
    def made(cls, made: NewToken, now: datetime) -> "NewTokenOut":
        return cls(secret=made.secret, state=made.token.state(now), **_of(made.token, TokenOut))


class TokensOut(Out):
    tokens: list[TokenOut]

    @classmethod
    def all(cls, tokens: Sequence[TokenView], now: datetime) -> "TokensOut":
        return cls(tokens=[TokenOut.of(token, now) for token in tokens])


class SessionOut(Out):
    """A signed-in browser; `browser` is what it calls itself, in plain words."""

    id: UUID
    user_id: UUID
    email: str
    browser: str
    address: str | None
    created_at: Instant
    last_seen_at: Instant
    expires_at: Instant


class SessionsOut(Out):
    sessions: list[SessionOut]

    @classmethod
    def all(cls, sessions: Sequence[SessionView]) -> "SessionsOut":
        return cls(sessions=[SessionOut(**_of(session, SessionOut)) for session in sessions])
