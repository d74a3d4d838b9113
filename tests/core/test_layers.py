"""What import-linter can't see: names taken out of a package, checked by reading the source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CONSOLE = Path(__file__).parents[2] / "console"
OF_A_REQUEST = {"request", "session", "g", "current_app"}


def modules(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (CONSOLE / room).rglob("*.py"))


def names_from_flask(tree: ast.AST) -> Iterator[str]:
    """Every name imported from flask, and every `flask.name` that is used."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "flask":
            yield from (alias.name for alias in node.names)
        elif (
            isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "flask"
        ):
            yield node.attr


def dynamic_imports(tree: ast.AST) -> Iterator[int]:
    """Lines that import by a computed name, which import-linter does not follow."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__"}:
                yield node.lineno


@pytest.mark.parametrize("path", modules("services", "db", "core"), ids=str)
def test_below_the_edges_nobody_knows_of_a_request(path: Path) -> None:
    assert OF_A_REQUEST.isdisjoint(names_from_flask(ast.parse(path.read_text())))


@pytest.mark.parametrize("path", modules("."), ids=str)
def test_only_the_registry_imports_by_a_computed_name(path: Path) -> None:
    lines = list(dynamic_imports(ast.parse(path.read_text())))
    assert lines == [] or path == CONSOLE / "core" / "registry.py"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from flask import g, Flask", {"g"}),
        ("import flask\nflask.request.args", {"request"}),
        ("from flask.globals import session", {"session"}),
        ("from flask import Flask", set()),
    ],
)
def test_the_check_sees_what_it_looks_for(source: str, found: set[str]) -> None:
    assert OF_A_REQUEST & set(names_from_flask(ast.parse(source))) == found
