"""Why: the minute that is asked about, and the answer with its evidence."""

from pydantic import Field

from console.api.links import path_of
from console.api.schemas.common import In, Instant, Moved, Out
from console.core.explaining import Evidence, Explanation, Verdict
from console.core.reasons import Reason


class ExplainQuery(In):
    """The minute that holds `at`; this very moment when it is left out."""

    at: Moved | None = Field(None, description="An instant in the minute; now when it is left out.")


class EvidenceOut(Out):
    """One fact; `reason_code` is null for one that is no reason, `at` for one that has no time."""

    reason_code: Reason | None
    text: str
    at: Instant | None
    source: str = Field(description="Where it is recorded.")
    url: str | None = Field(description="The path of the page that shows or mends it.")

    @classmethod
    def of(cls, item: Evidence) -> "EvidenceOut":
        return cls(
            reason_code=item.reason_code,
            text=item.text,
            at=item.at,
            source=item.source,
            url=path_of(item.link),
        )


class ExplainOut(Out):
    """Why it ran, did not run, is late, or can't run now; what decided it comes first in `evidence`."""

    at: Instant
    verdict: Verdict
    summary: str
    evidence: list[EvidenceOut]
    as_of: Instant

    @classmethod
    def of(cls, found: Explanation) -> "ExplainOut":
        return cls(
            at=found.at,
            verdict=found.verdict,
            summary=found.summary,
            evidence=[EvidenceOut.of(item) for item in found.evidence],
            as_of=found.as_of,
        )
