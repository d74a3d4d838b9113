"""What can be alerted about, by which ways, and what became of a message: closed sets with their words."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType


class AlertOn(StrEnum):
    """What a rule waits for; `label` says it in a form, `one` and `many` in a message."""

    FAILED = "failed"
    FAILED_IN_A_ROW = "failed_in_a_row"
    LATE = "late"
    MISSED = "missed"
    UNKNOWN = "unknown"
    RECOVERED = "recovered"
    SCHEDULER_RED = "scheduler_red"
    WORKER_RED = "worker_red"

    @property
    def label(self) -> str:
        return WORDS[self][0]

    @property
    def one(self) -> str:
        """What is said of a single job, behind its name."""
        return WORDS[self][1]

    @property
    def many(self) -> str:
        """What is said of several, behind their number."""
        return WORDS[self][2]

    @property
    def is_of_jobs(self) -> bool:
        """Whether it is about jobs; the others are about the installation."""
        return self not in OF_PROCESSES


OF_PROCESSES = (AlertOn.SCHEDULER_RED, AlertOn.WORKER_RED)
WORDS: Mapping[AlertOn, tuple[str, str, str]] = MappingProxyType(
    {
        AlertOn.FAILED: ("A run failed", "failed", "failures"),
        AlertOn.FAILED_IN_A_ROW: ("Several runs failed in a row", "failed again", "rows of failures"),
        AlertOn.LATE: ("A run is late", "is late", "late starts"),
        AlertOn.MISSED: ("A slot was missed", "was missed", "missed slots"),
        AlertOn.UNKNOWN: ("The outcome of a run is unknown", "ended unknown", "unknown outcomes"),
        AlertOn.RECOVERED: ("A job recovered", "recovered", "recoveries"),
        AlertOn.SCHEDULER_RED: ("The scheduler is down", "", "changes of the scheduler"),
        AlertOn.WORKER_RED: ("A worker is lost, or none is alive", "", "changes of workers"),
    }
)


class AlertScope(StrEnum):
    """Whose runs a rule watches."""

    ALL = "all"
    CATEGORY = "category"
    JOB = "job"


class ChannelKind(StrEnum):
    """How a message goes out."""

    MAIL = "mail"
    WEBHOOK = "webhook"
    APPRISE = "apprise"

    @property
    def label(self) -> str:
        return CHANNEL_LABELS[self]


CHANNEL_LABELS: Mapping[ChannelKind, str] = MappingProxyType(
    {
        ChannelKind.MAIL: "Mail",
        ChannelKind.WEBHOOK: "Signed webhook",
        ChannelKind.APPRISE: "Chat or pager (apprise)",
    }
)


class DeliveryState(StrEnum):
    """Where one message to one channel stands; nothing leaves the last two."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


RETRY_DELAYS = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 900, 3600))
"""How long after each failed attempt the next one is made; after the last there is none."""
