"""Events in the API: what may be sent, and what is answered."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from console.api.schemas import common
from console.api.schemas.common import LIMIT, Body, Cursor, In, Instant, Limit, Moment, Moved, Out, Text
from console.api.schemas.problem import Problem
from console.api.schemas.schedules import REASON, Seen, Why
from console.core.errors import Invalid
from console.plugins.messages.event_import import Action, Plan, PlannedRow
from console.plugins.messages.event_lists import EventFilter, EventPage
from console.plugins.messages.event_shape import MOST_CREW, NAMES
from console.plugins.messages.events import EventChange, NewEvent, StaleEvent, Written
from console.plugins.messages.planner import Planned
from console.plugins.messages.views import EventView

LOAD_IN = "When the house opens for the crew, at most 30 days before the start; null while unknown."
ZONE = "An IANA zone: where it takes place."
CREW = "Mail addresses of all others who get the reminder, each once."
SEEN = "The revision that you saw; a stale one is refused."

Address = Annotated[str, Field(max_length=254)]
Crew = Annotated[list[Address], Field(max_length=MOST_CREW)]


# What is sent -------------------------------------------------------------------------------------


class EventQuery(In):
    """Which events: all that match every given filter."""

    q: Text | None = Field(None, description="Searches name and venue.")
    since: Moment | None = Field(None, alias="from", description="Starts at this instant or later.")
    until: Moment | None = Field(None, alias="to", description="Starts at this instant or before.")
    limit: Limit = LIMIT
    cursor: Cursor | None = None


class EventIn(Body):
    """A new event."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    venue: Text = ""
    starts_at: Moved
    load_in_at: Moved | None = Field(None, description=LOAD_IN)
    timezone: Text | None = Field(None, description=f"{ZONE} The org's when left out.")
    contact_name: Text = ""
    contact_email: Address | None = Field(None, description="Who is asked for the load-in time.")
    crew: Crew = Field(default_factory=list, description=CREW)

    def as_new(self) -> NewEvent:
        """What the service takes."""
        return NewEvent(**{name: getattr(self, name) for name in NAMES})


class EventPatch(Body):
    """A change of an event: what is left out stays as it is, and at least one field has to be there.

    `revision` and `reason` alone are no change. Null empties `load_in_at` and `contact_email`, and counts
    as left out elsewhere.
    """

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": [name]} for name in NAMES], "minProperties": 1}
    )

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    venue: Text | None = None
    starts_at: Moved | None = None
    load_in_at: Moved | None = Field(None, description=LOAD_IN)
    timezone: Text | None = Field(None, description=ZONE)
    contact_name: Text | None = None
    contact_email: Address | None = Field(None, description="Who is asked for the load-in time.")
    crew: Crew | None = Field(None, description=CREW)
    reason: Why | None = Field(None, description=REASON)
    revision: Seen | None = Field(None, description=SEEN)

    @model_validator(mode="after")
    def _changes_something(self) -> "EventPatch":
        if not self.wanted:
            text = f"must have at least one of {', '.join(NAMES)}"
            raise Invalid(f"body: {text}. Nothing was changed.", fields={"body": [text]})
        return self

    @property
    def wanted(self) -> dict[str, Any]:
        """The fields that it sets."""
        given = {name: getattr(self, name) for name in NAMES if name in self.model_fields_set}
        return {name: value for name, value in given.items() if value is not None or name in EMPTIED}

    def as_change(self) -> EventChange:
        """What the service takes."""
        return EventChange(**self.wanted)


EMPTIED = ("load_in_at", "contact_email")


class EventImportQuery(In):
    """Whether to look or to do."""

    plan: bool = Field(False, description="True answers what would change, and changes nothing.")
    mark: Text | None = Field(None, description="`mark` of the plan that you saw: if it moved, 409.")
    reason: Why | None = Field(None, description=REASON)


# What is answered ---------------------------------------------------------------------------------


class EventOut(Out):
    """An event; instants are in UTC, `timezone` is where it takes place."""

    id: UUID
    name: str
    venue: str
    starts_at: Instant
    load_in_at: Instant | None = Field(description="Null while unknown.")
    timezone: str
    contact_name: str
    contact_email: str | None
    crew: list[str]
    revision: int

    @classmethod
    def of(cls, event: EventView) -> "EventOut":
        held = {name: getattr(event, name) for name in NAMES}
        return cls(id=event.id, revision=event.revision, **{**held, "crew": list(event.crew)})


class MessagesOut(Out):
    """What became of the planned messages: how many were made, moved, taken away, closed, opened again."""

    created: int
    moved: int
    withdrawn: int
    closed: int
    opened: int

    @classmethod
    def of(cls, planned: Planned) -> "MessagesOut":
        return cls(**{name: getattr(planned, name) for name in cls.model_fields})


class EventSavedOut(EventOut):
    """An event after a save, and what became of its messages."""

    messages: MessagesOut

    @classmethod
    def of_written(cls, done: Written) -> "EventSavedOut":
        return cls(**dict(EventOut.of(done.event)), messages=MessagesOut.of(done.planned))


class EventsOut(Out):
    """One page of events, nearest start first, then by name."""

    events: list[EventOut]
    next_cursor: str | None
    as_of: Instant

    @classmethod
    def of(cls, page: EventPage) -> "EventsOut":
        found = [EventOut.of(line.event) for line in page.events]
        return cls(events=found, next_cursor=page.next_cursor, as_of=page.as_of)


class RowOut(Out):
    """What one row of a file does; `before` is null for a new event, else both hold what changes."""

    line: int
    action: str = Field(description="`create` or `update`.")
    id: UUID | None
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any]

    @classmethod
    def of(cls, row: PlannedRow) -> "RowOut":
        before = dict(row.before) if row.before is not None else None
        return cls(
            line=row.line,
            action=row.action,
            id=row.event_id,
            name=row.name,
            before=before,
            after=dict(row.after),
        )


class EventImportOut(Out):
    """What an import changes, or would change; events that the file does not name stay as they are."""

    changes: list[RowOut]
    unchanged: int
    mark: str = Field(description="Changes whenever what the file does, does.")
    messages: MessagesOut | None = Field(description="Null before it is done.")

    @classmethod
    def of(cls, plan: Plan) -> "EventImportOut":
        return cls(
            changes=[RowOut.of(row) for row in plan.rows if row.action is not Action.UNCHANGED],
            unchanged=plan.count(Action.UNCHANGED),
            mark=plan.mark,
            messages=MessagesOut.of(plan.planned) if plan.planned else None,
        )


class LaterChange(Out):
    """One field that was saved after the revision that you saw."""

    name: str
    old: Any
    new: Any

    @classmethod
    def list_of(cls, old: Mapping[str, Any], new: Mapping[str, Any]) -> "list[LaterChange]":
        return [cls(name=name, old=old.get(name), new=value) for name, value in new.items()]


class StaleEventProblem(Problem):
    """Somebody saved a revision after the one that you saw; nothing was changed.

    To settle it, send what shall hold again with `current.revision`.
    """

    current: EventOut = Field(description="The event as it is now.")
    yours: dict[str, Any] = Field(description="What you sent.")
    changes: list[LaterChange] = Field(description="What was saved meanwhile.")
    saved_by: str | None
    saved_at: Instant | None

    @classmethod
    def of(cls, error: StaleEvent, yours: Mapping[str, Any]) -> "StaleEventProblem":
        return cls(
            type=f"/api/v1/docs#{error.reason}",
            title=error.reason.text,
            status=error.status,
            detail=error.detail,
            reason_code=error.reason,
            current=EventOut.of(error.current),
            yours=dict(yours),
            changes=LaterChange.list_of(error.later.old, error.later.new),
            saved_by=error.later.saved_by,
            saved_at=error.later.saved_at,
        )


def filter_of(query: EventQuery, zone: str) -> EventFilter:
    """What the service takes; dates count in the zone."""
    return EventFilter(query.q, common.since(query.since, zone), common.until(query.until, zone))
