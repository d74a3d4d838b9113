"""The OpenAPI 3.1 description: APIFlask's, made whole and limited to /api/v1."""

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, TypeVar, cast

from apiflask import APIFlask
from flask import Flask, current_app

from console.api import reading  # noqa: F401  (makes APIFlask read and describe strictly)
from console.api.blueprint import PREFIX, api
from console.api.problems import MEDIA_TYPE
from console.api.schemas.approvals import ApprovalAskedOut
from console.api.schemas.common import Out
from console.api.schemas.conflict import StaleProblem
from console.api.schemas.problem import Problem, RefusedProblem
from console.api.schemas.schedules import LARGEST_REVISION
from console.core.states import MessageType

REF = "#/components/schemas/{model}"
View = TypeVar("View", bound=Callable[..., Any])

ABOUT = """The same jobs and runs as on the pages, for programs.

Send `Authorization: Bearer TOKEN`; `python -m console token create` makes a token. Instants are ISO 8601
with their offset. Lists take `limit` (at most 200) and `cursor`, and answer `next_cursor`, null on the last
page. An edit may carry the `revision` that its author saw, or `If-Match` with its `ETag`; a stale one is
refused with both versions. Errors are RFC 9457 problems with a `reason_code`; a validation error names its
fields in `errors`."""
EVERYWHERE = (401, 500, 503)
DESCRIPTIONS = {
    400: "The body is not JSON.",
    401: "The token is missing, unknown, expired or revoked.",
    403: "The token's role does not allow this.",
    404: "There is no such thing in the token's org.",
    409: "Refused as things stand; `reason_code` says why.",
    413: "The body is larger than 2 MiB.",
    415: "The body is not sent as application/json.",
    422: "A parameter, header or field is unknown or can't be used; `errors` names it.",
    500: "Something went wrong in the console.",
    503: "The database can't be reached; try again after `Retry-After` seconds.",
}
BODY_PROBLEMS = (400, 413, 415)
YAML_TYPES = ("application/yaml", "text/yaml", "application/x-yaml", "text/plain")
YAML_BODIES: set[str] = set()
CSV_TYPES = ("text/csv", "text/plain")
CSV_BODIES: set[str] = set()
JSON_FILES: set[str] = set()
TAGS = ["Jobs", "Schedules", "Triggers", "Approvals", "Runs", "Alerts", "Audit", "People", "Status"]
PROBLEMS: list[type[Problem]] = [Problem, StaleProblem, RefusedProblem]
SHAPES: list[type[Out]] = [ApprovalAskedOut]
FILE: dict[str, Any] = {
    "type": "object",
    "required": ["version", "schedules"],
    "properties": {
        "version": {"const": 1},
        "schedules": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["key"],
                "properties": {"key": {"type": "string"}, "schedule": {"type": "object"}},
            },
        },
    },
}


def call(tag: str, *problems: int, also: dict[int, dict[str, Any]] | None = None) -> Callable[[View], View]:
    """Describes a call: its tag, the problems that it answers beside the usual ones, and other answers."""

    def decorate(view: View) -> View:
        codes = sorted({*problems, *EVERYWHERE})
        responses: dict[int, Any] = {code: _problem(code) for code in codes} | (also or {})
        return api.doc(tags=[tag], responses=responses, operation_id=view.__name__)(view)

    return decorate


def _problem(code: int) -> dict[str, Any]:
    shapes = ("RefusedProblem", "Problem") if code == HTTPStatus.CONFLICT else ("Problem",)
    return problem_answer(DESCRIPTIONS.get(code, HTTPStatus(code).phrase), *shapes)


def problem_answer(description: str, *shapes: str) -> dict[str, Any]:
    """An answer with a problem of one of these shapes."""
    refs = [{"$ref": REF.format(model=shape)} for shape in shapes]
    schema = refs[0] if len(refs) == 1 else {"anyOf": refs}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


STALE = problem_answer(
    "Somebody has saved a revision after the one that you saw, or it is refused as things stand; "
    "`reason_code` says which.",
    "StaleProblem",
    "RefusedProblem",
    "Problem",
)
TAGGED: dict[str, Any] = {
    "headers": {"ETag": {"schema": {"type": "string"}, "description": "The revision, for `If-Match`."}}
}


def or_asked(shape: str) -> dict[int, dict[str, Any]]:
    """The 202 of a call that makes a run, or asks for a second person's word when it needs one."""
    refs = [{"$ref": REF.format(model=name)} for name in (shape, "ApprovalAskedOut")]
    text = "The run is accepted; or a second person must approve it, and is asked to (`APPROVAL_REQUIRED`)."
    return {202: {"description": text, "content": {"application/json": {"schema": {"anyOf": refs}}}}}


def created(shape: str) -> dict[str, Any]:
    """The answer of a call that made what it would else have changed."""
    content = {"application/json": {"schema": {"$ref": REF.format(model=shape)}}}
    return {**TAGGED, "description": "It was not there and is made.", "content": content}


def yaml_answer(description: str) -> dict[str, Any]:
    """An answer that is a YAML file."""
    return {"description": description, "content": {YAML_TYPES[0]: {"schema": FILE}}}


def takes_yaml(view: View) -> View:
    """Describes a call whose body is a YAML file."""
    YAML_BODIES.add(view.__name__)
    return view


def takes_csv(view: View) -> View:
    """Describes a call whose body is a CSV file."""
    CSV_BODIES.add(view.__name__)
    return view


def takes_json(view: View) -> View:
    """Describes a call whose file may also be JSON."""
    JSON_FILES.add(view.__name__)
    return view


def extend(*tags: str, problems: Sequence[type[Problem]] = ()) -> None:
    """Adds the tags of a plugin's calls, and the shapes of its own problems."""
    TAGS.extend(tag for tag in tags if tag not in TAGS)
    PROBLEMS.extend(problem for problem in problems if problem not in PROBLEMS)


def describe(app: APIFlask) -> None:
    """Sets the app's description; it is made once, when it is first asked for."""
    app.config.update(
        DESCRIPTION=ABOUT,
        OPENAPI_VERSION="3.1.0",
        AUTO_SERVERS=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_404_RESPONSE=False,
        SPEC_DECORATORS=[_without_pages],
        SECURITY_SCHEMES={"bearer": {"type": "http", "scheme": "bearer"}},
    )
    app.servers = [{"url": "/"}]
    app.spec_processor(finish)


def description_of(app: APIFlask) -> dict[str, Any]:
    """The finished description, made anew."""
    leave_out_pages(app)
    return cast(dict[str, Any], app.spec)


def leave_out_pages(app: Flask) -> None:
    """APIFlask asks every blueprint whether it is described; Flask's own can't answer."""
    for blueprint in app.blueprints.values():
        if not hasattr(blueprint, "enable_openapi"):
            blueprint.enable_openapi = False  # type: ignore[attr-defined]


def _without_pages(view: View) -> View:
    leave_out_pages(current_app)
    return view


def finish(description: dict[str, Any] | str) -> dict[str, Any] | str:
    """Completes a description that is an object; APIFlask may make it a text of YAML too."""
    return _finished(description) if isinstance(description, dict) else description


def _finished(spec: dict[str, Any]) -> dict[str, Any]:
    """Leaves the API's own paths, names each shape once, and says what APIFlask does not."""
    spec["paths"] = {path: calls for path, calls in spec["paths"].items() if path.startswith(PREFIX)}
    spec["security"] = [{"bearer": []}]
    spec["tags"] = [{"name": name} for name in TAGS]
    schemas = spec.setdefault("components", {}).setdefault("schemas", {})
    for problem in (*PROBLEMS, *SHAPES):
        schema = problem.model_json_schema(mode="serialization", ref_template=REF)
        schemas.update(schema.pop("$defs", {}))
        schemas[problem.__name__] = schema
    spec = _with_short_names(spec)
    for calls in spec["paths"].values():
        for operation in calls.values():
            _finish_call(operation, spec["components"]["schemas"])
    return spec


NESTED = re.compile(r"^(#/components/schemas/)\w+\.(\w+)$")


def _with_short_names(spec: dict[str, Any]) -> dict[str, Any]:
    """`JobsOut.JobOut` is the same shape as `JobOut`."""
    renamed: dict[str, Any] = _shortened(spec)
    schemas = renamed["components"]["schemas"]
    renamed["components"]["schemas"] = {
        name.rpartition(".")[2]: schema for name, schema in sorted(schemas.items())
    }
    return renamed


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shortened(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    return NESTED.sub(r"\1\2", value) if isinstance(value, str) else value


def _finish_call(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        _finish_parameter(parameter)
    _finish_body(operation, schemas)
    unavailable = operation["responses"].get("503", {})
    unavailable["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}


def _finish_body(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    body = operation.get("requestBody")
    if body:
        name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        body["required"] = not {"required", "minProperties"}.isdisjoint(schemas[name])
    if operation["operationId"] in YAML_BODIES:
        content: dict[str, Any] = {type_: {"schema": FILE} for type_ in YAML_TYPES}
        content["text/plain"] = {"schema": {"type": "string"}}
        operation["requestBody"] = {"required": True, "content": content}
    if operation["operationId"] in CSV_BODIES:
        text = {"schema": {"type": "string"}}
        operation["requestBody"] = {"required": True, "content": dict.fromkeys(CSV_TYPES, text)}
    if operation["operationId"] in JSON_FILES:
        rows = {"type": "array", "items": {"type": "object"}}
        shape = {"type": "object", "required": ["jobs"], "properties": {"jobs": rows}}
        operation["requestBody"]["content"]["application/json"] = {"schema": shape}


PATHS: dict[str, dict[str, Any]] = {
    "name": {
        "minLength": 1,
        "maxLength": 300,
        "description": "A job or task, in any spelling, or a job's id.",
    },
    "queue": {"minLength": 1, "maxLength": 100, "description": "A queue, by its name."},
    "number": {"type": "integer", "minimum": 1, "maximum": LARGEST_REVISION, "description": "A revision."},
    "message_type": {"enum": [type_.value for type_ in MessageType if type_ is not MessageType.FREE]},
}


def _finish_parameter(parameter: dict[str, Any]) -> None:
    """A parameter is left out or has a value; null is nothing that a URL or a header could say."""
    schema = parameter["schema"]
    found = [inner for inner in schema.pop("anyOf", []) if inner != {"type": "null"}]
    schema |= found[0] if len(found) == 1 else {"anyOf": found} if found else {}
    if schema.get("default", ...) is None:
        del schema["default"]
    parameter["description"] = schema.pop("description", "")
    if parameter["in"] == "path":
        schema |= PATHS.get(parameter["name"], {"format": "uuid"})
    if parameter["in"] == "header":
        parameter["name"] = parameter["name"].title()
