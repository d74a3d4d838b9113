"""The page of keys; with JavaScript it is a dialog."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from console.web.answers import page

bp = Blueprint("help", __name__)


@bp.get("/help")
def index() -> ResponseReturnValue:
    return page("help/index.html")
