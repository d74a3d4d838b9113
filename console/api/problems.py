"""Every error of the API as an RFC 9457 problem."""

from http import HTTPStatus

import structlog
from apiflask.exceptions import HTTPError
from flask import Response, current_app, g, json, request, url_for
from werkzeug.exceptions import HTTPException, default_exceptions
from werkzeug.routing import RequestRedirect

from console.api.auth import caller, challenge
from console.api.blueprint import PREFIX, api
from console.api.schemas.problem import Problem, RefusedProblem
from console.core.clock import utc_now
from console.core.errors import ConsoleError, Forbidden
from console.services import refusals

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
KEPT_HEADERS = ("Allow", "Retry-After")
DETAILS = {
    404: "There is nothing at this address; see /api/v1/docs for the addresses that exist.",
    405: "This address does not take this method; see the Allow header for those that it takes.",
    413: "The request is larger than 2 MiB.",
    500: "Something went wrong here; it has been logged. Nothing of what you sent is to blame.",
}

log = structlog.get_logger(__name__)


def answer(problem: Problem) -> Response:
    """The problem as a response, with the headers that its status asks for."""
    body = json.dumps(problem.model_dump(mode="json"))
    response = current_app.response_class(body, problem.status, mimetype=MEDIA_TYPE)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = challenge()
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def of_console_error(error: ConsoleError) -> Response:
    if isinstance(error, Forbidden) and "api_caller" in g:
        refusals.record(caller(), f"{request.method} {request.path}", error.detail, now=utc_now())
    problem = Problem(
        type=f"{PREFIX}/docs#{error.reason}" if error.reason else "about:blank",
        title=error.reason.text if error.reason else HTTPStatus(error.status).phrase,
        status=error.status,
        detail=error.detail,
        reason_code=error.reason,
        errors=error.fields,
        suggestions=error.suggestions,
    )
    return answer(_explained(problem, error))


def _explained(problem: Problem, error: ConsoleError) -> Problem:
    """The problem of a job that was refused names the call that says what stands in its way."""
    job_id = error.job_id or (request.view_args or {}).get("job_id")
    if error.status != HTTPStatus.CONFLICT or job_id is None:
        return problem
    return RefusedProblem(**dict(problem), explain=url_for("api.explain_job", job_id=job_id))


def of_http_exception(error: HTTPException) -> Response:
    """The problem of an error of the framework; a response that it carries stays as it is."""
    if error.response is not None:
        return current_app.make_response(error.get_response())
    response = of_status(error.code or 500, error.description)
    for name, value in error.get_headers():
        if name in KEPT_HEADERS:
            response.headers[name] = value
    return response


def of_status(status: int, detail: str | None) -> Response:
    title = HTTPStatus(status).phrase
    return answer(Problem(title=title, status=status, detail=DETAILS.get(status) or detail or title))


def of_anything_else(error: Exception) -> Response:
    log.error("A call of the API failed.", action="api_failed", path=request.path, exc_info=error)
    return of_status(500, None)


@api.before_app_request
def no_such_call() -> Response | None:
    """Answers what no route matches below /api/; the pages have their own way to say it."""
    error = request.routing_exception
    if error is None or isinstance(error, RequestRedirect):
        return None
    return of_http_exception(error) if f"{request.path}/".startswith("/api/") else None


@api.after_request
def never_kept(response: Response) -> Response:
    response.headers.setdefault("Cache-Control", "no-store")
    return response


api.register_error_handler(ConsoleError, of_console_error)
api.register_error_handler(HTTPError, lambda error: of_status(error.status_code, error.message))
api.register_error_handler(HTTPException, of_http_exception)
api.register_error_handler(Exception, of_anything_else)
# The app's own handlers for single codes would come before a blueprint's handler for the class.
for code in default_exceptions:
    api.register_error_handler(code, of_http_exception)
