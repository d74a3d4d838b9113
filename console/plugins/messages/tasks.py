"""Tasks that send mail."""

from pydantic import Field

from console import Check, Params, Reason, Refusal, Result, Run, task
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
    run.progress(1, 1, "the server took it")
    run.log(f"The mail server took it as {message_id}.")
    return Result(f"sent to {recipient}", {"recipient": recipient, "message_id": message_id})
