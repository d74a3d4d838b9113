"""The JSON API under /api/v1: parse, authorise, call one service, render."""

from apiflask import APIFlask

from console.api import (  # noqa: F401  (each hangs its calls on the blueprint)
    alerts,
    approvals,
    audit,
    chains,
    conflicts,
    deletions,
    docs,
    explain,
    job_files,
    jobs,
    people,
    queues,
    revisions,
    run_control,
    runs,
    schedule_files,
    schedules,
    status,
    ticks,
    triggers,
)
from console.api.blueprint import api
from console.api.spec import describe


def register(app: APIFlask) -> None:
    """Brings the API to the app. Its blueprint, `api`, takes no cookies and so needs no CSRF token."""
    describe(app)
    app.register_blueprint(api)
