"""Settings, People: who is in the org, with which role, and whether they may come in."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import ConsoleError, Invalid, Refused
from console.core.permissions import Permission
from console.core.states import Role
from console.services import members, passwords, people
from console.services.account_views import Person
from console.services.people import PersonChange
from console.web.answers import page
from console.web.identity import actor, moment

LONGEST = 1001
ROLES = {role.value: role.value for role in Role}
Errors = Mapping[str, Sequence[str]]
bp = Blueprint("people", __name__)


@bp.get("/settings/people")
def index() -> ResponseReturnValue:
    return page("settings/people.html", people=members.list_people(actor()))


@bp.get("/settings/people/new")
def new() -> ResponseReturnValue:
    actor().require(Permission.MANAGE_PEOPLE)
    role = request.args.get("role", Role.OPERATOR.value)
    return page("settings/new_person.html", **_form({"role": role if role in ROLES else Role.OPERATOR.value}))


def _form(typed: Mapping[str, str], errors: Errors | None = None) -> dict[str, Any]:
    return {"typed": typed, "errors": errors or {}, "roles": ROLES}


@bp.post("/settings/people")
def add() -> ResponseReturnValue:
    """Adds somebody; a password that was made up is shown in this answer, and nowhere after it."""
    actor().require(Permission.MANAGE_PEOPLE)
    typed = {name: request.form.get(name, "")[:LONGEST] for name in ("email", "name", "role")}
    password = request.form.get("password", "")
    try:
        person, secret = people.create_user(
            actor(),
            typed["email"],
            _role(typed["role"]),
            password=password or None,
            now=moment(),
            name=typed["name"],
        )
    except Invalid as error:
        return page("settings/new_person.html", error.status, **_form(typed, error.fields))
    return _shown_once(person, None if password else secret, is_known=secret is None)


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise Invalid("role: choose one of the list", fields={"role": ["choose one of the list"]}) from None


def _shown_once(person: Person, secret: str | None, *, is_known: bool = False) -> ResponseReturnValue:
    """The password on a page of its own; without one to show, back to the list."""
    if secret is not None:
        return page("settings/password_made.html", person=person, secret=secret)
    if is_known:
        flash(f"{person.email} has an account already and signs in with the password that goes with it.")
    else:
        flash(f"{person.email} can sign in with the password that you typed.")
    return redirect(url_for("people.index"), 303)


@bp.get("/settings/people/<uuid:person_id>")
def show(person_id: UUID) -> ResponseReturnValue:
    actor().require(Permission.MANAGE_PEOPLE)
    return _page(members.get(actor(), person_id))


def _page(
    person: Person, status: int = 200, errors: Errors | None = None, refused: str | None = None
) -> ResponseReturnValue:
    typed = {name: request.form.get(name, "")[:LONGEST] for name in ("name", "role") if name in request.form}
    return page(
        "settings/person.html",
        status,
        person=person,
        typed={"name": person.name, "role": person.role.value, **typed},
        errors=errors or {},
        refused=refused,
        roles=ROLES,
        is_me=actor().id == person.id,
    )


@bp.post("/settings/people/<uuid:person_id>")
def change(person_id: UUID) -> ResponseReturnValue:
    actor().require(Permission.MANAGE_PEOPLE)
    try:
        role = _role(request.form["role"]) if "role" in request.form else None
        wanted = PersonChange(name=request.form.get("name"), role=role)
        people.change(actor(), person_id, wanted, now=moment())
    except (Invalid, Refused) as error:
        return _again(person_id, error)
    return _done("Saved.", person_id)


@bp.post("/settings/people/<uuid:person_id>/access")
def access(person_id: UUID) -> ResponseReturnValue:
    """Lets somebody in, or puts them out of this org at once, browsers and tokens included."""
    actor().require(Permission.MANAGE_PEOPLE)
    is_active = request.form.get("access") == "open"
    try:
        person = people.change(actor(), person_id, PersonChange(is_active=is_active), now=moment())
    except Refused as error:
        return _again(person_id, error)
    if is_active:
        return _done(f"{person.email} may come in again.", person_id)
    return _done(f"{person.email} is disabled here; their browsers are signed out.", person_id)


@bp.post("/settings/people/<uuid:person_id>/password")
def password(person_id: UUID) -> ResponseReturnValue:
    actor().require(Permission.MANAGE_PEOPLE)
    typed = request.form.get("password", "")
    try:
        secret = passwords.reset_password(actor(), person_id, typed or None, now=moment())
    except (Invalid, Refused) as error:
        return _again(person_id, error)
    person = members.get(actor(), person_id)
    if not typed:
        return _shown_once(person, secret)
    return _done(f"{person.email} has a new password; their browsers are signed out.", person_id)


def _again(person_id: UUID, error: ConsoleError) -> ResponseReturnValue:
    refused = error.detail if isinstance(error, Refused) else None
    return _page(members.get(actor(), person_id), error.status, error.fields, refused)


def _done(text: str, person_id: UUID) -> ResponseReturnValue:
    flash(text)
    return redirect(url_for("people.show", person_id=person_id), 303)
