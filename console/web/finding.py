"""What the head of the job table offers: tabs with their counts, events to choose, and what is set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from console.core.registry import registry
from console.core.states import JobStatus
from console.services.job_tabs import Counted, Tabs
from console.web.identity import actor, moment
from console.web.job_queries import JobQuery, JobType

STATUSES = {status: status.capitalize() for status in JobStatus} | {JobStatus.SENT: "Sent or done"}


@dataclass(frozen=True)
class Tab:
    """A tab: what its link asks for, and how many jobs it shows."""

    type: JobType | None
    label: str
    count: Counted

    @property
    def key(self) -> str:
        """Its part of an element's id."""
        return self.type.lower() if self.type else "all"


@dataclass(frozen=True)
class Chip:
    """A filter that is set; `params` are those of the table without it."""

    name: str
    text: str
    params: Mapping[str, str]


def tabs_of(found: Tabs | None) -> Sequence[Tab]:
    """None while the org has no message: then there is nothing to tell apart."""
    if found is None:
        return ()
    numbers = {JobType(kind.value): count for kind, count in found.types.items()}
    numbers[JobType.TASKS] = found.tasks
    return [Tab(None, "All", found.all), *(Tab(kind, kind.label, numbers[kind]) for kind in JobType)]


def subjects(query: JobQuery) -> Sequence[tuple[UUID, str]]:
    """What jobs are about, for the filter's list."""
    return registry.subjects.offered(actor(), query.event, moment()) if registry.subjects else ()


def chips(query: JobQuery, offered: Sequence[tuple[UUID, str]]) -> Sequence[Chip]:
    """What is set, but for the tab, which shows itself."""
    said = _said(query, dict(offered))
    return [Chip(name, text, query.but(**{name: None}).params) for name, text in said.items() if text]


def _said(query: JobQuery, names: Mapping[UUID, str]) -> Mapping[str, str | None]:
    return {
        "q": f"“{query.q}”" if query.q else None,
        "status": STATUSES[query.status] if query.status else None,
        "kind": query.kind.capitalize() if query.kind else None,
        "category": query.category,
        "event": names.get(query.event, "something that is not there") if query.event else None,
        "recipient": f"to {query.recipient}" if query.recipient else None,
        "from_": f"from {query.from_}" if query.from_ else None,
        "to": f"until {query.to}" if query.to else None,
        "settled": "with load-in known" if query.settled else None,
    }
