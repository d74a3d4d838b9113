"""An error, as RFC 9457 has it."""

from pydantic import Field

from console.api.schemas.common import Out
from console.core.reasons import Reason


class Problem(Out):
    """What went wrong; `errors` names the fields to blame, `suggestions` what may have been meant."""

    type: str = Field("about:blank", description="Where this kind of problem is described.")
    title: str
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="A sentence about this very case.")
    reason_code: Reason | None = None
    errors: dict[str, list[str]] = Field(default_factory=dict)
    suggestions: list[str] = Field(default_factory=list)


class RefusedProblem(Problem):
    """A job is refused as things stand; the call `explain` says all that stands in the way."""

    explain: str = Field(description="The path of the call that explains the job.")
