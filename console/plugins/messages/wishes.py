"""What the making of messages by hand takes and answers: frozen, and read at one instant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from console.core.reasons import Reason
from console.core.states import MessageType
from console.plugins.messages.templating import Words
from console.plugins.messages.views import EventView
from console.plugins.messages.writing import Letter, Order


@dataclass(frozen=True)
class Wish:
    """The messages that are wanted: of one type about one event, one to each recipient.

    `at` is when they go out, None for at once; `words` are a free message's own, None for other types.
    """

    event_id: UUID
    message_type: MessageType
    recipients: tuple[str, ...]
    at: datetime | None
    words: Words | None = None

    @property
    def order(self) -> Order:
        """What is to be written."""
        return Order(self.message_type, self.event_id, self.words.tidied() if self.words else None)


@dataclass(frozen=True)
class Warned:
    """What gives pause and forbids nothing; `reason` is the code of a rule, None for plain advice."""

    text: str
    reason: Reason | None = None


@dataclass(frozen=True)
class Foreseen:
    """What a wish would make: the first recipient's message, and what gives pause.

    `letter` is None when it can't be written, and `faults` say why, by field.
    """

    letter: Letter | None
    warnings: Sequence[Warned] = ()
    faults: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """What was made: how many messages about which event; `is_again` when the same form had made them."""

    event: EventView
    count: int
    is_again: bool = False
