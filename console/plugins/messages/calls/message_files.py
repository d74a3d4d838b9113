"""Message jobs out of a file, as an export of the job table has them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import request
from pydantic import Field
from werkzeug.exceptions import UnsupportedMediaType

from console.api.auth import caller
from console.api.blueprint import api
from console.api.schemas.common import In, Out, Text
from console.api.schemas.schedules import REASON, Why
from console.api.spec import BODY_PROBLEMS, CSV_TYPES, call, takes_csv, takes_json
from console.core import delimited
from console.core.clock import utc_now
from console.plugins.messages import message_import
from console.plugins.messages.event_rows import BadFile, Fault
from console.plugins.messages.message_import import Action, Plan, PlannedRow

TYPES = (*CSV_TYPES, "application/json")


class MessageImportQuery(In):
    """Whether to look or to do."""

    plan: bool = Field(False, description="True answers what would change, and changes nothing.")
    mark: Text | None = Field(None, description="`mark` of the plan that you saw: if it moved, 409.")
    reason: Why | None = Field(None, description=REASON)


class MessageRowOut(Out):
    """What one row of a file does; `before` is null for a new message, else both hold what changes."""

    line: int = Field(description="In JSON, the number of the row.")
    action: Action
    id: UUID | None
    name: str
    revision: int | None = Field(description="The one that the job has by now; null for a new message.")
    before: dict[str, Any] | None
    after: dict[str, Any]

    @classmethod
    def of(cls, row: PlannedRow) -> "MessageRowOut":
        return cls(
            line=row.line,
            action=row.action,
            id=row.job_id,
            name=row.name,
            revision=row.revision,
            before=_held(row.before),
            after=dict(row.after),
        )


def _held(fields: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if fields is None else dict(fields)


class MessageImportOut(Out):
    """What an import changes, or would change; messages that the file does not name stay as they are."""

    changes: list[MessageRowOut]
    unchanged: int
    conflicts: int = Field(description="With any, the import is refused.")
    mark: str = Field(description="Changes whenever what the file does, does.")

    @classmethod
    def of(cls, plan: Plan) -> "MessageImportOut":
        return cls(
            changes=[MessageRowOut.of(row) for row in plan.rows if row.action is not Action.UNCHANGED],
            unchanged=plan.count(Action.UNCHANGED),
            conflicts=len(plan.conflicts),
            mark=plan.mark,
        )


@api.post("/scheduler/jobs/import")
@api.input(MessageImportQuery, location="query", arg_name="query")
@api.output(MessageImportOut)
@takes_csv
@takes_json
@call("Jobs", *BODY_PROBLEMS, 403, 409, 422)
def import_jobs(query: MessageImportQuery) -> MessageImportOut:
    """Takes message jobs out of an exported file in one transaction, or shows with `plan=true` what changes.

    A row with an `id` or `key` changes when that message goes out, to whom, and whether it is paused; one
    with neither makes a message. A file with a mistake is refused as a whole. The role operator may.
    """
    text, actor, now = _file(), caller(), utc_now()
    if query.plan:
        return MessageImportOut.of(message_import.plan(actor, text, now=now))
    done = message_import.apply(actor, text, expected=query.mark, reason=query.reason, now=now)
    return MessageImportOut.of(done)


def _file() -> str:
    """The body; raises 415 for what is said to be something else, `BadFile` for what is no text."""
    if request.mimetype not in TYPES:
        raise UnsupportedMediaType(f"Send the file as {CSV_TYPES[0]} or application/json.")
    try:
        return delimited.decoded(request.get_data())
    except delimited.Unreadable as error:
        raise BadFile([Fault(error.line or 0, "", str(error))]) from None
