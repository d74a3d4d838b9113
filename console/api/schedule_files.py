"""Schedules as code: all of them as one YAML file, and back."""

from flask import Response, request
from werkzeug.exceptions import UnsupportedMediaType

from console.api.auth import caller
from console.api.blueprint import api
from console.api.schemas.schedule_files import ImportQuery, PlanOut
from console.api.spec import BODY_PROBLEMS, YAML_TYPES, call, takes_yaml, yaml_answer
from console.core.clock import utc_now
from console.core.errors import BadRequest
from console.services import schedule_files


@api.get("/schedules/export")
@call("Schedules", 409, also={200: yaml_answer("All schedules as one file.")})
def export_schedules() -> Response:
    """All schedules as one YAML file, which an import takes back."""
    now = utc_now()
    response = Response(schedule_files.export(caller(), now=now), mimetype=YAML_TYPES[0])
    response.headers["Content-Disposition"] = f'attachment; filename="schedules-{now:%Y-%m-%d}.yaml"'
    return response


@api.post("/schedules/import")
@api.input(ImportQuery, location="query", arg_name="query")
@api.output(PlanOut)
@takes_yaml
@call("Schedules", *BODY_PROBLEMS, 403, 409, 422)
def import_schedules(query: ImportQuery) -> PlanOut:
    """Takes schedules out of a YAML file in one transaction, or shows with `plan=true` what it would change.

    A file with a mistake is refused as a whole. What the file does not name stays as it is. The role
    operator may.
    """
    text, now = _yaml(), utc_now()
    if query.plan:
        return PlanOut.of(schedule_files.plan(caller(), text, now=now))
    return PlanOut.of(schedule_files.apply(caller(), text, reason=query.reason, now=now))


def _yaml() -> str:
    """The body; raises 415 for what is said to be something else, `BadRequest` for what is no text."""
    raw = request.get_data()
    if request.mimetype not in YAML_TYPES:
        raise UnsupportedMediaType(f"Send the file as {YAML_TYPES[0]}.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadRequest("The file is not UTF-8 text. Nothing was changed.") from None
