"""Signing in and out."""

from urllib.parse import urlsplit

from flask import Blueprint, Response, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user, logout_user
from wtforms import EmailField, Form, HiddenField, PasswordField
from wtforms.validators import InputRequired, Length

from console.core.errors import BadCredentials
from console.services import people
from console.web.answers import page
from console.web.identity import Visitor, actor, moment
from console.web.security import limiter

bp = Blueprint("sessions", __name__)


class SignInForm(Form):
    """What the sign-in page asks for."""

    email = EmailField("Email", [InputRequired("Enter your email address."), Length(max=254)])
    password = PasswordField("Password", [InputRequired("Enter your password."), Length(max=1000)])
    next = HiddenField()


def has_failed(response: Response) -> bool:
    """Only what failed counts towards the limit."""
    return response.status_code == 401


def _email() -> str:
    return f"email {request.form.get('email', '').strip().lower()[:254]}"


@bp.route("/sign-in", methods=["GET", "POST"])
@limiter.limit("10 per 5 minutes", key_func=_email, methods=["POST"], deduct_when=has_failed)
@limiter.limit("50 per 5 minutes", methods=["POST"], deduct_when=has_failed)
def sign_in() -> ResponseReturnValue:
    if request.method == "POST":
        return _check(SignInForm(request.form))
    target = same_site(request.args.get("next"))
    if current_user.is_authenticated:
        return redirect(target)
    return page("sessions/sign_in.html", form=SignInForm(next=target), problem=None)


def _check(form: SignInForm) -> ResponseReturnValue:
    if not form.validate():
        return page("sessions/sign_in.html", 422, form=form, problem=None)
    try:
        opened = people.sign_in(
            form.email.data or "",
            form.password.data or "",
            now=moment(),
            address=request.remote_addr,
            user_agent=request.user_agent.string,
        )
    except BadCredentials as refusal:
        return page("sessions/sign_in.html", refusal.status, form=form, problem=refusal.detail)
    return _enter(opened.secret, same_site(form.next.data))


def _enter(secret: str, target: str) -> ResponseReturnValue:
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
