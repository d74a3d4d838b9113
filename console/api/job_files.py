"""The job table as a file."""

from flask import Response, current_app

from console.api.auth import caller
from console.api.blueprint import api
from console.api.filtering import filter_of
from console.api.schemas.jobs import ExportQuery
from console.api.spec import call
from console.core.clock import utc_now
from console.core.streams import within
from console.services import job_files
from console.services.job_files import MOST

FILE = {
    "description": "The jobs as one file, nearest first.",
    "content": {
        "text/csv": {"schema": {"type": "string"}},
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["as_of", "is_cut", "jobs"],
                "properties": {
                    "as_of": {"type": "string", "format": "date-time"},
                    "is_cut": {"type": "boolean", "description": f"Whether more than {MOST:,} match."},
                    "jobs": {
                        "type": "array",
                        "items": {"type": "object", "required": list(job_files.COLUMNS)},
                    },
                },
            }
        },
    },
}


@api.get("/scheduler/jobs/export")
@api.input(ExportQuery, location="query", arg_name="query")
@call("Jobs", 422, also={200: FILE})
def export_jobs(query: ExportQuery) -> Response:
    """All jobs that match as one file, up to 100,000, nearest first; an import takes messages back."""
    actor = caller()
    file = job_files.export(actor, filter_of(query, actor.zone), now=utc_now())
    answer = Response(
        within(current_app.app_context, file.text(query.format)), mimetype=query.format.mimetype
    )
    answer.headers["Content-Disposition"] = f'attachment; filename="{file.name(query.format)}"'
    return answer
