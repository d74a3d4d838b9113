"""The message desk: events, and the message jobs that belong to them."""

from importlib import import_module

from flask import Blueprint, Flask

TABLES = "console.plugins.messages.models"
CALLS: tuple[str, ...] = ()
"""Modules whose calls hang on the API."""
PAGES: tuple[str, ...] = ()
"""Modules with a blueprint `bp` each."""


def prepare() -> None:
    """Imports the tables and the calls of the API."""
    for name in (TABLES, *CALLS):
        import_module(name)


def register(app: Flask) -> None:
    """Adds the pages and their navigation."""
    for name in PAGES:
        blueprint: Blueprint = import_module(name).bp
        app.register_blueprint(blueprint)
