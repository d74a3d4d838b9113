"""A real SMTP server whose answers a test chooses; it lives in a thread of the test's own process.

The fixture `smtp` starts one and points `services.mail` of this process at it:

    def test_a_busy_server_is_asked_again(smtp: Smtp, servers: Servers) -> None:
        smtp.answers.to("gone@example.com", "550 5.1.1 no such mailbox")   # at RCPT, each time
        smtp.answers.queue(Stage.MESSAGE, "451 4.3.2 busy", DROP)          # the next two messages
        with process(smtp.environment(servers.environment), "worker"):
            ...
        assert [mail["Subject"] for mail in smtp.messages] == ["Hello"]

Whatever was not told otherwise is accepted. `messages` are those that the server took, also when the
connection was cut or hung before the client could hear so; `attempts` are the Message-IDs of all that
arrived in full, whatever was answered. `serving(…)` starts a server with TLS or a password.
"""

import asyncio
import ssl
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from enum import Enum, auto
from pathlib import Path

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HOST = "127.0.0.1"
TAKEN = "250 2.0.0 taken"


class Stage(Enum):
    """When an answer is given."""

    CONNECT = auto()
    EHLO = auto()
    AUTH = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    """The command DATA: nothing of the message has been sent. DROP and HANG say 354 first."""
    MESSAGE = auto()
    """The message and its final dot have arrived."""
    QUIT = auto()


class Act(Enum):
    """What a server does in the place of an answer."""

    DROP = auto()
    """Cuts the connection; a message that had arrived in full is taken."""
    HANG = auto()
    """Says nothing until the client goes; a message that had arrived in full is taken."""


DROP, HANG = Act.DROP, Act.HANG


@dataclass(frozen=True)
class Received:
    """A message with its envelope."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage


Reply = str | Act | None
"""An SMTP answer such as `451 4.3.2 busy`, an act, or None for the usual answer."""
Answer = Reply | Callable[[Received], Reply]
"""At `Stage.MESSAGE` it may be a function: it is called before the answer, in a thread where it may block."""


class Answers:
    """What the server says; used by the test's thread and by the server's."""

    def __init__(self) -> None:
        self._queued: dict[Stage, deque[Answer]] = defaultdict(deque)
        self._always: dict[Stage, Answer] = {}
        self._to: dict[str, Reply] = {}

    def queue(self, stage: Stage, *answers: Answer) -> None:
        """The next answers at this stage, one each time that it is reached; afterwards as before."""
        self._queued[stage].extend(answers)

    def always(self, stage: Stage, answer: Answer) -> None:
        """The answer at this stage whenever none is queued; None takes it back."""
        self._always[stage] = answer

    def to(self, address: str, answer: Reply) -> None:
        """The answer to RCPT for this recipient, each time."""
        self._to[address] = answer

    def next(self, stage: Stage, address: str | None = None) -> Answer:
        if address in self._to:
            return self._to[address]
        return self._queued[stage].popleft() if self._queued[stage] else self._always.get(stage)


@dataclass
class Smtp:
    """The server as a test sees it; `logins` are the names and passwords that it was shown."""

    answers: Answers = field(default_factory=Answers)
    received: list[Received] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    scheme: str = "smtp"
    host: str = HOST
    port: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def messages(self) -> list[EmailMessage]:
        """What the server took, in the order of its arrival."""
        return [item.message for item in self.received]

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """`base`, for processes of the product that are to send here."""
        return {**base, "SMTP_URL": self.url}


class Tls(Enum):
    """How the server encrypts: after STARTTLS, or from the first byte."""

    STARTTLS = "smtp"
    SMTPS = "smtps"


@dataclass(frozen=True)
class Certificate:
    """A server's certificate for 127.0.0.1; clients trust it who have `SSL_CERT_FILE=ca_file`."""

    server: ssl.SSLContext
    ca_file: Path


def certificate(folder: Path, host: str = HOST) -> Certificate:
    """A new authority, written below the folder, and a certificate by it for this host."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    return Certificate(context, folder / "ca.pem")


class _Server(SMTP):
    """One connection."""

    def __init__(self, told: Smtp, context: ssl.SSLContext | None, password: str | None) -> None:
        self.told = told
        super().__init__(
            _Handler(told),
            hostname="mail.test",
            enable_SMTPUTF8=True,
            tls_context=context,
            auth_require_tls=False,
            authenticator=_authenticator(told, password),
            auth_exclude_mechanism=None if password else ("LOGIN", "PLAIN"),
            loop=asyncio.get_running_loop(),
        )

    async def _handle_client(self) -> None:
        if not await self._answered(Stage.CONNECT):
            await super()._handle_client()
        elif self.transport is not None:
            self.transport.close()

    async def smtp_EHLO(self, hostname: str) -> None:
        if not await self._answered(Stage.EHLO):
            await super().smtp_EHLO(hostname)

    async def smtp_AUTH(self, arg: str) -> None:
        if not await self._answered(Stage.AUTH):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:
        if not await self._answered(Stage.MAIL):
            await super().smtp_MAIL(arg)

    async def smtp_DATA(self, arg: str) -> None:
        answer = self.told.answers.next(Stage.DATA)
        if isinstance(answer, Act):
            await self.push("354 go on")
        if not await self.give(answer):
            await super().smtp_DATA(arg)

    async def smtp_QUIT(self, arg: str) -> None:
        if not await self._answered(Stage.QUIT):
            await super().smtp_QUIT(arg)

    async def _answered(self, stage: Stage) -> bool:
        return await self.give(self.told.answers.next(stage))

    async def give(self, answer: Answer) -> bool:
        """Gives an answer or acts; False when there is none, so that the usual one is to follow."""
        if isinstance(answer, str):
            await self.push(answer)
        elif isinstance(answer, Act):
            if answer is DROP and self.transport is not None:
                self.transport.abort()  # type: ignore[attr-defined]
            await asyncio.Event().wait()  # until the connection is lost, which cancels this
        return answer is not None


class _Handler:
    """What happens at RCPT and when a message has arrived."""

    def __init__(self, told: Smtp) -> None:
        self._told = told

    async def handle_RCPT(
        self, server: _Server, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self._told.answers.next(Stage.RCPT, address)
        if isinstance(answer, str):
            return answer
        await server.give(answer)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: _Server, session: Session, envelope: Envelope) -> str:
        message = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        came = Received(envelope.mail_from or "", tuple(envelope.rcpt_tos), message)
        self._told.attempts.append(str(message["Message-ID"]))
        self._told.received.append(came)
        answer = self._told.answers.next(Stage.MESSAGE)
        if callable(answer):
            answer = await asyncio.to_thread(answer, came)
        if isinstance(answer, str):
            if not answer.startswith("2"):
                self._told.received.remove(came)
            return answer
        await server.give(answer)
        return TAKEN


def _authenticator(told: Smtp, password: str | None) -> Callable[..., AuthResult]:
    def check(
        server: SMTP, session: Session, envelope: Envelope, how: str, given: LoginPassword
    ) -> AuthResult:
        told.logins.append((given.login.decode(), given.password.decode()))
        is_right = given.password.decode() == password
        return AuthResult(success=is_right, handled=is_right)

    return check


@contextmanager
def serving(
    *,
    tls: Tls | None = None,
    certificate: Certificate | None = None,
    password: str | None = None,
    host: str = HOST,
) -> Iterator[Smtp]:
    """A server on a free port until the end of the block; with `password` it offers AUTH."""
    told = Smtp(scheme=tls.value if tls else "smtp", host=host)
    context = certificate.server if certificate else None
    loop, started, stopped = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    living: list[_Server] = []

    def connection() -> _Server:
        living.append(_Server(told, context if tls is Tls.STARTTLS else None, password))
        return living[-1]

    async def serve() -> None:
        wrapped = context if tls is Tls.SMTPS else None
        server = await loop.create_server(connection, host, 0, ssl=wrapped)
        told.port = server.sockets[0].getsockname()[1]
        started.set()
        await stopped.wait()
        server.close()
        for one in living:
            if one.transport is not None:
                one.transport.abort()  # type: ignore[attr-defined]

    thread = threading.Thread(target=_run, args=(loop, serve), name="smtp", daemon=True)
    thread.start()
    assert started.wait(60)
    try:
        yield told
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(10)


def _run(loop: asyncio.AbstractEventLoop, serve: Callable[[], object]) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(serve())  # type: ignore[arg-type]
