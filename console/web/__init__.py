"""Pages and fragments: parse, authorise, render. Services do the rest."""

from flask import Flask

from console.web import (
    errors,
    filters,
    help,
    identity,
    jobs,
    outbox,
    probes,
    pulse,
    runs,
    security,
    sessions,
    workers,
)

BLUEPRINTS = (
    jobs.bp,
    runs.bp,
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
    errors.register(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
