"""Pages and fragments: parse, authorise, render. Services do the rest."""

from flask import Flask

from console.web import (
    bulk,
    editor,
    errors,
    filters,
    help,
    identity,
    imports,
    jobs,
    outbox,
    probes,
    pulse,
    revisions,
    runs,
    schedules,
    security,
    sessions,
    words,
    workers,
)

BLUEPRINTS = (
    jobs.bp,
    editor.bp,
    revisions.bp,
    runs.bp,
    schedules.bp,
    bulk.bp,
    imports.bp,
    workers.bp,
    outbox.bp,
    pulse.bp,
    help.bp,
    sessions.bp,
    probes.bp,
)


def register(app: Flask) -> None:
    """Adds every page of the spine, and what stands before each of them."""
    security.register(app)
    identity.register(app)
    filters.register(app)
    words.register(app)
    errors.register(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
