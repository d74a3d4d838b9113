"""Pages and fragments: parse, authorise, render. Services do the rest."""

from flask import Flask

from console.web import (
    account,
    alert_forms,
    alerts,
    approvals,
    audit,
    bulk,
    chains,
    deletions,
    details,
    editor,
    errors,
    explain,
    filters,
    guarding,
    help,
    identity,
    imports,
    job_files,
    org_pages,
    outbox,
    people_pages,
    probes,
    pulse,
    queues,
    rehearsals,
    revisions,
    row_edits,
    run_control,
    run_figures,
    run_log,
    run_retries,
    runs,
    schedules,
    security,
    send_now,
    sequences,
    session_pages,
    sessions,
    subjects,
    table_bulk,
    tasks,
    token_pages,
    words,
    workers,
)

BLUEPRINTS = (
    approvals.bp,
    guarding.bp,
    send_now.bp,
    chains.bp,
    job_files.bp,
    editor.bp,
    details.bp,
    revisions.bp,
    explain.bp,
    row_edits.bp,
    table_bulk.bp,
    sequences.bp,
    runs.bp,
    run_figures.bp,
    run_control.bp,
    run_retries.bp,
    run_log.bp,
    rehearsals.bp,
    schedules.bp,
    bulk.bp,
    deletions.bp,
    imports.bp,
    workers.bp,
    audit.bp,
    queues.bp,
    tasks.bp,
    outbox.bp,
    pulse.bp,
    help.bp,
    sessions.bp,
    org_pages.bp,
    alerts.bp,
    alert_forms.bp,
    people_pages.bp,
    token_pages.bp,
    session_pages.bp,
    account.bp,
    probes.bp,
)


def register(app: Flask) -> None:
    """Adds every page of the spine, and what stands before each of them."""
    security.register(app)
    identity.register(app)
    filters.register(app)
    words.register(app)
    subjects.register(app)
    explain.register(app)
    errors.register(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
