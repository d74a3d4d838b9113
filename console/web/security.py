"""What stands before and after each request: its id, CSRF, throttling, and the headers of the answer."""

import re
from uuid import uuid4

from flask import Flask, Response, g, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf.csrf import CSRFProtect

from console.core.settings import Settings

REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{8,64}$")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
csrf = CSRFProtect()
limiter = Limiter(
    get_remote_address,
    in_memory_fallback_enabled=True,
    swallow_errors=True,
    storage_options={"socket_connect_timeout": 1, "socket_timeout": 1},
)


def register(app: Flask) -> None:
    settings: Settings = app.extensions["console_settings"]
    app.config.setdefault("WTF_CSRF_CHECK_DEFAULT", False)
    app.config.setdefault("RATELIMIT_STORAGE_URI", _storage(settings.redis_url))
    app.before_request(_name_request)
    csrf.init_app(app)
    limiter.init_app(app)
    app.before_request(_check_csrf)
    app.after_request(_add_headers)


def _storage(redis_url: str) -> str:
    """The Redis URL in the spelling of the rate limiter."""
    return f"redis+{redis_url}" if redis_url.startswith("unix://") else redis_url


def _name_request() -> None:
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if REQUEST_ID.match(given) else uuid4().hex


def _check_csrf() -> None:
    """Every unsafe request needs a token; those of the API are safe by their bearer tokens."""
    if request.endpoint and not request.path.startswith("/api/"):
        csrf.protect()


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    if "request_id" in g:
        response.headers["X-Request-ID"] = g.request_id
    return response
