"""Handing mail over to a real server that refuses, puts off, hangs up and falls silent at every stage."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import format_exception
from types import FrameType
from uuid import uuid4

import pytest

from console.core.errors import ConsoleError, OutcomeUnknown
from console.services import mail
from console.services.mail import Message, SendDeferred, SendFailed
from tests.smtp import DROP, HANG, HOST, Act, Answer, Received, Smtp, Stage, Tls, certificate, serving

SENDER = "console@north.example"
TO = "crew@example.com"
LARGE = "a line of a long letter\n" * 700_000


def letter(*recipients: str, run_id: str = "0190", text: str = "Hello.", subject: str = "Hello") -> Message:
    return Message(run_id, recipients or (TO,), subject, text)


@contextmanager
def sending_to(url: str, sender: str = SENDER) -> Iterator[None]:
    """Mail goes to this server for as long."""
    before = mail._way
    mail.configure(url, sender)
    try:
        yield
    finally:
        mail._way = before


@pytest.fixture
def server() -> Iterator[Smtp]:
    with serving() as found, sending_to(f"{found.url}?timeout=30"):
        yield found


def end_of(message: Message) -> ConsoleError:
    """How a delivery that must fail ends."""
    with pytest.raises(ConsoleError) as caught:
        mail.deliver(message)
    return caught.value


def test_a_mail_says_who_sends_it_to_whom_and_for_which_run(server: Smtp) -> None:
    whole = Message(
        "0190-ab", (TO, "Zoë <zoe@example.com>"), "Grüße", "Hello.", "<p>Hello.</p>", "ada@ex.com", "Nörth"
    )
    assert mail.send(whole) == "<0190-ab@north.example>"
    (got,) = server.received
    assert (got.sender, got.recipients) == (SENDER, (TO, "zoe@example.com"))
    headers = [str(got.message[name]) for name in ("From", "Reply-To", "Subject", "Message-ID")]
    assert headers == [f"Nörth <{SENDER}>", "ada@ex.com", "Grüße", "<0190-ab@north.example>"]
    assert got.message[mail.RUN_HEADER] == "0190-ab" and got.message["Date"]
    bodies = [got.message.get_body((kind,)) for kind in ("plain", "html")]
    assert [body.get_content().strip() for body in bodies if body] == ["Hello.", "<p>Hello.</p>"]


def test_a_line_break_in_a_header_makes_no_other_header(server: Smtp) -> None:
    odd = "Hello\r\nBcc: eve@example.com\u2028 X:\x85y\n"
    mail.send(Message("1", (TO,), odd, "Hello.", sender_name="North\nBcc: eve@example.com"))
    (got,) = server.received
    assert got.message["Subject"] == "Hello Bcc: eve@example.com X: y" and got.message["Bcc"] is None
    assert got.recipients == (TO,)
    for message in (Message("1", (f"{TO}\nBcc: eve@ex.com",), "x", "x"), Message("1", (TO,), "x", "\ud800")):
        assert isinstance(end_of(message), SendFailed)
    with pytest.raises(SendFailed, match="can't be written"):
        mail.send(Message("1", (TO,), "x", "x", reply_to="a@b.c\nBcc: eve@ex.com"))
    assert len(server.attempts) == 1


@pytest.mark.parametrize(
    ("sender", "domain"),
    [("me@north.example", "north.example"), ("me@LOCALHOST", "localhost"), ("me@nörth", mail.NO_DOMAIN)],
)
def test_a_message_id_is_the_run_s_on_each_attempt_and_has_a_sane_domain(sender: str, domain: str) -> None:
    with serving() as server, sending_to(server.url, sender):
        server.answers.queue(Stage.MESSAGE, "451 4.3.2 busy")
        assert mail.message_id("7") == f"<7@{domain}>"
        if sender.isascii():
            assert isinstance(end_of(letter(run_id="7")), SendDeferred)
            assert mail.send(letter(run_id="7")) == f"<7@{domain}>"
            assert server.attempts == [f"<7@{domain}>"] * 2 and len(server.messages) == 1


AT_ANY_STAGE = (Stage.CONNECT, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.MESSAGE)


@pytest.mark.parametrize("stage", AT_ANY_STAGE)
@pytest.mark.parametrize(
    ("answer", "end"),
    [
        ("550 5.7.1 not\tfrom you", SendFailed),
        ("451 4.3.2 not now", SendDeferred),
        ("421 closing", SendDeferred),
    ],
)
def test_a_refusal_at_any_stage_is_final_with_5xx_and_put_off_with_4xx(
    server: Smtp, stage: Stage, answer: str, end: type[ConsoleError]
) -> None:
    server.answers.queue(stage, answer)
    message = letter(run_id=uuid4().hex)
    error = end_of(message)
    assert type(error) is end and error.reason == "SEND_FAILED"
    assert error.is_final is (end is SendFailed)
    assert answer.replace("\t", " ") in error.detail
    assert not server.messages and not mail.was_taken(message.run_id)
    assert mail.send(message) and mail.was_taken(message.run_id)


@pytest.mark.parametrize(
    ("stage", "act", "end"),
    [
        (Stage.CONNECT, DROP, SendDeferred),
        (Stage.EHLO, DROP, SendDeferred),
        (Stage.MAIL, DROP, SendDeferred),
        (Stage.MAIL, HANG, SendDeferred),
        (Stage.RCPT, DROP, SendDeferred),
        (Stage.MESSAGE, DROP, OutcomeUnknown),
        (Stage.MESSAGE, HANG, OutcomeUnknown),
        (Stage.MESSAGE, "999 what?", OutcomeUnknown),
        (Stage.MESSAGE, "what?", OutcomeUnknown),
        (Stage.MESSAGE, f"250 {'x' * 9000}", OutcomeUnknown),
    ],
)
def test_a_server_that_goes_silent_is_asked_again_only_if_it_surely_has_no_message(
    server: Smtp, stage: Stage, act: Answer, end: type[ConsoleError]
) -> None:
    server.answers.queue(stage, act)
    patience = 5 if stage is Stage.MESSAGE else 1  # enough to hand a message over on a busy machine
    with sending_to(f"{server.url}?timeout={patience}"):
        error = end_of(letter(run_id="77"))
    assert type(error) is end
    if end is OutcomeUnknown:
        assert (error.reason, error.is_final) == ("OUTCOME_UNKNOWN", True)
        assert "<77@north.example>" in error.detail and server.attempts == ["<77@north.example>"]
    else:
        assert (error.reason, error.is_final, server.attempts) == ("SEND_FAILED", False, [])


def test_a_connection_that_breaks_in_the_middle_of_a_message_is_put_off(server: Smtp) -> None:
    server.answers.queue(Stage.DATA, DROP)
    assert isinstance(end_of(letter(text=LARGE)), SendDeferred)
    assert server.attempts == []


def test_any_positive_answer_is_acceptance_and_a_bad_goodbye_is_of_no_account(server: Smtp) -> None:
    server.answers.queue(Stage.MESSAGE, "259 taken, more or less")
    server.answers.queue(Stage.QUIT, DROP, "500 never")
    assert [mail.send(letter(run_id=str(number))) for number in range(3)]
    assert len(server.messages) == 3


def test_of_several_recipients_those_refused_are_named_and_the_message_goes_to_the_others(
    server: Smtp,
) -> None:
    server.answers.to("gone@example.com", "550 5.1.1 no such mailbox")
    server.answers.to("busy@example.com", "450 4.2.1 full")
    sent = mail.deliver(letter("gone@example.com", TO, "busy@example.com"))
    assert sent.refused == {
        "gone@example.com": "550 5.1.1 no such mailbox",
        "busy@example.com": "450 4.2.1 full",
    }
    assert [got.recipients for got in server.received] == [(TO,)]
    put_off, refused = (
        end_of(letter("busy@example.com")),
        end_of(letter("gone@example.com", "busy@example.com")),
    )
    assert (type(put_off), type(refused)) == (SendDeferred, SendFailed)
    assert "gone@example.com: 550 5.1.1 no such mailbox; busy@example.com: 450" in refused.detail


class Interrupted(Exception):
    """As the worker's timeout: raised wherever the task happens to be."""


@contextmanager
def deadline() -> Iterator[Callable[[], None]]:
    """Yields what makes it strike, from whatever thread."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    before, waiting = signal.signal(signal.SIGALRM, interrupt), threading.get_ident()
    try:
        yield lambda: signal.pthread_kill(waiting, signal.SIGALRM)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_task_whose_time_is_over_while_the_server_has_the_message_does_not_know(server: Smtp) -> None:
    with deadline() as strike:

        def have_it(_: Received) -> Act:
            strike()
            return HANG

        server.answers.queue(Stage.MESSAGE, have_it)
        assert isinstance(end_of(letter()), OutcomeUnknown)
    server.answers.queue(Stage.RCPT, HANG)
    with pytest.raises(Interrupted), deadline():
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        mail.send(letter())
    assert len(server.attempts) == 1


def test_without_a_server_nothing_is_sent_and_one_that_can_t_be_reached_is_tried_again() -> None:
    with sending_to(""):
        assert not mail.is_configured()
        assert isinstance(end_of(letter()), SendFailed)
    with sending_to("smtp://127.0.0.1:1"):
        error = end_of(letter())
    assert isinstance(error, SendDeferred) and "refused" in error.detail


@pytest.mark.parametrize("tls", Tls)
def test_an_encrypted_server_is_trusted_by_its_certificate_and_gets_the_password(
    tls: Tls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificate(tmp_path)
    with serving(tls=tls, certificate=made, password="päss") as server:
        url = server.url.replace("://", "://me:p%C3%A4ss@") + "?tls=required"
        with sending_to(url):
            distrust = end_of(letter())
            monkeypatch.setenv("SSL_CERT_FILE", str(made.ca_file))
            unwritable = end_of(letter())
        assert isinstance(distrust, SendFailed) and "certificate is not trusted" in distrust.detail
        assert isinstance(unwritable, SendFailed) and "characters" in unwritable.detail
        assert server.logins == []


@pytest.mark.parametrize("tls", Tls)
def test_a_wrong_password_is_refused_for_good_and_shown_nowhere(
    tls: Tls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.ca_file))
    with serving(tls=tls, certificate=made, password="right") as server:
        with sending_to(server.url.replace("://", "://me:right@") + "?tls=required"):
            mail.send(letter())
        with sending_to(server.url.replace("://", "://me:hush@")):
            server.answers.queue(Stage.AUTH, "535 5.7.8 hush is wrong", "535 5.7.8 hush is wrong")
            refused = end_of(letter())
            assert "hush" not in "".join(format_exception(refused))
            server.answers.queue(Stage.AUTH, "454 4.7.0 later", "454 4.7.0 later")
            put_off = end_of(letter())
        assert isinstance(refused, SendFailed) and "535 5.7.8 … is wrong" in refused.detail
        assert isinstance(put_off, SendDeferred)
        assert server.logins == [("me", "right")] and len(server.messages) == 1


def test_no_password_and_nothing_that_must_be_encrypted_goes_in_clear() -> None:
    with serving(password="right", host="127.0.0.2") as server:
        for url in (server.url.replace("://", "://me:right@"), f"{server.url}?tls=required"):
            with sending_to(url):
                error = end_of(letter())
            assert isinstance(error, SendFailed) and "offers no encryption" in error.detail
        assert server.logins == [] and server.attempts == []
    with serving(password="right") as server, sending_to(server.url.replace("://", "://me:right@")):
        mail.send(letter())
        assert server.logins == [("me", "right")] and HOST in server.url
