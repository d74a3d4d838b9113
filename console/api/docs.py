"""The readable page of the API, rendered out of its description."""

from dataclasses import dataclass
from typing import Any, cast

from apiflask import APIFlask
from flask import current_app, render_template

from console.api.blueprint import api
from console.api.spec import description_of
from console.core.reasons import Reason


@dataclass(frozen=True)
class Field:
    """A line of a table: a parameter or a field, and what it may hold."""

    name: str
    type: str
    place: str
    is_required: bool
    description: str


@dataclass(frozen=True)
class Answer:
    status: str
    description: str
    shapes: list[str]


@dataclass(frozen=True)
class Call:
    """One call as the page shows it."""

    id: str
    method: str
    path: str
    tag: str
    summary: str
    takes: list[Field]
    body: list[str]
    body_type: str
    answers: list[Answer]


@dataclass(frozen=True)
class Shape:
    name: str
    description: str
    fields: list[Field]
    values: list[str]


@api.get("/docs")
@api.doc(hide=True)
def docs() -> str:
    """The page; it needs no session and no script."""
    spec = description_of(cast(APIFlask, current_app))
    shapes = [_shape(name, schema) for name, schema in spec["components"]["schemas"].items()]
    return render_template(
        "api/docs.html", info=spec["info"], tags=_by_tag(spec), shapes=shapes, reasons=list(Reason)
    )


def _by_tag(spec: dict[str, Any]) -> dict[str, list[Call]]:
    found: dict[str, list[Call]] = {}
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            call = _call(method, path, operation)
            found.setdefault(call.tag, []).append(call)
    return dict(sorted(found.items()))


def _call(method: str, path: str, operation: dict[str, Any]) -> Call:
    content = operation.get("requestBody", {}).get("content", {})
    return Call(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        tag=operation["tags"][0],
        summary=operation.get("summary", ""),
        takes=[_parameter(parameter) for parameter in operation.get("parameters", [])],
        body=_shapes(content),
        body_type=next(iter(content), ""),
        answers=[
            Answer(code, answer["description"], _shapes(answer.get("content", {})))
            for code, answer in sorted(operation["responses"].items())
        ],
    )


def _parameter(parameter: dict[str, Any]) -> Field:
    return Field(
        parameter["name"],
        _type(parameter["schema"]),
        parameter["in"],
        parameter.get("required", False),
        parameter.get("description", ""),
    )


def _shape(name: str, schema: dict[str, Any]) -> Shape:
    required = schema.get("required", [])
    fields = [
        Field(field, _type(inner), "", field in required, inner.get("description", ""))
        for field, inner in schema.get("properties", {}).items()
    ]
    return Shape(
        name, schema.get("description", ""), fields, [str(value) for value in schema.get("enum", [])]
    )


def _shapes(content: dict[str, Any]) -> list[str]:
    """The named shapes that a body may have; none for a file."""
    schema: dict[str, Any] = next((media["schema"] for media in content.values()), {})
    refs = [inner["$ref"] for inner in schema.get("anyOf", [schema]) if "$ref" in inner]
    return [ref.rpartition("/")[2] for ref in refs]


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words, such as `text or null`; a named shape by its name."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(inner) for inner in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return " · ".join(str(value) for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return WORDS.get(schema.get("format", ""), WORDS.get(schema.get("type", ""), "anything"))


WORDS = {
    "date-time": "instant",
    "date": "date",
    "uuid": "id",
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "null": "null",
}
