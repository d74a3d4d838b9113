"""The job table as a file, under the filters of its page."""

from flask import Blueprint, Response, current_app, request

from console.core.errors import Invalid
from console.core.streams import within
from console.services import job_files
from console.services.job_files import Format
from console.web.identity import actor, moment, zone
from console.web.job_queries import JobQuery

bp = Blueprint("job_files", __name__)


@bp.get("/jobs/export")
def export() -> Response:
    kind, query = _format(), JobQuery.read(request.args, "format")
    file = job_files.export(actor(), query.filter(zone()), now=moment())
    answer = Response(within(current_app.app_context, file.text(kind)), mimetype=kind.mimetype)
    answer.headers["Content-Disposition"] = f'attachment; filename="{file.name(kind)}"'
    return answer


def _format() -> Format:
    try:
        return Format(request.args.get("format", Format.CSV))
    except ValueError:
        text = f"must be one of {', '.join(Format)}"
        raise Invalid(f"format: {text}", fields={"format": [text]}) from None
