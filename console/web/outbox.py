"""The mail that the embedded catcher took instead of delivering it."""

from typing import Any
from uuid import UUID

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from console.core.errors import NotFound
from console.services import outbox
from console.web import versions
from console.web.answers import is_known, nothing_new, page
from console.web.identity import actor, moment
from console.web.parameters import cursor_of
from console.web.queries import PAGE

bp = Blueprint("outbox", __name__)


@bp.before_request
def _only_embedded() -> None:
    if not outbox.is_embedded():
        raise NotFound("This console sends real mail, so it has no outbox.")


@bp.get("/outbox")
def index() -> ResponseReturnValue:
    return page("outbox/index.html", **_table(cursor_of(request.args)))


@bp.get("/fragments/outbox/table")
def table() -> ResponseReturnValue:
    context = _table(cursor_of(request.args, "version"))
    return nothing_new() if is_known(context["version"]) else page("outbox/_table.html", **context)


def _table(cursor: str | None) -> dict[str, Any]:
    found = outbox.page(actor(), cursor=cursor, limit=PAGE, now=moment())
    return {"page": found, "cursor": cursor, "version": versions.of_mails(found)}


@bp.get("/outbox/<uuid:mail_id>")
def show(mail_id: UUID) -> ResponseReturnValue:
    return page("outbox/show.html", mail=outbox.get(actor(), mail_id))
