"""Tasks that send mail."""

from collections.abc import Mapping
from typing import Any, Self
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from console import About, Backoff, Check, Params, Preview, Reason, Refusal, Result, Run, task
from console.core.errors import ConsoleError, Invalid, Refused
from console.core.states import MessageType
from console.db.session import reading
from console.plugins.messages import message_rules, templating, writing
from console.plugins.messages.templating import Words
from console.plugins.messages.writing import Letter, Order
from console.services import mail


class TestEmail(Params):
    """To whom the test goes; without it, to the person who presses the button."""

    recipient: str | None = Field(default=None, max_length=254, pattern=r"^([^@\s]+@[^@\s]+)?$")


def has_recipient(check: Check) -> Refusal | None:
    if check.args.get("recipient") or check.recipient:
        return None
    return Refusal(Reason.MISSING_RECIPIENT, "Nobody is signed in to whom it could be sent.")


@task(
    title="Send test email",
    category="Messages",
    queue="messages",
    priority="high",
    timeout=60,
    dry_run=True,
    sends=True,
    params=TestEmail,
    requires=has_recipient,
)
def send_test_email_to_self(run: Run) -> Result:
    """Sends a real mail over SMTP to the person who presses the button."""
    recipient = str(run.args.recipient or run.recipient)
    run.progress(0, 1, f"sending to {recipient}")
    run.log(f"Sending a test mail to {recipient}.")
    message_id = mail.send(
        mail.Message(
            run_id=run.id,
            recipients=(recipient,),
            subject="Callboard test mail",
            text=f"This mail shows that Callboard can send.\n\nRun: {run.id}\nRequested for: {recipient}\n",
        )
    )
    if run.dry_run:
        return Result(f"would be sent to {recipient}", {"recipient": recipient})
    run.progress(1, 1, "the server took it")
    run.log(f"The mail server took it as {message_id}.")
    return Result(f"sent to {recipient}", {"recipient": recipient, "message_id": message_id})


class SendMessage(Params):
    """Which message, and about which event. `subject`, `text` and `html` are for free messages alone.

    They are templates too: the variables of `docs/reference/templates.md` stand in them.
    """

    message_type: MessageType
    event_id: UUID | None = None
    subject: str | None = None
    text: str | None = None
    html: str | None = None

    @field_validator("subject", "text", "html")
    @classmethod
    def _can_be_used(cls, source: str | None, info: ValidationInfo) -> str | None:
        wrong = templating.wrong_in(info.field_name or "", source) if source is not None else []
        if wrong:
            raise _wrong("; ".join(wrong))
        return source

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        is_free = self.message_type is MessageType.FREE
        if is_free and (self.subject is None or self.text is None):
            raise _wrong("a free message has its own words: give subject and text")
        if not is_free and self.event_id is None:
            raise _wrong(f"a message of the type {self.message_type} is about an event: give event_id")
        if not is_free and (self.subject or self.text or self.html):
            raise _wrong(f"the words of {self.message_type} stand in its template; only FREE has its own")
        return self

    @property
    def order(self) -> Order:
        """What is to be written."""
        words = Words(self.subject or "", self.text or "", self.html or "").tidied()
        return Order(
            self.message_type, self.event_id, words if self.message_type is MessageType.FREE else None
        )


def _wrong(word: str) -> PydanticCustomError:
    return PydanticCustomError("message", "{word}", {"word": word})


class NotWritten(ConsoleError):
    """The message can't be written."""

    is_final = True


def about(args: Mapping[str, Any]) -> About:
    """The type of the message, and its event."""
    kind, event_id = args.get("message_type"), args.get("event_id")
    return About(MessageType(kind) if kind else None, UUID(str(event_id)) if event_id else None)


def preview(check: Check) -> Preview:
    """The message as it would go now; raises as `writing.compose`."""
    order = SendMessage.model_validate(dict(check.args)).order
    letter = writing.compose(UUID(check.org_id), order, check.recipient or "")
    made = letter.rendered
    return Preview(letter.recipient, made.subject, made.text, made.html)


@task(
    title="Send message",
    category="Messages",
    queue="messages",
    priority="high",
    timeout=60,
    retries=Backoff(max=4),
    dry_run=True,
    sends=True,
    params=SendMessage,
    requires=message_rules.has_recipient,
    rules=message_rules.may_go,
    preview=preview,
    about=about,
)
def send_message(run: Run) -> Result:
    """Sends one message about an event, in the words of its template, to its recipient."""
    letter = _written(run)
    run.progress(0, 1, f"sending to {letter.recipient}")
    run.log(f"Sending “{letter.rendered.subject}” to {letter.recipient}.")
    # Nothing but the answer comes after it: whatever else failed, the message would have gone.
    message_id = mail.send(
        mail.Message(
            run_id=run.id,
            recipients=(letter.recipient,),
            subject=letter.rendered.subject,
            text=letter.rendered.text,
            html=letter.rendered.html,
            sender_name=letter.org_name,
        )
    )
    if run.dry_run:
        return Result(f"would be sent to {letter.recipient}", {"message": _as_sent(letter, None)})
    return Result(f"sent to {letter.recipient}", {"message": _as_sent(letter, message_id)})


def _written(run: Run) -> Letter:
    try:
        with reading():
            return writing.compose(UUID(run.org_id), run.args.order, run.recipient or "")
    except (Invalid, Refused) as error:
        detail = f"The message can't be made: {error.detail}" if isinstance(error, Invalid) else error.detail
        raise NotWritten(detail, reason=error.reason or Reason.EXCEPTION) from error


def _as_sent(letter: Letter, message_id: str | None) -> dict[str, object]:
    """What the run keeps; without a `message_id` it was a dry run."""
    return {
        "message_id": message_id,
        "recipient": letter.recipient,
        "subject": letter.rendered.subject,
        "text": letter.rendered.text,
        "html": letter.rendered.html,
        "template_version": letter.template_version,
    }
