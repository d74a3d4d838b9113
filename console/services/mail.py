"""Sends mail over SMTP; the Message-ID is made from the run, so that a mail can be traced to it."""

import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate
from urllib.parse import unquote, urlsplit

from console.core.errors import ConsoleError
from console.core.reasons import Reason

TIMEOUT = 20.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")
RUN_HEADER = "X-Callboard-Run"


class SendFailed(ConsoleError):
    """The mail server did not take the message."""

    reason = Reason.SEND_FAILED


@dataclass(frozen=True)
class Message:
    """One message to one or more recipients, sent on behalf of a run.

    `html` is the same once more for programs that show HTML; `text` says all of it by itself.
    """

    run_id: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    html: str | None = None


@dataclass(frozen=True)
class Delivery:
    """What the server took: the Message-ID, and its answer for each recipient that it refused."""

    message_id: str
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Server:
    url: str = ""
    sender: str = "callboard@localhost"


_server = _Server()


def configure(url: str, sender: str) -> None:
    """Sets the server, as smtp://[user:password@]host[:port], smtps:// for TLS from the first byte."""
    global _server
    _server = _Server(url, sender)


def send(message: Message) -> str:
    """Sends the message and answers its Message-ID; raises `SendFailed` with the server's own answer."""
    return deliver(message).message_id


def deliver(message: Message) -> Delivery:
    """As `send`, and says which of several recipients were refused; `SendFailed` means that all were."""
    if not _server.url:
        raise SendFailed("No mail server is configured: set SMTP_URL.")
    mail = _compose(message)
    try:
        with _connect(_server.url) as server:
            refused = server.send_message(mail)
    except (smtplib.SMTPException, OSError) as error:
        raise SendFailed(f"The mail server did not take the message: {_answer(error)}") from error
    answers = {to: f"{code} {_words(said)}" for to, (code, said) in refused.items()}
    return Delivery(str(mail["Message-ID"]), answers)


def _compose(message: Message) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = _server.sender
    mail["To"] = ", ".join(message.recipients)
    mail["Subject"] = message.subject
    mail["Date"] = formatdate(localtime=False)
    mail["Message-ID"] = f"<{message.run_id}@{_server.sender.rsplit('@', 1)[-1]}>"
    mail[RUN_HEADER] = message.run_id
    mail.set_content(message.text)
    if message.html is not None:
        mail.add_alternative(message.html, subtype="html")
    return mail


def _connect(url: str) -> smtplib.SMTP:
    parts = urlsplit(url)
    host, context, encrypted = parts.hostname or "localhost", ssl.create_default_context(), True
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=TIMEOUT, context=context)
    else:
        server = smtplib.SMTP(host, parts.port or 25, timeout=TIMEOUT)
        server.ehlo()
        encrypted = server.has_extn("starttls")
        if encrypted:
            server.starttls(context=context)
    if parts.username:
        if parts.scheme == "smtp" and not encrypted and host not in LOOPBACK:
            raise SendFailed("The mail server offers no encryption; the password was not sent in clear.")
        server.login(unquote(parts.username), unquote(parts.password or ""))
    return server


def _answer(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(f"{to}: {code} {_words(said)}" for to, (code, said) in error.recipients.items())
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_words(error.smtp_error)}"
    return str(error) or type(error).__name__


def _words(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said


def is_configured() -> bool:
    """Whether a mail server is set."""
    return bool(_server.url)
