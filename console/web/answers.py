"""The three kinds of answer that a fragment gives."""

from flask import Response, make_response, render_template, request


def is_known(version: str) -> bool:
    """Whether the poll brought this very version."""
    return request.args.get("version") == version


def nothing_new() -> Response:
    """204: what the page shows is still so."""
    return make_response("", 204)


def page(template: str, status: int = 200, **context: object) -> Response:
    """A whole page, or a fragment of one."""
    return make_response(render_template(template, **context), status)
