"""One edit of many jobs, and what became of it."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, model_validator

from console.api.schemas.common import Address, Body, Moment, Moved, Out, Text
from console.api.schemas.schedules import REASON, Why
from console.core.errors import Invalid
from console.core.reasons import Reason
from console.core.states import JobStatus, Kind, MessageType
from console.services.bulk_edits import MOST_SELECTED, Action, BulkResult, Left, Wish

Ids = Annotated[list[Annotated[UUID, Field(strict=False)]], Field(min_length=1, max_length=MOST_SELECTED)]


class BulkFilter(Body):
    """The jobs that match every given filter; an empty one matches all."""

    status: JobStatus | None = Field(None, strict=False)
    kind: Kind | None = Field(None, strict=False)
    category: Text | None = None
    q: Text | None = Field(None, description="Searches name, key, task, subject and recipient.")
    since: Moment | None = Field(None, alias="from", description="Next run at this instant or later.")
    until: Moment | None = Field(None, alias="to", description="Next run at this instant or before.")
    message_type: MessageType | None = Field(None, strict=False)
    event: UUID | None = Field(None, strict=False, description="The id of the event that messages are about.")
    recipient: Address | None = Field(None, description="A whole mail address.")
    settled: bool = Field(
        False, description="Also messages that need not go out because what they ask for is known."
    )


class BulkIn(Body):
    """One edit of many jobs: those of `ids`, or all that match `filter`."""

    action: Annotated[Action, Field(strict=False)]
    minutes: int | None = Field(
        None, description="For `shift` and `reschedule`: how much later, or earlier below 0."
    )
    send_at: Moved | None = Field(None, description="For `reschedule`: the new time, instead of minutes.")
    timezone: Text | None = Field(None, description="For `set_zone`: an IANA zone.")
    ids: Ids | None = None
    filter: BulkFilter | None = None
    reason: Why | None = Field(None, description=REASON)

    @model_validator(mode="after")
    def _fits_together(self) -> "BulkIn":
        wrong = {
            "filter": (self.ids is None) == (self.filter is None),
            "minutes": self._has_no_time if self.action in MOVES else self.minutes is not None,
            "send_at": self.send_at is not None
            and (self.action is not Action.RESCHEDULE or self.minutes is not None),
            "timezone": (self.action is Action.SET_ZONE) == (self.timezone is None),
        }
        fields = {name: [BULK_TEXTS[name]] for name, is_wrong in wrong.items() if is_wrong}
        if fields:
            said = "; ".join(f"{name}: {texts[0]}" for name, texts in fields.items())
            raise Invalid(f"{said}. Nothing was changed.", fields=fields)
        return self

    @property
    def _has_no_time(self) -> bool:
        return self.minutes is None and (self.action is Action.SHIFT or self.send_at is None)

    @property
    def wish(self) -> Wish:
        return Wish(self.action, self.minutes, self.timezone, self.reason, self.send_at)


MOVES = (Action.SHIFT, Action.RESCHEDULE)
BULK_TEXTS = {
    "filter": "give either this or ids",
    "minutes": "must be given for shift, may be for reschedule, and for no other action",
    "send_at": "may be given for reschedule instead of minutes, and for no other action",
    "timezone": "must be given for set_zone, and for no other action",
}


class LeftOut(Out):
    """A job that could not take the change, and why."""

    job_id: UUID
    name: str
    reason_code: Reason | None
    text: str

    @classmethod
    def of(cls, left: Left) -> "LeftOut":
        return cls(job_id=left.job_id, name=left.name, reason_code=left.reason, text=left.text)


class BulkOut(Out):
    """How many jobs were changed, how many were so already, and which were left: the first 50 by name."""

    changed: int
    unchanged: int
    left: int
    named: list[LeftOut]

    @classmethod
    def of(cls, result: BulkResult) -> "BulkOut":
        named = [LeftOut.of(left) for left in result.named]
        return cls(changed=result.changed, unchanged=result.unchanged, left=result.left, named=named)
