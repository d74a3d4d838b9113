"""Schedules as code: what an import changes."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from console.api.schemas.common import In, Out
from console.api.schemas.schedules import REASON, WarningOut, Why
from console.services.schedule_files import Plan
from console.services.schedule_steps import PlannedChange


class ImportQuery(In):
    """Whether to look or to do."""

    plan: bool = Field(False, description="True answers what would change, and changes nothing.")
    reason: Why | None = Field(None, description=REASON)


class PlannedOut(Out):
    """What an import does to one schedule; `before` is null for one that it creates."""

    name: str
    action: str = Field(description="`create` or `update`.")
    before: dict[str, Any] | None
    after: dict[str, Any]

    @classmethod
    def of(cls, change: PlannedChange) -> "PlannedOut":
        before: Mapping[str, Any] | None = change.before
        return cls(
            name=change.name,
            action=change.action,
            before=dict(before) if before is not None else None,
            after=dict(change.after),
        )


class PlanWarningOut(WarningOut):
    """What gives pause about one schedule of a file."""

    name: str


class PlanOut(Out):
    """What an import changes, or would change; what is not in the file stays as it is."""

    changes: list[PlannedOut]
    unchanged: int
    not_in_file: int = Field(description="How many schedules the file does not name.")
    warnings: list[PlanWarningOut]

    @classmethod
    def of(cls, plan: Plan) -> "PlanOut":
        return cls(
            changes=[PlannedOut.of(change) for change in plan.changes],
            unchanged=plan.unchanged,
            not_in_file=plan.not_in_file,
            warnings=[
                PlanWarningOut(name=change.name, code=caution.code, text=caution.text)
                for change in plan.changes
                for caution in change.cautions
            ],
        )
