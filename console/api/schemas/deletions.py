"""Delete all: which jobs, what became of them, and the way back."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from pydantic import Field

from console.api.schemas.common import Body, In, Instant, Moment, Out, Text
from console.core.states import JobStatus, Kind, MessageType
from console.services.chain_cuts import Cuts
from console.services.deletions import DeletionView


class DeleteQuery(In):
    """Which jobs: all that match every given filter, and all of the org's without one."""

    confirm: Text | None = Field(None, description="Must be `true`; without it nothing is deleted.")
    message_type: MessageType | None = None
    status: JobStatus | None = None
    kind: Kind | None = None
    category: Text | None = None
    event: UUID | None = Field(None, description="The id of the event that the messages are about.")
    recipient: Text | None = Field(None, description="A whole mail address.")
    q: Text | None = Field(None, description="Searches name, key, task, subject and recipient.")
    since: Moment | None = Field(None, alias="from", description="Next run at this instant or later.")
    until: Moment | None = Field(None, alias="to", description="Next run at this instant or before.")
    expected: Annotated[int, Field(ge=0)] | None = Field(
        None, description="How many you saw match; when it is another number by now, nothing is deleted."
    )


class CutsOut(Out):
    """The links of chains that a deletion cuts, until it is undone: how many, and the first five in words."""

    cut_links: int
    cuts: Sequence[str]

    @classmethod
    def of(cls, found: Cuts) -> "CutsOut":
        return cls(cut_links=found.count, cuts=[cut.text for cut in found.named])


class DeletedOut(Out):
    """What was deleted. Jobs that were running stay, and are counted by `left_running`."""

    deleted: int
    left_running: int
    undo_token: UUID | None = Field(description="For `undo-delete`; null when nothing was deleted.")
    undo_until: Instant

    @classmethod
    def of(cls, done: DeletionView) -> "DeletedOut":
        return cls(
            deleted=done.deleted,
            left_running=done.left_running,
            undo_token=done.id,
            undo_until=done.undo_until,
        )


class UndoDeleteIn(Body):
    """The token that a deletion answered."""

    undo_token: Annotated[UUID, Field(strict=False)]


class RestoredOut(Out):
    """What came back: fewer than were deleted when other jobs have taken their keys since."""

    restored: int
    deleted: int
    undone_at: Instant | None
    undone_by: str | None

    @classmethod
    def of(cls, done: DeletionView) -> "RestoredOut":
        return cls(
            restored=done.restored or 0,
            deleted=done.deleted,
            undone_at=done.undone_at,
            undone_by=done.undone_by,
        )
