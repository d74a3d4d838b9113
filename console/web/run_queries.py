"""What the address of the list of runs asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from console.core.states import RunState, Trigger
from console.services.run_views import RunFilter
from console.web import parameters
from console.web.queries import Query


class DryRuns(StrEnum):
    """Whether dry runs are among what is shown: they alone, or none of them."""

    ONLY = "only"
    NONE = "none"


class Days(StrEnum):
    """How many days up to today the figures are made of."""

    WEEK = "7"
    FORTNIGHT = "14"
    MONTH = "30"
    QUARTER = "90"


@dataclass(frozen=True)
class RunQuery(Query):
    """What the list of runs shows, and over how many `days` the figures are that stand above it.

    `task` is a path, present or former.
    """

    q: str | None = None
    state: RunState | None = None
    trigger: Trigger | None = None
    job: UUID | None = None
    task: str | None = None
    category: str | None = None
    from_: date | None = None
    to: date | None = None
    dry: DryRuns | None = None
    days: Days | None = None
    cursor: str | None = None

    @classmethod
    def read(cls, args: Mapping[str, str], *also: str) -> "RunQuery":
        """Raises `Invalid` that names the parameter; those in `also` are let pass."""
        cls._check_names(args, also)
        return cls(
            parameters.text(args, "q"),
            parameters.one_of(args, "state", RunState),
            parameters.one_of(args, "trigger", Trigger),
            parameters.id_of(args, "job"),
            parameters.text(args, "task"),
            parameters.text(args, "category"),
            parameters.day(args, "from"),
            parameters.day(args, "to"),
            parameters.one_of(args, "dry", DryRuns),
            parameters.one_of(args, "days", Days),
            parameters.cursor(args),
        )

    def filter(self, zone: ZoneInfo) -> RunFilter:
        """The filter; both days are meant as the zone has them, and both belong to it."""
        return RunFilter(
            job_id=self.job,
            state=self.state,
            trigger=self.trigger,
            since=parameters.begin(self.from_, zone),
            until=parameters.end(self.to, zone),
            task=self.task,
            category=self.category,
            q=self.q,
            dry_run=self.dry is DryRuns.ONLY if self.dry else None,
        )
