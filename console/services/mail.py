"""Hands mail over to an SMTP server, stage by stage, so that it is known what a failure means.

A failure has one of three ends. `SendFailed`: the server refused for good, or it could not be asked at
all as things are set up. `SendDeferred`: surely not taken, and it may be tried again. `OutcomeUnknown`:
the whole message with its final dot was handed over, and the answer to it never came.
The Message-ID is made from the run and is the same on each of its attempts.
"""

import re
import smtplib
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate

from console.core import mail_server, rehearsal
from console.core.errors import ConsoleError, OutcomeUnknown
from console.core.mail_server import MailServer
from console.core.reasons import Reason
from console.core.texts import storable

RUN_HEADER = "X-Callboard-Run"
END_OF_MESSAGE = b"\r\n.\r\n"
GOODBYE = 2.0  # seconds for the answer to QUIT, which changes nothing any more
LONGEST_ANSWER = 1000
CLOSING = 421
DOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.ASCII)
NO_DOMAIN = "callboard.invalid"


class SendFailed(ConsoleError):
    """The mail server did not take the message, and would refuse it again."""

    reason = Reason.SEND_FAILED
    is_final = True


class SendDeferred(ConsoleError):
    """The mail server did not take the message now, and may take it later."""

    reason = Reason.SEND_FAILED


@dataclass(frozen=True)
class Message:
    """One message to one or more recipients, sent on behalf of a run.

    `html` is the same once more for programs that show HTML; `text` says all of it by itself.
    `sender_name` stands beside the installation's address, `reply_to` is the address for answers.
    """

    run_id: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    html: str | None = None
    reply_to: str | None = None
    sender_name: str | None = None


@dataclass(frozen=True)
class Delivery:
    """What the server took: the Message-ID, and its answer for each recipient that it refused."""

    message_id: str
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Way:
    server: MailServer | None = None
    sender: str = "callboard@localhost"


_way = _Way()
_taken_for: list[str] = [""]


def configure(url: str, sender: str) -> None:
    """Sets the server by its URL (see `core.mail_server`) and the sender; without a URL nothing is sent."""
    global _way
    _way = _Way(mail_server.parse(url) if url else None, sender)


def is_configured() -> bool:
    """Whether a mail server is set."""
    return _way.server is not None


def message_id(run_id: str) -> str:
    """The Message-ID of what this run sends, for a search in logs and mailboxes."""
    domain = _way.sender.rpartition("@")[2].lower()
    return f"<{run_id}@{domain if DOMAIN.fullmatch(domain) else NO_DOMAIN}>"


def was_taken(run_id: str) -> bool:
    """Whether the last message that this process handed over was this run's, and was taken."""
    return _taken_for[0] == run_id


def send(message: Message) -> str:
    """Sends the message and answers its Message-ID; raises as `deliver`."""
    return deliver(message).message_id


def deliver(message: Message) -> Delivery:
    """As `send`, and says which of several recipients were refused; each mail is a change of the run, if any.

    Raises `SendFailed` and `SendDeferred` with the server's own answer, and `OutcomeUnknown`.
    """
    server = _way.server
    if server is None:
        raise SendFailed("No mail server is configured: set SMTP_URL.")
    found = _hand_over(server, _compose(message), message)
    for recipient in (to for to in message.recipients if to not in found.refused):
        rehearsal.changed(f"mail to {recipient}", None, message.subject)
    return found


def _hand_over(server: MailServer, mail: EmailMessage, message: Message) -> Delivery:
    if rehearsal.is_rehearsing():
        return Delivery(str(mail["Message-ID"]))
    connection = _connected(server)
    rehearsal.flush()
    try:
        refused = connection.send_message(mail, _way.sender, list(message.recipients))
        _taken_for[0] = message.run_id  # in here, so that a deadline that strikes now means unknown
    except Exception as error:
        _leave(connection, is_polite=bool(_codes(error)))
        end = _end(error, server, connection.is_handed_over, message.run_id)
        if end is None:
            raise
        raise end from error
    _leave(connection)
    answers = {to: f"{code} {_words(said)}" for to, (code, said) in refused.items()}
    return Delivery(str(mail["Message-ID"]), answers)


def _compose(message: Message) -> EmailMessage:
    """The mail; raises `SendFailed` when an address or a text can't stand in one."""
    try:
        mail = _with_headers(message)
        mail.set_content(message.text)
        if message.html is not None:
            mail.add_alternative(message.html, subtype="html")
    except ValueError as error:
        raise SendFailed(f"The message can't be written as a mail: {error}.") from error
    return mail


def _with_headers(message: Message) -> EmailMessage:
    local_part, _, domain = _way.sender.rpartition("@")
    mail = EmailMessage()
    mail["From"] = Address(_one_line(message.sender_name or ""), local_part, domain)
    mail["To"] = ", ".join(message.recipients)
    if message.reply_to:
        mail["Reply-To"] = message.reply_to
    mail["Subject"] = _one_line(message.subject)
    mail["Date"] = formatdate(localtime=False)
    mail["Message-ID"] = message_id(message.run_id)
    mail[RUN_HEADER] = message.run_id
    return mail


def _one_line(text: str) -> str:
    """Without line breaks: in a header, what follows one would be read as another header."""
    return " ".join(part.strip() for part in text.splitlines()).strip()


class _Connection(smtplib.SMTP):
    """A conversation that knows whether the whole message was handed over."""

    is_handed_over = False

    def send(self, s: bytes | str) -> None:  # type: ignore[override]
        """Sends; once a message is being sent, whoever interrupts can't tell how far it came."""
        if isinstance(s, bytes) and s.endswith(END_OF_MESSAGE):
            self.is_handed_over = True
        try:
            super().send(s)
        except smtplib.SMTPServerDisconnected:  # the final dot, which is last, did not go
            self.is_handed_over = False
            raise

    def data(self, msg: bytes | str) -> tuple[int, bytes]:  # type: ignore[override]
        """Any positive answer to the final dot means that the message is taken, a refusal that it is not."""
        code, said = super().data(msg)
        if 400 <= code < 600:
            self.is_handed_over = False
        return (250, said) if 200 <= code < 300 else (code, said)


class _Encrypted(_Connection, smtplib.SMTP_SSL):
    """The same, encrypted from the first byte."""


def _connected(server: MailServer) -> _Connection:
    """A conversation that is ready for mail; raises `SendFailed` or `SendDeferred`."""
    connection: _Connection | None = None
    try:
        connection = _open(server)
        _secure(connection, server)
        if server.user:
            connection.login(server.user, server.password)
    except Exception as error:
        if connection is not None:
            _leave(connection, is_polite=bool(_codes(error)))
        end = _end(error, server, is_handed_over=False)
        if end is None:
            raise
        raise end from None  # a server may repeat the password in its answer to the login
    return connection


def _open(server: MailServer) -> _Connection:
    if server.scheme == "smtps":
        context = ssl.create_default_context()
        return _Encrypted(server.host, server.port, timeout=server.timeout, context=context)
    return _Connection(server.host, server.port, timeout=server.timeout)


def _secure(connection: _Connection, server: MailServer) -> None:
    """Encrypts what is not encrypted yet, if the server offers it; refuses to go on where it must be."""
    connection.ehlo_or_helo_if_needed()
    if server.scheme == "smtps":
        return
    if connection.has_extn("starttls"):
        connection.starttls(context=ssl.create_default_context())
        connection.ehlo_or_helo_if_needed()
    elif server.needs_tls:
        raise SendFailed("The mail server offers no encryption, and SMTP_URL demands it (tls=required).")
    elif server.user and not server.is_local:
        raise SendFailed("The mail server offers no encryption; the password was not sent in clear.")


def _leave(connection: _Connection, *, is_polite: bool = True) -> None:
    """Says goodbye to a server that has answered so far; whatever goes wrong with that is of no account."""
    with suppress(Exception):
        if is_polite and connection.sock is not None:
            connection.sock.settimeout(GOODBYE)
            connection.quit()
    connection.close()


def _end(error: Exception, server: MailServer, is_handed_over: bool, run_id: str = "") -> ConsoleError | None:
    """What an error at some stage means for the run; None for one that is none of the conversation's."""
    codes = _codes(error)
    answer = _answer(error, server)
    if codes and (CLOSING in codes or all(400 <= code < 500 for code in codes)):
        return SendDeferred(f"The mail server can't take the message now: {answer}")
    if codes and all(400 <= code < 600 for code in codes):
        return SendFailed(f"The mail server did not take the message: {answer}")
    if is_handed_over:
        return OutcomeUnknown(
            f"The message was handed over, and the mail server's answer never came ({answer}): nobody knows "
            f"whether it took it. Its Message-ID is {message_id(run_id)}."
        )
    return _without_answer(error, answer)


def _without_answer(error: Exception, answer: str) -> ConsoleError | None:
    """The end when the server refused nothing by itself: it could not be asked, or not like this."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return SendFailed(f"The mail server's certificate is not trusted: {error.verify_message}.")
    if isinstance(error, smtplib.SMTPServerDisconnected | smtplib.SMTPResponseException):
        return SendDeferred(f"The mail server broke off before it had the message: {answer}")
    if isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException):
        return SendDeferred(f"The mail server can't be reached: {answer}")
    if isinstance(error, smtplib.SMTPException | ValueError):
        return SendFailed(f"The mail server can't be used as SMTP_URL and the message ask for it: {answer}")
    return None


def _codes(error: Exception) -> list[int]:
    """The server's own answers, which are bytes; what smtplib itself says of an answer is text."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return [code for code, _ in error.recipients.values()]
    if isinstance(error, smtplib.SMTPResponseException) and isinstance(error.smtp_error, bytes):
        return [error.smtp_code]
    return []


def _answer(error: Exception, server: MailServer) -> str:
    """In the server's words, or the system's; without the password, should one of them repeat it."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        said = "; ".join(f"{to}: {code} {_words(text)}" for to, (code, text) in error.recipients.items())
    elif isinstance(error, smtplib.SMTPResponseException):
        said = f"{error.smtp_code} {_words(error.smtp_error)}"
    elif isinstance(error, UnicodeError):
        said = "a name, an address or a password has characters that it can't take"
    else:
        said = str(error) or type(error).__name__
    return storable(said.replace(server.password, "…") if server.password else said, LONGEST_ANSWER)


def _words(said: bytes | str) -> str:
    return " ".join((said.decode("utf-8", "replace") if isinstance(said, bytes) else said).split())
