"""The audit trail: entries, their verification, and all of it as a file."""

from collections.abc import Iterator

from flask import Response, current_app

from console.api.auth import caller
from console.api.blueprint import api
from console.api.schemas import common
from console.api.schemas.audit import AuditChoice, AuditExportQuery, AuditOut, AuditQuery, VerificationOut
from console.api.spec import call
from console.core.clock import utc_now
from console.core.streams import within
from console.services import audit_files, audit_lists, verifying
from console.services.audit_lists import AuditFilter
from console.services.verifying import Underway, Verification

FILE = {
    "description": "The entries as one file, oldest first: an object on each line, or CSV.",
    "content": {
        "application/x-ndjson": {"schema": {"type": "string"}},
        "text/csv": {"schema": {"type": "string"}},
    },
}


@api.get("/audit")
@api.input(AuditQuery, location="query", arg_name="query")
@api.output(AuditOut)
@call("Audit", 403, 422)
def list_audit(query: AuditQuery) -> AuditOut:
    """The trail of the org, newest first."""
    actor = caller()
    wanted = _filter(query, actor.zone)
    return AuditOut.of(audit_lists.page(actor, wanted, cursor=query.cursor, limit=query.limit, now=utc_now()))


@api.get("/audit/verify")
@api.output(VerificationOut)
@call("Audit", 403, 409)
def verify_audit() -> VerificationOut | Response:
    """Seals and recomputes the whole trail, and names the first bad entry; this stands on the trail too.

    One at a time: 409 while another verification of the org is on its way. A long trail takes minutes;
    meanwhile blanks are sent, one for each slice, so that no proxy takes the silence for the end.
    """
    slices = verifying.along(caller(), now=utc_now())
    first = next(slices)
    if isinstance(first, Verification):
        return VerificationOut.of(first)
    pieces = within(current_app.app_context, _blanks_and_result(slices))
    return Response(pieces, mimetype="application/json")


def _blanks_and_result(slices: Iterator[Underway | Verification]) -> Iterator[str]:
    """JSON with blanks before it, which mean nothing."""
    yield " "
    for found in slices:
        yield VerificationOut.of(found).model_dump_json() if isinstance(found, Verification) else " "


@api.get("/audit/export")
@api.input(AuditExportQuery, location="query", arg_name="query")
@call("Audit", 403, 422, also={200: FILE})
def export_audit(query: AuditExportQuery) -> Response:
    """All entries that match as one file, oldest first; the export itself stands on the trail."""
    actor = caller()
    file = audit_files.export(actor, _filter(query, actor.zone), query.format, now=utc_now())
    answer = Response(within(current_app.app_context, file.text()), mimetype=file.format.mimetype)
    answer.headers["Content-Disposition"] = f'attachment; filename="{file.name}"'
    return answer


def _filter(query: AuditChoice, zone: str) -> AuditFilter:
    return AuditFilter(
        query.tag,
        query.actor,
        query.object_kind,
        query.object_id,
        common.since(query.since, zone),
        common.until(query.until, zone),
    )
