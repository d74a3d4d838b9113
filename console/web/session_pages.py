"""Settings, Sessions: one's own browsers, and for admins everybody's."""

from uuid import UUID

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from console.core.permissions import Permission
from console.services import browsers
from console.web.answers import page
from console.web.identity import actor, moment

bp = Blueprint("browsers", __name__)


@bp.get("/settings/sessions")
def index() -> ResponseReturnValue:
    sees_all = actor().may(Permission.MANAGE_SESSIONS)
    return page(
        "settings/sessions.html",
        mine=browsers.mine(actor(), secret=current_user.secret, now=moment()),
        others=browsers.others(actor(), now=moment()) if sees_all else None,
    )


@bp.post("/settings/sessions/<uuid:session_id>/revocation")
def revoke(session_id: UUID) -> ResponseReturnValue:
    browsers.revoke(actor(), session_id, now=moment())
    return _done("That browser is signed out.")


@bp.post("/settings/sessions/revocations")
def revoke_all() -> ResponseReturnValue:
    """Signs out all browsers of one's own but this one, or with `whose=others` everybody else's."""
    if request.form.get("whose") == "others":
        ended = browsers.revoke_others(actor(), now=moment())
    else:
        ended = browsers.revoke_mine(actor(), but=current_user.secret, now=moment())
    return _done(f"{ended} browser{' is' if ended == 1 else 's are'} signed out.")


def _done(text: str) -> ResponseReturnValue:
    flash(text)
    return redirect(url_for("browsers.index"), 303)
