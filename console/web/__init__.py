"""Pages and fragments: parse, authorise, render. Services do the rest."""

from flask import Flask

from console.web import (
    bulk,
    deletions,
    editor,
    errors,
    filters,
    help,
    identity,
    imports,
    job_files,
    jobs,
    outbox,
    probes,
    pulse,
    revisions,
    row_edits,
    runs,
    schedules,
    security,
    sessions,
    subjects,
    table_bulk,
    words,
    workers,
)

BLUEPRINTS = (
    jobs.bp,
    job_files.bp,
    editor.bp,
    revisions.bp,
    row_edits.bp,
    table_bulk.bp,
    runs.bp,
    schedules.bp,
    bulk.bp,
    deletions.bp,
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
    subjects.register(app)
    errors.register(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
