"""Error pages: what happened, what was not changed, what to do. None of them needs Postgres."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from flask import Flask, g, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_limiter import RateLimitExceeded
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from console.core.errors import ConsoleError, Forbidden
from console.core.reasons import Reason
from console.services import refusals
from console.web.identity import moment, wants_fragment

RETRY_AFTER = 5
SAFE = ("GET", "HEAD", "OPTIONS")
GONE = "It may have been deleted while this page stood open. Reload the page, or begin at the jobs."
UNCHANGED = re.compile(r"; nothing was changed| Nothing was changed\.")


@dataclass(frozen=True)
class Problem:
    """What an error page says; `advice` is what to do, `fields` what `detail` does not say already."""

    status: int
    title: str
    detail: str
    advice: str
    reason: Reason | None = None
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    suggestions: Sequence[str] = ()


WORDS = {
    400: (
        "This can't be read",
        "The request is not one that a page here makes; nothing was changed.",
        "Go back, reload the page and try again.",
    ),
    401: ("Sign in first", "This page is for people who are signed in.", "Sign in, then come back."),
    403: (
        "Not allowed",
        "Your role does not allow this; nothing was changed.",
        "Ask an administrator of your org.",
    ),
    404: (
        "Nothing here",
        "There is no page or thing at this address.",
        "Check the address, or begin at the jobs.",
    ),
    405: (
        "Not this way",
        "This address does not take this kind of request; nothing was changed.",
        "Go back and use the page's own buttons.",
    ),
    409: (
        "Not now",
        "The request can't be granted now; nothing was changed.",
        "Read the reason, then try again.",
    ),
    413: (
        "Too large",
        "The request is larger than the console takes; nothing was changed.",
        "Send less at once.",
    ),
    422: (
        "This can't be used",
        "Part of the request can't be used; nothing was changed.",
        "Correct it and try again.",
    ),
    429: (
        "Too many attempts",
        "There were too many attempts in a short time.",
        "Wait a few minutes, then try again.",
    ),
    500: (
        "Something went wrong",
        "The console met an error of its own; it has been logged.",
        "Try again. If it stays, give the number below to an administrator.",
    ),
    503: (
        "Back in a moment",
        "The database can't be reached just now.",
        "Nothing is lost: scheduler and workers wait and go on by themselves. Reload in a few seconds.",
    ),
}


def register(app: Flask) -> None:
    """The errors of pages; the API's blueprint has handlers of its own, which come first there."""
    app.register_error_handler(ConsoleError, _console_error)
    app.register_error_handler(HTTPException, _http_error)


def _console_error(error: ConsoleError) -> ResponseReturnValue:
    if isinstance(error, Forbidden):
        _record(error)
    return answer(problem_of(error))


def _record(refusal: Forbidden) -> None:
    """What somebody may not do and tried stands on the trail."""
    if current_user.is_authenticated:
        what = f"{request.method} {request.path}"
        refusals.record(current_user.actor, what, refusal.detail, now=moment())


def problem_of(error: ConsoleError) -> Problem:
    """The page's words for an error that a service raised."""
    title, _, advice = WORDS.get(error.status, WORDS[500])
    if error.reason:
        advice = "" if error.reason.advice in error.detail else error.reason.advice
    elif error.status == 404 and (wants_fragment() or request.method not in SAFE):
        advice = GONE  # a button was pressed; nobody has typed this address
    fields = {name: texts for name, texts in error.fields.items() if ", ".join(texts) not in error.detail}
    return Problem(error.status, title, error.detail, advice, error.reason, fields, error.suggestions)


def _http_error(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if status < 400:
        return error.get_response()
    title, detail, advice = WORDS.get(status, (error.name, error.description or error.name, WORDS[400][2]))
    if isinstance(error, CSRFError):
        detail = "This form has expired or came from elsewhere; nothing was changed."
    response = make_response(answer(Problem(status, title, detail, advice)))
    if isinstance(error, RateLimitExceeded):
        response.headers["Retry-After"] = "60"
    for name in ("Allow", "Retry-After"):
        if name in dict(error.get_headers()):
            response.headers[name] = dict(error.get_headers())[name]
    return response


def _place() -> str:
    """Where the notice goes: into the open dialog, whose form must not be lost, or above the page."""
    is_form = request.method == "POST" and request.headers.get("HX-Target") == "dialog"
    return "#dialog-problem" if is_form else "#notices"


def _as_asked(problem: Problem) -> Problem:
    """Whoever only looked need not hear that nothing was changed."""
    if request.method not in SAFE:
        return problem
    detail, advice = (UNCHANGED.sub("", text) for text in (problem.detail, problem.advice))
    return replace(problem, detail=detail, advice=advice)


def answer(problem: Problem) -> ResponseReturnValue:
    """A whole page, or a notice for a page that is already open."""
    problem = _as_asked(problem)
    name = "errors/_problem.html" if wants_fragment() else "errors/page.html"
    body = render_template(name, problem=problem, request_id=g.get("request_id", ""))
    response = make_response(body, problem.status)
    if wants_fragment():
        response.headers["HX-Retarget"] = _place()
        response.headers["HX-Reswap"] = "innerHTML"
    if problem.status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER)
    return response
