"""Events: the list, one event, a new one, a change, deleting, and a file of them."""

from uuid import UUID

from flask import Response, request
from pydantic import BaseModel
from werkzeug.exceptions import UnsupportedMediaType

from console.api import problems
from console.api.auth import caller
from console.api.blueprint import PREFIX, api
from console.api.revision_seen import seen, tag
from console.api.schemas.schedules import EditHeaders
from console.api.spec import (
    BODY_PROBLEMS,
    CSV_TYPES,
    TAGGED,
    call,
    extend,
    problem_answer,
    takes_csv,
)
from console.core import delimited
from console.core.clock import utc_now
from console.plugins.messages import event_import, event_lists, events
from console.plugins.messages.calls.event_shapes import (
    EventImportOut,
    EventImportQuery,
    EventIn,
    EventOut,
    EventPatch,
    EventQuery,
    EventSavedOut,
    EventsOut,
    StaleEventProblem,
    filter_of,
)
from console.plugins.messages.event_rows import BadFile, Fault
from console.plugins.messages.events import StaleEvent

extend("Events", problems=[StaleEventProblem])
STALE = problem_answer(
    "Somebody has saved a revision after the one that you saw, and nothing was changed.",
    "StaleEventProblem",
    "Problem",
)


@api.get("/events")
@api.input(EventQuery, location="query", arg_name="query")
@api.output(EventsOut)
@call("Events", 422)
def list_events(query: EventQuery) -> EventsOut:
    """Events, nearest start first, then by name."""
    actor = caller()
    wanted = filter_of(query, actor.zone)
    found = event_lists.page(actor, wanted, cursor=query.cursor, limit=query.limit, now=utc_now())
    return EventsOut.of(found)


@api.post("/events")
@api.input(EventIn, location="json", arg_name="body")
@api.output(EventSavedOut, status_code=201)
@call("Events", *BODY_PROBLEMS, 403, 422, also={201: TAGGED})
def create_event(body: EventIn) -> tuple[EventSavedOut, int, dict[str, str]]:
    """Creates an event and plans its messages; the role operator may."""
    made = events.created(caller(), body.as_new(), now=utc_now())
    headers = {"Location": f"{PREFIX}/events/{made.event.id}", **tag(made.event.revision)}
    return EventSavedOut.of_written(made), 201, headers


@api.get("/events/<uuid:event_id>")
@api.output(EventOut)
@call("Events", 404, also={200: TAGGED})
def read_event(event_id: UUID) -> tuple[EventOut, int, dict[str, str]]:
    """One event."""
    event = events.get(caller(), event_id)
    return EventOut.of(event), 200, tag(event.revision)


@api.patch("/events/<uuid:event_id>")
@api.input(EventPatch, location="json", arg_name="body")
@api.input(EditHeaders, location="headers", arg_name="headers")
@api.output(EventSavedOut)
@call("Events", *BODY_PROBLEMS, 403, 404, 422, also={200: TAGGED, 409: STALE})
def change_event(
    event_id: UUID, body: EventPatch, headers: EditHeaders
) -> Response | tuple[EventSavedOut, int, dict[str, str]]:
    """Changes an event, and plans, moves or withdraws its messages; the role operator may."""
    revision, change = seen(body.revision, headers.if_match), body.as_change()
    try:
        done = events.edited(caller(), event_id, change, seen=revision, reason=body.reason, now=utc_now())
    except StaleEvent as error:
        return _stale(error, body)
    return EventSavedOut.of_written(done), 200, tag(done.event.revision)


@api.delete("/events/<uuid:event_id>")
@call("Events", 403, 404, also={204: {"description": "The event is deleted."}})
def delete_event(event_id: UUID) -> tuple[str, int]:
    """Deletes an event and withdraws its open messages; what was sent stays. The role operator may."""
    events.delete(caller(), event_id, now=utc_now())
    return "", 204


@api.post("/events/import")
@api.input(EventImportQuery, location="query", arg_name="query")
@api.output(EventImportOut)
@takes_csv
@call("Events", *BODY_PROBLEMS, 403, 409, 422)
def import_events(query: EventImportQuery) -> EventImportOut:
    """Takes events out of a CSV file in one transaction, or shows with `plan=true` what it would change.

    The first line names the columns as an event does; a file with a mistake is refused as a whole. Events
    that it does not name stay as they are. The role operator may.
    """
    text, actor, now = _csv(), caller(), utc_now()
    if query.plan:
        return EventImportOut.of(event_import.plan(actor, text, now=now))
    done = event_import.apply(actor, text, expected=query.mark, reason=query.reason, now=now)
    return EventImportOut.of(done)


def _csv() -> str:
    """The body; raises 415 for what is said to be something else, `BadFile` for what is no text."""
    if request.mimetype not in CSV_TYPES:
        raise UnsupportedMediaType(f"Send the file as {CSV_TYPES[0]}.")
    try:
        return delimited.decoded(request.get_data())
    except delimited.Unreadable as error:
        raise BadFile([Fault(error.line or 0, "", str(error))]) from None


def _stale(error: StaleEvent, body: BaseModel) -> Response:
    sent = body.model_dump(mode="json", exclude_unset=True, exclude={"revision"})
    response = problems.answer(StaleEventProblem.of(error, sent))
    response.headers.update(tag(error.current.revision))
    return response
