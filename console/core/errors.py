"""One exception for each way to fail; its docstring is its default message."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from console.core.reasons import Reason


class ConsoleError(Exception):
    """Something went wrong.

    `is_final` says to whoever runs a task that another attempt would fail in the same way; `job_id` is the
    job that was refused, when that is known.
    """

    status = 500
    reason: Reason | None = None
    is_final = False
    job_id: UUID | None = None

    def __init__(
        self,
        detail: str | None = None,
        *,
        reason: Reason | None = None,
        fields: Mapping[str, Sequence[str]] | None = None,
        suggestions: Sequence[str] = (),
    ) -> None:
        self.detail = detail or (type(self).__doc__ or "").strip().partition("\n")[0]
        self.reason = reason or type(self).reason
        self.fields = {name: list(texts) for name, texts in (fields or {}).items()}
        self.suggestions = list(suggestions)
        super().__init__(self.detail)


class SettingsError(Exception):
    """A setting is missing or invalid; the text is one line that names the variable."""


class NotFound(ConsoleError):
    """There is no such thing here."""

    status = 404


class UnknownTask(NotFound):
    """No task of this name is known."""

    reason = Reason.UNKNOWN_TASK


class Invalid(ConsoleError):
    """The input can't be used; nothing was changed."""

    status = 422


class Refused(ConsoleError):
    """The request is understood and can't be granted now; nothing was changed."""

    status = 409


class Forbidden(ConsoleError):
    """Your role does not allow this; nothing was changed."""

    status = 403
    reason = Reason.FORBIDDEN


class Unauthenticated(ConsoleError):
    """Sign in first."""

    status = 401


class BadCredentials(ConsoleError):
    """This email and password don't belong together."""

    status = 401


class BadRequest(ConsoleError):
    """The request can't be read; nothing was changed."""

    status = 400


class Unavailable(ConsoleError):
    """The database can't be reached just now; try again in a few seconds."""

    status = 503


class OutcomeUnknown(ConsoleError):
    """Nobody knows whether it took effect; find out, then settle the run.

    A task raises it when its side effect may have happened: the run is not tried again, and a person decides.
    """

    reason = Reason.OUTCOME_UNKNOWN
    is_final = True
