"""Who is calling: a bearer token and nothing else; cookies are never looked at."""

from typing import cast
from uuid import uuid4

from flask import g, request

from console.api.blueprint import api
from console.core.actor import Actor
from console.core.clock import utc_now
from console.core.errors import Unauthenticated
from console.services import people

PUBLIC = {"api.docs"}


@api.before_request
def authenticate() -> None:
    """Finds the token's actor for `caller`; raises `Unauthenticated`."""
    if request.method == "OPTIONS" or request.endpoint in PUBLIC:
        return
    secret = _bearer()
    if not secret:
        raise Unauthenticated("This call needs a token: send it as Authorization: Bearer TOKEN.")
    actor = people.token_actor(
        secret, now=utc_now(), address=request.remote_addr, request_id=g.get("request_id") or uuid4().hex
    )
    if actor is None:
        raise Unauthenticated("This token is unknown, expired or revoked.")
    g.api_caller = actor


def caller() -> Actor:
    """The actor of the call that is being answered."""
    return cast(Actor, g.api_caller)


def challenge() -> str:
    """The WWW-Authenticate header of a 401 (RFC 6750, section 3)."""
    return 'Bearer realm="callboard", error="invalid_token"' if _bearer() else 'Bearer realm="callboard"'


def _bearer() -> str | None:
    credentials = request.authorization
    return credentials.token if credentials and credentials.type == "bearer" else None
