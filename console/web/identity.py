"""Who is asking, and at which instant: both are settled once for each request."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from flask import Flask, flash, g, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, current_user

from console.core.actor import Actor
from console.core.clock import utc_now
from console.services import people

PUBLIC = {"static", "sessions.sign_in", "probes.healthz", "probes.readyz", "probes.metrics"}
ENDED = "session-ended"
"""The category of what is said to somebody whose session ended before their form arrived."""


@dataclass(frozen=True)
class Visitor:
    """Flask-Login's user: an actor, and the secret of the session through which it came."""

    secret: str
    actor: Actor
    is_authenticated: bool = True
    is_active: bool = True
    is_anonymous: bool = False

    def get_id(self) -> str:
        return self.secret


def moment() -> datetime:
    """The instant of this request: one page shows one instant."""
    if "moment" not in g:
        g.moment = utc_now()
    instant: datetime = g.moment
    return instant


def actor() -> Actor:
    """Who is asking; call it behind the sign-in only."""
    found: Actor = current_user.actor
    return found


def zone() -> ZoneInfo:
    """The org's zone; UTC for those who have not signed in."""
    return ZoneInfo(current_user.actor.zone) if current_user.is_authenticated else ZoneInfo("UTC")


def register(app: Flask) -> None:
    """Closes every page that is not named in `PUBLIC`."""
    manager = LoginManager()
    manager.session_protection = None
    # Its context processor would look for the session even on the page that says that Postgres is down.
    manager.init_app(app, add_context_processor=False)
    manager.user_loader(_load)
    app.before_request(_require_sign_in)


def _load(secret: str) -> Visitor | None:
    found = people.session_actor(
        secret, now=moment(), address=request.remote_addr, request_id=g.get("request_id")
    )
    return Visitor(secret, found) if found else None


def _require_sign_in() -> ResponseReturnValue | None:
    if request.endpoint is None or request.endpoint in PUBLIC or request.path.startswith("/api/"):
        return None
    if current_user.is_authenticated:
        return None
    if wants_fragment():
        return _session_ended()
    if has_ended() and request.method not in ("GET", "HEAD"):
        flash("Your session has ended, and what you sent was not carried out.", ENDED)
    return redirect(url_for("sessions.sign_in", next=_this_page()))


def has_ended() -> bool:
    """Whether this browser was signed in, and its session has ended in another way than by signing out."""
    return "_user_id" in session and not current_user.is_authenticated


def wants_fragment() -> bool:
    """Whether the answer goes into a page that is already open."""
    return request.path.startswith("/fragments/") or "HX-Request" in request.headers


def _session_ended() -> ResponseReturnValue:
    page = urlsplit(request.headers.get("HX-Current-URL", "/"))
    body = render_template("errors/_session_ended.html", next=_joined(page.path, page.query))
    response = make_response(body, 401)
    response.headers["HX-Retarget"] = "#notices"
    response.headers["HX-Reswap"] = "innerHTML"
    return response


def _this_page() -> str:
    if request.method not in ("GET", "HEAD"):
        return "/"
    return _joined(request.path, request.query_string.decode("utf-8", "replace"))


def _joined(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path
