"""Settings: the org's own, and the table of what each role may do."""

from collections.abc import Mapping, Sequence

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from console.core.errors import Invalid
from console.core.permissions import Permission, allows
from console.core.states import Role
from console.services import org_settings
from console.web import people_pages
from console.web.answers import page
from console.web.editor import zones
from console.web.identity import actor, moment

FIELDS = ("name", "timezone", org_settings.APPROVAL_HOURS)
LONGEST = 300
bp = Blueprint("settings", __name__)


@bp.get("/settings")
def index() -> ResponseReturnValue:
    """The first of its pages."""
    return people_pages.index()


@bp.get("/settings/roles")
def roles() -> ResponseReturnValue:
    return page("settings/roles.html", permissions=list(Permission), roles=list(Role), allows=allows)


@bp.get("/settings/org")
def org() -> ResponseReturnValue:
    found = org_settings.get(actor().org_id)
    return _page({name: str(value) for name, value in found.as_texts.items()})


def _page(
    typed: Mapping[str, str], status: int = 200, errors: Mapping[str, Sequence[str]] | None = None
) -> ResponseReturnValue:
    return page("settings/org.html", status, typed=typed, errors=errors or {}, zones=zones(typed["timezone"]))


@bp.post("/settings/org")
def save_org() -> ResponseReturnValue:
    actor().require(Permission.EDIT_ORG)
    typed = {name: request.form.get(name, "")[:LONGEST] for name in FIELDS}
    try:
        org_settings.change(actor(), **typed, now=moment())
    except Invalid as error:
        return _page(typed, error.status, error.fields)
    flash("Saved; it holds from now on.")
    return redirect(url_for("settings.org"), 303)
