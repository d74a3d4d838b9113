"""Schedules: their shape, the next slots, the history, and warnings."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta, timezone
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema, model_validator

from console.api.schemas.common import Body, Cursor, In, Instant, Limit, Out, Text
from console.core.cautions import Caution
from console.core.errors import Invalid
from console.core.reasons import Reason
from console.core.schedule import FIELDS
from console.core.slots import Mark, Slot
from console.core.states import CatchUp, Overlap
from console.services.definitions import LONGEST_JITTER, LONGEST_WINDOW, FieldChange
from console.services.previews import LOOKED_AT, MOST_SLOTS
from console.services.revisions import RevisionPage, RevisionView

SHAPE = {"type", "cron", "every_seconds", "hour", "minute", "weekday", "at"}
KEPT = ("timezone", "enabled", "overlap", "catch_up")
EMPTIED = ("catch_up_window_seconds", "jitter_seconds")
LARGEST_REVISION = 2**31 - 1
TYPES = Literal["cron", "interval", "daily", "weekly", "once", "manual"]
OVERLAP = "What a due slot does while an earlier run is still active."
CATCH_UP = "What happens to slots that came while nothing could act."
WINDOW = "How old a slot may be to be caught up with; null for no limit."
JITTER = "A run starts up to this long after its slot; null or 0 for none."
ZONE = "The IANA zone in which the times are meant."
REASON = "Why; kept in history and audit trail."

At = Annotated[str, Field(max_length=100), WithJsonSchema({"type": "string", "format": "date-time"})]
Window = Annotated[int, Field(ge=1, le=LONGEST_WINDOW)]
Jitter = Annotated[int, Field(ge=0, le=LONGEST_JITTER)]
Why = Annotated[str, Field(max_length=500)]
Seen = Annotated[int, Field(ge=1, le=LARGEST_REVISION)]


# What is sent -------------------------------------------------------------------------------------


class Times(Body):
    """When a job is due; each type asks for its own fields, and takes no other's."""

    cron: Text | None = Field(None, examples=["15 9 * * 1-5"], description="Five fields; for `cron`.")
    every_seconds: int | None = Field(None, description="For `interval`.")
    hour: int | None = Field(None, description="0 to 23; for `daily` and `weekly`.")
    minute: int | None = Field(None, description="0 to 59; for `daily` and `weekly`.")
    weekday: int | None = Field(None, description="Monday is 0; for `weekly`.")
    at: At | None = Field(None, description="An ISO 8601 instant with its offset; for `once`.")

    @property
    def shape(self) -> dict[str, Any]:
        """The type and its fields, as services take them."""
        return self.model_dump(exclude_none=True, include=SHAPE)

    @model_validator(mode="after")
    def _takes_its_own_fields_alone(self) -> "Times":
        shape = self.shape
        type_ = shape.pop("type", None)
        wrong = [name for name in shape if type_ and name not in FIELDS[type_]]
        if wrong:
            text = f"is not for the type {type_}"
            fields = {name: [text] for name in wrong}
            said = "; ".join(f"{name}: {text}" for name in wrong)
            raise Invalid(f"{said}. Nothing was changed.", reason=Reason.INVALID_SCHEDULE, fields=fields)
        return self


class ScheduleIn(Times):
    """The schedule of a new job: when it is due, and how its slots are treated."""

    type: TYPES
    timezone: Text | None = Field(None, examples=["Europe/Berlin"], description=ZONE)
    enabled: bool = Field(True, description="False makes a job that is paused.")
    overlap: Text = Field(Overlap.SKIP, json_schema_extra={"enum": list(Overlap)}, description=OVERLAP)
    catch_up: Text = Field(CatchUp.LATEST, json_schema_extra={"enum": list(CatchUp)}, description=CATCH_UP)
    catch_up_window_seconds: Window | None = Field(None, description=WINDOW)
    jitter_seconds: Jitter | None = Field(None, description=JITTER)


class Policies(Times):
    """What an edit of a schedule may hold beside its type; what is left out stays as it is."""

    timezone: Text | None = Field(None, examples=["Europe/Berlin"], description=ZONE)
    enabled: bool | None = Field(None, description="False pauses the job, true puts it back.")
    overlap: Text | None = Field(None, examples=list(Overlap), description=OVERLAP)
    catch_up: Text | None = Field(None, examples=list(CatchUp), description=CATCH_UP)
    catch_up_window_seconds: Window | None = Field(None, description=WINDOW)
    jitter_seconds: Jitter | None = Field(None, description=JITTER)

    @property
    def wanted(self) -> dict[str, Any]:
        """The fields of an edit that it asks for; null counts as left out where it can't be a value."""
        given = {name: getattr(self, name) for name in KEPT}
        found = {name: value for name, value in given.items() if value is not None}
        found |= {name: getattr(self, name) for name in EMPTIED if name in self.model_fields_set}
        shape = self.shape
        return found | ({"schedule": shape} if "type" in shape else {})


class SchedulePatch(Policies):
    """A change of a schedule: a whole new one, or policies alone when `type` is left out."""

    type: TYPES | None = None

    @model_validator(mode="after")
    def _has_a_type(self) -> "SchedulePatch":
        if self.type is None and self.shape:
            raise Invalid(
                "schedule.type: is required. Nothing was changed.",
                reason=Reason.INVALID_SCHEDULE,
                fields={"schedule.type": ["is required beside the fields of a type"]},
            )
        return self


class SchedulePut(Policies):
    """The schedule that a job shall have; optional members that are left out stay as they are."""

    type: TYPES
    revision: Seen | None = Field(None, description="The revision that you saw; a stale one is refused.")
    reason: Why | None = Field(None, description=REASON)


class RestoreIn(Body):
    """Why, and the newest revision that the caller saw; both may be left out."""

    revision: Seen | None = Field(None, description="The revision that you saw; a stale one is refused.")
    reason: Why | None = Field(None, description=REASON)


class EditHeaders(In):
    """`If-Match` says the same as `revision`."""

    if_match: Annotated[str, Field(max_length=200)] | None = Field(
        None, description='The revision that you saw, as `ETag` has it: `"12"`, or `12`.'
    )


class SlotQuery(In):
    """How many slots."""

    count: Annotated[int, Field(ge=1, le=MOST_SLOTS)] = LOOKED_AT


class RevisionQuery(In):
    """Which page of the history."""

    limit: Limit = 20
    cursor: Cursor | None = None


# What is answered ---------------------------------------------------------------------------------


class WarningOut(Out):
    """What may be meant but should be seen; it refuses nothing."""

    code: str = Field(description="`TOO_OFTEN`, `SAME_MINUTE`, `ALREADY_DUE` or `RULE`.")
    text: str

    @classmethod
    def of(cls, caution: Caution) -> "WarningOut":
        return cls(code=caution.code, text=caution.text)


class FieldChangeOut(Out):
    """One field of a definition that an edit changed."""

    name: str
    old: Any
    new: Any

    @classmethod
    def of(cls, change: FieldChange) -> "FieldChangeOut":
        return cls(name=change.name, old=change.old, new=change.new)


class SlotOut(Out):
    """One slot; `mark` says what daylight saving does to it, and `note`, which only a mark has, says how."""

    utc: Instant
    local: Instant
    offset: str = Field(examples=["+07:00"])
    mark: Mark | None
    note: str | None = Field(None, exclude_if=lambda note: note is None)

    @classmethod
    def of(cls, slot: Slot) -> "SlotOut":
        return cls(
            utc=slot.at.astimezone(UTC),
            local=slot.local,
            offset=_offset(slot.local),
            mark=slot.mark,
            note=slot.note if slot.mark else None,
        )


def _offset(local: datetime) -> str:
    """Such as `+07:00`."""
    return time(tzinfo=timezone(local.utcoffset() or timedelta())).isoformat().removeprefix("00:00:00")


class SlotsOut(Out):
    """The next slots of a job, nearest first."""

    slots: list[SlotOut]

    @classmethod
    def of(cls, slots: Sequence[Slot]) -> "SlotsOut":
        return cls(slots=[SlotOut.of(slot) for slot in slots])


class RevisionOut(Out):
    """One revision: who made it, when, from where and why, what it changed and what it defines."""

    revision: int
    created_at: Instant
    actor: str
    origin: str = Field(description="The kind of actor: person (a page), token (the API), cli, system.")
    reason: str | None
    changes: list[FieldChangeOut]
    definition: dict[str, Any]
    is_current: bool
    is_applied: bool = Field(description="Whether the scheduler acts on this one.")

    @classmethod
    def of(cls, view: RevisionView) -> "RevisionOut":
        return cls(
            revision=view.revision,
            created_at=view.created_at,
            actor=view.actor,
            origin=view.origin,
            reason=view.reason,
            changes=[FieldChangeOut.of(change) for change in view.changes],
            definition=dict(view.definition),
            is_current=view.is_current,
            is_applied=view.is_applied,
        )


class RevisionsOut(Out):
    """One page of a job's history, newest first."""

    revisions: list[RevisionOut]
    next_cursor: str | None
    as_of: Instant

    @classmethod
    def of(cls, page: RevisionPage) -> "RevisionsOut":
        return cls(
            revisions=[RevisionOut.of(view) for view in page.revisions],
            next_cursor=str(page.next_before) if page.next_before is not None else None,
            as_of=page.as_of,
        )
