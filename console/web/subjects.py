"""The pages of what jobs are about, which a plugin brings."""

from typing import Any
from uuid import UUID

from flask import Flask, url_for

from console.core.registry import registry


def address(subject_id: UUID | None, way: str = "show") -> str | None:
    """Where the thing of this id can be seen (`show`) or changed (`edit`); None without such a page."""
    pages = registry.subject_pages
    if pages is None or subject_id is None:
        return None
    values: dict[str, Any] = {pages.argument: subject_id}
    return url_for(getattr(pages, way), **values)


def noun() -> str:
    """What such a thing is called."""
    return registry.subject_pages.noun if registry.subject_pages else "subject"


def register(app: Flask) -> None:
    """For the templates."""
    app.jinja_env.globals.update(subject_url=address, subject_noun=noun)
