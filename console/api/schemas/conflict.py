"""The problem of a stale save."""

from typing import Any

from pydantic import Field

from console.api.schemas.common import Instant, Out
from console.api.schemas.jobs import JobOut
from console.api.schemas.problem import Problem
from console.services.conflicts import ConflictField, StaleRevision


class ConflictFieldOut(Out):
    """One field of the definition in its three versions."""

    name: str
    base: Any = Field(description="As it was in the revision that you saw.")
    theirs: Any = Field(description="As it is now.")
    mine: Any = Field(description="As you want it.")
    clashes: bool = Field(description="Both sides changed it, and not to the same.")

    @classmethod
    def of(cls, field: ConflictField) -> "ConflictFieldOut":
        return cls(
            name=field.name, base=field.base, theirs=field.theirs, mine=field.mine, clashes=field.clashes
        )


class StaleProblem(Problem):
    """Somebody saved a revision after the one that you saw; nothing was changed.

    To settle it, send what shall hold again with `current.revision`.
    """

    current: JobOut = Field(description="The job as it is now.")
    yours: dict[str, Any] = Field(description="What you sent; for a restore, what it would have saved.")
    base: dict[str, Any] = Field(description="`fields` as they were in `base_revision`, by name.")
    base_revision: int = Field(description="The revision that you saw.")
    fields: list[ConflictFieldOut] = Field(description="Every field that either side changed.")
    saved_by: str
    saved_from: str = Field(description="The kind of actor: person (a page), token (the API), cli, system.")
    saved_at: Instant
    saved_reason: str | None

    @classmethod
    def of(cls, error: StaleRevision, type_: str) -> "StaleProblem":
        conflict = error.conflict
        return cls(
            type=type_,
            title=error.reason.text,
            status=error.status,
            detail=error.detail,
            reason_code=error.reason,
            current=JobOut.of(conflict.current),
            yours=dict(conflict.yours),
            base={field.name: field.base for field in conflict.fields},
            base_revision=conflict.seen,
            fields=[ConflictFieldOut.of(field) for field in conflict.fields],
            saved_by=conflict.saved_by,
            saved_from=conflict.saved_from,
            saved_at=conflict.saved_at,
            saved_reason=conflict.reason,
        )
