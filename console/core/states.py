"""The closed sets that the tables, pages and API share."""

from enum import StrEnum


class RunState(StrEnum):
    """Where a run stands; see `TERMINAL` for the states that nothing leaves."""

    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    SKIPPED = "skipped"
    MISSED = "missed"
    UNKNOWN = "unknown"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL


ACTIVE = (RunState.QUEUED, RunState.RUNNING, RunState.RETRYING)
TERMINAL = tuple(state for state in RunState if state not in ACTIVE)


class JobStatus(StrEnum):
    """What an operator sees on a job's row and may set."""

    SCHEDULED = "scheduled"
    PAUSED = "paused"
    BLOCKED = "blocked"
    RETRYING = "retrying"
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"


class MessageType(StrEnum):
    """What a message is for; `FREE` is one that a person wrote."""

    INIT = "INIT"
    REMINDER = "REMINDER"
    FOLLOW_UP = "FOLLOW_UP"
    FREE = "FREE"

    @property
    def label(self) -> str:
        """The word for it on a page."""
        return self.value.capitalize().replace("_", "-")


class Kind(StrEnum):
    """How a job becomes due; derived from its schedule, never set by hand."""

    ONCE = "once"
    INTERVAL = "interval"
    CRON = "cron"
    MANUAL = "manual"


class Trigger(StrEnum):
    """What asked for a run."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    API = "api"
    CLI = "cli"
    CHAIN = "chain"
    RETRY = "retry"
    TICK = "tick"


class Overlap(StrEnum):
    """What a due slot does while an earlier run of its job is still active."""

    SKIP = "skip"
    BUFFER_ONE = "buffer_one"
    ALLOW_ALL = "allow_all"
    CANCEL_OTHER = "cancel_other"


class Hold(StrEnum):
    """What keeps a queued run from its push: its own time, the run before it, or the pause of its job.

    `LATER` is a run that a person asked for at a time to come, `SEQUENCE` one of several in a row.
    """

    JITTER = "jitter"
    BUFFER_ONE = "buffer_one"
    CANCEL_OTHER = "cancel_other"
    PAUSE = "pause"
    LATER = "later"
    SEQUENCE = "sequence"


class CatchUp(StrEnum):
    """What happens to slots that came while nothing could act."""

    LATEST = "latest"
    ALL = "all"
    NONE = "none"


class Condition(StrEnum):
    """How a run must end so that the job linked to it follows."""

    SUCCESS = "success"
    FAILURE = "failure"

    @property
    def word(self) -> str:
        """As it stands beside a link: `B after success`."""
        return f"after {self.value}"


class Priority(StrEnum):
    """Which lane of its queue a task's runs take."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class ApprovalState(StrEnum):
    """What became of a request for a second person's word; nothing leaves the last three."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


class Role(StrEnum):
    """What a person or token may do in one org; each role includes the ones before it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


class TokenState(StrEnum):
    """Whether a token opens anything; a blocked one has an owner who may not come in."""

    IN_FORCE = "in force"
    EXPIRED = "expired"
    REVOKED = "revoked"
    BLOCKED = "blocked"


class ActorKind(StrEnum):
    """Who did something: a signed-in person, a token, a person at a shell, or the product itself."""

    PERSON = "person"
    TOKEN = "token"  # noqa: S105
    CLI = "cli"
    SCHEDULER = "scheduler"
    WORKER = "worker"
    WATCHER = "watcher"
    SYSTEM = "system"


class Beating(StrEnum):
    """What sends heartbeats."""

    SCHEDULER = "scheduler"
    WORKER = "worker"
    CANARY = "canary"
    EXTERNAL_CRON = "external_cron"
    WATCHER = "watcher"


class Light(StrEnum):
    """The three answers of a heartbeat."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
