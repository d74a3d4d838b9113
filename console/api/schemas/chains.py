"""Chains and sequences: what follows a job, and several jobs one after the other."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from pydantic import Field

from console.api.schemas.common import Body, Out
from console.api.schemas.runs import RunOut
from console.core.states import Condition
from console.services.chains import MOST_LINKS, Linked, Links
from console.services.sequences import MOST, SequenceView

Name = Annotated[str, Field(min_length=1, max_length=300)]
Names = Annotated[list[Name], Field(max_length=MOST_LINKS, description="Ids or keys of jobs.")]
JobId = Annotated[UUID, Field(strict=False)]


class ChainIn(Body):
    """All that is to follow; what is not named follows no longer."""

    on_success: Names = Field(default_factory=list)
    on_failure: Names = Field(default_factory=list)
    drop_deleted: bool = Field(
        False, description="Removes the links to deleted jobs too, which otherwise stand."
    )


class LinkedOut(Out):
    """A job that follows."""

    id: UUID
    key: str
    name: str

    @classmethod
    def of(cls, job: Linked) -> "LinkedOut":
        return cls(id=job.id, key=job.key, name=job.name)


class DeletedLinkOut(LinkedOut):
    """A deleted job that would follow again if its deletion were undone."""

    on: Condition

    @classmethod
    def of_link(cls, condition: Condition, job: Linked) -> "DeletedLinkOut":
        return cls(id=job.id, key=job.key, name=job.name, on=condition)


class ChainOut(Out):
    """What follows a job, in the order in which it was linked; `deleted` jobs follow as skipped runs."""

    job_id: UUID
    on_success: Sequence[LinkedOut]
    on_failure: Sequence[LinkedOut]
    deleted: Sequence[DeletedLinkOut]

    @classmethod
    def of(cls, links: Links) -> "ChainOut":
        return cls(
            job_id=links.job.id,
            on_success=[LinkedOut.of(job) for job in links.on_success],
            on_failure=[LinkedOut.of(job) for job in links.on_failure],
            deleted=[DeletedLinkOut.of_link(condition, job) for condition, job in links.deleted],
        )


class SequenceIn(Body):
    """The jobs in their order, each once."""

    jobs: Annotated[list[JobId], Field(min_length=2, max_length=MOST)]


class SequenceOut(Out):
    """A sequence that was asked for: its runs in their order, of which all but the first wait."""

    sequence_id: UUID
    runs: Sequence[RunOut]

    @classmethod
    def of(cls, found: SequenceView) -> "SequenceOut":
        return cls(sequence_id=found.id, runs=[RunOut.of(run) for run in found.runs])
