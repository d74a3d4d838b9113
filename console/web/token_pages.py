"""Settings, Tokens: keys for programs, each shown once."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid
from console.core.permissions import Permission
from console.core.states import Role
from console.services import tokens
from console.services.account_views import NewToken
from console.web.answers import page
from console.web.identity import actor, moment, zone

LASTS = {"30": "30 days", "90": "90 days", "365": "a year", "on": "until a date", "never": "without an end"}
LONGEST = 200
bp = Blueprint("tokens", __name__)


@bp.get("/settings/tokens")
def index() -> ResponseReturnValue:
    return _page({"role": Role.OPERATOR.value, "lasts": "90"})


def _page(
    typed: Mapping[str, str],
    status: int = 200,
    errors: Mapping[str, Sequence[str]] | None = None,
    made: NewToken | None = None,
) -> ResponseReturnValue:
    return page(
        "settings/tokens.html",
        status,
        tokens=tokens.list_tokens(actor()),
        made=made,
        typed=typed,
        errors=errors or {},
        lasts=LASTS,
        roles={role.value: role.value for role in Role if actor().role.includes(role)},
    )


@bp.post("/settings/tokens")
def create() -> ResponseReturnValue:
    """Makes a token; its secret is shown in this answer, and nowhere after it."""
    actor().require(Permission.MANAGE_TOKENS)
    typed = {name: request.form.get(name, "")[:LONGEST] for name in ("name", "role", "lasts", "until")}
    try:
        made = tokens.create_token(
            actor(), typed["name"], _role(typed["role"]), now=moment(), expires_at=_end(typed)
        )
    except Invalid as error:
        fields = {"until" if name == "expires_at" else name: text for name, text in error.fields.items()}
        return _page(typed, error.status, fields)
    return _page({"role": typed["role"], "lasts": typed["lasts"]}, made=made)


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise Invalid("role: choose one of the list", fields={"role": ["choose one of the list"]}) from None


def _end(typed: Mapping[str, str]) -> datetime | None:
    """When it ends: some days from now, or with the last moment of a date in the org's zone."""
    lasts = typed["lasts"]
    if lasts == "never":
        return None
    if lasts in LASTS and lasts != "on":
        return moment() + timedelta(days=int(lasts))
    if lasts != "on":
        raise Invalid("lasts: choose one of the list", fields={"lasts": ["choose one of the list"]})
    try:
        day = date.fromisoformat(typed["until"].strip())
        return datetime.combine(day, time.max, zone()).astimezone(UTC)
    except (ValueError, OverflowError):
        text = "a date such as 2030-01-31"
        raise Invalid(f"until: {text}", fields={"until": [text]}) from None


@bp.post("/settings/tokens/<uuid:token_id>/revocation")
def revoke(token_id: UUID) -> ResponseReturnValue:
    token = tokens.revoke_token(actor(), token_id, now=moment())
    flash(f"Token {token.name} ({token.prefix}…) is revoked; what uses it is refused from now on.")
    return redirect(url_for("tokens.index"), 303)
