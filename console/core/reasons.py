"""Why: one code for each way in which a run was refused, skipped, late or failed."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """The reason codes of the contract; `text` says what it means, `advice` what to do."""

    MISSING_RECIPIENT = "MISSING_RECIPIENT"
    SEND_FAILED = "SEND_FAILED"
    ALREADY_SENT = "ALREADY_SENT"
    EXCEPTION = "EXCEPTION"
    TIMEOUT = "TIMEOUT"
    NOT_REGISTERED = "NOT_REGISTERED"
    NO_LIVE_WORKER = "NO_LIVE_WORKER"
    QUEUE_PAUSED = "QUEUE_PAUSED"
    SCHEDULER_DOWN = "SCHEDULER_DOWN"
    HAS_LOAD_IN_TIME = "HAS_LOAD_IN_TIME"
    WEEKEND = "WEEKEND"
    DISABLED_GLOBAL = "DISABLED_GLOBAL"
    DISABLED_TYPE = "DISABLED_TYPE"
    DUPLICATE = "DUPLICATE"
    PAUSED = "PAUSED"
    BLOCKED = "BLOCKED"
    OVERLAP = "OVERLAP"
    OUTSIDE_CATCHUP_WINDOW = "OUTSIDE_CATCHUP_WINDOW"
    NOT_DUE = "NOT_DUE"
    DELETED = "DELETED"
    APPROVAL_REQUIRED = "APPROVAL_REQUIRED"
    FORBIDDEN = "FORBIDDEN"
    STALE_REVISION = "STALE_REVISION"
    INVALID_SCHEDULE = "INVALID_SCHEDULE"
    NEVER_FIRES = "NEVER_FIRES"
    IN_THE_PAST = "IN_THE_PAST"
    UNKNOWN_TASK = "UNKNOWN_TASK"
    WORKER_LOST = "WORKER_LOST"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    STOPPED_BY_OPERATOR = "STOPPED_BY_OPERATOR"

    @property
    def text(self) -> str:
        return TEXTS[self][0]

    @property
    def advice(self) -> str:
        return TEXTS[self][1]


@dataclass(frozen=True)
class Refusal:
    """A task's `requires` or `rules` answer this when a run may not happen.

    `detail` is a sentence about this very case; without one the code's own text stands.
    """

    reason: Reason
    detail: str = ""

    @property
    def sentence(self) -> str:
        return self.detail or self.reason.text


TEXTS: dict[Reason, tuple[str, str]] = {
    Reason.MISSING_RECIPIENT: ("There is nobody to send it to.", "Fill in a recipient, then send again."),
    Reason.SEND_FAILED: (
        "The mail server did not take the message.",
        "Read the server's answer, correct the address or the settings, then send again.",
    ),
    Reason.ALREADY_SENT: ("This message was already sent.", "Choose “send again” if it should go out twice."),
    Reason.EXCEPTION: (
        "The task ended with an error.",
        "Read the error, mend the cause, then run it again.",
    ),
    Reason.TIMEOUT: ("The task took longer than it may.", "Run it again, or raise the task's timeout."),
    Reason.NOT_REGISTERED: (
        "No live worker offers this task.",
        "Start a worker whose CONSOLE_TASKS lists the task's module.",
    ),
    Reason.NO_LIVE_WORKER: (
        "No live worker serves this task's queue.",
        "Start a worker for the queue; the run waits and begins by itself.",
    ),
    Reason.QUEUE_PAUSED: ("The queue is paused.", "Resume the queue; the run waits and begins by itself."),
    Reason.SCHEDULER_DOWN: (
        "The scheduler is not running.",
        "Start the scheduler; what came due meanwhile is decided then.",
    ),
    Reason.HAS_LOAD_IN_TIME: (
        "The load-in time is already known.",
        "Nothing to do: there is nothing to ask for.",
    ),
    Reason.WEEKEND: (
        "The send date falls on a weekend.",
        "Change the date or the weekend rule, or send it now.",
    ),
    Reason.DISABLED_GLOBAL: (
        "Automatic sending is switched off.",
        "Switch it on in the settings, or send it now.",
    ),
    Reason.DISABLED_TYPE: (
        "Automatic sending of this type is switched off.",
        "Switch the type on in the settings, or send it now.",
    ),
    Reason.DUPLICATE: ("The same message already went to this recipient.", "Nothing to do, or send it now."),
    Reason.PAUSED: ("The job was paused when it came due.", "Resume the job, or run it now."),
    Reason.BLOCKED: ("The job is blocked.", "Remove what blocks it, shown on the job's page."),
    Reason.OVERLAP: (
        "The previous run of this job was still active.",
        "Nothing to do; if it happens often, make the task faster or its schedule rarer.",
    ),
    Reason.OUTSIDE_CATCHUP_WINDOW: (
        "It came due while nothing could act, and the catch-up policy lets it go.",
        "Run it now if it is still wanted.",
    ),
    Reason.NOT_DUE: ("The job was not due.", "Nothing to do, or run it now."),
    Reason.DELETED: ("The job was deleted.", "Undo the deletion within 24 hours, or create it anew."),
    Reason.APPROVAL_REQUIRED: (
        "A second person must approve this run.",
        "Ask somebody with the right to approve it.",
    ),
    Reason.FORBIDDEN: ("Your role does not allow this.", "Ask an administrator of your org."),
    Reason.STALE_REVISION: (
        "Somebody changed the job since you read it.",
        "Compare both versions and save again; nothing was changed.",
    ),
    Reason.INVALID_SCHEDULE: (
        "The schedule can't be understood.",
        "Correct the marked field; nothing was changed.",
    ),
    Reason.NEVER_FIRES: ("This schedule never fires.", "Make the job manual, or choose a date that exists."),
    Reason.IN_THE_PAST: ("The time lies in the past.", "Choose a time to come, or run it now."),
    Reason.UNKNOWN_TASK: ("No task of this name is known.", "Check the spelling; near names are suggested."),
    Reason.WORKER_LOST: (
        "The worker was lost in the middle of the run.",
        "Nothing to do if it started again by itself; otherwise see the worker's machine.",
    ),
    Reason.OUTCOME_UNKNOWN: (
        "It was cut off in the middle, and nobody knows whether it took effect.",
        "Find out whether it took effect, then settle the run.",
    ),
    Reason.STOPPED_BY_OPERATOR: ("An operator stopped the run.", "Run it again when it should go on."),
}
