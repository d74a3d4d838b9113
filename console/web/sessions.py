"""Signing in and out."""

from contextlib import suppress
from urllib.parse import urlsplit

from flask import Blueprint, Response, g, get_flashed_messages, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user, logout_user
from wtforms import EmailField, Form, HiddenField, PasswordField
from wtforms.validators import InputRequired, Length

from console.core.errors import BadCredentials
from console.services import people
from console.web.answers import page
from console.web.identity import ENDED, Visitor, actor, has_ended, moment
from console.web.security import limiter

LONGEST_EMAIL = 254
bp = Blueprint("sessions", __name__)


class SignInForm(Form):
    """What the sign-in page asks for."""

    email = EmailField("Email", [InputRequired("Enter your email address."), Length(max=LONGEST_EMAIL)])
    password = PasswordField("Password", [InputRequired("Enter your password."), Length(max=1000)])
    next = HiddenField()


def _email() -> str:
    return f"email {request.form.get('email', '').strip().lower()[:LONGEST_EMAIL]}"


def _email_from_here() -> str:
    return f"{_email()} from {request.remote_addr}"


@bp.after_request
def give_back(response: Response) -> Response:
    """Only what failed counts; it is deducted beforehand, lest attempts side by side all find room."""
    if response.status_code not in (401, 429):
        for limit in limiter.current_limits:
            with suppress(Exception):  # with Redis gone in between, one attempt stays deducted
                limit.limiter.hit(limit.limit, *limit.request_args, cost=-1)
    return response


# The lowest is asked first, and the first that is exceeded spares those above it: what is refused at one
# address does not use up what the person may try at another.
@bp.route("/sign-in", methods=["GET", "POST"])
@limiter.limit("100 per 5 minutes", key_func=_email, methods=["POST"])
@limiter.limit("50 per 5 minutes", methods=["POST"])
@limiter.limit("10 per 5 minutes", key_func=_email_from_here, methods=["POST"])
def sign_in() -> ResponseReturnValue:
    if request.method == "POST":
        return _check(SignInForm(request.form))
    target = same_site(request.args.get("next"))
    if current_user.is_authenticated:
        return redirect(target)
    return page("sessions/sign_in.html", form=SignInForm(next=target), problem=None, ended=_ended())


def _ended() -> str | None:
    """That a session has ended, for whoever did not end it: what was sent with it was not carried out."""
    unsent = get_flashed_messages(category_filter=[ENDED])
    return str(unsent[-1]) if unsent else "Your session has ended." if has_ended() else None


def _check(form: SignInForm) -> ResponseReturnValue:
    if not form.validate():
        return page("sessions/sign_in.html", 422, form=form, problem=None, ended=None)
    try:
        opened = people.sign_in(
            form.email.data or "",
            form.password.data or "",
            now=moment(),
            address=request.remote_addr,
            user_agent=request.user_agent.string,
            request_id=g.get("request_id"),
        )
    except BadCredentials as refusal:
        return page("sessions/sign_in.html", refusal.status, form=form, problem=refusal.detail, ended=None)
    return _enter(opened.secret, same_site(form.next.data))


def _enter(secret: str, target: str) -> ResponseReturnValue:
    if current_user.is_authenticated:
        people.sign_out(current_user.secret, actor(), now=moment())
    session.clear()
    session.permanent = True
    found = people.session_actor(secret, now=moment(), address=request.remote_addr, request_id=None)
    if found is None:
        raise BadCredentials()
    login_user(Visitor(secret, found))
    return redirect(target, 303)


@bp.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    people.sign_out(current_user.secret, actor(), now=moment())
    logout_user()
    session.clear()
    return redirect(url_for("sessions.sign_in"), 303)


def same_site(target: str | None) -> str:
    """The target when it is a path of this site, otherwise the first page."""
    if not target or not target.startswith("/") or target.startswith("//"):
        return "/"
    parts = urlsplit(target)
    is_plain = target.isprintable() and "\\" not in target
    return target if is_plain and not parts.scheme and not parts.netloc else "/"
