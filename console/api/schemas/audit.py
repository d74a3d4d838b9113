"""The audit trail: the filter, an entry, and what a verification found."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from console.api.schemas.common import LIMIT, Cursor, In, Instant, Limit, Moment, Out, Text
from console.core.tags import Tag
from console.core.trail import Flaw
from console.services.audit_files import Format
from console.services.audit_lists import EntryPage, EntryView
from console.services.verifying import Verification


class AuditChoice(In):
    """Which entries: all that match every given filter."""

    tag: Tag | None = Field(None, description="What happened.")
    actor: Text | None = Field(None, description="Part of the name of who did it, or a whole id.")
    object_kind: Text | None = Field(None, description="What it was done to, such as `job`, `run` or `user`.")
    object_id: Annotated[str, Field(max_length=300)] | None = Field(None, description="The whole id of that.")
    since: Moment | None = Field(None, alias="from", description="At this instant or later.")
    until: Moment | None = Field(None, alias="to", description="At this instant or before.")


class AuditQuery(AuditChoice):
    """A page of them."""

    limit: Limit = LIMIT
    cursor: Cursor | None = None


class AuditExportQuery(AuditChoice):
    """All of them in one file."""

    format: Format = Format.JSONL


class AuditEntryOut(Out):
    """One entry. `position` and `hash` are its place in the chain of the org; null until it is sealed."""

    number: int
    at: Instant
    tag: str
    actor_kind: str
    actor_id: UUID | None
    actor_name: str
    address: str | None
    object_kind: str
    object_id: str
    old: Any
    new: Any
    reason: str | None
    request_id: str | None
    position: int | None
    hash: str | None

    @classmethod
    def of(cls, entry: EntryView) -> "AuditEntryOut":
        return cls(**{name: getattr(entry, name) for name in cls.model_fields})


class AuditOut(Out):
    """One page of the trail, newest first."""

    entries: list[AuditEntryOut]
    next_cursor: str | None
    as_of: Instant

    @classmethod
    def of(cls, page: EntryPage) -> "AuditOut":
        shown = [AuditEntryOut.of(entry) for entry in page.entries]
        return cls(entries=shown, next_cursor=page.next_cursor, as_of=page.as_of)


class FirstBadOut(Out):
    """The first entry that is not as it was sealed, as far as number and place in the chain are known."""

    problem: Flaw
    sentence: str
    number: int | None
    position: int | None


class VerificationOut(Out):
    """What a verification found; `entries` is how many were recomputed, up to the first bad one."""

    ok: bool
    entries: int
    first_bad: FirstBadOut | None

    @classmethod
    def of(cls, found: Verification) -> "VerificationOut":
        bad = found.first_bad
        shown = (
            FirstBadOut(**{name: getattr(bad, name) for name in FirstBadOut.model_fields}) if bad else None
        )
        return cls(ok=found.ok, entries=found.entries, first_bad=shown)
