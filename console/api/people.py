"""The people of the token's org, its tokens, and who is signed in."""

from uuid import UUID

from console.api.auth import caller
from console.api.blueprint import api
from console.api.schemas.people import (
    AddedOut,
    NewTokenOut,
    PeopleOut,
    PersonChangeIn,
    PersonIn,
    PersonOut,
    SessionsOut,
    TokenIn,
    TokensOut,
)
from console.api.spec import BODY_PROBLEMS, call
from console.core.clock import utc_now
from console.services import browsers, members, people, tokens
from console.services.people import PersonChange


@api.get("/people")
@api.output(PeopleOut)
@call("People")
def list_people() -> PeopleOut:
    """Everybody in the org, by address."""
    return PeopleOut.all(members.list_people(caller()))


@api.post("/people")
@api.input(PersonIn, location="json", arg_name="body")
@api.output(AddedOut, status_code=201)
@call("People", *BODY_PROBLEMS, 403, 422)
def add_person(body: PersonIn) -> AddedOut:
    """Adds somebody; the role admin may.

    Who has an account in another org can be added at the shell of the server alone.
    """
    person, password = people.create_user(
        caller(), body.email, body.role, password=body.password, now=utc_now(), name=body.name
    )
    return AddedOut.made(person, None if body.password else password)


@api.patch("/people/<uuid:person_id>")
@api.input(PersonChangeIn, location="json", arg_name="body")
@api.output(PersonOut)
@call("People", *BODY_PROBLEMS, 403, 404, 409, 422)
def change_person(person_id: UUID, body: PersonChangeIn) -> PersonOut:
    """Changes a person's name, role or access, at once; the role admin may. The last active admin stays."""
    wanted = PersonChange(body.name, body.role, body.is_active)
    return PersonOut.of(people.change(caller(), person_id, wanted, now=utc_now()))


@api.get("/tokens")
@api.output(TokensOut)
@call("People", 403)
def list_tokens() -> TokensOut:
    """All tokens of the org, newest first, without their secrets; the role admin may."""
    now = utc_now()
    return TokensOut.all(tokens.list_tokens(caller()), now)


@api.post("/tokens")
@api.input(TokenIn, location="json", arg_name="body")
@api.output(NewTokenOut, status_code=201)
@call("People", *BODY_PROBLEMS, 403, 422)
def create_token(body: TokenIn) -> NewTokenOut:
    """Makes a token that belongs to the owner of the one that asks; the role admin may."""
    now = utc_now()
    made = tokens.create_token(caller(), body.name, body.role, now=now, expires_at=body.expires_at)
    return NewTokenOut.made(made, now)


@api.delete("/tokens/<uuid:token_id>")
@call("People", 403, 404, also={204: {"description": "The token opens nothing any more."}})
def revoke_token(token_id: UUID) -> tuple[str, int]:
    """Ends a token at once; twice changes nothing. The role admin may."""
    tokens.revoke_token(caller(), token_id, now=utc_now())
    return "", 204


@api.get("/sessions")
@api.output(SessionsOut)
@call("People", 403)
def list_sessions() -> SessionsOut:
    """The signed-in browsers of the org, newest first, at most 500; the role admin may."""
    return SessionsOut.all(browsers.others(caller(), now=utc_now()))


@api.delete("/sessions/<uuid:session_id>")
@call("People", 403, 404, also={204: {"description": "The browser is signed out."}})
def end_session(session_id: UUID) -> tuple[str, int]:
    """Signs a browser out at once; twice changes nothing. The role admin may."""
    browsers.revoke(caller(), session_id, now=utc_now())
    return "", 204
