"""Settings, Account: one's own password, and the way into one's other orgs."""

from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from console.core.errors import Invalid, NotFound
from console.services import passwords, sessions
from console.web.answers import page
from console.web.identity import actor, moment
from console.web.security import limiter

bp = Blueprint("account", __name__)


def _who() -> str:
    """Asked before the sign-in is."""
    return f"account {actor().id}" if current_user.is_authenticated else f"from {request.remote_addr}"


@bp.get("/settings/account")
def show() -> ResponseReturnValue:
    return page("settings/account.html", errors={})


# As many guesses of the present password as at sign-in: a browser left open is no way to find it out.
@bp.post("/settings/account/password")
@limiter.limit("10 per 5 minutes", key_func=_who)
def change_password() -> ResponseReturnValue:
    try:
        ended = passwords.change_own(
            actor(),
            current_user.secret,
            request.form.get("present", ""),
            request.form.get("password", ""),
            now=moment(),
        )
    except Invalid as error:
        return page("settings/account.html", error.status, errors=error.fields)
    also = f" {ended} other browser{' was' if ended == 1 else 's were'} signed out." if ended else ""
    flash(f"Your password is changed.{also}")
    return redirect(url_for("account.show"), 303)


@bp.post("/settings/account/org")
def switch() -> ResponseReturnValue:
    """Takes this browser to another org of the same person."""
    try:
        org_id = UUID(request.form.get("org", ""))
    except ValueError:
        raise NotFound("You have no way into this org.") from None
    place = sessions.move(current_user.secret, actor(), org_id, now=moment())
    flash(f"You are in {place.name} now, as {place.role}.")
    return redirect(url_for("jobs.index"), 303)


def _helpers() -> dict[str, object]:
    return {"my_orgs": lambda: sessions.places(actor())}


bp.app_context_processor(_helpers)
