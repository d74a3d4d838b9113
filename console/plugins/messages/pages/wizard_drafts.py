"""What stands in the form of a new message, kept as it was typed, and read to what the service takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from werkzeug.datastructures import MultiDict

from console.core import local_time
from console.core.errors import Invalid
from console.core.local_time import Twice
from console.core.states import MessageType
from console.core.texts import storable
from console.plugins.messages import templating, wizard
from console.plugins.messages.event_rows import ADDRESS_ENDS
from console.plugins.messages.templating import LONGEST, Words
from console.plugins.messages.views import EventView
from console.plugins.messages.wishes import Wish

LONGEST_LINE = 500
LONGEST_OTHERS = 60_000
USUAL_HOUR = 10
NOW, AT = "now", "at"
ORDER = ("event", "type", "recipients", "subject", "text", "html", "send_at")
TEXTS = ("event", "type", "others", "subject", "text", "html", "when", "send_at", "send_at_fold", "form")


@dataclass(frozen=True)
class WizardDraft:
    """The form's fields as text, right or wrong.

    `ticked` are the addresses of the event that are chosen, `others` more of them as typed; `form` is one
    of its kind, so that the same form makes its messages once.
    """

    event: str = ""
    type: str = MessageType.FREE.value
    ticked: tuple[str, ...] = ()
    others: str = ""
    subject: str = ""
    text: str = ""
    html: str = ""
    when: str = AT
    send_at: str = ""
    send_at_fold: str = ""
    form: str = ""

    @property
    def event_id(self) -> UUID | None:
        try:
            return UUID(self.event)
        except ValueError:
            return None

    @property
    def words(self) -> Words:
        return Words(self.subject, self.text, self.html)

    def about(self, event: EventView) -> "WizardDraft":
        """The same about this event: its contact is chosen, to begin with."""
        return replace(
            self, event=str(event.id), ticked=(event.contact_email,) if event.contact_email else ()
        )

    def worded(self, words: Words) -> "WizardDraft":
        """The same with these words."""
        return replace(self, subject=words.subject, text=words.text, html=words.html)


@dataclass
class Read:
    """A draft that was read: the wish as far as it goes, and what is wrong with which field."""

    draft: WizardDraft
    wish: Wish
    faults: dict[str, list[str]] = field(default_factory=dict)

    def add(self, error: Invalid) -> None:
        """Takes a refusal up, under the names of the form."""
        for name, texts in (error.fields or {"send_at": [error.detail]}).items():
            self.faults.setdefault(name if name in ORDER else "send_at", []).extend(texts)

    @property
    def first(self) -> str | None:
        """The first wrong field from the top."""
        return next((name for name in ORDER if name in self.faults), None)


def begun(event: EventView, form: str, now: datetime) -> WizardDraft:
    """The draft to begin with: a free message to the contact, tomorrow morning."""
    morning = now.astimezone(ZoneInfo(event.timezone)) + timedelta(days=1)
    return WizardDraft(send_at=f"{morning:%Y-%m-%d}T{USUAL_HOUR}:00", form=form).about(event)


def typed(form: MultiDict[str, str]) -> WizardDraft:
    """The draft that a form holds."""
    longest = {"others": LONGEST_OTHERS, **{name: most + 1_000 for name, most in LONGEST.items()}}
    held = {
        name: storable(_plain(form[name]), longest.get(name, LONGEST_LINE)) for name in TEXTS if name in form
    }
    ticked = [storable(text, LONGEST_LINE) for text in form.getlist("recipients")[: wizard.MOST_RECIPIENTS]]
    return WizardDraft(**held, ticked=tuple(ticked))


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")


def twice_of(draft: WizardDraft, event: EventView) -> Mapping[str, Twice]:
    """Which of two equal local times is to be asked for; empty when there is only one."""
    asked = local_time.twice_of(draft.send_at, ZoneInfo(event.timezone)) if draft.when != NOW else None
    return {"send_at": asked} if asked else {}


def read(draft: WizardDraft, event: EventView) -> Read:
    """Reads a draft; what can't be read is left out of the wish, and named."""
    faults: dict[str, list[str]] = {}
    given: dict[str, Any] = {"message_type": MessageType.FREE, "recipients": draft.ticked, "at": None}
    for name, reader in (("type", _type), ("recipients", _recipients), ("send_at", _at)):
        try:
            given |= reader(draft, event)
        except Invalid as error:
            faults[name] = [text for texts in error.fields.values() for text in texts]
    if given["message_type"] is MessageType.FREE:
        given["words"] = draft.words
        faults |= _faults_of(draft.words)
    return Read(draft, Wish(event_id=event.id, **given), faults)


def _faults_of(words: Words) -> dict[str, list[str]]:
    try:
        templating.check(words.tidied())
    except Invalid as error:
        return {name: list(texts) for name, texts in error.fields.items()}
    return {}


def _type(draft: WizardDraft, _: EventView) -> dict[str, Any]:
    if draft.type not in set(MessageType):
        raise _invalid("type", "choose one of the list")
    return {"message_type": MessageType(draft.type)}


def _recipients(draft: WizardDraft, _: EventView) -> dict[str, Any]:
    others = draft.others.translate(ADDRESS_ENDS).split()
    return {"recipients": wizard.check_recipients([*draft.ticked, *others])}


def _at(draft: WizardDraft, event: EventView) -> dict[str, Any]:
    if draft.when == NOW:
        return {"at": None}
    place, fold = ZoneInfo(event.timezone), draft.send_at_fold
    try:
        at = local_time.instant_of(draft.send_at, place, int(fold == "1"))
    except ValueError as error:
        raise _invalid("send_at", str(error)) from None
    if not fold and local_time.twice_of(draft.send_at, place):
        raise _invalid(
            "send_at", "comes twice on this day, for the clocks go back; choose which one is meant"
        )
    return {"at": at}


def _invalid(name: str, text: str) -> Invalid:
    return Invalid(f"{name}: {text}", fields={name: [text]})
