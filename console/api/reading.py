"""What callers send, read strictly: unknown names and unreadable bodies are refused with the field named."""

from collections.abc import Mapping
from typing import Any

from apiflask.schema_adapters import registry
from apiflask.schema_adapters.pydantic import PydanticAdapter
from flask import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from werkzeug.exceptions import UnsupportedMediaType

from console.api import strict
from console.api.schemas.common import Out
from console.core.errors import BadRequest, Invalid

SHOWN_FIELDS = 10
TEXTS = {
    "extra_forbidden": "is not known here",
    "missing": "is required",
    "model_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "string_type": "must be text",
    "bool_type": "must be true or false",
}


class StrictAdapter(PydanticAdapter):
    """Reads a call's body, query or headers into its model; raises `Invalid`, `BadRequest` or 415."""

    def validate_input(self, request: Request, location: str, **kwargs: Any) -> BaseModel:
        try:
            return self.model_class.model_validate(_read(request, location, self.model_class))
        except ValidationError as error:
            raise _invalid(error, location, nothing_changed=request.method not in ("GET", "HEAD")) from None

    def get_openapi_schema(self, **kwargs: Any) -> dict[str, Any]:
        """What is sent is described as it may be sent, what is answered as it is answered."""
        mode = "serialization" if issubclass(self.model_class, Out) else "validation"
        return super().get_openapi_schema(mode=mode)


registry.register("pydantic", StrictAdapter)


def _read(request: Request, location: str, model: type[BaseModel]) -> object:
    if location == "json":
        return _body(request)
    if location == "headers":
        return _headers(request, model)
    return _query(request, model)


def _query(request: Request, model: type[BaseModel]) -> Mapping[str, str]:
    """The parameters; an empty one counts as left out, but its name must be known."""
    repeated = sorted(name for name, values in request.args.lists() if len(values) > 1)
    if repeated:
        raise Invalid(
            f"{repeated[0]}: is given twice", fields={name: ["is given twice"] for name in repeated}
        )
    known = {field.alias or name for name, field in model.model_fields.items()}
    values = {name: value for name, value in request.args.items() if value or name not in known}
    strict.check_storable(values)
    return values


def _headers(request: Request, model: type[BaseModel]) -> Mapping[str, str]:
    names = ((name, name.replace("_", "-")) for name in model.model_fields)
    return {name: request.headers[header] for name, header in names if header in request.headers}


def _body(request: Request) -> object:
    raw = request.get_data()
    if not raw.strip():
        return {}
    if not request.is_json:
        raise UnsupportedMediaType("Send the body as application/json.")
    try:
        value = strict.parse(raw)
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {str(error)[:200]}. Nothing was changed.") from None
    strict.check_storable(value)
    return value


def _invalid(error: ValidationError, location: str, *, nothing_changed: bool) -> Invalid:
    fields: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False):
        name = ".".join(str(part) for part in problem["loc"]) or "body"
        name = name.replace("_", "-").title() if location == "headers" else name
        fields.setdefault(name, []).append(_text(problem))
    wrong = [f"{name}: {text}" for name, texts in fields.items() for text in texts]
    sentence = "; ".join(wrong[:SHOWN_FIELDS])
    return Invalid(f"{sentence}. Nothing was changed." if nothing_changed else f"{sentence}.", fields=fields)


def _text(problem: ErrorDetails) -> str:
    known = TEXTS.get(problem["type"])
    if known:
        return known
    if "expected" in problem.get("ctx", {}):
        return f"must be {problem['ctx']['expected']}"
    text = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return text.replace("should", "must", 1)
